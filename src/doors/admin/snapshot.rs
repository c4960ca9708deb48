//! Snapshots: all data as one sealed file, saved and loaded.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::{State, request_body, with_admin_key};
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;

pub(super) static SAVE: Operation = with_admin_key("SnapshotSave", Method::GET, "/admin/snapshot");
pub(super) static LOAD: Operation = with_admin_key("SnapshotLoad", Method::PUT, "/admin/snapshot");

/// Answers all data as one file, sealed under the backup key.
pub(super) async fn save(state: Arc<State>) -> Result<Response, ApiError> {
    let file = state.control.save().await?;
    Ok(body::with_type(StatusCode::OK, "application/octet-stream", file))
}

/// Replaces all data by the content of a file, or leaves all of it.
pub(super) async fn load(state: Arc<State>, body: Incoming) -> Result<Response, ApiError> {
    let limits = Limits { body_bytes: state.limits.snapshot_bytes, ..*state.limits };
    let file = request_body::read_within(body, &limits, &state.snapshots).await?;
    state.control.load(file.into()).await?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}
