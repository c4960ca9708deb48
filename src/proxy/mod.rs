//! The takeover: an HTTP proxy on loopback. Connections to taken-over names end in this server, as if it were the
//! cloud; any other name is reached untouched. It knows no vaults: which names are taken over, it is told.

mod absolute_form;
mod address;
mod connect;
mod dialer;
mod forward;
mod forwarded_body;
mod hop_by_hop;
mod metadata;
mod parent_proxy;
mod relay;
mod sniff;
mod target;
mod tls_client;
mod traffic;

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use rustls::ServerConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::budget::MemoryBudget;
use crate::http::limits::Limits;
use crate::http::server::Shutdown;
use crate::http::tls::{self, CertificateResolver};
use crate::http::{BoxError, ConnectionInfo, Request, RequestHandler, Response, body};

use dialer::Reach;
use target::{METADATA, Target};
use tls_client::TlsClient;
use traffic::Fate;

pub use parent_proxy::Former;
pub use tls_client::Roots;
pub use traffic::{Report, Tally};

/// Cloud names are taken over on this port.
const HTTPS: u16 = 443;
/// The metadata service is asked on this port.
const HTTP: u16 = 80;

/// What a host name means to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// This server stands in for it.
    TakenOver,
    /// The cloud has it and this server has not: refused, so that nothing reaches the cloud by accident.
    NotEmulated,
    /// Somebody else's.
    Elsewhere,
}

/// Says what a host name (lower case) means.
pub type Names = Arc<dyn Fn(&str) -> Meaning + Send + Sync>;

/// The body of an answer that may come from elsewhere.
pub type Streamed = UnsyncBoxBody<Bytes, BoxError>;

/// What the proxy is told.
pub struct Settings {
    /// What host names mean.
    pub names: Names,
    /// What answers for taken-over names, and the certificates it shows.
    pub answer: RequestHandler,
    /// The certificates, under the takeover's own CA.
    pub leaves: Arc<CertificateResolver>,
    /// What answers for the metadata address; without it, that address is refused like its neighbours.
    pub metadata: Option<RequestHandler>,
    /// This server's own listeners, which the proxy does not connect to.
    pub own: Vec<SocketAddr>,
    /// The proxy that was set before.
    pub former: Former,
    /// What a server must be certified by that is asked over TLS for a client.
    pub roots: Roots,
    /// Whether everything is refused that this machine does not answer itself.
    pub offline: bool,
    /// Counts what goes through.
    pub tally: Arc<Tally>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Memory for request bodies, of all listeners together.
    pub bodies: Arc<MemoryBudget>,
    /// Ends tunnels when the server stops.
    pub stopping: Shutdown,
}

/// The proxy.
pub struct Proxy {
    set: Settings,
    tls: Arc<ServerConfig>,
    reach: Reach,
    tls_client: TlsClient,
    places: Arc<Semaphore>,
}

/// Why something is refused: the status, and a sentence.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    why: String,
}

/// Where a connection leads.
enum Leads {
    /// To this server, in the cloud's place.
    Here,
    /// To this server, in the metadata service's place.
    Metadata(RequestHandler),
    /// On, to somebody else.
    On,
}

impl Proxy {
    /// A proxy of these settings.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(set: Settings) -> Result<Self, rustls::Error> {
        let tls = tls::config(set.leaves.clone())?;
        let patience = set.limits.connect_timeout;
        let reach = Reach { own: set.own.clone(), former: set.former.clone(), patience };
        let tls_client = TlsClient::new(set.roots.clone(), patience);
        let places = Arc::new(Semaphore::new(set.limits.tunnels));
        Ok(Self { set, tls, reach, tls_client, places })
    }

    /// Answers a request made to the proxy.
    pub async fn answer(self: Arc<Self>, request: Request, arrival: ConnectionInfo) -> Response<Streamed> {
        self.set.tally.used();
        let is_connect = request.method() == Method::CONNECT;
        let target = if is_connect { Target::of_connect(request.uri()) } else { Target::of_absolute(request.uri()) };
        let target = match target {
            Ok(target) => target,
            Err(refused) => {
                self.count_malformed(&refused.why);
                return refused.answer();
            }
        };
        let answered = match is_connect {
            true => self.connect(request, arrival, &target).await.map(streamed),
            false => self.absolute(request, arrival, &target).await,
        };
        answered.unwrap_or_else(|refused| {
            self.note(&refused, &target);
            refused.answer()
        })
    }

    /// Counts a request that names no host, and logs the first one. `why` is not the client's text.
    pub fn count_malformed(&self, why: &str) {
        self.set.tally.used();
        match self.set.tally.count_malformed() {
            1 => tracing::warn!(why, "the proxy refused a malformed request"),
            _ => tracing::debug!(why, "the proxy refused another malformed request"),
        }
    }

    /// Where `target` leads, or why it is refused.
    fn leads(&self, target: &Target) -> Result<Leads, Refused> {
        if let (Some(METADATA), HTTP, Some(answer)) = (target.address(), target.port(), &self.set.metadata) {
            return Ok(Leads::Metadata(metadata::alone(answer.clone())));
        }
        if let Some(address) = target.address() {
            self.reach.permit(target, (address, target.port()).into())?;
        }
        let forbidden = |why: String| Err(refused(StatusCode::FORBIDDEN, why));
        let host = target.host();
        match (self.set.names)(host) {
            Meaning::TakenOver => Ok(Leads::Here),
            _ if self.set.offline && !target.is_localhost() => {
                forbidden(format!("{host} is not answered here, and --offline lets nothing out."))
            }
            Meaning::NotEmulated => {
                forbidden(format!("{host} is not emulated; start with --pass {host} to let it through to Azure."))
            }
            Meaning::Elsewhere => Ok(Leads::On),
        }
    }

    /// A place among the connections that the proxy carries.
    fn place(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let most = self.set.limits.tunnels;
        let why = format!("The proxy carries {most} connections, the most it may (limits.tunnels).");
        self.places.clone().try_acquire_owned().map_err(|_| refused(StatusCode::SERVICE_UNAVAILABLE, why))
    }

    fn count(&self, fate: Fate, host: &str) -> Option<u64> {
        tracing::debug!(host, ?fate, "a connection came to the proxy");
        self.set.tally.count(fate, host)
    }

    /// Counts what became of `target`, and logs it when that is the first time for its host.
    fn note(&self, refused: &Refused, target: &Target) {
        let (fate, why) = (refused.fate(), refused.why.as_str());
        match (fate, self.count(fate, target.host())) {
            (Fate::Refused, Some(1)) => tracing::warn!(why, "the proxy refused a connection"),
            (Fate::Unreachable, Some(1)) => tracing::info!(why, "the proxy could not lead a connection on"),
            _ => tracing::debug!(why, "a connection to the proxy came to nothing"),
        }
    }
}

impl Refused {
    /// Whether the proxy refuses, or there is nothing to reach.
    fn fate(&self) -> Fate {
        match self.status {
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Fate::Unreachable,
            _ => Fate::Refused,
        }
    }

    /// Sends the client the reason.
    fn answer(&self) -> Response<Streamed> {
        streamed(body::text(self.status, format!("{}\n", self.why)))
    }
}

fn refused(status: StatusCode, why: String) -> Refused {
    Refused { status, why }
}

/// An answer of this server's own among those that come from elsewhere.
fn streamed(answer: Response) -> Response<Streamed> {
    answer.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}
