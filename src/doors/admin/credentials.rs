//! Placeholder credentials: what a program signs in with as an identity, as the platforms of the cloud give it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::identities::no_such_identity;
use super::{ControlError, State, internal_error, request_body, with_admin_key};
use crate::directory::{CredentialKind, IdentityRecord};
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{BoxFuture, Incoming, Response, body};
use crate::operation::Operation;

pub(super) static CREDENTIAL: Operation =
    with_admin_key("IdentityCredential", Method::POST, "/admin/identities/{name}/credential");

/// Where placeholder credentials come from; it is put together elsewhere.
pub trait Credentials: Send + Sync {
    /// What a program has in its environment to sign in as `identity` with a credential of this kind.
    fn variables(
        &self,
        identity: Arc<IdentityRecord>,
        kind: CredentialKind,
    ) -> BoxFuture<Result<BTreeMap<String, String>, ControlError>>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialAsked {
    kind: CredentialKind,
}

/// A bearer credential: deliberately no `Debug`.
#[derive(Serialize)]
struct CredentialGiven {
    variables: BTreeMap<String, String>,
}

/// A placeholder credential of an identity, as variables of an environment. Files that they name lie on the server's machine.
pub(super) async fn credential(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let asked: CredentialAsked = request_body::json(&state, body).await?;
    let name = &*params.get("name");
    let found = state.directory.find_by_name(name).await.map_err(|error| internal_error(&error.to_string()))?;
    let identity = found.ok_or_else(|| no_such_identity(name))?;
    let variables = state.credentials.variables(identity, asked.kind).await?;
    Ok(body::json(StatusCode::OK, &CredentialGiven { variables }))
}
