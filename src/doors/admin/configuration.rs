//! The configuration, applied to the running server.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::request_body::{self, bad_request};
use super::{ApplyMode, State, conflict, with_admin_key};
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::Params;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;

pub(super) static APPLY: Operation = with_admin_key("ConfigurationApply", Method::POST, "/admin/configuration");

/// Applies a configuration, the body, and answers its steps. With `dryRun=true` nothing is done; with `prune=true` what an
/// earlier configuration made and this one does not name is deleted. When a step is impossible none is made: 409.
pub(super) async fn apply(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let mode = mode(&params)?;
    // A configuration may hold more secrets than other bodies.
    let limits = Limits { body_bytes: state.limits.restore_bytes, ..*state.limits };
    let bytes = request_body::read(body, &limits).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| bad_request("the body is not UTF-8 text"))?;
    let plan = state.control.apply(text, mode).await?;
    let refused: Vec<_> = plan.refused().map(ToString::to_string).collect();
    if refused.is_empty() || mode.dry_run {
        return Ok(body::json(StatusCode::OK, &plan));
    }
    Err(conflict(format!("nothing was changed, because some of it cannot be: {}", refused.join("; "))))
}

fn mode(params: &Params) -> Result<ApplyMode, ApiError> {
    let mut mode = ApplyMode::default();
    for (name, value) in params.query() {
        let flag = match &*name {
            "dryRun" => &mut mode.dry_run,
            "prune" => &mut mode.prune,
            _ => return Err(bad_request(format!("{name}: the query takes dryRun and prune"))),
        };
        *flag = value.parse().map_err(|_| bad_request(format!("{name}: must be true or false")))?;
    }
    Ok(mode)
}
