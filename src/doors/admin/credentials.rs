//! Placeholder credentials, in the forms in which Azure's platforms give credentials to programs.

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

/// Makes placeholder credentials; the composition root implements it.
pub(crate) trait Credentials: Send + Sync {
    /// The environment variables with which a program signs in as `identity` by a credential of this kind.
    fn variables(
        &self,
        identity: Arc<IdentityRecord>,
        kind: CredentialKind,
    ) -> BoxFuture<Result<BTreeMap<String, String>, ControlError>>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialRequest {
    kind: CredentialKind,
}

/// A bearer credential: deliberately no `Debug`.
#[derive(Serialize)]
struct CredentialBody {
    variables: BTreeMap<String, String>,
}

/// Answers a placeholder credential of an identity as environment variables. Files that they name are on the server's
/// machine.
pub(super) async fn credential(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let request: CredentialRequest = request_body::json(&state, body, r#"{"kind": "client-secret"}"#).await?;
    let name = &*params.get("name");
    let found = state.directory.find_by_name(name).await.map_err(|error| internal_error(&error))?;
    let identity = found.ok_or_else(|| no_such_identity(name))?;
    let variables = state.credentials.variables(identity, request.kind).await?;
    Ok(body::json(StatusCode::OK, &CredentialBody { variables }))
}
