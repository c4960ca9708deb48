//! The HTTP client of webhooks: sends a request on a blocking thread and returns the reply. Knows nothing of events.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body, Error};

use super::webhook::WebhookUrl;
use crate::outgoing;

/// How long a webhook may take to answer: the service's own limit.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long its answer's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many bytes of an answer's body are read.
const MAX_BODY_BYTES: u64 = 64 * 1024;

/// An HTTP request to a webhook.
#[derive(Clone, Debug)]
pub(super) struct HookRequest {
    pub(super) method: Method,
    pub(super) url: WebhookUrl,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Post,
    Options,
}

/// The result of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The webhook answered, with whatever status.
    Answer(Answer),
    /// No answer came.
    Failed(SendFailure),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `WebHook-Allowed-Origin`, of CloudEvents' handshake.
    pub(super) allowed_origin: Option<String>,
    /// `WebHook-Allowed-Rate`, deliveries a minute, of CloudEvents' handshake.
    pub(super) allowed_rate: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Why no answer came: the service's outcome name for dead letters, and a text for people that holds no URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SendFailure {
    pub(super) outcome: &'static str,
    pub(super) why: String,
}

/// A reply that is awaited.
pub(super) type ReplyFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Sends requests to webhooks; tests replace it.
pub(super) trait Courier: Send + Sync {
    fn send(&self, request: HookRequest) -> ReplyFuture;
}

/// Sends over the network. Redirects are not followed: an event goes where the configuration says.
#[derive(Clone, Default)]
pub(super) struct Network(Arc<OnceLock<Agent>>);

impl Courier for Network {
    fn send(&self, request: HookRequest) -> ReplyFuture {
        let agent = self.0.clone();
        Box::pin(async move {
            let sent = tokio::task::spawn_blocking(move || send_blocking(agent.get_or_init(new_agent), request));
            sent.await.unwrap_or_else(|error| Reply::failed("GenericError", error.to_string()))
        })
    }
}

impl Reply {
    fn failed(outcome: &'static str, why: impl Into<String>) -> Self {
        Self::Failed(SendFailure { outcome, why: why.into() })
    }
}

fn new_agent() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .timeout_recv_body(Some(BODY_TIMEOUT))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        // A pooled connection that the webhook has just closed would look like a failed delivery.
        .max_idle_connections(0)
        .user_agent(concat!("keyhaven/", env!("CARGO_PKG_VERSION")))
        .tls_config(outgoing::tls(vec![]))
        .build()
        .into()
}

fn send_blocking(agent: &Agent, request: HookRequest) -> Reply {
    let HookRequest { method, url, headers, body } = request;
    let answered = match method {
        Method::Post => {
            let request =
                headers.iter().fold(agent.post(url.full()), |request, (name, value)| request.header(*name, value));
            match url.is_loopback() {
                true => request.config().proxy(None).build().send(&body),
                false => request.send(&body),
            }
        }
        Method::Options => {
            let request =
                headers.iter().fold(agent.options(url.full()), |request, (name, value)| request.header(*name, value));
            match url.is_loopback() {
                true => request.config().proxy(None).build().call(),
                false => request.call(),
            }
        }
    };
    answered.map_or_else(|error| failure(&error), answer)
}

fn answer(mut response: Response<Body>) -> Reply {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (allowed_origin, allowed_rate) = (header("webhook-allowed-origin"), header("webhook-allowed-rate"));
    let status = response.status().as_u16();
    // The status decides, even if the body breaks off.
    let body = response.body_mut().with_config().limit(MAX_BODY_BYTES).read_to_vec().unwrap_or_default();
    Reply::Answer(Answer { status, allowed_origin, allowed_rate, body })
}

/// The texts are written here because the client's own error texts may hold the URL.
fn failure(error: &Error) -> Reply {
    match error {
        Error::Timeout(_) => Reply::failed("TimedOut", "no answer in time"),
        Error::HostNotFound => Reply::failed("ResolutionError", "its host name is not known"),
        Error::Io(error) => Reply::failed("SocketError", error.kind().to_string()),
        Error::Tls(_) | Error::Rustls(_) => {
            Reply::failed("SocketError", "its certificate is not trusted, or it has no TLS")
        }
        _ => Reply::failed("GenericError", "what came back is no answer"),
    }
}
