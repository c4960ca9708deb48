//! The data plane: `https://NAME.vault.…/keys` and `/secrets`. Only this room knows the wire's names for what
//! `vault` does.

mod api_version;
mod attributes;
mod backup;
mod certificates;
mod challenge;
mod deletion;
mod exchange;
mod fault;
pub mod host;
mod input;
mod keys;
mod later_versions;
mod method_override;
mod operate;
mod paging;
#[cfg(test)]
mod paths;
mod refusal;
mod response;
mod secrets;

use std::sync::Arc;

use uuid::Uuid;

use crate::access::{self, Decision, Identity};
use crate::clock::Clock;
use crate::directory::{AuthenticatedCaller, Directory};
use crate::faults::Faults;
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::{Lookup, Params, Routes};
use crate::http::{BoxFuture, ConnectionInfo, Incoming, Request, Response};
use crate::operation::Operation;
use crate::random::{self, Random};
use crate::trail::{Answered, Caller, Trail};
use crate::vault::{Call, Guarded, Vault, Vaults};

use api_version::ApiVersion;
use exchange::{Exchange, RequestTarget};
use host::{Hosts, Resolved};
use later_versions::LaterVersions;

/// The state that the handlers of this door share.
pub struct State {
    /// The domain.
    pub vaults: Vaults,
    /// Who may hold a token.
    pub directory: Directory,
    /// Resolves host names to vaults.
    pub hosts: Hosts,
    /// The rules that make requests go wrong on purpose.
    pub faults: Arc<Faults>,
    /// The vault clock.
    pub clock: Arc<dyn Clock>,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
    /// Bounds.
    pub limits: Arc<Limits>,
}

/// The most vaults that the answer names when none is found.
const MOST_VAULTS_LISTED: usize = 20;

type Handler = fn(Arc<State>, Exchange, Incoming) -> BoxFuture<Result<Response, ApiError>>;

