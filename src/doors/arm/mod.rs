//! The management plane (Azure Resource Manager): `arm.localhost`, and through the takeover `management.azure.com`. Each resource
//! provider is a folder with its types ([`provider::Provider`]) and its table of routes; what all have in common is here.

mod authenticate;
mod data_factory;
mod endpoint;
mod headers;
mod paging;
mod permit;
mod polling;
mod provider;
mod refusal;
mod refused_change;
mod refused_key;
mod refused_network;
mod refused_run;
mod refused_runtime;
mod resources;
mod state;

use std::sync::Arc;

use hyper::{Method, StatusCode, Uri};
use uuid::Uuid;

use endpoint::{Endpoint, RouteTable};
use headers::Repeated;
use provider::Provider;
use state::Call;

use crate::directory::AuthenticatedCaller;
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::http::routes::{Lookup, Params, Routes, segments};
use crate::http::{Request, Response};
use crate::random;
use crate::trail::{Answered, Caller, Trail};

pub(crate) use state::State;

/// Every provider.
static PROVIDERS: [&Provider; 2] = [&resources::PROVIDER, &data_factory::PROVIDER];
/// What answers their operations.
static ROUTES: [RouteTable; 2] = [resources::routes, data_factory::routes];

/// The host name on this machine, exactly.
pub(crate) const HOST: &str = "arm.localhost";
/// The hosts of the public cloud: the management plane's, and Microsoft Graph's, which its clients call too.
const CLOUD_HOSTS: [&str; 2] = ["management.azure.com", "graph.microsoft.com"];

/// Whether `host` (lower case) is one that the takeover takes over for this door.
pub(crate) fn named_in_cloud(host: &str) -> bool {
    CLOUD_HOSTS.contains(&host)
}

/// The hosts of the cloud.
pub(crate) fn cloud_hosts() -> impl Iterator<Item = &'static str> {
    CLOUD_HOSTS.into_iter()
}

/// The door: routes requests to the handlers of providers.
pub(crate) struct Door {
    state: Arc<State>,
    routes: Routes<Endpoint>,
}

impl Door {
    /// A door over `state`.
    pub(crate) fn new(state: State) -> Self {
        let routes = ROUTES.iter().flat_map(|routes| routes()).collect();
        Self { state: Arc::new(state), routes: Routes::new(routes) }
    }

    /// Answers a request to the host `authority`.
    pub(crate) async fn answer(&self, request: Request, authority: Authority) -> Answered {
        let id = random::uuid(&*self.state.random);
        let repeated = Repeated::of(request.method(), request.headers());
        let mut trail = Trail { request_id: Some(id), ..Trail::new("arm") };
        let answered = self.dispatch(request, &authority, &mut trail).await;
        let mut response = answered.unwrap_or_else(ApiError::into_response);
        repeated.add_to(response.headers_mut(), id, self.state.clock.now());
        trail.finish(response)
    }

    /// Authenticates the caller before it answers by the path: unknown paths are not shown to everyone.
    async fn dispatch(&self, request: Request, authority: &Authority, trail: &mut Trail) -> Result<Response, ApiError> {
        let found = self.routes.find(request.method(), request.uri());
        if let Lookup::Found(operation, _, params) = &found {
            trail.route(operation, params);
        }
        let AuthenticatedCaller { identity: caller, record } = self.state.authenticate(&request, authority).await?;
        trail.caller = Caller::Identity(record);
        match found {
            Lookup::Found(operation, endpoint, params) => {
                endpoint.kind.check_version(&params)?;
                self.state.check_subscription(&params).await?;
                let (now, path) = (self.state.clock.now(), request.uri().path());
                let access = self.state.permit((operation, path), &caller, now, trail).await?;
                let origin = format!("https://{authority}");
                let (head, body) = request.into_parts();
                let (asked, rights) = ((operation, params), (caller, access));
                let path = head.uri.path().to_owned();
                let call = Call::new(asked, rights, now, &PROVIDERS, (origin, path), (head.headers, body));
                (endpoint.handler)(self.state.clone(), call).await
            }
            Lookup::NoSuchMethod => Err(no_such_method(request.method())),
            Lookup::NoSuchPath => Err(no_such_path(request.method(), request.uri())),
        }
    }
}

impl State {
    /// Refuses a subscription that is not there.
    async fn check_subscription(&self, params: &Params) -> Result<(), ApiError> {
        let given = params.get("subscriptionId");
        if given.is_empty() {
            return Ok(());
        }
        // In the one form that ids of Azure have.
        let id = Uuid::parse_str(&given).ok().filter(|id| id.to_string() == given.to_lowercase());
        match id {
            Some(id) if self.management.has_subscription(id).await.map_err(refused_change::of)? => Ok(()),
            _ => Err(refusal::no_subscription(&given)),
        }
    }
}

fn no_such_method(method: &Method) -> ApiError {
    let text = format!("The requested resource does not support http method '{method}'.");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", text)
}

/// Names what is wrong with a path: the namespace, the type, or all of it.
fn no_such_path(method: &Method, uri: &Uri) -> ApiError {
    let path = uri.path();
    let mut after = segments(path).skip_while(|segment| !segment.eq_ignore_ascii_case("providers")).skip(1);
    if let (Some(namespace), true) = (after.next(), path.starts_with("/subscriptions/")) {
        let known = PROVIDERS.iter().any(|provider| provider.namespace.eq_ignore_ascii_case(namespace));
        return if known {
            refusal::invalid_type(namespace, &version_in(uri))
        } else {
            refusal::invalid_namespace(namespace, &provider::namespaces(&PROVIDERS))
        };
    }
    let text = format!(
        "Keyhaven's management plane does not have {method} {path}; it has subscriptions, resource groups, and the resources of \
         its providers (GET /subscriptions/ID/providers)."
    );
    ApiError::new(StatusCode::NOT_FOUND, "InvalidResourceType", text)
}

fn version_in(uri: &Uri) -> String {
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let mut versions = query.filter(|(name, _)| name.eq_ignore_ascii_case("api-version"));
    versions.next().map(|(_, version)| version.into_owned()).unwrap_or_default()
}
