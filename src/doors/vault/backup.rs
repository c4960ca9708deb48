//! Backups on the wire: an opaque blob, in base64url.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::{self, Required};
use crate::crypto::base64url;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::{Incoming, Response, body};

#[derive(Serialize)]
struct Blob {
    value: String,
}

/// A backup.
pub(super) fn answer(blob: &[u8]) -> Response {
    body::json(StatusCode::OK, &Blob { value: base64url::encode(blob) })
}

#[derive(Deserialize)]
struct Restore {
    value: Option<String>,
}

/// Reads the blob of a restore. The body may be larger than others: a backup holds every version.
pub(super) async fn read(body: Incoming, limits: &Limits) -> Result<Vec<u8>, ApiError> {
    let limits = Limits { body_bytes: limits.restore_bytes, ..*limits };
    let request: Restore = input::object(body, &limits).await?;
    let mut required = Required::default();
    let blob = required.bytes("value", request.value.as_deref());
    required.finish()?;
    Ok(blob)
}
