//! The data plane: `https://NAME.vault.…/keys` and `/secrets`. Only this room knows the wire's names for what
//! `vault` does.

mod api_version;
mod attributes;
mod authorized_request;
mod backup;
mod certificates;
mod challenge;
mod collection;
mod deletion;
mod fault;
mod firewall;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod host;
mod input;
mod keys;
mod later_versions;
mod method_override;
mod paging;
mod permit;
mod refusal;
mod response;
mod routes;
mod secrets;
mod target;

use std::net::IpAddr;
use std::sync::Arc;

use crate::access::Identity;
use crate::authorization::Authorization;
use crate::clock::Clock;
use crate::directory::{AuthenticatedCaller, Directory};
use crate::faults::{Fault, Faults};
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::{Lookup, Params, Routes};
use crate::http::{BoxFuture, ConnectionInfo, Incoming, Request, Response};
use crate::operation::Operation;
use crate::random::{self, Random};
use crate::trail::{Answered, AskedFor, Caller, Trail};
use crate::vault::{Call, Guarded, Vault, Vaults};

use api_version::ApiVersion;
use authorized_request::AuthorizedRequest;
use host::{Hosts, Resolved};
use later_versions::LaterVersions;
use permit::{Asked, Permit};
use target::RequestTarget;

pub(crate) use routes::operations;

/// The state that the handlers of this door share.
pub(crate) struct State {
    /// The domain.
    pub vaults: Vaults,
    /// Who may hold a token.
    pub directory: Directory,
    /// Who has which role.
    pub authorization: Authorization,
    /// Resolves host names to vaults.
    pub hosts: Hosts,
    /// The rules that make requests go wrong on purpose.
    pub faults: Arc<Faults>,
    /// The vault clock.
    pub clock: Arc<dyn Clock>,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
    /// The address that every request counts as coming from, if not the connection's.
    pub client_address: Option<IpAddr>,
    /// Limits on requests.
    pub limits: Arc<Limits>,
}

/// The most vaults that the answer names when none is found.
const MOST_VAULTS_LISTED: usize = 20;

/// A handler of this door: the request is authorized, and its body is not read yet.
type Handler = fn(Arc<State>, AuthorizedRequest, Incoming) -> BoxFuture<Result<Response, ApiError>>;

/// The door: routes requests to handlers.
pub(crate) struct Door {
    state: Arc<State>,
    routes: Routes<Handler>,
    later_versions: LaterVersions,
}

/// A request whose host is resolved and whose operation is looked up. Its caller is not known yet.
struct Routed {
    request: Request,
    connection: ConnectionInfo,
    target: RequestTarget,
    resolved: Resolved,
    route: Result<MatchedRoute, ApiError>,
}

/// The operation that a request is routed to.
struct MatchedRoute {
    operation: &'static Operation,
    handler: Handler,
    params: Params,
}

impl Door {
    /// A door over `state`.
    pub(crate) fn new(state: State) -> Self {
        Self { state: Arc::new(state), routes: routes::table(), later_versions: LaterVersions::default() }
    }

    /// Answers a request: the host, the token, the address, the permission, and only then the rest.
    pub(crate) async fn answer(&self, request: Request, mut connection: ConnectionInfo) -> Answered {
        let address = self.state.client_address.filter(|_| !connection.is_service);
        if let Some(address) = address {
            connection.peer.set_ip(address);
        }
        let id = random::uuid(&*self.state.random);
        let client_id = request.headers().get(response::CLIENT_REQUEST_ID).cloned();
        let mut trail = Trail { request_id: Some(id), address, ..Trail::new("vault") };
        let mut fault = None;
        let answered = self.dispatch(request, connection, &mut trail, &mut fault).await;
        let mut answer = answered.unwrap_or_else(ApiError::into_response);
        response::finish(&mut answer, id, client_id, connection);
        if let Some(assignment) = trail.assignment {
            response::assigned(&mut answer, assignment);
        }
        if let Some(location) = &trail.location {
            response::located(&mut answer, location);
        }
        fault::cut(fault, &mut answer);
        trail.finish(answer)
    }

    /// Runs the handler of a request, unless the request is refused or a fault rule makes it fail.
    async fn dispatch(
        &self,
        request: Request,
        connection: ConnectionInfo,
        trail: &mut Trail,
        fault: &mut Option<Fault>,
    ) -> Result<Response, ApiError> {
        let target = RequestTarget::of(&request)?;
        let resolved = self.state.resolve(&target.authority).await;
        let resolved = resolved.inspect_err(|_| trail.asked = Some(AskedFor::new(target.authority.host())))?;
        trail.vault = Some(resolved.vault().name.clone());
        trail.location = resolved.vault().location_if_not_default().map(Box::from);
        trail.vault_id = resolved.vault().id_if_not_default(self.state.directory.tenant().subscription);
        let route = self.route(&request);
        if let Ok(route) = &route {
            trail.route(route.operation, &route.params);
        }
        let mut routed = Routed { request, connection, target, resolved, route };
        *fault = self.fault(&routed);
        if let Some(fault) = *fault {
            // Boxed because it is rare: the future of every request is smaller for it.
            Box::pin(self.inject(fault, &mut routed)).await?;
        }
        let (api_version, who, permit) = self.authorize(&routed, trail).await?;
        let Routed { request, connection, target, resolved, route } = routed;
        let MatchedRoute { operation, handler, params } = route?;
        let asked = Asked { operation, params: &params, who: &who };
        let (vault, permit) = self.state.create_if_absent(resolved, permit, asked, connection, trail).await?;
        let Permit { guard, network_guard, refusal_if_symmetric } = permit;
        let guards = guard.into_iter().chain(network_guard.map(|guard| *guard));
        let call = Call::new(self.state.clock.now(), vault).guarded_by(guards, refusal_if_symmetric.is_some());
        let authorized = AuthorizedRequest { operation, params, target, api_version, call, refusal_if_symmetric };
        handler(self.state.clone(), authorized, request.into_body()).await
    }

