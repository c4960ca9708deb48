//! The vault clock: shown, advanced, set forward, frozen, run.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::input::{self, bad};
use super::{AdminDoor, conflict, failed, guarded};
use crate::clock::{Period, Timestamp};
use crate::http::error::ApiError;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;
use crate::tasks::{ClockError, Report};

pub(super) static SHOW: Operation = guarded("ClockShow", Method::GET, "/admin/clock");
pub(super) static MOVE: Operation = guarded("ClockMove", Method::POST, "/admin/clock");

/// One of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    advance: Option<String>,
    set: Option<String>,
    freeze: Option<bool>,
    run: Option<bool>,
}

#[derive(Serialize)]
struct Shown {
    now: String,
    clock: &'static str,
    frozen: bool,
    ran: usize,
}

/// Where the clock stands.
pub(super) fn show(door: &AdminDoor) -> Response {
    answer(door.timekeeper.report(0))
}

/// Moves the clock; what falls due is done before this answers.
pub(super) async fn moved(door: Arc<AdminDoor>, body: Incoming) -> Result<Response, ApiError> {
    let asked: Asked = input::object(&door, body).await?;
    let keeper = &door.timekeeper;
    let report = match (asked.advance, asked.set, asked.freeze, asked.run) {
        (Some(text), None, None, None) => {
            let period: Period = text.parse().map_err(|why| bad(format!("advance: {why}")))?;
            keeper.advance(&period).await
        }
        (None, Some(text), None, None) => {
            let wrong = || bad("set: not a time; write it as 2030-01-31T00:00:00Z");
            keeper.set(Timestamp::parse(&text).ok_or_else(wrong)?).await
        }
        (None, None, Some(true), None) => keeper.freeze(true).await,
        (None, None, None, Some(true)) => keeper.freeze(false).await,
        _ => {
            return Err(bad(
                r#"give one of {"advance": "P90D"}, {"set": RFC3339}, {"freeze": true} and {"run": true}"#,
            ));
        }
    };
    report.map(answer).map_err(|error| match error {
        ClockError::Store(why) => failed(&why),
        ClockError::TooFar => bad(error.to_string()),
        ClockError::Real | ClockError::Backwards(_) => conflict(error.to_string()),
    })
}

fn answer(report: Report) -> Response {
    let clock = if report.is_virtual { "virtual" } else { "real" };
    let shown = Shown { now: report.now.to_string(), clock, frozen: report.frozen, ran: report.ran };
    body::json(StatusCode::OK, &shown)
}
