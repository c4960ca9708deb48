//! Builds the takeover proxy: its listener, and a CA of its own for the leaf certificates of cloud hosts.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::error::StartError;
use super::services::Services;
use super::takeover::{HTTPS, Takeover};
use super::trust;
use crate::http::RequestHandler;
use crate::http::ca::Ca;
use crate::http::server::{Listener, OnMalformed, Shutdown};
use crate::http::tls::CertificateResolver;
use crate::proxy::{ClassifyHost, HostClass, LoadRoots, Proxy, Settings, Streamed, TrafficCounter};

/// The proxy's listener, not served yet.
pub(super) struct ProxyListener {
    listener: Listener<Streamed>,
    on_malformed: OnMalformed,
    /// The takeover's CA as PEM; it is never written to disk.
    pub(super) ca_pem: String,
    /// What went through the proxy.
    pub(super) traffic: Arc<TrafficCounter>,
}

impl ProxyListener {
    /// Accepts connections until the server stops.
    pub(super) async fn serve(self, stopping: Shutdown) {
        self.listener.serve_reporting(Some(self.on_malformed), stopping).await;
    }
}

impl Services {
    /// Builds the proxy on the socket `tcp`. It serves cloud hosts by the first of `doors` and the metadata address by the
    /// second; `own` are this server's listeners, which it does not connect to.
    pub(super) fn proxy(
        &self,
        tcp: TcpListener,
        doors: (RequestHandler, RequestHandler),
        own: Vec<SocketAddr>,
        stopping: Shutdown,
    ) -> Result<ProxyListener, StartError> {
        let ((data_plane, metadata), takeover) = (doors, &self.settings.takeover);
        let (traffic, leaves) = (Arc::new(TrafficCounter::default()), self.takeover_leaves()?);
        let ca_pem = leaves.ca().pem().to_owned();
        let proxy = Proxy::new(Settings {
            metadata: takeover.has_entra().then_some(metadata),
            offline: takeover.offline,
            parent_proxy: takeover.parent_proxy.clone(),
            load_roots: roots(takeover.ca_files.clone()),
            classify: classifier(takeover.clone()),
            answer: data_plane,
            leaves,
            tls: self.settings.tls,
            own_listeners: own,
            traffic: traffic.clone(),
            limits: self.settings.limits.clone(),
            bodies: self.settings.bodies.clone(),
            stopping,
        });
        let proxy = Arc::new(proxy.map_err(StartError::new)?);
        let counting = proxy.clone();
        let on_malformed: OnMalformed = Arc::new(move |why| counting.count_malformed(why));
        let answer: RequestHandler<Streamed> =
            Arc::new(move |request, connection| Box::pin(proxy.clone().answer(request, connection)));
        let listener = Listener { acknowledges_at_once: true, ..self.listener(tcp, None, answer) };
        Ok(ProxyListener { listener, on_malformed, ca_pem, traffic })
    }

    /// Leaf certificates for taken-over hosts, under a CA constrained to them.
    fn takeover_leaves(&self) -> Result<Arc<CertificateResolver>, StartError> {
        let (takeover, clock) = (&self.settings.takeover, self.backend.system.clone());
        let domains: Vec<_> = takeover.domains().into_iter().map(str::to_owned).collect();
        let ca = Ca::ephemeral("Keyhaven takeover CA for one start", &domains, false, clock.now())
            .map_err(StartError::new)?;
        let classify = classifier(takeover.clone());
        let taken_over = Arc::new(move |name: &str| classify(name, HTTPS) == HostClass::TakenOver);
        let leaves = CertificateResolver::new(ca, taken_over, vec![], self.settings.limits.minted_leaves, clock);
        Ok(Arc::new(leaves.map_err(StartError::new)?))
    }
}

/// Loads the system's CAs and those in `files`, at first use.
fn roots(files: Vec<String>) -> LoadRoots {
    Arc::new(move || trust::roots(&files))
}

fn classifier(takeover: Takeover) -> ClassifyHost {
    Arc::new(move |host, port| takeover.classify(host, port))
}
