//! Fault rules: shown, replaced, cleared.

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

/// Answers the rules, each with its number of hits.
pub(super) fn show(state: &State) -> Response {
    body::json(StatusCode::OK, &state.faults.status())
}

/// Replaces all rules.
pub(super) async fn replace(state: Arc<State>, body: Incoming) -> Result<Response, ApiError> {
    let rules: Rules = request_body::json(&state, body).await?;
    rules.check().map_err(bad_request)?;
    for (index, rule) in rules.rules.iter().enumerate() {
        check_can_match(&state, rule).map_err(|why| bad_request(format!("rules[{index}].{why}")))?;
    }
    state.faults.replace(rules);
    Ok(show(&state))
}

/// Removes all rules.
pub(super) fn clear(state: &State) -> Response {
    state.faults.clear();
    body::empty(StatusCode::NO_CONTENT)
}

/// Refuses a rule that could never match, because nothing would show why. A vault of the name may be created later.
fn check_can_match(state: &State, rule: &Rule) -> Result<(), String> {
    if rule.vault.as_ref().is_some_and(|name| VaultName::parse(name).is_none()) {
        return Err("vault: must be the name of a vault, not a host name".to_owned());
    }
    let known = |name: &String| state.operations.iter().any(|operation| operation.name.eq_ignore_ascii_case(name));
    match rule.operation.as_ref().filter(|name| !known(name)) {
        Some(name) => Err(format!("operation: there is no '{name}'; GET /admin/status lists them")),
        None => Ok(()),
    }
}
