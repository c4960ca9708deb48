//! The request log: the lines of the last requests. Asking for it is no line of it.

use hyper::{Method, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::request_body::{bad_request, number};
use super::{State, with_admin_key};
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Response, body};
use crate::operation::Operation;
use crate::trail::RecentTrail;

pub(super) static SHOW: Operation = with_admin_key("LogShow", Method::GET, "/admin/log");

/// The number of lines in one answer by default, and the most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

#[derive(Serialize)]
struct LogBody {
    requests: Vec<RequestBody>,
    /// The number of the newest line: what to give as `after` for those that follow.
    last: u64,
}

/// A request, with the members that a line of the JSON log has.
#[derive(Serialize)]
struct RequestBody {
    number: u64,
    at: String,
    door: &'static str,
    identity: Option<String>,
    operation: Option<&'static str>,
    vault: Option<String>,
    object: Option<String>,
    status: u16,
    missing: Option<String>,
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    duration_ms: f64,
    request_id: Option<Uuid>,
    /// All of that as the text log has it.
    line: String,
}

/// Answers the first `limit` lines with numbers above `after`, else the last `limit` ones; the oldest comes first.
pub(super) fn show(state: &State, params: &Params) -> Result<Response, ApiError> {
    let (mut after, mut limit) = (None, DEFAULT_LIMIT);
    for (name, value) in params.query() {
        match &*name {
            "after" => after = Some(number(&name, &value)?),
            "limit" => limit = number(&name, &value)?,
            _ => return Err(bad_request(format!("there is no parameter '{name}'; give after and limit"))),
        }
    }
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(bad_request(format!("limit: must be 1 to {MAX_LIMIT}")));
    }
    let (found, last) = state.recent.list_requests(after, limit);
    let requests = found.iter().map(RequestBody::of).collect();
    Ok(body::json(StatusCode::OK, &LogBody { requests, last }))
}

impl RequestBody {
    fn of(entry: &RecentTrail) -> Self {
        let RecentTrail { number, at, trail, .. } = entry;
        Self {
            number: *number,
            at: at.to_string(),
            door: trail.door,
            identity: trail.caller.name().map(|name| name.into_owned()),
            operation: trail.operation.map(|operation| operation.name),
            vault: trail.vault.as_ref().map(ToString::to_string),
            object: trail.object().map(|object| object.into_owned()),
            status: trail.status.as_u16(),
            missing: trail.missing.map(|permission| permission.to_string()),
            error: trail.error.as_ref().map(ToString::to_string),
            asked: trail.asked.as_ref().map(ToString::to_string),
            duration_ms: trail.duration.as_secs_f64() * 1000.0,
            request_id: trail.request_id,
            line: trail.to_string(),
        }
    }
}
