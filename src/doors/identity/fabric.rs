//! Service Fabric, whose clients ask over TLS and know the server by its certificate's thumbprint.

use std::sync::Arc;

use hyper::StatusCode;
use serde::Serialize;

use super::Shared;
use super::asked::Asked;
use super::token::{Denied, given};
use crate::directory::IdentitySelector;
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
pub(super) async fn token(shared: Arc<Shared>, asked: Asked) -> Response {
    let secret = asked.header("secret");
    if secret.is_empty() {
        return refused(
            StatusCode::UNAUTHORIZED,
            "SecretHeaderNotFound",
            "Secret is not found in the request headers.",
        );
    }
    if !shared.state.knows_header(secret) {
        return refused(StatusCode::UNAUTHORIZED, "Unauthorized", "The Secret is not the value of IDENTITY_HEADER.");
    }
    if asked.chosen() != Ok(IdentitySelector::Default) {
        let why = "The identity is the application's; requests cannot name another.";
        return refused(StatusCode::BAD_REQUEST, "ArgumentNullOrEmpty", why);
    }
    match given(&shared.state, &asked).await {
        Ok(given) => given.answer(),
        Err(Denied::Bad(_, why)) => refused(StatusCode::BAD_REQUEST, "ArgumentNullOrEmpty", why),
        Err(Denied::NoIdentity) => {
            refused(StatusCode::BAD_REQUEST, "ManagedIdentityNotFound", "Managed identity is not found.")
        }
        Err(Denied::Failed) => Denied::Failed.answer(),
    }
}

fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> Response {
    body::json(status, &FabricError { error: Inner { code, message: message.into() } })
}
