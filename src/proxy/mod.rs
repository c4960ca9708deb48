//! The takeover: an HTTP proxy on loopback. Connections to taken-over host names end in this server, as if it were the
//! cloud; every other connection is tunnelled unchanged. The proxy knows nothing of vaults: a callback classifies host
//! names.

mod absolute_form;
mod connect;
mod dialer;
mod error;
mod forward;
mod forwarded_body;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hop_by_hop;
mod metadata;
mod outlet;
mod own_listeners;
mod parent_proxy;
mod reach;
mod relay;
mod route;
mod sniff;
mod target;
mod tls_client;
mod traffic;

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use rustls::ServerConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::budget::MemoryBudget;
use crate::http::limits::Limits;
use crate::http::server::Shutdown;
use crate::http::tls::{self, CertificateResolver, TlsVersion};
use crate::http::{ConnectionInfo, Request, RequestHandler, Response};

use dialer::Dialer;
use error::ProxyError;
use forwarded_body::streamed;
use own_listeners::OwnListeners;
use target::Target;
use tls_client::TlsClient;
use traffic::{HostCounter, Outcome};

pub(crate) use forwarded_body::Streamed;
pub(crate) use outlet::Outlet;
pub use parent_proxy::ParentProxy;
pub(crate) use reach::Reached;
pub(crate) use tls_client::LoadRoots;
pub(crate) use traffic::{TrafficCounter, TrafficReport};

/// The class of a host name, which decides where its connections go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostClass {
    /// A name of the cloud that this server answers for.
    TakenOver,
    /// A name of the cloud that this server does not emulate: refused, so that nothing reaches the cloud by accident.
    NotEmulated,
    /// A name below a domain of the cloud that this server answers for, which nothing there can have: refused. Why it cannot.
    Misnamed(&'static str),
    /// A host that the options name: connections go to it, offline too.
    Allowed,
    /// Any other name: connections go to the real host.
    External,
}

/// Classifies a host, in lower case, and a port.
pub(crate) type ClassifyHost = Arc<dyn Fn(&str, u16) -> HostClass + Send + Sync>;

/// The host that was probably wanted in the place of one that is not known, if there is one like it.
pub(crate) type SuggestHost = fn(&str) -> Option<String>;

/// Takes note of the first refused connection to a host and port: the status of the refusal, and the host.
pub(crate) type ReportRefusal = Arc<dyn Fn(StatusCode, &str) + Send + Sync>;

/// The proxy's configuration.
pub(crate) struct Settings {
    /// Classifies host names.
    pub classify: ClassifyHost,
    /// Finds the host that was probably wanted.
    pub suggest: SuggestHost,
    /// Takes note of the first refused connection to each host.
    pub report_refusal: ReportRefusal,
    /// Answers requests for taken-over names.
    pub answer: RequestHandler,
    /// Certificates for taken-over names, under the takeover's own CA.
    pub leaves: Arc<CertificateResolver>,
    /// The one version of TLS that is spoken in the cloud's place, if not all are.
    pub tls: Option<TlsVersion>,
    /// Answers requests for the metadata address; without it, that address is refused like every link-local one.
    pub metadata: Option<RequestHandler>,
    /// This server's own listeners, which the proxy refuses to connect to.
    pub own_listeners: Vec<SocketAddr>,
    /// The proxy that the environment named before this one.
    pub parent_proxy: ParentProxy,
    /// Loads the root certificates that verify `https://` hosts of requests in absolute form.
    pub load_roots: LoadRoots,
    /// Whether to refuse every host outside of this machine that is not [`HostClass::Allowed`].
    pub offline: bool,
    /// Counts connections and requests.
    pub traffic: Arc<TrafficCounter>,
    /// Timeouts, and the largest number of tunnels.
    pub limits: Arc<Limits>,
    /// The memory budget for request bodies, shared by all listeners.
    pub bodies: Arc<MemoryBudget>,
    /// Ends tunnels when the server stops.
    pub stopping: Shutdown,
}