/// The operations of this door, each with its handler. Fixed segments stand before free ones.
fn routes() -> Routes<Handler> {
    Routes::new(vec![
        (&keys::LIST, |state, exchange, _| Box::pin(keys::list(state, exchange))),
        (&keys::LIST_VERSIONS, |state, exchange, _| Box::pin(keys::list_versions(state, exchange))),
        (&keys::rotation::GET_POLICY, |state, exchange, _| Box::pin(keys::rotation::get_policy(state, exchange))),
        (&keys::rotation::SET_POLICY, |state, exchange, body| {
            Box::pin(keys::rotation::set_policy(state, exchange, body))
        }),
        (&keys::rotation::ROTATE, |state, exchange, _| Box::pin(keys::rotation::rotate(state, exchange))),
        (&keys::CREATE, |state, exchange, body| Box::pin(keys::create(state, exchange, body))),
        (&keys::IMPORT, |state, exchange, body| Box::pin(keys::import(state, exchange, body))),
        (&keys::GET, |state, exchange, _| Box::pin(keys::get(state, exchange))),
        (&keys::UPDATE, |state, exchange, body| Box::pin(keys::update(state, exchange, body))),
        (&operate::ENCRYPT, |state, exchange, body| Box::pin(operate::encrypt(state, exchange, body))),
        (&operate::DECRYPT, |state, exchange, body| Box::pin(operate::decrypt(state, exchange, body))),
        (&operate::WRAP, |state, exchange, body| Box::pin(operate::wrap(state, exchange, body))),
        (&operate::UNWRAP, |state, exchange, body| Box::pin(operate::unwrap(state, exchange, body))),
        (&operate::SIGN, |state, exchange, body| Box::pin(operate::sign(state, exchange, body))),
        (&operate::VERIFY, |state, exchange, body| Box::pin(operate::verify(state, exchange, body))),
        (&keys::RELEASE, |state, exchange, _| Box::pin(keys::release(state, exchange))),
        (&keys::deleted::DELETE, |state, exchange, _| Box::pin(keys::deleted::delete(state, exchange))),
        (&keys::deleted::LIST, |state, exchange, _| Box::pin(keys::deleted::list(state, exchange))),
        (&keys::deleted::GET, |state, exchange, _| Box::pin(keys::deleted::get(state, exchange))),
        (&keys::deleted::RECOVER, |state, exchange, _| Box::pin(keys::deleted::recover(state, exchange))),
        (&keys::deleted::PURGE, |state, exchange, _| Box::pin(keys::deleted::purge(state, exchange))),
        (&keys::BACKUP, |state, exchange, _| Box::pin(keys::back_up(state, exchange))),
        (&keys::RESTORE, |state, exchange, body| Box::pin(keys::restore(state, exchange, body))),
        (&secrets::LIST, |state, exchange, _| Box::pin(secrets::list(state, exchange))),
        (&secrets::LIST_VERSIONS, |state, exchange, _| Box::pin(secrets::list_versions(state, exchange))),
        (&secrets::SET, |state, exchange, body| Box::pin(secrets::set(state, exchange, body))),
        (&secrets::GET, |state, exchange, _| Box::pin(secrets::get(state, exchange))),
        (&secrets::UPDATE, |state, exchange, body| Box::pin(secrets::update(state, exchange, body))),
        (&secrets::deleted::DELETE, |state, exchange, _| Box::pin(secrets::deleted::delete(state, exchange))),
        (&secrets::deleted::LIST, |state, exchange, _| Box::pin(secrets::deleted::list(state, exchange))),
        (&secrets::deleted::GET, |state, exchange, _| Box::pin(secrets::deleted::get(state, exchange))),
        (&secrets::deleted::RECOVER, |state, exchange, _| Box::pin(secrets::deleted::recover(state, exchange))),
        (&secrets::deleted::PURGE, |state, exchange, _| Box::pin(secrets::deleted::purge(state, exchange))),
        (&secrets::BACKUP, |state, exchange, _| Box::pin(secrets::back_up(state, exchange))),
        (&secrets::RESTORE, |state, exchange, body| Box::pin(secrets::restore(state, exchange, body))),
        (&certificates::GET_CONTACTS, |_, exchange, _| Box::pin(async move { certificates::get_contacts(&exchange) })),
    ])
}

/// Every operation of the data plane.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    let operations: Vec<_> = routes().operations().collect();
    operations.into_iter()
}

/// The service behind this door: routes requests and runs their handlers.
pub struct Service {
    state: Arc<State>,
    routes: Routes<Handler>,
    later_versions: LaterVersions,
}

/// A request whose host is resolved and whose operation is looked up. Its caller is not known yet.
struct Routed {
    request: Request,
    connection: ConnectionInfo,
    id: Uuid,
    target: RequestTarget,
    resolved: Resolved,
    route: Result<Route, ApiError>,
}

/// The operation that a request is routed to.
struct Route {
    operation: &'static Operation,
    handler: Handler,
    params: Params,
}

impl Service {
    /// A service over `state`.
    pub fn new(state: State) -> Self {
        Self { state: Arc::new(state), routes: routes(), later_versions: LaterVersions::default() }
    }

    /// Answers a request: the host, the token, the permission, and only then the rest.
    pub async fn answer(&self, request: Request, connection: ConnectionInfo) -> Answered {
        let id = random::uuid(&*self.state.random);
        let client_id = request.headers().get(response::CLIENT_REQUEST_ID).cloned();
        let mut trail = Trail { request_id: Some(id), ..Trail::new("vault") };
        let mut answer = match self.dispatch(request, connection, id, &mut trail).await {
            Ok(answer) => answer,
            Err(error) => error.into_response(),
        };
        response::finish(&mut answer, id, client_id, connection);
        trail.finish(answer)
    }

