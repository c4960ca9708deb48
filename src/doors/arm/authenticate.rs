//! Who calls: the token of a request to the management plane, and the 401 to one that is refused.

use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use uuid::Uuid;

use super::state::State;
use crate::directory::{AuthenticatedCaller, ClaimsChallenge, TokenRefusal};
use crate::http::Request;
use crate::http::authority::Authority;
use crate::http::claims_challenge::insufficient_claims;
use crate::http::error::ApiError;

/// The audiences of tokens for this door, besides the requested host; each with or without a trailing slash.
const AUDIENCES: [&str; 2] = ["https://management.core.windows.net", "https://management.azure.com"];

impl State {
    /// Authenticates the caller. Every identity of the tenant has access.
    pub(super) async fn authenticate(
        &self,
        request: &Request,
        authority: &Authority,
    ) -> Result<AuthenticatedCaller, ApiError> {
        let tenant = self.directory.tenant_id();
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            return Err(unauthorized(tenant, "Authentication failed. The 'Authorization' header is missing."));
        };
        let own = format!("https://{authority}");
        let audiences: Vec<_> = AUDIENCES.into_iter().chain([own.as_str()]).collect();
        match self.directory.authenticate(token.trim(), &audiences).await {
            Ok(caller) => Ok(caller),
            Err(TokenRefusal::Record(error)) => {
                tracing::error!(%error, "a token could not be checked");
                Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Please try again."))
            }
            Err(TokenRefusal::WrongAudience(found)) => {
                let text = format!(
                    "The access token has been obtained for wrong audience or resource '{found}'. It should exactly match \
                     with one of the allowed audiences '{}/', '{}/'.",
                    AUDIENCES[0], AUDIENCES[1]
                );
                Err(unauthorized(tenant, text))
            }
            Err(why) => Err(invalid_token(tenant, &why)),
        }
    }
}

/// The 401 to a token that is refused; the challenge asks for new claims where they would help.
fn invalid_token(tenant: Uuid, why: &TokenRefusal) -> ApiError {
    let text = "The access token is invalid or has expired.";
    match why.claims_challenge() {
        Some(ClaimsChallenge { description, claims }) => {
            challenged(tenant, text, &insufficient_claims(description, &claims))
        }
        None => unauthorized(tenant, text),
    }
}

fn unauthorized(tenant: Uuid, text: impl Into<String>) -> ApiError {
    challenged(tenant, text, r#"error="invalid_token""#)
}

fn challenged(tenant: Uuid, text: impl Into<String>, why: &str) -> ApiError {
    let challenge = format!(r#"Bearer authorization_uri="https://login.microsoftonline.com/{tenant}", {why}"#);
    ApiError::new(StatusCode::UNAUTHORIZED, "AuthenticationFailed", text).header("www-authenticate", challenge)
}
