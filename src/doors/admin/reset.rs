//! The reset: all data replaced by what the configuration describes.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::{State, with_admin_key};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::Operation;

pub(super) static RESET: Operation = with_admin_key("Reset", Method::POST, "/admin/reset");

/// Resets the server. The issuer's keys and a virtual clock are carried over, so that tokens stay valid.
pub(super) async fn reset(state: Arc<State>) -> Result<Response, ApiError> {
    state.control.reset().await?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}
