//! What all forms of managed identity share: selecting the identity, issuing the token, and the answer.

use hyper::StatusCode;
use serde::Serialize;

use super::token_request::TokenRequest;
use super::{State, bad_request};
use crate::directory::{
    ClientAuthentication, IdentityRecord, IdentitySelector, IssuedToken, IssuerError, UnknownIdentities,
    application_disabled, no_such_resource,
};
use crate::http::{Response, body};
use crate::trail::{AskedFor, TokenGrant};

/// The metadata service's text (azure-sdk-for-rust issue 748).
pub(super) const SEVERAL_IDENTITIES: &str = "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token \
     request";

/// A token that was issued, with its request's selector and resource.
pub(super) struct GrantedToken {
    issued: IssuedToken,
    resource: String,
    selector: IdentitySelector,
    identity: std::sync::Arc<IdentityRecord>,
}

/// Why no token was issued.
pub(super) enum TokenDenied {
    /// A parameter is missing or invalid: code and text of IMDS's error.
    Invalid(&'static str, String),
    /// The identity does not exist; the id that the request named it by, if it did.
    NoIdentity(Option<AskedFor>),
    /// The request names none, and there are several.
    SeveralIdentities,
    /// The server failed; the cause is in the log.
    Failed,
}

/// Issues the token that is requested.
pub(super) async fn issue_token(state: &State, request: &TokenRequest) -> Result<GrantedToken, TokenDenied> {
    let required = |name| request.parameter(name).ok_or_else(|| TokenDenied::Invalid("invalid_request", missing(name)));
    required("api-version")?;
    let resource = required("resource")?;
    if !state.resources.contains(resource) {
        let text = format!("AADSTS500011: {}", no_such_resource(resource, state.directory.tenant_id()));
        return Err(TokenDenied::Invalid("invalid_resource", text));
    }
    let selector = request.selector().map_err(|why| TokenDenied::Invalid("invalid_request", why.to_owned()))?;
    if selector == IdentitySelector::Default && has_several(state).await? {
        return Err(TokenDenied::SeveralIdentities);
    }
    let unknown_identities = if request.is_local { state.unknown_identities } else { UnknownIdentities::Reject };
    let found = state.directory.select(&selector, unknown_identities).await.map_err(|error| internal_error(&error))?;
    let identity = found.ok_or_else(|| TokenDenied::NoIdentity(request.named_identity().map(AskedFor::new)))?;
    let issued = state.directory.issue(&identity, resource, ClientAuthentication::ManagedIdentity).await;
    let issued = issued.map_err(|error| match error {
        IssuerError::Disabled(_) => {
            let text = format!("AADSTS7000112: {}", application_disabled(&identity));
            TokenDenied::Invalid("unauthorized_client", text)
        }
        error => internal_error(&error),
    })?;
    Ok(GrantedToken { issued, resource: resource.to_owned(), selector, identity })
}

async fn has_several(state: &State) -> Result<bool, TokenDenied> {
    state.directory.has_several_identities().await.map_err(|error| internal_error(&error))
}

/// An answer that no identity is the one that was `asked` for.
pub(super) fn with_asked(asked: Option<AskedFor>, answer: Response) -> Response {
    match asked {
        Some(asked) => asked.attach(answer),
        None => answer,
    }
}

fn missing(name: &str) -> String {
    format!("Required query variable '{name}' is missing")
}

fn internal_error(error: &dyn std::error::Error) -> TokenDenied {
    tracing::error!(%error, "a token could not be issued");
    TokenDenied::Failed
}

/// Every value is a string: some clients accept nothing else.
#[derive(Serialize)]
struct TokenBody<'a> {
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

impl GrantedToken {
    /// The response of IMDS, App Service and Service Fabric.
    pub(super) fn response(&self) -> Response {
        self.with_grant(body::json(StatusCode::OK, &self.body()))
    }

    /// The response of Azure Arc, which repeats the id that the request selected by: clients demand it (msal, azidentity).
    pub(super) fn response_with_id(&self) -> Response {
        let mut token = self.body();
        match &self.selector {
            IdentitySelector::Default | IdentitySelector::ClientId(_) => {}
            IdentitySelector::ObjectId(_) => token.object_id = Some(self.identity.object_id.to_string()),
            IdentitySelector::ResourceId(id) => token.msi_res_id = Some(id),
        }
        self.with_grant(body::json(StatusCode::OK, &token))
    }

    fn with_grant(&self, answer: Response) -> Response {
        TokenGrant { identity: self.identity.clone(), resource: self.resource.clone() }.attach(answer)
    }

    fn body(&self) -> TokenBody<'_> {
        TokenBody {
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

impl TokenDenied {
    /// The response of IMDS, App Service and Azure Arc.
    pub(super) fn response(self) -> Response {
        match self {
            Self::Invalid(error, text) => bad_request(error, &text),
            Self::NoIdentity(asked) => with_asked(asked, bad_request("invalid_request", "Identity not found")),
            Self::SeveralIdentities => bad_request("invalid_request", SEVERAL_IDENTITIES),
            Self::Failed => {
                let text = "The server's log says what went wrong";
                super::refused(StatusCode::INTERNAL_SERVER_ERROR, "server_error", text)
            }
        }
    }
}
