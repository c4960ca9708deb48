//! The error of the proxy: an HTTP status and a sentence for the client.

use hyper::StatusCode;

use super::forwarded_body::{Streamed, streamed};
use super::traffic::Outcome;
use crate::http::{Response, body};

/// Why a connection or a request was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProxyError {
    pub(super) status: StatusCode,
    /// One sentence.
    pub(super) reason: String,
    /// What a client of the proxy can do instead; what this server calls itself has no proxy to leave out.
    pub(super) advice: Option<&'static str>,
}

impl ProxyError {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), advice: None }
    }

    /// The same error, with `advice` for clients.
    pub(super) fn advise(self, advice: &'static str) -> Self {
        Self { advice: Some(advice), ..self }
    }

    /// The sentence for clients.
    pub(super) fn sentence(&self) -> String {
        match self.advice {
            Some(advice) => format!("{}; {advice}.", self.reason.trim_end_matches('.')),
            None => self.reason.clone(),
        }
    }

    /// How the connection is counted: refused by a rule, or unreachable.
    pub(super) fn outcome(&self) -> Outcome {
        match self.status {
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Outcome::Unreachable,
            _ => Outcome::Refused,
        }
    }

    /// The answer that gives the client the reason.
    pub(super) fn answer(&self) -> Response<Streamed> {
        streamed(body::text(self.status, format!("{}\n", self.sentence())))
    }
}
