//! What runs of pipelines send: by the rules of the takeover's proxy. Taken-over names are answered within the process, as to a trusted
//! service of the cloud; link-local addresses and this server's own admin, identity and proxy listeners are never asked.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use hyper::Uri;
use tokio::io::duplex;
use zeroize::Zeroizing;

use super::host_names::Aliases;
use super::in_process::token_of;
use super::services::Services;
use super::takeover;
use crate::activity::{Received, Sending, exchange};
use crate::directory::Directory;
use crate::http::budget::MemoryBudget;
use crate::http::byte_stream::ByteStream;
use crate::http::limits::Limits;
use crate::http::server::{ConnectionServer, Shutdown};
use crate::http::{ConnectionInfo, RequestHandler};
use crate::management::{Holder, NodeRoute, Outside, Waiting};
use crate::proxy::{Proxy, Reached};

/// What is in transit between the two ends of a connection within the process, in bytes.
const IN_TRANSIT: usize = 64 * 1024;

/// The service's own integration runtime. Cheap to clone.
#[derive(Clone)]
pub(super) struct ServiceRuntime(Arc<Parts>);

struct Parts {
    directory: Directory,
    /// The hosts of vaults besides their own.
    aliases: Aliases,
    limits: Arc<Limits>,
    bodies: Arc<MemoryBudget>,
    /// Serves taken-over names, once there are doors.
    server: OnceLock<Arc<ConnectionServer>>,
    stopping: Shutdown,
    /// The listeners that are never asked.
    private: Vec<SocketAddr>,
    build_proxy: Box<dyn Fn() -> Result<Proxy, String> + Send + Sync>,
    /// Made by the first call: it has a TLS client.
    proxy: OnceLock<Result<Arc<Proxy>, String>>,
}

impl Services {
    /// The runtime of what runs send; `private` are the listeners that it never asks.
    pub(super) fn service_runtime(&self, private: Vec<SocketAddr>, stopping: Shutdown) -> ServiceRuntime {
        let settings = self.proxy_settings_for_runs(private.clone(), stopping.clone());
        ServiceRuntime(Arc::new(Parts {
            directory: self.backend.directory.clone(),
            aliases: self.names.aliases().clone(),
            limits: self.settings.limits.clone(),
            bodies: self.settings.bodies.clone(),
            server: OnceLock::new(),
            stopping,
            private,
            build_proxy: Box::new(move || Proxy::new(settings()).map_err(|error| error.to_string())),
            proxy: OnceLock::new(),
        }))
    }
}

impl Outside for ServiceRuntime {
    fn send(&self, request: Sending) -> Waiting<Result<Received, String>> {
        let runtime = self.clone();
        Box::pin(async move { runtime.send(request).await })
    }

    fn route(&self, url: &str) -> Result<NodeRoute, String> {
        let at_server = self.proxy()?.is_here(&read(url)?)?;
        Ok(NodeRoute { at_server, listeners: self.0.private.clone() })
    }

    fn is_vault(&self, host: &str) -> bool {
        takeover::vault_of_host(host).is_some() || self.0.aliases.has(host)
    }

    fn stopped(&self) -> Waiting<()> {
        let mut stopping = self.0.stopping.clone();
        Box::pin(async move { stopping.requested().await })
    }

    fn token(&self, holder: Holder, resource: String) -> Waiting<Result<Zeroizing<String>, String>> {
        let directory = self.0.directory.clone();
        Box::pin(async move { token_of(&directory, holder, &resource).await })
    }
}

impl ServiceRuntime {
    /// Answers the cloud's names by `answer` from now on.
    pub(super) fn serve_by(&self, answer: RequestHandler) {
        let (limits, bodies) = (self.0.limits.clone(), self.0.bodies.clone());
        let server = ConnectionServer { tls: None, answer, limits, bodies, on_malformed: None };
        self.0.server.get_or_init(|| Arc::new(server));
    }

    async fn send(&self, sending: Sending) -> Result<Received, String> {
        let url = read(&sending.url)?;
        let stream = match self.proxy()?.reach(&url, sending.certificate.clone()).await? {
            Reached::Here => self.within(sending.is_own).ok_or("the server is not ready yet")?,
            Reached::Host(stream) => stream,
        };
        exchange(stream, sending).await
    }

    fn proxy(&self) -> Result<&Proxy, String> {
        let built = self.0.proxy.get_or_init(|| (self.0.build_proxy)().map(Arc::new));
        built.as_deref().map_err(Clone::clone)
    }

    /// A connection to this server: as the service's own where a request `is_own`, else as from this machine.
    fn within(&self, is_own: bool) -> Option<Box<dyn ByteStream>> {
        let (client, served) = duplex(IN_TRANSIT);
        let (server, stopping) = (self.0.server.get()?.clone(), self.0.stopping.clone());
        let info = ConnectionInfo { is_service: is_own, ..ConnectionInfo::of_service() };
        tokio::spawn(async move { server.serve(served, info, stopping).await });
        Some(Box::new(client))
    }
}

fn read(url: &str) -> Result<Uri, String> {
    url.parse().map_err(|_| "the url cannot be read".to_owned())
}
