//! Fault rules: shown, replaced, cleared; all of them, or those of a name.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::request_body::{self, bad_request};
use super::{State, conflict, internal_error, with_admin_key};
use crate::config::{did_you_mean, listed};
use crate::faults::{Rule, Rules};
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;
use crate::vault::VaultName;

pub(super) static SHOW: Operation = with_admin_key("FaultsShow", Method::GET, "/admin/faults");
pub(super) static REPLACE: Operation = with_admin_key("FaultsReplace", Method::PUT, "/admin/faults");
pub(super) static CLEAR: Operation = with_admin_key("FaultsClear", Method::DELETE, "/admin/faults");
pub(super) static SHOW_NAMED: Operation = with_admin_key("FaultsNamedShow", Method::GET, "/admin/faults/{name}");
pub(super) static PUT_NAMED: Operation = with_admin_key("FaultsNamedPut", Method::PUT, "/admin/faults/{name}");
pub(super) static REMOVE_NAMED: Operation = with_admin_key("FaultsNamedRemove", Method::DELETE, "/admin/faults/{name}");

/// What a body looks like.
const EXAMPLE: &str = r#"{"rules": [{"operation": "SecretGet", "then": {"status": 503}}]}"#;
/// The most characters of a name.
const MAX_NAME: usize = 64;

/// Answers the rules, each with its number of hits.
pub(super) fn show(state: &State) -> Response {
    body::json(StatusCode::OK, &state.faults.status())
}

/// Replaces all rules.
pub(super) async fn replace(state: Arc<State>, body: Incoming) -> Result<Response, ApiError> {
    let rules = rules(&state, body).await?;
    state.faults.replace(rules);
    Ok(show(&state))
}

/// Removes all rules.
pub(super) fn clear(state: &State) -> Response {
    state.faults.clear();
    body::empty(StatusCode::NO_CONTENT)
}

/// Answers the rules of a name.
pub(super) fn show_named(state: &State, params: &Params) -> Result<Response, ApiError> {
    let name = &*params.get("name");
    let status = state.faults.status_of(name).ok_or_else(|| no_such_rules(name))?;
    Ok(body::json(StatusCode::OK, &status))
}

/// Replaces the rules of a name, and no others.
pub(super) async fn put_named(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let name = &*params.get("name");
    if name.len() > MAX_NAME || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(bad_request(format!("name: must be 1 to {MAX_NAME} letters, digits and hyphens")));
    }
    let rules = rules(&state, body).await?;
    let too_many =
        |most| conflict(format!("there are {most} names with rules; remove some: DELETE /admin/faults/NAME"));
    state.faults.put(name, rules).map_err(|refused| too_many(refused.most))?;
    show_named(&state, &params)
}

/// Removes the rules of a name.
pub(super) fn remove_named(state: &State, params: &Params) -> Result<Response, ApiError> {
    let name = &*params.get("name");
    match state.faults.remove(name) {
        true => Ok(body::empty(StatusCode::NO_CONTENT)),
        false => Err(no_such_rules(name)),
    }
}

fn no_such_rules(name: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NotFound", format!("No fault rules are called '{name}'."))
}

/// The rules of a body, each of which can match.
async fn rules(state: &State, body: Incoming) -> Result<Rules, ApiError> {
    let rules: Rules = request_body::json(state, body, EXAMPLE).await?;
    rules.check().map_err(bad_request)?;
    for (index, rule) in rules.rules.iter().enumerate() {
        let wrong = |why| bad_request(format!("rules[{index}].{why}"));
        check_operation(state, rule).map_err(wrong)?;
        check_vault(state, rule).await?.map_err(wrong)?;
    }
    Ok(rules)
}

/// Refuses a rule for an operation that does not exist, because nothing would show why it never acts.
fn check_operation(state: &State, rule: &Rule) -> Result<(), String> {
    let Some(name) = &rule.operation else { return Ok(()) };
    let known = || state.operations.iter().map(|operation| operation.name);
    if known().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let hint = did_you_mean(name, known());
    Err(format!("operation: there is no '{name}'{hint}; GET /admin/status lists them"))
}

/// Refuses a rule for a vault that does not exist, unless it would be created as soon as a client asks for it.
async fn check_vault(state: &State, rule: &Rule) -> Result<Result<(), String>, ApiError> {
    let Some(given) = &rule.vault else { return Ok(Ok(())) };
    let Some(name) = VaultName::parse(given) else {
        return Ok(Err("vault: must be the name of a vault, not a host name".to_owned()));
    };
    let found = state.vaults.find(&name).await.map_err(|error| internal_error(&error))?;
    if found.is_some() || state.creates_vaults {
        return Ok(Ok(()));
    }
    let all = state.vaults.all().await.map_err(|error| internal_error(&error))?;
    let known = || all.iter().map(|vault| vault.name.as_str());
    Ok(Err(format!(
        "vault: no vault is called '{given}'; there are {}{}",
        listed(known()),
        did_you_mean(given, known())
    )))
}
