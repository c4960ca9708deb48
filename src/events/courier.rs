//! What carries letters to webhooks: HTTP, on threads that may block. It knows no events.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body, Error};

use super::webhook::HookUrl;
use crate::outgoing;

/// How long a webhook may take to answer, as the service has it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long its answer's body may take.
const PATIENCE_FOR_BODY: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes.
const LARGEST: u64 = 64 * 1024;

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) method: Method,
    pub(super) url: HookUrl,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Post,
    Options,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// An answer.
    Answer(Answer),
    /// None, and why.
    Lost(Loss),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Who may send, in CloudEvents' handshake.
    pub(super) allowed_origin: Option<String>,
    /// How many deliveries a minute are allowed, in CloudEvents' handshake.
    pub(super) allowed_rate: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Why there was no answer: a word of the service's for dead letters, and what a person is told. No URL stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) outcome: &'static str,
    pub(super) why: String,
}

/// A reply that is on its way.
pub(super) type Carried = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Carries letters.
pub(super) trait Courier: Send + Sync {
    fn carry(&self, letter: Letter) -> Carried;
}

/// The network. Redirects are not followed: an event goes where the configuration says.
#[derive(Clone, Default)]
pub(super) struct Network(Arc<OnceLock<Agent>>);

impl Courier for Network {
    fn carry(&self, letter: Letter) -> Carried {
        let agent = self.0.clone();
        Box::pin(async move {
            let sent = tokio::task::spawn_blocking(move || send(agent.get_or_init(agent_of_this_server), letter));
            sent.await.unwrap_or_else(|error| Reply::lost("GenericError", error.to_string()))
        })
    }
}

impl Reply {
    fn lost(outcome: &'static str, why: impl Into<String>) -> Self {
        Self::Lost(Loss { outcome, why: why.into() })
    }
}

fn agent_of_this_server() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .timeout_recv_body(Some(PATIENCE_FOR_BODY))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        // A kept connection that the other side has just closed would look like a failure.
        .max_idle_connections(0)
        .user_agent(concat!("keyhaven/", env!("CARGO_PKG_VERSION")))
        .tls_config(outgoing::tls(vec![]))
        .build()
        .into()
}

fn send(agent: &Agent, letter: Letter) -> Reply {
    let Letter { method, url, headers, body } = letter;
    let answered = match method {
        Method::Post => {
            let request =
                headers.iter().fold(agent.post(url.whole()), |request, (name, value)| request.header(*name, value));
            match url.is_near() {
                true => request.config().proxy(None).build().send(&body),
                false => request.send(&body),
            }
        }
        Method::Options => {
            let request =
                headers.iter().fold(agent.options(url.whole()), |request, (name, value)| request.header(*name, value));
            match url.is_near() {
                true => request.config().proxy(None).build().call(),
                false => request.call(),
            }
        }
    };
    answered.map_or_else(|error| lost(&error), read)
}

fn read(mut response: Response<Body>) -> Reply {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (allowed_origin, allowed_rate) = (header("webhook-allowed-origin"), header("webhook-allowed-rate"));
    let status = response.status().as_u16();
    // The status is the answer, even if the rest does not come.
    let body = response.body_mut().with_config().limit(LARGEST).read_to_vec().unwrap_or_default();
    Reply::Answer(Answer { status, allowed_origin, allowed_rate, body })
}

/// The words are ours, for an error of the client's may show the URL.
fn lost(error: &Error) -> Reply {
    match error {
        Error::Timeout(_) => Reply::lost("TimedOut", "no answer in time"),
        Error::HostNotFound => Reply::lost("ResolutionError", "its host name is not known"),
        Error::Io(error) => Reply::lost("SocketError", error.kind().to_string()),
        Error::Tls(_) | Error::Rustls(_) => {
            Reply::lost("SocketError", "its certificate is not trusted, or it has no TLS")
        }
        _ => Reply::lost("GenericError", "what came back is no answer"),
    }
}
