//! Role assignments: listed, made, removed.

use std::collections::HashMap;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::request_body::{self, bad_request};
use super::{State, conflict, internal_error, with_admin_key};
use crate::access::roles::{RoleAssignment, RoleBasedAccess};
use crate::authorization::{AssignmentRefusal, MAX_ASSIGNMENTS};
use crate::clock::Timestamp;
use crate::config::entry;
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;

pub(super) static LIST: Operation = with_admin_key("RoleAssignmentList", Method::GET, "/admin/role-assignments");
pub(super) static PUT: Operation = with_admin_key("RoleAssignmentPut", Method::PUT, "/admin/role-assignments/{name}");
pub(super) static DELETE: Operation =
    with_admin_key("RoleAssignmentDelete", Method::DELETE, "/admin/role-assignments/{name}");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleAssignmentListBody {
    role_assignments: Vec<RoleAssignmentBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleAssignmentBody {
    name: Uuid,
    object_id: Uuid,
    /// The name of the identity that the object id is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    principal_type: &'static str,
    role: String,
    role_definition_id: Uuid,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    /// When it counts from, if assignments are delayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_from: Option<String>,
}

/// Answers every role assignment.
pub(super) async fn list(state: Arc<State>) -> Result<Response, ApiError> {
    let current = state.authorization.current().await.map_err(|error| internal_error(&error))?;
    let identities = state.directory.identities().await.map_err(|error| internal_error(&error))?;
    let names: HashMap<_, _> = identities.iter().map(|identity| (identity.object_id, &*identity.name)).collect();
    let all = current.access.content().assignments.iter();
    let role_assignments = all.map(|one| RoleAssignmentBody::of(one, &current.access, &names)).collect();
    Ok(body::json(StatusCode::OK, &RoleAssignmentListBody { role_assignments }))
}

/// Makes a role assignment (201), or answers that it is there (200). The body is an entry of the configuration file's
/// `roleAssignments`; the path has its name.
pub(super) async fn put(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let name = name(&params)?;
    let example = r#"{"identity": "NAME", "role": "Key Vault Secrets User", "scope": "/subscriptions/…"}"#;
    let given: Map<String, Value> = request_body::json(&state, body, example).await?;
    let identities = state.directory.identities().await.map_err(|error| internal_error(&error))?;
    let identities: Vec<_> = identities.iter().map(|identity| identity.as_ref().clone()).collect();
    let names: HashMap<_, _> = identities.iter().map(|identity| (identity.object_id, &*identity.name)).collect();
    let current = state.authorization.current().await.map_err(|error| internal_error(&error))?;
    let custom = &current.access.content().definitions;
    let assignment = entry::role_assignment(name, given, state.directory.tenant(), &identities, custom);
    let assignment = state.effective_after_delay(assignment.map_err(|error| bad_request(error.to_string()))?);
    let (kept, is_new) = state.authorization.put(&assignment).await.map_err(refused)?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(body::json(status, &RoleAssignmentBody::of(&kept, &current.access, &names)))
}

/// Removes a role assignment; what it allowed is refused from the next request on.
pub(super) async fn delete(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let name = name(&params)?;
    match state.authorization.remove(name).await.map_err(|error| internal_error(&error))? {
        Some(_) => Ok(body::empty(StatusCode::NO_CONTENT)),
        None => {
            let text = format!("No role assignment is called '{name}'; GET /admin/role-assignments lists them.");
            Err(ApiError::new(StatusCode::NOT_FOUND, "RoleAssignmentNotFound", text))
        }
    }
}

impl State {
    /// `assignment`, counting from now on, or after the configured delay.
    pub(super) fn effective_after_delay(&self, assignment: RoleAssignment) -> RoleAssignment {
        match self.role_assignment_delay {
            0 => assignment,
            delay => RoleAssignment { effective_from: self.clock.now().unix() + i64::from(delay), ..assignment },
        }
    }
}

impl RoleAssignmentBody {
    /// `names` are those of the identities, by their object ids.
    fn of(assignment: &RoleAssignment, access: &RoleBasedAccess, names: &HashMap<Uuid, &str>) -> Self {
        let role =
            access.role(assignment.role).map_or_else(|| assignment.role.to_string(), |role| role.name.to_string());
        Self {
            name: assignment.id,
            object_id: assignment.principal,
            identity: names.get(&assignment.principal).map(ToString::to_string),
            principal_type: assignment.principal_type.as_str(),
            role,
            role_definition_id: assignment.role,
            scope: assignment.scope.as_str().to_owned(),
            condition: assignment.condition.clone().map(String::from),
            effective_from: Some(assignment.effective_from)
                .filter(|from| *from != 0)
                .map(|from| Timestamp::from_unix(from).to_string()),
        }
    }
}

fn name(params: &Params) -> Result<Uuid, ApiError> {
    Uuid::parse_str(&params.get("name")).map_err(|_| bad_request("the name of a role assignment must be a GUID"))
}

pub(super) fn refused(refusal: AssignmentRefusal) -> ApiError {
    match refusal {
        AssignmentRefusal::Exists { id } => conflict(format!("the role assignment '{id}' gives the same")),
        AssignmentRefusal::IdTaken => {
            conflict("another role assignment has this name; its principal, role and scope do not change")
        }
        AssignmentRefusal::TooMany => {
            conflict(format!("there are {MAX_ASSIGNMENTS} role assignments, and no more fit"))
        }
        AssignmentRefusal::Record(error) => internal_error(&error),
    }
}
