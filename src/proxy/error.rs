//! The error of the proxy: an HTTP status and a sentence for the client.

use http_body_util::BodyExt;
use hyper::StatusCode;

use super::Streamed;
use super::traffic::Outcome;
use crate::http::{Response, body};

/// Why a connection or a request was refused or failed.
#[derive(Debug)]
pub(super) struct ProxyError {
    pub(super) status: StatusCode,
    /// One sentence for the client.
    pub(super) reason: String,
}

impl ProxyError {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
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
        streamed(body::text(self.status, format!("{}\n", self.reason)))
    }
}

/// Converts an answer of this server to the body type that forwarded answers have.
pub(super) fn streamed(answer: Response) -> Response<Streamed> {
    answer.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}
