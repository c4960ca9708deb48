//! App Service's form, which the clients of every language support.

use std::sync::Arc;

use hyper::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::token::{SEVERAL_IDENTITIES, TokenDenied, issue_token, with_asked};
use super::token_request::TokenRequest;
use super::{Shared, State};
use crate::http::error::ErrorCode;
use crate::http::{Response, body};
use crate::random;

/// An error in App Service's form (read from clients: msal shows these two, azure-docs issue 43543 has the third).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refused {
    status_code: u16,
    message: String,
    correlation_id: Uuid,
}

/// `GET $IDENTITY_ENDPOINT` with `X-IDENTITY-HEADER`.
pub(super) async fn token(shared: Arc<Shared>, request: TokenRequest) -> Response {
    let state = &shared.state;
    if !state.is_identity_header(request.header("x-identity-header")) {
        let why = "The X-IDENTITY-HEADER is missing or is not the value of IDENTITY_HEADER";
        return refused(state, StatusCode::UNAUTHORIZED, why);
    }
    match issue_token(state, &request).await {
        Ok(token) => token.response(),
        Err(TokenDenied::Invalid(_, why)) => refused(state, StatusCode::BAD_REQUEST, why),
        Err(TokenDenied::NoIdentity(asked)) => {
            let why =
                "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.";
            with_asked(asked, refused(state, StatusCode::BAD_REQUEST, why))
        }
        Err(TokenDenied::SeveralIdentities) => refused(state, StatusCode::BAD_REQUEST, SEVERAL_IDENTITIES),
        Err(TokenDenied::Failed) => {
            refused(state, StatusCode::INTERNAL_SERVER_ERROR, "The server's log says what went wrong")
        }
    }
}

fn refused(state: &State, status: StatusCode, message: impl Into<String>) -> Response {
    let correlation_id = random::uuid(&*state.random);
    let answer = body::json(status, &Refused { status_code: status.as_u16(), message: message.into(), correlation_id });
    ErrorCode(status.canonical_reason().unwrap_or_default().replace(' ', "").into()).attach(answer)
}
