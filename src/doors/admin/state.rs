//! Everything at once: put back to the configuration, saved, loaded.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::{AdminDoor, guarded, input};
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;

pub(super) static RESET: Operation = guarded("Reset", Method::POST, "/admin/reset");
pub(super) static SAVE: Operation = guarded("SnapshotSave", Method::GET, "/admin/snapshot");
pub(super) static LOAD: Operation = guarded("SnapshotLoad", Method::PUT, "/admin/snapshot");

/// Puts everything back to what the configuration says. Tokens stay good, and the clock goes on.
pub(super) async fn reset(door: Arc<AdminDoor>) -> Result<Response, ApiError> {
    door.levers.reset().await?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}

/// Everything there is, as one file sealed under the backup key.
pub(super) async fn save(door: Arc<AdminDoor>) -> Result<Response, ApiError> {
    let file = door.levers.save().await?;
    Ok(body::with_type(StatusCode::OK, "application/octet-stream", file))
}

/// Replaces everything by what a file holds, or nothing.
pub(super) async fn load(door: Arc<AdminDoor>, body: Incoming) -> Result<Response, ApiError> {
    let limits = Limits { body_bytes: door.limits.snapshot_bytes, ..*door.limits };
    let file = input::read_within(body, &limits, &door.snapshots).await?;
    door.levers.load(file.into()).await?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}
