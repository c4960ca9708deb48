//! What goes wrong on purpose: shown, replaced, cleared.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::input::{self, bad};
use super::{AdminDoor, guarded};
use crate::faults::{Rule, Rules};
use crate::http::error::ApiError;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;
use crate::vault::VaultName;

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
    for (index, rule) in rules.rules.iter().enumerate() {
        can_act(&door, rule).map_err(|why| bad(format!("rules[{index}].{why}")))?;
    }
    door.faults.replace(rules);
    Ok(show(&door))
}

/// Lets nothing go wrong any more.
pub(super) fn clear(door: &AdminDoor) -> Response {
    door.faults.clear();
    body::empty(StatusCode::NO_CONTENT)
}

/// A rule about what there cannot be would never act, and nobody would know why. A vault may come later.
fn can_act(door: &AdminDoor, rule: &Rule) -> Result<(), String> {
    if rule.vault.as_ref().is_some_and(|name| VaultName::parse(name).is_none()) {
        return Err("vault: must be the name of a vault, not a host name".to_owned());
    }
    let known = |name: &String| door.operations.iter().any(|operation| operation.name.eq_ignore_ascii_case(name));
    match rule.operation.as_ref().filter(|name| !known(name)) {
        Some(name) => Err(format!("operation: there is no '{name}'; GET /admin/status lists them")),
        None => Ok(()),
    }
}