/// The takeover proxy.
pub(crate) struct Proxy {
    set: Settings,
    tls: Arc<ServerConfig>,
    dialer: Dialer,
    tls_client: TlsClient,
    tunnel_permits: Arc<Semaphore>,
}

impl Proxy {
    /// Builds a proxy with `set`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(set: Settings) -> Result<Self, rustls::Error> {
        let set = Settings { metadata: set.metadata.map(metadata::only_metadata), ..set };
        let tls = tls::config(set.leaves.clone(), set.tls)?;
        let connect_timeout = set.limits.connect_timeout;
        let own_listeners = OwnListeners::new(set.own_listeners.clone());
        let parent_proxy = set.parent_proxy.clone();
        let dialer = Dialer { own_listeners, parent_proxy, parent_may_be_own: false, connect_timeout };
        let tls_client = TlsClient::new(set.load_roots.clone(), connect_timeout);
        let tunnel_permits = Arc::new(Semaphore::new(set.limits.tunnels));
        Ok(Self { set, tls, dialer, tls_client, tunnel_permits })
    }

    /// Answers a request: `CONNECT`, or one in absolute form.
    pub(crate) async fn answer(self: Arc<Self>, request: Request, info: ConnectionInfo) -> Response<Streamed> {
        self.set.traffic.record_use();
        let is_connect = request.method() == Method::CONNECT;
        let target = match is_connect {
            true => Target::from_connect(request.uri()),
            false => Target::from_absolute_form(request.uri()),
        };
        let target = match target {
            Ok(target) => target,
            Err(error) => {
                self.count_malformed(&error.reason);
                return error.answer();
            }
        };
        let answered = match is_connect {
            true => self.connect(request, info, &target).await.map(streamed),
            false => self.absolute(request, info, &target).await,
        };
        answered.unwrap_or_else(|error| {
            self.record_failure(&error, &target);
            error.answer()
        })
    }

    /// Counts a request that names no valid host, and logs the first one as a warning. `why` never quotes the client.
    pub(crate) fn count_malformed(&self, why: &str) {
        self.set.traffic.record_use();
        match self.set.traffic.count_malformed() {
            1 => tracing::warn!(why, "the proxy refused a malformed request"),
            _ => tracing::debug!(why, "the proxy refused another malformed request"),
        }
    }

    /// Takes one of the permits that bound the number of open tunnels.
    fn acquire_permit(&self) -> Result<OwnedSemaphorePermit, ProxyError> {
        let most = self.set.limits.tunnels;
        let why = format!("The proxy carries {most} connections, the most it may (limits.tunnels).");
        let permit = self.tunnel_permits.clone().try_acquire_owned();
        permit.map_err(|_| ProxyError::new(StatusCode::SERVICE_UNAVAILABLE, why))
    }

    fn count(&self, outcome: Outcome, target: &Target) -> Option<u64> {
        tracing::debug!(%target, ?outcome, "a connection came to the proxy");
        self.set.traffic.count(outcome, &target.to_string())
    }

    /// The counter of requests to a taken-over name.
    fn requests_to(&self, target: &Target) -> HostCounter {
        self.set.traffic.counter(Outcome::TakenOver, &target.to_string())
    }

    /// Counts a failed connection to `target`, and logs the first one of each host.
    fn record_failure(&self, error: &ProxyError, target: &Target) {
        let (outcome, why) = (error.outcome(), error.sentence());
        match (outcome, self.count(outcome, target)) {
            (Outcome::Refused, Some(1)) => {
                (self.set.report_refusal)(error.status, target.host());
                tracing::warn!(why, "the proxy refused a connection");
            }
            (Outcome::Unreachable, Some(1)) => tracing::info!(why, "the proxy could not reach a host"),
            _ => tracing::debug!(why, "a connection to the proxy failed"),
        }
    }
}
