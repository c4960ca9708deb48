//! Service Fabric's form: over TLS; clients pin the thumbprint of the server's certificate.

use std::sync::Arc;

use hyper::StatusCode;
use serde::Serialize;

use super::Shared;
use super::token::{SEVERAL_IDENTITIES, TokenDenied, issue_token};
use super::token_request::TokenRequest;
use crate::directory::IdentitySelector;
use crate::http::error::ErrorCode;
use crate::http::{Response, body};

#[derive(Serialize)]
struct FabricError {
    error: Inner,
}

#[derive(Serialize)]
struct Inner {
    code: &'static str,
    message: String,
}

/// `GET $IDENTITY_ENDPOINT` with `Secret: $IDENTITY_HEADER`; errors have the codes of Service Fabric's documentation.
pub(super) async fn token(shared: Arc<Shared>, request: TokenRequest) -> Response {
    let secret = request.header("secret");
    if secret.is_empty() {
        return refused(
            StatusCode::UNAUTHORIZED,
            "SecretHeaderNotFound",
            "Secret is not found in the request headers.",
        );
    }
    if !shared.state.is_identity_header(secret) {
        return refused(StatusCode::UNAUTHORIZED, "Unauthorized", "The Secret is not the value of IDENTITY_HEADER.");
    }
    if request.selector() != Ok(IdentitySelector::Default) {
        let why = "The identity is the application's; requests cannot name another.";
        return refused(StatusCode::BAD_REQUEST, "ArgumentNullOrEmpty", why);
    }
    match issue_token(&shared.state, &request).await {
        Ok(token) => token.response(),
        Err(TokenDenied::Invalid(_, why)) => refused(StatusCode::BAD_REQUEST, "ArgumentNullOrEmpty", why),
        Err(TokenDenied::NoIdentity(_)) => {
            refused(StatusCode::BAD_REQUEST, "ManagedIdentityNotFound", "Managed identity is not found.")
        }
        Err(TokenDenied::SeveralIdentities) => {
            refused(StatusCode::BAD_REQUEST, "ManagedIdentityNotFound", SEVERAL_IDENTITIES)
        }
        Err(TokenDenied::Failed) => TokenDenied::Failed.response(),
    }
}

fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> Response {
    ErrorCode(code.into()).attach(body::json(status, &FabricError { error: Inner { code, message: message.into() } }))
}
