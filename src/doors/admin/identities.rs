//! Identities: shown, added, removed, and given tokens. No answer shows a client secret.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::request_body::{self, bad_request};
use super::{State, conflict, internal_error, with_admin_key};
use crate::config::entry;
use crate::directory::{AddRefusal, ClientAuthentication, IdentityRecord};
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;

pub(super) static LIST: Operation = with_admin_key("IdentityList", Method::GET, "/admin/identities");
pub(super) static ADD: Operation = with_admin_key("IdentityAdd", Method::POST, "/admin/identities");
pub(super) static REMOVE: Operation = with_admin_key("IdentityRemove", Method::DELETE, "/admin/identities/{name}");
pub(super) static TOKEN: Operation = with_admin_key("IdentityToken", Method::POST, "/admin/identities/{name}/token");

#[derive(Serialize)]
struct Listed {
    identities: Vec<Shown>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    client_id: Uuid,
    object_id: Uuid,
    resource_id: String,
    system_assigned: bool,
}

/// Every identity, in order.
pub(super) async fn list(state: Arc<State>) -> Result<Response, ApiError> {
    let all = state.directory.identities().await.map_err(|error| internal_error(&error.to_string()))?;
    let identities = all.iter().map(|identity| Shown::of(identity)).collect();
    Ok(body::json(StatusCode::OK, &Listed { identities }))
}

/// Adds an identity: an entry of the file's `identities`.
pub(super) async fn add(state: Arc<State>, body: Incoming) -> Result<Response, ApiError> {
    let bytes = request_body::read(body, &state.limits).await?;
    let identity =
        entry::identity(&bytes, state.directory.tenant(), 0).map_err(|error| bad_request(error.to_string()))?;
    match state.directory.add(&identity).await {
        Ok(()) => Ok(body::json(StatusCode::CREATED, &Shown::of(&identity))),
        Err(AddRefusal::Taken { by }) => Err(conflict(format!("the identity '{by}' has the same name or an id of it"))),
        // Only who is made on the spot can be refused so.
        Err(AddRefusal::TooMany | AddRefusal::Removed) => Err(conflict("it cannot be made on the spot")),
        Err(AddRefusal::Record(error)) => Err(internal_error(&error.to_string())),
    }
}

/// Takes an identity away; its tokens are refused from the next request on.
pub(super) async fn remove(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let name = &*params.get("name");
    match state.directory.remove(name).await.map_err(|error| internal_error(&error.to_string()))? {
        true => Ok(body::empty(StatusCode::NO_CONTENT)),
        false => Err(no_such_identity(name)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenAsked {
    resource: Option<String>,
    #[serde(default)]
    federated: bool,
}

/// Whoever has it is somebody, so it has no `Debug`.
#[derive(Serialize)]
struct TokenGiven {
    access_token: String,
    expires_on: i64,
}

/// A token of an identity: for `https://vault.azure.net` when no resource is named; or one that says who it is, to be
/// exchanged at the token endpoint.
pub(super) async fn token(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let asked: TokenAsked = request_body::json(&state, body).await?;
    if asked.federated && asked.resource.is_some() {
        return Err(bad_request("resource: a federated token is for the token endpoint alone; leave resource out"));
    }
    let resource = asked.resource.as_deref().unwrap_or("https://vault.azure.net");
    let name = &*params.get("name");
    let found = state.directory.find_by_name(name).await.map_err(|error| internal_error(&error.to_string()))?;
    let identity = found.ok_or_else(|| no_such_identity(name))?;
    let issued = match asked.federated {
        true => state.directory.federated_token(&identity).await,
        false => state.directory.issue(&identity, resource, ClientAuthentication::ManagedIdentity).await,
    };
    let issued = issued.map_err(|error| internal_error(&error.to_string()))?;
    let given = TokenGiven { access_token: issued.access_token, expires_on: issued.expires_on };
    Ok(body::json(StatusCode::OK, &given))
}

impl Shown {
    fn of(identity: &IdentityRecord) -> Self {
        Self {
            name: identity.name.clone(),
            client_id: identity.client_id,
            object_id: identity.object_id,
            resource_id: identity.resource_id.clone(),
            system_assigned: identity.system_assigned,
        }
    }
}

pub(super) fn no_such_identity(name: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NotFound", format!("No identity is called '{name}'."))
}
