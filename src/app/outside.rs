//! What runs of pipelines send: by the rules of the takeover's proxy. Taken-over names are answered within the process, as to a trusted
//! service of the cloud; link-local addresses and this server's own admin, identity and proxy listeners are never asked.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::duplex;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::in_process::token_of_principal;
use super::services::Services;
use crate::directory::Directory;
use crate::http::budget::MemoryBudget;
use crate::http::byte_stream::ByteStream;
use crate::http::limits::Limits;
use crate::http::server::{ConnectionServer, Shutdown};
use crate::http::{ConnectionInfo, RequestHandler};
use crate::management::{MAX_ANSWER_BYTES, Outside, Received, Sending, Waiting};
use crate::proxy::{Proxy, Reached};

/// What is in transit between the two ends of a connection within the process, in bytes.
const IN_TRANSIT: usize = 64 * 1024;
/// What these requests call themselves where the activity does not say.
const AGENT: &str = concat!("keyhaven-datafactory/", env!("CARGO_PKG_VERSION"));

/// The service's own integration runtime. Cheap to clone.
#[derive(Clone)]
pub(super) struct ServiceRuntime(Arc<Parts>);

struct Parts {
    directory: Directory,
    limits: Arc<Limits>,
    bodies: Arc<MemoryBudget>,
    /// Serves taken-over names, once there are doors.
    server: OnceLock<Arc<ConnectionServer>>,
    stopping: Shutdown,
    build_proxy: Box<dyn Fn() -> Result<Proxy, String> + Send + Sync>,
    /// Made by the first call: it has a TLS client.
    proxy: OnceLock<Result<Arc<Proxy>, String>>,
}

impl Services {
    /// The runtime of what runs send; `private` are the listeners that it never asks.
    pub(super) fn service_runtime(&self, private: Vec<SocketAddr>, stopping: Shutdown) -> ServiceRuntime {
        let settings = self.proxy_settings_for_runs(private, stopping.clone());
        ServiceRuntime(Arc::new(Parts {
            directory: self.backend.directory.clone(),
            limits: self.settings.limits.clone(),
            bodies: self.settings.bodies.clone(),
            server: OnceLock::new(),
            stopping,
            build_proxy: Box::new(move || Proxy::new(settings()).map_err(|error| error.to_string())),
            proxy: OnceLock::new(),
        }))
    }
}

impl Outside for ServiceRuntime {
    fn send(&self, request: Sending) -> Waiting<Result<Received, String>> {
        let runtime = self.clone();
        Box::pin(async move { runtime.exchange(request).await })
    }

    fn stopped(&self) -> Waiting<()> {
        let mut stopping = self.0.stopping.clone();
        Box::pin(async move { stopping.requested().await })
    }

    fn token(&self, principal: Uuid, resource: String) -> Waiting<Result<Zeroizing<String>, String>> {
        let directory = self.0.directory.clone();
        Box::pin(async move { token_of_principal(&directory, principal, &resource).await })
    }
}

impl ServiceRuntime {
    /// Answers the cloud's names by `answer` from now on.
    pub(super) fn serve_by(&self, answer: RequestHandler) {
        let (limits, bodies) = (self.0.limits.clone(), self.0.bodies.clone());
        let server = ConnectionServer { tls: None, answer, limits, bodies, on_malformed: None };
        self.0.server.get_or_init(|| Arc::new(server));
    }

    async fn exchange(&self, sending: Sending) -> Result<Received, String> {
        let url: Uri = sending.url.parse().map_err(|_| "the url cannot be read".to_owned())?;
        let is_own = sending.is_own;
        let request = request(&url, sending)?;
        let stream = match self.proxy()?.reach(&url).await? {
            Reached::Here => self.within(is_own).ok_or("the server is not ready yet")?,
            Reached::Host(stream) => stream,
        };
        let broke = |error: &dyn std::fmt::Display| format!("the exchange broke off: {error}");
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| broke(&error))?;
        tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await.map_err(|error| broke(&error))?.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| {
            format!("the answer was not read, of which at most {MAX_ANSWER_BYTES} bytes are: {error}")
        })?;
        Ok(Received { status: parts.status.as_u16(), headers: texts(&parts.headers), body: body.to_bytes().to_vec() })
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

fn request(url: &Uri, sending: Sending) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::new(Full::new(Bytes::from_owner(sending.body)));
    *request.method_mut() = sending.method.parse().map_err(|_| "the method cannot be sent".to_owned())?;
    *request.uri_mut() = url.path_and_query().map_or_else(|| Uri::from_static("/"), |path| path.clone().into());
    let authority = url.authority().ok_or("the url names no host")?;
    // What a URL has before `@` is no part of the host.
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    request.headers_mut().insert(HOST, HeaderValue::from_str(host).map_err(|_| "the url names no host".to_owned())?);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in sending.headers {
        let wrong = |_| format!("the header '{name}' cannot be sent");
        let (field, value) =
            (name.parse::<HeaderName>().map_err(|_| wrong(()))?, HeaderValue::from_str(&value).map_err(|_| wrong(()))?);
        if RESERVED.contains(&field.as_str()) {
            return Err(format!("the header '{name}' cannot be sent: it is of the connection"));
        }
        request.headers_mut().append(field, value);
    }
    Ok(request)
}

/// Fields of the connection and of the message's own length.
const RESERVED: [&str; 6] = ["host", "connection", "content-length", "transfer-encoding", "upgrade", "te"];

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    headers.iter().map(text).collect()
}
