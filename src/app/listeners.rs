//! The listeners of a server: each bound socket with its TLS and what answers on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use super::doors::identity_handler;
use super::error::StartError;
use super::services::Services;
use super::sockets::Sockets;
use super::takeover_proxy::ProxyListener;
use crate::http::RequestHandler;
use crate::http::server::{Listener, Shutdown};
use crate::http::tls;
use crate::proxy::TrafficCounter;

/// The listeners, bound and not served yet. What connects in the meantime waits in the sockets' queues.
pub(super) struct Listeners {
    doors: Vec<Listener>,
    proxy: Option<ProxyListener>,
    direct_request_seen: Arc<AtomicBool>,
    stopping: Shutdown,
}

/// What the listeners leave behind once they are served.
pub(super) struct Served {
    pub(super) tasks: Vec<JoinHandle<()>>,
    /// Whether a request reached the data plane without the proxy.
    pub(super) direct_request_seen: Arc<AtomicBool>,
    /// What went through the proxy, when there is one.
    pub(super) traffic: Option<Arc<TrafficCounter>>,
}

impl Listeners {
    /// Joins `sockets` and the doors of `services`.
    pub(super) fn new(services: &Services, sockets: Sockets, stopping: Shutdown) -> Result<Self, StartError> {
        let addresses = sockets.addresses()?;
        let (vaults, own) = (addresses.vaults, addresses.all());
        let tls = tls::config(services.leaves.clone(), services.settings.tls).map_err(StartError::new)?;
        let identity = services.identity_door();
        let private = own.iter().copied().filter(|address| *address != vaults).collect();
        let (vault, runtime) = (services.vault_door(), services.service_runtime(private, stopping.clone()));
        let management = services.management(&vault, runtime.clone());
        let data_plane = services.data_plane(identity.clone(), vault, management.clone(), &runtime);
        let identity = identity_handler(identity, services.request_log());
        let (direct_request_seen, direct) = flag_requests(data_plane.clone());
        let mut doors = vec![
            services.listener(sockets.vaults, Some(tls), direct),
            services.listener(sockets.identity, None, identity.clone()),
        ];
        doors.extend(
            sockets.admin.map(|tcp| services.listener(tcp, None, services.admin_door(vaults, management.clone()))),
        );
        let proxy = sockets.proxy.zip(services.takeover_leaves.clone());
        let proxy =
            proxy.map(|(tcp, leaves)| services.proxy(tcp, leaves, (data_plane, identity), own, stopping.clone()));
        Ok(Self { doors, proxy: proxy.transpose()?, direct_request_seen, stopping })
    }

    /// The takeover's CA as PEM, when there is a proxy.
    pub(super) fn takeover_ca(&self) -> Option<&str> {
        self.proxy.as_ref().map(|proxy| proxy.ca_pem.as_str())
    }

    /// Accepts connections from now on.
    pub(super) fn serve(self) -> Served {
        let Self { doors, proxy, direct_request_seen, stopping } = self;
        let traffic = proxy.as_ref().map(|proxy| proxy.traffic.clone());
        let mut tasks: Vec<_> =
            doors.into_iter().map(|listener| tokio::spawn(listener.serve(stopping.clone()))).collect();
        tasks.extend(proxy.map(|proxy| tokio::spawn(proxy.serve(stopping))));
        Served { tasks, direct_request_seen, traffic }
    }
}

/// `answer`, and a flag that its first request sets.
fn flag_requests(answer: RequestHandler) -> (Arc<AtomicBool>, RequestHandler) {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let flagged: RequestHandler = Arc::new(move |request, connection| {
        flag.store(true, Ordering::Relaxed);
        answer(request, connection)
    });
    (seen, flagged)
}
