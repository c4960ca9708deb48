//! Entra: `login.localhost`, and through the takeover `login.microsoftonline.com` and its siblings. It issues tokens to
//! applications that authenticate, and publishes the issuer's documents and keys. It has no interactive sign-in.

mod documents;
mod refusal;
mod tenant;
mod token;

use std::sync::Arc;

use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, PRAGMA};
use hyper::{Method, StatusCode};
use uuid::Uuid;

use crate::clock::{Clock, Timestamp};
use crate::directory::{Directory, ExternalIssuers, TokenResources, UnknownIdentities};
use crate::http::authority::Authority;
use crate::http::limits::Limits;
use crate::http::routes::{Lookup, Params, Routes};
use crate::http::{BoxFuture, ConnectionInfo, Request, Response, body};
use crate::operation::Operation;
use crate::random::{self, Random};
use crate::trail::{Answered, Trail};

use refusal::Refusal;

/// The host name on this machine, exactly.
pub(crate) const HOST: &str = "login.localhost";

/// The hosts that MSAL trusts, cloud by cloud; the first is the one that each cloud prefers, the second the one that
/// tokens are remembered under.
const CLOUDS: [&[&str]; 6] = [
    &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    &["login.sovcloud-identity.fr"],
    &["login.sovcloud-identity.de"],
    &["login.sovcloud-identity.sg"],
];

/// Whether `host` (lower case) is one that the takeover takes over for this door.
pub(crate) fn named_in_cloud(host: &str) -> bool {
    let regional = host.strip_suffix(".login.microsoft.com").is_some_and(|label| !label.contains('.'));
    regional || cloud_hosts().any(|known| known == host)
}

/// The hosts of every cloud; what is below `login.microsoft.com` belongs to it too.
pub(crate) fn cloud_hosts() -> impl Iterator<Item = &'static str> {
    CLOUDS.into_iter().flatten().copied()
}

static TOKEN: Operation = Operation::open("TokenV2", Method::POST, "/{tenant}/oauth2/v2.0/token");
static TOKEN_V1: Operation = Operation::open("Token", Method::POST, "/{tenant}/oauth2/token");
static INSTANCES: Operation = Operation::open("InstanceDiscovery", Method::GET, "/{tenant}/discovery/instance");
static CONFIGURATION_V1: Operation =
    Operation::open("OpenIdConfiguration", Method::GET, "/{tenant}/.well-known/openid-configuration");
static CONFIGURATION_V2: Operation =
    Operation::open("OpenIdConfigurationV2", Method::GET, "/{tenant}/v2.0/.well-known/openid-configuration");
static KEYS_V1: Operation = Operation::open("SigningKeys", Method::GET, "/{tenant}/discovery/keys");
static KEYS_V2: Operation = Operation::open("SigningKeysV2", Method::GET, "/{tenant}/discovery/v2.0/keys");

/// What the handlers of this door share.
pub(crate) struct State {
    /// The tenant.
    pub directory: Directory,
    /// Fetches the keys of external issuers.
    pub issuers: Arc<dyn ExternalIssuers>,
    /// The resources that tokens can be requested for.
    pub resources: TokenResources,
    /// The policy for unknown applications that sign in from this machine.
    pub unknown_identities: UnknownIdentities,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
    /// The system clock.
    pub clock: Arc<dyn Clock>,
    /// Limits on requests.
    pub limits: Arc<Limits>,
}

/// What the handlers know of a request.
struct RequestContext {
    /// The host it was sent to.
    authority: Authority,
    /// The tenant, as the path names it.
    tenant: String,
    /// Whether it comes from this machine.
    is_local: bool,
    trace: Uuid,
    correlation: Uuid,
    now: Timestamp,
}

type Handler = fn(Arc<State>, RequestContext, Request) -> BoxFuture<Result<Response, Refusal>>;

/// The door: routes requests to handlers.
pub(crate) struct Door {
    state: Arc<State>,
    routes: Routes<Handler>,
}

impl Door {
    /// A door over `state`.
    pub(crate) fn new(state: State) -> Self {
        let routes: Routes<Handler> = Routes::new(vec![
            (&TOKEN, |state, context, request| Box::pin(token::v2(state, context, request))),
            (&TOKEN_V1, |state, context, request| Box::pin(token::v1(state, context, request))),
            (&INSTANCES, |_, context, request| Box::pin(async move { Ok(documents::instances(&context, &request)) })),
            (&CONFIGURATION_V1, |state, context, _| {
                Box::pin(async move { documents::configuration(&state, &context, "") })
            }),
            (&CONFIGURATION_V2, |state, context, _| {
                Box::pin(async move { documents::configuration(&state, &context, "v2.0/") })
            }),
            (&KEYS_V1, |state, context, _| Box::pin(documents::keys(state, context))),
            (&KEYS_V2, |state, context, _| Box::pin(documents::keys(state, context))),
        ]);
        Self { state: Arc::new(state), routes }
    }

    /// Answers a request that came in for `authority`.
    pub(crate) async fn answer(&self, request: Request, authority: Authority, connection: ConnectionInfo) -> Answered {
        let mut trail = Trail::new("entra");
        let (handler, params) = match self.routes.find(request.method(), request.uri()) {
            Lookup::Found(operation, handler, params) => {
                trail.route(operation, &params);
                (Some(*handler), params)
            }
            Lookup::NoSuchMethod | Lookup::NoSuchPath => (None, Params::default()),
        };
        let context = self.state.context(&request, authority, &params, connection);
        let (trace, correlation, now) = (context.trace, context.correlation, context.now);
        trail.request_id = Some(trace);
        let answered = match handler {
            Some(handler) => handler(self.state.clone(), context, request).await,
            None => Err(Refusal::NoSuchEndpoint(format!("{} {}", request.method(), request.uri().path()))),
        };
        let mut answer = answered.unwrap_or_else(|refusal| refusal.answer(trace, correlation, now));
        finish(&mut answer, trace);
        trail.finish(answer)
    }
}

impl State {
    fn context(
        &self,
        request: &Request,
        authority: Authority,
        params: &Params,
        connection: ConnectionInfo,
    ) -> RequestContext {
        let given = request.headers().get("client-request-id").and_then(|id| Uuid::try_parse_ascii(id.as_bytes()).ok());
        RequestContext {
            authority,
            tenant: params.get("tenant").into_owned(),
            is_local: connection.is_local(),
            trace: random::uuid(&*self.random),
            correlation: given.unwrap_or_else(|| random::uuid(&*self.random)),
            now: self.clock.now(),
        }
    }
}

fn finish(answer: &mut Response, trace: Uuid) {
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    if let Ok(trace) = HeaderValue::from_str(&trace.to_string()) {
        headers.insert(HeaderName::from_static("x-ms-request-id"), trace);
    }
}

/// A response of JSON.
fn json<T: serde::Serialize>(value: &T) -> Response {
    body::json(StatusCode::OK, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_every_cloud_are_taken_over_and_no_others() {
        for host in ["login.microsoftonline.com", "sts.windows.net", "westeurope.login.microsoft.com"] {
            assert!(named_in_cloud(host), "{host}");
        }
        for host in ["login.localhost", "graph.microsoft.com", "a.b.login.microsoft.com", "xlogin.microsoft.com"] {
            assert!(!named_in_cloud(host), "{host}");
        }
    }
}
