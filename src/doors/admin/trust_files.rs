//! The files by which programs trust the server, which a user may have deleted.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::{State, with_admin_key};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::Operation;

pub(super) static RESTORE: Operation = with_admin_key("TrustFilesRestore", Method::POST, "/admin/trust-files");

/// Writes what is missing of the files.
pub(super) async fn restore(state: Arc<State>) -> Result<Response, ApiError> {
    state.control.restore_client_files().await?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}
