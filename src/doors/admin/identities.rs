//! Identities: listed, added, removed, and tokens issued for them. No answer holds a client secret.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::request_body::{self, bad_request};
use super::{State, conflict, internal_error, with_admin_key};
use crate::config::entry;
use crate::directory::{
    AddRefusal, ClientAuthentication, IdentityRecord, IdentitySelector, IssuerError, UnknownIdentities,
};
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;

pub(super) static LIST: Operation = with_admin_key("IdentityList", Method::GET, "/admin/identities");
pub(super) static ADD: Operation = with_admin_key("IdentityAdd", Method::POST, "/admin/identities");
pub(super) static REMOVE: Operation = with_admin_key("IdentityRemove", Method::DELETE, "/admin/identities/{name}");
pub(super) static CHANGE: Operation = with_admin_key("IdentityChange", Method::PATCH, "/admin/identities/{name}");
pub(super) static REVOKE: Operation = with_admin_key("IdentityRevoke", Method::POST, "/admin/identities/{name}/revoke");
pub(super) static TOKEN: Operation = with_admin_key("IdentityToken", Method::POST, "/admin/identities/{name}/token");

#[derive(Serialize)]
struct IdentityListBody {
    identities: Vec<IdentityBody>,
    /// The name of the one that programs are which name none.
    default: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IdentityBody {
    name: String,
    client_id: Uuid,
    object_id: Uuid,
    resource_id: String,
    system_assigned: bool,
    enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<Uuid>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    trusted_service: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<IpAddr>,
}

/// Answers every identity, in order.
pub(super) async fn list(state: Arc<State>) -> Result<Response, ApiError> {
    let all = state.directory.identities().await.map_err(|error| internal_error(&error))?;
    let identities = all.iter().map(|identity| IdentityBody::of(identity)).collect();
    let default = state.directory.select(&IdentitySelector::Default, UnknownIdentities::Reject).await;
    let default = default.map_err(|error| internal_error(&error))?.map(|identity| identity.name.clone());
    Ok(body::json(StatusCode::OK, &IdentityListBody { identities, default }))
}

/// Adds an identity. The body is an entry of the configuration file's `identities`.
pub(super) async fn add(state: Arc<State>, body: Incoming) -> Result<Response, ApiError> {
    let bytes = request_body::read(body, &state.limits).await?;
    let identity =
        entry::identity(&bytes, state.directory.tenant(), 0).map_err(|error| bad_request(error.to_string()))?;
    match state.directory.add(&identity).await {
        Ok(()) => Ok(body::json(StatusCode::CREATED, &IdentityBody::of(&identity))),
        Err(AddRefusal::Taken { by }) => Err(conflict(format!("the identity '{by}' has the same name or an id of it"))),
        // Only automatically created identities are refused for these reasons.
        Err(AddRefusal::TooMany | AddRefusal::Removed) => Err(conflict("it cannot be made on the spot")),
        Err(AddRefusal::Record(error)) => Err(internal_error(&error)),
    }
}

/// Removes an identity; its tokens are refused from the next request on.
pub(super) async fn remove(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let name = &*params.get("name");
    let found = state.directory.find_by_name(name).await.map_err(|error| internal_error(&error))?;
    if let Some(own) = found.filter(|identity| identity.of_resource) {
        return Err(conflict(format!("the identity '{name}' goes with its resource, {}", own.resource_id)));
    }
    match state.directory.remove(name).await.map_err(|error| internal_error(&error))? {
        true => Ok(body::empty(StatusCode::NO_CONTENT)),
        false => Err(no_such_identity(name)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeRequest {
    enabled: bool,
}

/// Disables an identity, or enables it again.
pub(super) async fn change(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let ChangeRequest { enabled } = request_body::json(&state, body, r#"{"enabled": false}"#).await?;
    let name = &*params.get("name");
    let changed = state.directory.set_disabled(name, !enabled).await.map_err(|error| internal_error(&error))?;
    let changed = changed.ok_or_else(|| no_such_identity(name))?;
    Ok(body::json(StatusCode::OK, &IdentityBody::of(&changed)))
}

/// Revokes an identity's sessions: the tokens that it has are refused from the next request on.
pub(super) async fn revoke(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let name = &*params.get("name");
    match state.directory.revoke(name).await.map_err(|error| internal_error(&error))? {
        Some(_) => Ok(body::empty(StatusCode::NO_CONTENT)),
        None => Err(no_such_identity(name)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    resource: Option<String>,
    #[serde(default)]
    federated: bool,
}

/// A bearer credential: deliberately no `Debug`.
#[derive(Serialize)]
struct TokenBody {
    access_token: String,
    expires_on: i64,
}

/// Issues an access token of an identity, for `https://vault.azure.net` unless a resource is named; or a federated token.
pub(super) async fn token(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let request: TokenRequest = request_body::json(&state, body, r#"{"resource": "https://vault.azure.net"}"#).await?;
    if request.federated && request.resource.is_some() {
        return Err(bad_request("resource: a federated token is for the token endpoint alone; leave resource out"));
    }
    let resource = request.resource.as_deref().unwrap_or("https://vault.azure.net");
    let name = &*params.get("name");
    let found = state.directory.find_by_name(name).await.map_err(|error| internal_error(&error))?;
    let identity = found.ok_or_else(|| no_such_identity(name))?;
    let issued = match request.federated {
        true => state.directory.federated_token(&identity).await,
        false => state.directory.issue(&identity, resource, ClientAuthentication::ManagedIdentity).await,
    };
    let issued = issued.map_err(|error| match error {
        IssuerError::Disabled(name) => conflict(format!("the identity '{name}' is disabled, so it gets no token")),
        error => internal_error(&error),
    })?;
    let token = TokenBody { access_token: issued.access_token, expires_on: issued.expires_on };
    Ok(body::json(StatusCode::OK, &token))
}

impl IdentityBody {
    fn of(identity: &IdentityRecord) -> Self {
        Self {
            name: identity.name.clone(),
            client_id: identity.client_id,
            object_id: identity.object_id,
            resource_id: identity.resource_id.clone(),
            system_assigned: identity.system_assigned,
            enabled: !identity.disabled,
            groups: identity.groups.clone(),
            trusted_service: identity.trusted_service,
            addresses: identity.addresses.clone(),
        }
    }
}

pub(super) fn no_such_identity(name: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NotFound", format!("No identity is called '{name}'."))
}
