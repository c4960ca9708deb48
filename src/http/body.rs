//! Bodies: read whole within bounds, and written as JSON.

use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::limits::Limits;

/// Room for the header fields of most answers.
const HEADERS: usize = 16;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than the bound.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// The connection broke.
    Broken,
}

/// The whole body.
///
/// # Errors
/// When it is too large, too slow, or breaks off.
pub async fn read(mut body: Incoming, limits: &Limits) -> Result<Bytes, BodyError> {
    let collected = Limited::new(&mut body, limits.body_bytes).collect();
    match tokio::time::timeout(limits.header_timeout, collected).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            // Its sender reads no answer before it has sent the rest.
            drain(body, limits).await;
            Err(BodyError::TooLarge)
        }
        Ok(Err(_)) => Err(BodyError::Broken),
    }
}

/// Lets a body that nobody wants go by, within the bounds, so that its sender can read the answer. What does not
/// come within a second, or is too large, ends with the connection.
pub async fn drain(body: Incoming, limits: &Limits) {
    const PATIENCE: Duration = Duration::from_secs(1);
    let mut body = Limited::new(body, limits.body_bytes);
    let flow = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = tokio::time::timeout(PATIENCE, flow).await;
}

/// An answer with `value` as its JSON body.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Full<Bytes>> {
    // Most answers fit; growing in steps would copy them four times.
    let mut bytes = Vec::with_capacity(1024);
    match serde_json::to_writer(&mut bytes, value) {
        Ok(()) => with_type(status, "application/json; charset=utf-8", bytes),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// An answer of plain text.
pub fn text(status: StatusCode, text: impl Into<String>) -> Response<Full<Bytes>> {
    with_type(status, "text/plain; charset=utf-8", text.into().into_bytes())
}

/// An answer with `bytes` of the content type `kind`.
pub fn with_type(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}