    /// Finds the operation of a request. The caller learns that there is none only once it is authenticated.
    fn route(&self, request: &Request) -> Result<MatchedRoute, ApiError> {
        let method = method_override::effective(request.method(), request.headers())?;
        match self.routes.find(&method, request.uri()) {
            Lookup::Found(operation, handler, params) => Ok(MatchedRoute { operation, handler: *handler, params }),
            Lookup::NoSuchMethod | Lookup::NoSuchPath => Err(refusal::no_such_operation(&method, request)),
        }
    }

    /// Authenticates and authorizes a request, before a byte of its body is read.
    async fn authorize(&self, routed: &Routed, trail: &mut Trail) -> Result<(ApiVersion, Identity, Permit), ApiError> {
        let Routed { request, connection, target, resolved, route } = routed;
        let AuthenticatedCaller { identity: who, record } =
            self.state.authenticate(request, &target.authority, *connection).await?;
        if !connection.is_service {
            trail.address = record.addresses.first().copied().or(trail.address);
        }
        trail.caller = Caller::Identity(record);
        let network_guard = self.state.admit(&who, *connection, resolved.vault(), trail).await?;
        let MatchedRoute { operation, params, .. } = route.as_ref().map_err(ApiError::clone)?;
        let permit = self.state.permit(Asked { operation, params, who: &who }, resolved.vault(), trail).await?;
        let permit = Permit { network_guard, ..permit };
        input::check_type(request)?;
        let api_version = ApiVersion::of(&target.query)?;
        self.later_versions.note(api_version, &target.query);
        Ok((api_version, who, permit))
    }
}

impl State {
    /// Resolves a host, or answers the 404 that lists the vaults.
    async fn resolve(&self, authority: &Authority) -> Result<Resolved, ApiError> {
        let found = self.hosts.resolve(&self.vaults, authority).await;
        match found.map_err(refusal::error)? {
            Some(resolved) => Ok(resolved),
            None => Err(self.no_such_vault(authority).await),
        }
    }

    /// The vault that was resolved, created if it does not exist. The request is permitted by then, so that no client fills
    /// the store with names. Another client may have created the vault meanwhile, so its rules decide again.
    async fn create_if_absent(
        &self,
        resolved: Resolved,
        permit: Permit,
        asked: Asked<'_>,
        connection: ConnectionInfo,
        trail: &mut Trail,
    ) -> Result<(Guarded<Vault>, Permit), ApiError> {
        let on_demand = matches!(resolved, Resolved::OnDemand(_));
        let vault =
            self.hosts.create_if_absent(&self.vaults, resolved, self.clock.now()).await.map_err(refusal::error)?;
        if !on_demand {
            return Ok((vault, permit));
        }
        let network_guard = self.admit(asked.who, connection, &vault, trail).await?;
        let permit = Permit { network_guard, ..self.permit(asked, &vault, trail).await? };
        Ok((vault, permit))
    }

    async fn no_such_vault(&self, authority: &Authority) -> ApiError {
        let there = self.vaults.all().await.unwrap_or_default();
        let more =
            there.len().checked_sub(MOST_VAULTS_LISTED).filter(|more| *more > 0).map(|more| format!("{more} more"));
        let names = there.iter().take(MOST_VAULTS_LISTED).map(|vault| vault.name.as_str());
        let names: Vec<_> = names.chain(more.as_deref()).collect();
        refusal::no_such_vault(authority, &names)
    }

    async fn authenticate(
        &self,
        request: &Request,
        authority: &Authority,
        connection: ConnectionInfo,
    ) -> Result<AuthenticatedCaller, ApiError> {
        let resource = challenge::resource(authority);
        let Some(token) = challenge::bearer(request) else {
            let (message, tenant) = (challenge::MISSING.to_owned(), self.directory.tenant_id());
            return Err(challenge::unauthorized(message, authority, tenant, connection));
        };
        let audiences = [resource.as_str(), challenge::VAULT, challenge::MANAGED_HSM, challenge::APP_ID];
        match self.directory.authenticate(token, &audiences).await {
            Ok(caller) => Ok(caller),
            Err(why) => {
                let refused = challenge::refused(why, token, &self.directory, authority, connection);
                Err(refused.unwrap_or_else(|record| refusal::error(record.into())))
            }
        }
    }
}
