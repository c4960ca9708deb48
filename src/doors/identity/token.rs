//! What every form of managed identity has in common: who is meant, for what, and the answer.

use hyper::StatusCode;
use serde::Serialize;

use super::asked::Asked;
use super::{State, bad};
use crate::directory::{
    ClientAuthentication, IdentityRecord, IdentitySelector, IssuedToken, UnknownIdentities, no_such_resource,
};
use crate::http::{Response, body};

/// A token, and to whom and for what it was given.
pub(super) struct Given {
    issued: IssuedToken,
    resource: String,
    chosen: IdentitySelector,
    identity: std::sync::Arc<IdentityRecord>,
}

/// Why there is no token.
pub(super) enum Denied {
    /// A parameter is missing or wrong; the error's code and text, as IMDS has them.
    Bad(&'static str, String),
    /// No such identity.
    NoIdentity,
    /// The server failed, and has said so in the log.
    Failed,
}

/// The token that `asked` asks for.
pub(super) async fn given(state: &State, asked: &Asked) -> Result<Given, Denied> {
    let required = |name| asked.value(name).ok_or_else(|| Denied::Bad("invalid_request", missing(name)));
    required("api-version")?;
    let resource = required("resource")?;
    if !state.resources.contains(resource) {
        let text = format!("AADSTS500011: {}", no_such_resource(resource, state.directory.tenant_id()));
        return Err(Denied::Bad("invalid_resource", text));
    }
    let chosen = asked.chosen().map_err(|why| Denied::Bad("invalid_request", why.to_owned()))?;
    let unknown_identities = if asked.near { state.unknown_identities } else { UnknownIdentities::Reject };
    let found = state.directory.select(&chosen, unknown_identities).await.map_err(|error| failed(&error))?;
    let identity = found.ok_or(Denied::NoIdentity)?;
    let issued = state
        .directory
        .issue(&identity, resource, ClientAuthentication::ManagedIdentity)
        .await
        .map_err(|error| failed(&error))?;
    Ok(Given { issued, resource: resource.to_owned(), chosen, identity })
}

fn missing(name: &str) -> String {
    format!("Required query variable '{name}' is missing")
}

fn failed(error: &dyn std::error::Error) -> Denied {
    tracing::error!(%error, "a token could not be issued");
    Denied::Failed
}

/// Every value is a string: some clients accept nothing else.
#[derive(Serialize)]
struct Granted<'a> {
    access_token: &'a str,
    client_id: String,
    expires_in: String,
    expires_on: String,
    ext_expires_in: String,
    not_before: String,
    resource: &'a str,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msi_res_id: Option<&'a str>,
}

impl Given {
    /// The answer of IMDS, App Service and Service Fabric.
    pub(super) fn answer(&self) -> Response {
        body::json(StatusCode::OK, &self.granted())
    }

    /// Azure Arc's answer says by which id the identity was asked for: clients demand it (msal, azidentity).
    pub(super) fn answer_with_id(&self) -> Response {
        let mut granted = self.granted();
        match &self.chosen {
            IdentitySelector::Default | IdentitySelector::ClientId(_) => {}
            IdentitySelector::ObjectId(_) => granted.object_id = Some(self.identity.object_id.to_string()),
            IdentitySelector::ResourceId(asked) => granted.msi_res_id = Some(asked),
        }
        body::json(StatusCode::OK, &granted)
    }

    fn granted(&self) -> Granted<'_> {
        Granted {
            access_token: &self.issued.access_token,
            client_id: self.issued.client_id.to_string(),
            expires_in: self.issued.expires_in.to_string(),
            expires_on: self.issued.expires_on.to_string(),
            ext_expires_in: self.issued.expires_in.to_string(),
            not_before: self.issued.not_before.to_string(),
            resource: &self.resource,
            token_type: "Bearer",
            object_id: None,
            msi_res_id: None,
        }
    }
}

impl Denied {
    /// The answer of IMDS, App Service and Azure Arc.
    pub(super) fn answer(self) -> Response {
        match self {
            Self::Bad(error, text) => bad(error, &text),
            Self::NoIdentity => bad("invalid_request", "Identity not found"),
            Self::Failed => {
                let text = "The server's log says what went wrong";
                super::refused(StatusCode::INTERNAL_SERVER_ERROR, "server_error", text)
            }
        }
    }
}
