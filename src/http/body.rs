//! Bodies: read whole within bounds, and written as JSON.

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::time::timeout;

use super::Incoming;
use super::budget::{MemoryBudget, SMALL_BODY};
use super::limits::Limits;

/// Room for the header fields of most answers.
const HEADERS: usize = 16;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is larger than the bound.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// The connection broke.
    Broken,
    /// Other bodies hold all the memory for bodies: the client should retry.
    Busy,
}

/// Reads the whole body. The memory reserved for it is released when the request is answered.
///
/// # Errors
/// When it is too large, too slow, or breaks off, or when there is no room for it in time.
pub(crate) async fn read(body: Incoming, limits: &Limits) -> Result<Bytes, BodyError> {
    match body.drain_handle() {
        None => Ok(Bytes::new()),
        Some(drain) => {
            let budget = drain.budget.clone();
            read_within(body, limits, &budget).await
        }
    }
}

/// Reads the whole body, within the memory of `budget`.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_within(
    mut body: Incoming,
    limits: &Limits,
    budget: &MemoryBudget,
) -> Result<Bytes, BodyError> {
    body.raise_drain_limit(limits.body_bytes);
    let announced = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > limits.body_bytes) {
        return Err(BodyError::TooLarge);
    }
    let first = announced.unwrap_or(SMALL_BODY);
    let reservation = match budget.try_reserve(first) {
        Some(reservation) => reservation,
        None => timeout(limits.header_timeout, budget.reserve(first)).await.ok().flatten().ok_or(BodyError::Busy)?,
    };
    body.hold(reservation);
    let collected = timeout(limits.header_timeout, collect(&mut body, announced, limits.body_bytes, budget)).await;
    collected.unwrap_or_else(|_| {
        body.abandon();
        Err(BodyError::TooSlow)
    })
}

/// A body of unknown length reserves memory for a small one and, when it grows beyond that, for the largest. The second
/// reservation does not wait, because the body holds memory already.
async fn collect(
    body: &mut Incoming,
    announced: Option<usize>,
    most: usize,
    budget: &MemoryBudget,
) -> Result<Bytes, BodyError> {
    let (mut only, mut whole, mut length) = (Bytes::new(), Vec::new(), 0);
    let mut counted = announced.unwrap_or(SMALL_BODY);
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        length += piece.len();
        if length > most {
            return Err(BodyError::TooLarge);
        }
        if length > counted {
            body.hold(budget.try_reserve(most).ok_or(BodyError::Busy)?);
            counted = most;
        }
        if length == piece.len() {
            only = piece;
            continue;
        }
        if whole.is_empty() {
            whole.reserve_exact(announced.unwrap_or(length * 2));
            whole.extend_from_slice(&std::mem::take(&mut only));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() { only } else { Bytes::from(whole) })
}

/// An answer with `value` as its JSON body.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Full<Bytes>> {
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
pub(crate) fn with_type(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}
