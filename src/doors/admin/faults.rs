//! What goes wrong on purpose: shown, replaced, cleared.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::request_body::{self, bad_request};
use super::{State, with_admin_key};
use crate::faults::{Rule, Rules};
use crate::http::error::ApiError;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;
use crate::vault::VaultName;

pub(super) static SHOW: Operation = with_admin_key("FaultsShow", Method::GET, "/admin/faults");
pub(super) static REPLACE: Operation = with_admin_key("FaultsReplace", Method::PUT, "/admin/faults");
pub(super) static CLEAR: Operation = with_admin_key("FaultsClear", Method::DELETE, "/admin/faults");

/// The rules that hold, each with how often it acted.
pub(super) fn show(state: &State) -> Response {
    body::json(StatusCode::OK, &state.faults.shown())
}

/// Puts other rules in the place of all that hold.
pub(super) async fn replace(state: Arc<State>, body: Incoming) -> Result<Response, ApiError> {
    let rules: Rules = request_body::json(&state, body).await?;
    rules.check().map_err(bad_request)?;
    for (index, rule) in rules.rules.iter().enumerate() {
        can_act(&state, rule).map_err(|why| bad_request(format!("rules[{index}].{why}")))?;
    }
    state.faults.replace(rules);
    Ok(show(&state))
}

/// Lets nothing go wrong any more.
pub(super) fn clear(state: &State) -> Response {
    state.faults.clear();
    body::empty(StatusCode::NO_CONTENT)
}

/// A rule about what there cannot be would never act, and nobody would know why. A vault may come later.
fn can_act(state: &State, rule: &Rule) -> Result<(), String> {
    if rule.vault.as_ref().is_some_and(|name| VaultName::parse(name).is_none()) {
        return Err("vault: must be the name of a vault, not a host name".to_owned());
    }
    let known = |name: &String| state.operations.iter().any(|operation| operation.name.eq_ignore_ascii_case(name));
    match rule.operation.as_ref().filter(|name| !known(name)) {
        Some(name) => Err(format!("operation: there is no '{name}'; GET /admin/status lists them")),
        None => Ok(()),
    }
}
