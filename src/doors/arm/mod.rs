//! The management plane: `arm.localhost`, and through the takeover `management.azure.com`. Of it there is what every
//! `az login` asks: the subscription.

mod subscriptions;

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use uuid::Uuid;

use crate::directory::{Directory, TokenRefusal};
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::http::routes::{Lookup, Routes};
use crate::http::{BoxFuture, Request, Response};
use crate::random::{self, Random};

/// The host name on this machine, exactly.
pub const HOST: &str = "arm.localhost";
/// The hosts of the public cloud: the management plane's, and that of the directory it asks.
const CLOUD_HOSTS: [&str; 2] = ["management.azure.com", "graph.microsoft.com"];
/// What tokens for this door are for, besides the host that was asked; each with or without a slash at its end.
const AUDIENCES: [&str; 2] = ["https://management.core.windows.net", "https://management.azure.com"];

/// Whether `host` (lower case) is one that the takeover takes over for this door.
pub fn named_in_cloud(host: &str) -> bool {
    CLOUD_HOSTS.contains(&host)
}

/// The hosts of the cloud.
pub fn cloud_hosts() -> impl Iterator<Item = &'static str> {
    CLOUD_HOSTS.into_iter()
}

/// What the handlers of this door share.
pub struct State {
    /// The tenant and its subscription.
    pub directory: Directory,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
}

type Handler = fn(Arc<State>) -> BoxFuture<Response>;

/// The door: routes requests to handlers.
pub struct Service {
    state: Arc<State>,
    routes: Routes<Handler>,
}

impl Service {
    /// A service over `state`.
    pub fn new(state: State) -> Self {
        let routes: Routes<Handler> =
            Routes::new(vec![(&subscriptions::LIST, |state| Box::pin(async move { subscriptions::list(&state) }))]);
        Self { state: Arc::new(state), routes }
    }

    /// Answers a request that came in for `authority`.
    pub async fn answer(&self, request: Request, authority: Authority) -> Response {
        let id = random::uuid(&*self.state.random);
        let mut answer = match self.admitted(&request, &authority).await {
            Ok(handler) => handler(self.state.clone()).await,
            Err(error) => error.into_response(),
        };
        if let Ok(id) = id.to_string().parse() {
            answer.headers_mut().insert("x-ms-request-id", id);
        }
        answer
    }

    async fn admitted(&self, request: &Request, authority: &Authority) -> Result<Handler, ApiError> {
        self.state.authenticate(request, authority).await?;
        let (method, path) = (request.method(), request.uri().path());
        match self.routes.find(method, request.uri()) {
            Lookup::Found(_, handler, _) => has_version(request).map(|()| *handler),
            Lookup::NoSuchMethod | Lookup::NoSuchPath => {
                let text =
                    format!("Keyhaven's management plane does not have {method} {path}; it has GET /subscriptions.");
                Err(ApiError::new(StatusCode::NOT_FOUND, "InvalidResourceType", text))
            }
        }
    }
}

impl State {
    /// Any identity of the tenant may ask what there is here.
    async fn authenticate(&self, request: &Request, authority: &Authority) -> Result<(), ApiError> {
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
            Ok(_) => Ok(()),
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
            Err(_) => Err(unauthorized(tenant, "The access token is invalid or has expired.")),
        }
    }
}

fn unauthorized(tenant: Uuid, text: impl Into<String>) -> ApiError {
    let challenge =
        format!(r#"Bearer authorization_uri="https://login.microsoftonline.com/{tenant}", error="invalid_token""#);
    ApiError::new(StatusCode::UNAUTHORIZED, "AuthenticationFailed", text).header("www-authenticate", challenge)
}

fn has_version(request: &Request) -> Result<(), ApiError> {
    let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let named = query.into_iter().any(|(name, value)| name.eq_ignore_ascii_case("api-version") && !value.is_empty());
    let text = "The api-version query parameter (?api-version=) is required for all requests.";
    if named { Ok(()) } else { Err(ApiError::new(StatusCode::BAD_REQUEST, "MissingApiVersionParameter", text)) }
}
