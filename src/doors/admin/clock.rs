//! The vault clock: shown, advanced, set, frozen, resumed.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::request_body::{self, bad_request};
use super::{State, conflict, internal_error, with_admin_key};
use crate::clock::{Period, Timestamp};
use crate::http::error::ApiError;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;
use crate::tasks::{ClockError, ClockReport};

pub(super) static SHOW: Operation = with_admin_key("ClockShow", Method::GET, "/admin/clock");
pub(super) static CHANGE: Operation = with_admin_key("ClockMove", Method::POST, "/admin/clock");

/// A change of the clock: exactly one of the members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    advance: Option<String>,
    set: Option<String>,
    freeze: Option<bool>,
    run: Option<bool>,
}

#[derive(Serialize)]
struct ClockBody {
    now: String,
    clock: &'static str,
    frozen: bool,
    ran: usize,
}

/// Answers the clock's time and state.
pub(super) fn show(state: &State) -> Response {
    answer(state.timekeeper.report(0))
}

/// Changes the clock. What falls due is done before the answer.
pub(super) async fn change(state: Arc<State>, body: Incoming) -> Result<Response, ApiError> {
    let request: ClockRequest = request_body::json(&state, body, r#"{"advance": "P90D"}"#).await?;
    let timekeeper = &state.timekeeper;
    let report = match (request.advance, request.set, request.freeze, request.run) {
        (Some(text), None, None, None) => {
            let period: Period = text.parse().map_err(|why| bad_request(format!("advance: {why}")))?;
            timekeeper.advance(&period).await
        }
        (None, Some(text), None, None) => {
            let wrong = || bad_request("set: not a time; write it as 2030-01-31T00:00:00Z");
            timekeeper.set(Timestamp::parse(&text).ok_or_else(wrong)?).await
        }
        (None, None, Some(true), None) => timekeeper.freeze(true).await,
        (None, None, None, Some(true)) => timekeeper.freeze(false).await,
        _ => {
            return Err(bad_request(
                r#"give one of {"advance": "P90D"}, {"set": RFC3339}, {"freeze": true} and {"run": true}"#,
            ));
        }
    };
    report.map(answer).map_err(|error| match &error {
        ClockError::Store(_) => internal_error(&error),
        ClockError::TooFar => bad_request(error.to_string()),
        ClockError::Real | ClockError::Backwards(_) => conflict(error.to_string()),
    })
}

fn answer(report: ClockReport) -> Response {
    let clock = if report.is_virtual { "virtual" } else { "real" };
    let shown = ClockBody { now: report.now.to_string(), clock, frozen: report.frozen, ran: report.ran };
    body::json(StatusCode::OK, &shown)
}
