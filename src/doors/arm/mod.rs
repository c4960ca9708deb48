//! The management plane (Azure Resource Manager): `arm.localhost`, and through the takeover `management.azure.com`. It has the
//! subscription, which every `az login` lists.

mod subscriptions;

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use uuid::Uuid;

use crate::access::Identity;
use crate::directory::{AuthenticatedCaller, ClaimsChallenge, Directory, TokenRefusal};
use crate::http::authority::Authority;
use crate::http::claims_challenge::insufficient_claims;
use crate::http::error::ApiError;
use crate::http::routes::{Lookup, Params, Routes};
use crate::http::{BoxFuture, Incoming, Request, Response};
use crate::random::{self, Random};
use crate::trail::{Answered, Caller, Trail};

/// The host name on this machine, exactly.
pub(crate) const HOST: &str = "arm.localhost";
/// The hosts of the public cloud: the management plane's, and Microsoft Graph's, which its clients call too.
const CLOUD_HOSTS: [&str; 2] = ["management.azure.com", "graph.microsoft.com"];
/// The audiences of tokens for this door, besides the requested host; each with or without a trailing slash.
const AUDIENCES: [&str; 2] = ["https://management.core.windows.net", "https://management.azure.com"];

/// Whether `host` (lower case) is one that the takeover takes over for this door.
pub(crate) fn named_in_cloud(host: &str) -> bool {
    CLOUD_HOSTS.contains(&host)
}

/// The hosts of the cloud.
pub(crate) fn cloud_hosts() -> impl Iterator<Item = &'static str> {
    CLOUD_HOSTS.into_iter()
}

/// What the handlers of this door share.
pub(crate) struct State {
    /// The tenant and its subscription.
    pub directory: Directory,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
}

/// A handler gets path and query, the caller, and the body, which it reads within limits or not at all.
type Handler = fn(Arc<State>, Params, Identity, Incoming) -> BoxFuture<Result<Response, ApiError>>;

/// The door: routes requests to handlers.
pub(crate) struct Door {
    state: Arc<State>,
    routes: Routes<Handler>,
}

impl Door {
    /// A door over `state`.
    pub(crate) fn new(state: State) -> Self {
        let routes: Routes<Handler> = Routes::new(vec![
            (&subscriptions::LIST, |state, _, _, _| Box::pin(async move { Ok(subscriptions::list(&state)) })),
            (&subscriptions::GET, |state, params, _, _| Box::pin(async move { subscriptions::get(&state, &params) })),
        ]);
        Self { state: Arc::new(state), routes }
    }

    /// Answers a request to the host `authority`.
    pub(crate) async fn answer(&self, request: Request, authority: Authority) -> Answered {
        let id = random::uuid(&*self.state.random);
        let mut trail = Trail { request_id: Some(id), ..Trail::new("arm") };
        let answered = self.dispatch(request, &authority, &mut trail).await;
        let mut response = answered.unwrap_or_else(ApiError::into_response);
        if let Ok(id) = id.to_string().parse() {
            response.headers_mut().insert("x-ms-request-id", id);
        }
        trail.finish(response)
    }

    /// Authenticates the caller before it answers by the path: unknown paths are not shown to everyone.
    async fn dispatch(&self, request: Request, authority: &Authority, trail: &mut Trail) -> Result<Response, ApiError> {
        let (method, uri) = (request.method(), request.uri());
        let found = self.routes.find(method, uri);
        if let Lookup::Found(operation, _, params) = &found {
            trail.route(operation, params);
        }
        let AuthenticatedCaller { identity: caller, record } = self.state.authenticate(&request, authority).await?;
        trail.caller = Caller::Identity(record);
        match found {
            Lookup::Found(_, handler, params) => {
                check_api_version(&params)?;
                handler(self.state.clone(), params, caller, request.into_body()).await
            }
            Lookup::NoSuchMethod | Lookup::NoSuchPath => {
                let path = uri.path();
                let text =
                    format!("Keyhaven's management plane does not have {method} {path}; it has GET /subscriptions.");
                Err(ApiError::new(StatusCode::NOT_FOUND, "InvalidResourceType", text))
            }
        }
    }
}

impl State {
    /// Authenticates the caller. Every identity of the tenant has access.
    async fn authenticate(&self, request: &Request, authority: &Authority) -> Result<AuthenticatedCaller, ApiError> {
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

fn check_api_version(params: &Params) -> Result<(), ApiError> {
    let is_named = params.query().any(|(name, value)| name.eq_ignore_ascii_case("api-version") && !value.is_empty());
    let text = "The api-version query parameter (?api-version=) is required for all requests.";
    if is_named { Ok(()) } else { Err(ApiError::new(StatusCode::BAD_REQUEST, "MissingApiVersionParameter", text)) }
}
