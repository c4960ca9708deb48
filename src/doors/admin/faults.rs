//! What goes wrong on purpose: shown, replaced, cleared.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, StatusCode};

use super::input::{self, bad};
use super::{AdminDoor, guarded};
use crate::faults::{Rule, Rules};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::Operation;

pub(super) static SHOW: Operation = guarded("FaultsShow", Method::GET, "/admin/faults");
pub(super) static REPLACE: Operation = guarded("FaultsReplace", Method::PUT, "/admin/faults");
pub(super) static CLEAR: Operation = guarded("FaultsClear", Method::DELETE, "/admin/faults");

/// The rules that hold, each with how often it acted.
pub(super) fn show(door: &AdminDoor) -> Response {
    body::json(StatusCode::OK, &door.faults.shown())
}

/// Puts other rules in the place of all that hold.
pub(super) async fn replace(door: Arc<AdminDoor>, body: Incoming) -> Result<Response, ApiError> {
    let rules: Rules = input::object(&door, body).await?;
    rules.check().map_err(bad)?;
    if let Some(name) = rules.rules.iter().find_map(|rule| unknown_operation(&door, rule)) {
        let text = format!("There is no operation '{name}'; GET /admin/status lists them.");
        return Err(bad(text));
    }
    door.faults.replace(rules);
    Ok(show(&door))
}

/// Lets nothing go wrong any more.
pub(super) fn clear(door: &AdminDoor) -> Response {
    door.faults.clear();
    body::empty(StatusCode::NO_CONTENT)
}

/// A rule about an operation that does not exist would never act, and nobody would know why.
fn unknown_operation(door: &AdminDoor, rule: &Rule) -> Option<String> {
    let named = rule.operation.as_ref()?;
    let known = door.operations.iter().any(|operation| operation.name.eq_ignore_ascii_case(named));
    (!known).then(|| named.clone())
}