    async fn dispatch(
        &self,
        request: Request,
        connection: ConnectionInfo,
        id: Uuid,
        trail: &mut Trail,
    ) -> Result<Response, ApiError> {
        let target = RequestTarget::of(&request)?;
        let resolved = self.state.resolve(&target.authority).await?;
        trail.vault = Some(resolved.vault().name.clone());
        let route = self.route(&request);
        if let Ok(route) = &route {
            trail.route(route.operation, &route.params);
        }
        let routed = Routed { request, connection, id, target, resolved, route };
        match self.fault(&routed) {
            None => self.run(routed, trail).await,
            Some(fault) => self.run_with(fault, routed, trail).await,
        }
    }

    /// Finds the operation of a request. The caller learns that there is none only once it is authenticated.
    fn route(&self, request: &Request) -> Result<Route, ApiError> {
        let method = method_override::effective(request.method(), request.headers())?;
        match self.routes.find(&method, request.uri()) {
            Lookup::Found(operation, handler, params) => Ok(Route { operation, handler: *handler, params }),
            Lookup::NoSuchMethod | Lookup::NoSuchPath => Err(refusal::no_such_operation(&method, request)),
        }
    }

    async fn run(&self, routed: Routed, trail: &mut Trail) -> Result<Response, ApiError> {
        let (handler, exchange, body) = self.authorize(routed, trail).await?;
        handler(self.state.clone(), exchange, body).await
    }

    /// Authenticates and authorizes a request, before a byte of its body is read.
    async fn authorize(&self, routed: Routed, trail: &mut Trail) -> Result<(Handler, Exchange, Incoming), ApiError> {
        let Routed { request, connection, id, target, resolved, route } = routed;
        let AuthenticatedCaller { identity: who, record } =
            self.state.authenticate(&request, &target.authority, connection).await?;
        trail.caller = Caller::Identity(record);
        let Route { operation, handler, params } = route?;
        self.state.permit(operation, resolved.vault(), &who, trail)?;
        input::check_type(&request)?;
        let api_version = ApiVersion::of(&target.query)?;
        self.later_versions.note(api_version, &target.query);
        let vault = self.state.create_if_absent(resolved, operation, &who, trail).await?;
        let call = Call::new(self.state.clock.now(), who, vault, id);
        Ok((handler, Exchange { operation, params, target, api_version, call }, request.into_body()))
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
    /// the store with names. Another client may have created the vault meanwhile, so its policies decide again.
    async fn create_if_absent(
        &self,
        resolved: Resolved,
        operation: &Operation,
        who: &Identity,
        trail: &mut Trail,
    ) -> Result<Guarded<Vault>, ApiError> {
        let on_demand = matches!(resolved, Resolved::OnDemand(_));
        let vault = self.hosts.create_if_absent(&self.vaults, resolved).await.map_err(refusal::error)?;
        if on_demand {
            self.permit(operation, &vault, who, trail)?;
        }
        Ok(vault)
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
        let refused = |message| challenge::unauthorized(message, authority, self.directory.tenant_id(), connection);
        let Some(token) = challenge::bearer(request) else { return Err(refused(challenge::MISSING.to_owned())) };
        let audiences = [resource.as_str(), challenge::VAULT, challenge::MANAGED_HSM, challenge::APP_ID];
        match self.directory.authenticate(token, &audiences).await {
            Ok(caller) => Ok(caller),
            Err(why) => match challenge::message(why, token, self.directory.issuer()) {
                Ok(message) => Err(refused(message)),
                Err(record) => Err(refusal::error(record.into())),
            },
        }
    }

    fn permit(&self, operation: &Operation, vault: &Vault, who: &Identity, trail: &mut Trail) -> Result<(), ApiError> {
        match access::decide(&vault.access_policies, who, operation.permission) {
            Decision::Allowed => Ok(()),
            Decision::Missing(permission) => {
                trail.missing = Some(permission);
                Err(refusal::forbidden_by_policy(permission, vault, who, self.directory.issuer()))
            }
        }
    }
}
