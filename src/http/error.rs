//! Errors as Azure's APIs write them: `{"error":{"code","message","innererror":{"code"}}}`.

use std::borrow::Cow;
use std::fmt;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde::Serialize;

use super::{Response, body};

/// The code of an error. The extensions of the answer carry it too, for what reports on requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorCode(pub Cow<'static, str>);

impl ErrorCode {
    /// Leaves this code among the extensions of `answer`.
    pub(crate) fn attach(self, mut answer: Response) -> Response {
        answer.extensions_mut().insert(self);
        answer
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error on its way out.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The code clients compare.
    pub code: &'static str,
    /// The inner code, where the service has one.
    pub inner: Option<&'static str>,
    /// The text.
    pub message: String,
    /// Headers besides.
    pub headers: Vec<(HeaderName, String)>,
}

impl ApiError {
    /// An error without inner code and headers.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, inner: None, message: message.into(), headers: vec![] }
    }

    /// What a write is answered with while the disk is full. The service has no such error: ours, like the text. Clients of
    /// Azure do not try a 507 again by themselves.
    pub(crate) fn disk_full() -> Self {
        let text = "The disk that holds this server's data is full, so nothing can be written. Free some space on it and send \
                    the request again; requests that only read are answered.";
        let error = Self::new(StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage", text);
        error.header("retry-after", DISK_FULL_RETRY.to_string())
    }

    /// This error with an inner code.
    #[must_use]
    pub(crate) fn inner(mut self, code: &'static str) -> Self {
        self.inner = Some(code);
        self
    }

    /// This error with a header; characters that a header cannot carry become `?`, and what is longer than
    /// 640 is cut.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }

    /// The answer.
    pub(crate) fn into_response(self) -> Response {
        let inner = self.inner.map(|code| Inner { code });
        let envelope = Envelope { error: Body { code: self.code, message: &self.message, innererror: inner } };
        let mut response = body::json(self.status, &envelope);
        for (name, value) in self.headers {
            response.headers_mut().append(name, visible(&value));
        }
        ErrorCode(self.code.into()).attach(response)
    }
}

/// After how many seconds a write may be tried again that the full disk refused.
const DISK_FULL_RETRY: u32 = 10;
/// The most characters of a header: it may contain what callers wrote, and clients refuse long heads. A challenge has 550 at most.
const LONGEST: usize = 640;

fn visible(text: &str) -> HeaderValue {
    let shown: String =
        text.chars().take(LONGEST).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect();
    HeaderValue::from_str(&shown).unwrap_or_else(|_| HeaderValue::from_static("?"))
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    innererror: Option<Inner>,
}

#[derive(Serialize)]
struct Inner {
    code: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_visible_and_bounded() {
        let error =
            ApiError::new(StatusCode::BAD_REQUEST, "c", "m").header("x-detail", format!("a\nb {}", "x".repeat(9000)));
        let response = error.into_response();
        let shown = response.headers()["x-detail"].to_str().unwrap();
        assert!(shown.starts_with("a?b xxx") && shown.len() == LONGEST, "{}", shown.len());
    }
}
