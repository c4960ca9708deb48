//! The data plane: `https://NAME.vault.…/keys` and `/secrets`. Only this room knows the wire's names for what
//! `vault` does.

mod api_version;
mod attributes;
mod backup;
mod certificates;
mod challenge;
mod deletion;
mod exchange;
pub mod host;
mod input;
mod keys;
mod later_versions;
mod method;
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
use crate::directory::Directory;
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::{Lookup, Routes};
use crate::http::{Arrival, BoxFuture, Incoming, Request, Response};
use crate::operation::Operation;
use crate::random::{self, Random};
use crate::vault::{Call, Vault, VaultName, Vaults};

pub use refusal::failure;

use api_version::ApiVersion;
use exchange::{Asked, Exchange};
use host::{Hosts, Meant};
use later_versions::LaterVersions;

/// What the handlers of this door share.
pub struct VaultDoor {
    /// The domain.
    pub vaults: Vaults,
    /// Who may hold a token.
    pub directory: Directory,
    /// Which host names mean which vault.
    pub hosts: Hosts,
    /// The vault clock.
    pub clock: Arc<dyn Clock>,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
    /// Bounds.
    pub limits: Arc<Limits>,
}

/// The most vaults that the answer names when none is found.
const NAMED: usize = 20;

type Handler = fn(Arc<VaultDoor>, Exchange, Incoming) -> BoxFuture<Result<Response, ApiError>>;

/// The operations of this door, each with its handler. Fixed segments stand before free ones.
fn routes() -> Routes<Handler> {
    Routes::new(vec![
        (&keys::LIST, |door, exchange, _| Box::pin(keys::list(door, exchange))),
        (&keys::LIST_VERSIONS, |door, exchange, _| Box::pin(keys::list_versions(door, exchange))),
        (&keys::rotation::GET_POLICY, |door, exchange, _| Box::pin(keys::rotation::get_policy(door, exchange))),
        (&keys::rotation::SET_POLICY, |door, exchange, body| {
            Box::pin(keys::rotation::set_policy(door, exchange, body))
        }),
        (&keys::rotation::ROTATE, |door, exchange, _| Box::pin(keys::rotation::rotate(door, exchange))),
        (&keys::CREATE, |door, exchange, body| Box::pin(keys::create(door, exchange, body))),
        (&keys::IMPORT, |door, exchange, body| Box::pin(keys::import(door, exchange, body))),
        (&keys::GET, |door, exchange, _| Box::pin(keys::get(door, exchange))),
        (&keys::UPDATE, |door, exchange, body| Box::pin(keys::update(door, exchange, body))),
        (&operate::ENCRYPT, |door, exchange, body| Box::pin(operate::encrypt(door, exchange, body))),
        (&operate::DECRYPT, |door, exchange, body| Box::pin(operate::decrypt(door, exchange, body))),
        (&operate::WRAP, |door, exchange, body| Box::pin(operate::wrap(door, exchange, body))),
        (&operate::UNWRAP, |door, exchange, body| Box::pin(operate::unwrap(door, exchange, body))),
        (&operate::SIGN, |door, exchange, body| Box::pin(operate::sign(door, exchange, body))),
        (&operate::VERIFY, |door, exchange, body| Box::pin(operate::verify(door, exchange, body))),
        (&keys::RELEASE, |door, exchange, _| Box::pin(keys::release(door, exchange))),
        (&keys::deleted::DELETE, |door, exchange, _| Box::pin(keys::deleted::delete(door, exchange))),
        (&keys::deleted::LIST, |door, exchange, _| Box::pin(keys::deleted::list(door, exchange))),
        (&keys::deleted::GET, |door, exchange, _| Box::pin(keys::deleted::get(door, exchange))),
        (&keys::deleted::RECOVER, |door, exchange, _| Box::pin(keys::deleted::recover(door, exchange))),
        (&keys::deleted::PURGE, |door, exchange, _| Box::pin(keys::deleted::purge(door, exchange))),
        (&keys::BACKUP, |door, exchange, _| Box::pin(keys::back_up(door, exchange))),
        (&keys::RESTORE, |door, exchange, body| Box::pin(keys::restore(door, exchange, body))),
        (&secrets::LIST, |door, exchange, _| Box::pin(secrets::list(door, exchange))),
        (&secrets::LIST_VERSIONS, |door, exchange, _| Box::pin(secrets::list_versions(door, exchange))),
        (&secrets::SET, |door, exchange, body| Box::pin(secrets::set(door, exchange, body))),
        (&secrets::GET, |door, exchange, _| Box::pin(secrets::get(door, exchange))),
        (&secrets::UPDATE, |door, exchange, body| Box::pin(secrets::update(door, exchange, body))),
        (&secrets::deleted::DELETE, |door, exchange, _| Box::pin(secrets::deleted::delete(door, exchange))),
        (&secrets::deleted::LIST, |door, exchange, _| Box::pin(secrets::deleted::list(door, exchange))),
        (&secrets::deleted::GET, |door, exchange, _| Box::pin(secrets::deleted::get(door, exchange))),
        (&secrets::deleted::RECOVER, |door, exchange, _| Box::pin(secrets::deleted::recover(door, exchange))),
        (&secrets::deleted::PURGE, |door, exchange, _| Box::pin(secrets::deleted::purge(door, exchange))),
        (&secrets::BACKUP, |door, exchange, _| Box::pin(secrets::back_up(door, exchange))),
        (&secrets::RESTORE, |door, exchange, body| Box::pin(secrets::restore(door, exchange, body))),
        (&certificates::GET_CONTACTS, |_, exchange, _| Box::pin(async move { certificates::get_contacts(&exchange) })),
    ])
}

/// Every operation of the data plane.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    let operations: Vec<_> = routes().operations().collect();
    operations.into_iter()
}

/// The door, open.
pub struct Open {
    door: Arc<VaultDoor>,
    routes: Routes<Handler>,
    later_versions: LaterVersions,
}

impl Open {
    /// Opens `door`.
    pub fn new(door: VaultDoor) -> Self {
        Self { door: Arc::new(door), routes: routes(), later_versions: LaterVersions::default() }
    }

    /// Answers a request: the host, the token, the permission, and only then the rest.
    pub async fn answer(&self, request: Request, arrival: Arrival) -> Response {
        let id = random::uuid(&*self.door.random);
        let client_id = request.headers().get(response::CLIENT_REQUEST_ID).cloned();
        let mut answered = match self.guarded(request, arrival, id).await {
            Ok(answered) => answered,
            Err(error) => error.into_response(),
        };
        response::finish(&mut answered, id, client_id, arrival);
        answered
    }

    /// The vault and the operation that a request is about, for rules that speak of them.
    pub async fn about(&self, request: &Request) -> Option<(VaultName, &'static Operation)> {
        let authority = Authority::of(request)?;
        let meant = self.door.hosts.meant(&self.door.vaults, &authority).await.ok()??;
        let method = method::meant(request.method(), request.headers()).ok()?;
        match self.routes.find(&method, request.uri().path()) {
            Lookup::Found(operation, ..) => Some((meant.vault().name.clone(), operation)),
            Lookup::NoSuchMethod | Lookup::NoSuchPath => None,
        }
    }

    /// Refuses a request with `error`, as the service would.
    pub async fn refuse(&self, request: Request, arrival: Arrival, error: ApiError) -> Response {
        let client_id = request.headers().get(response::CLIENT_REQUEST_ID).cloned();
        let mut answered = error.into_response();
        response::finish(&mut answered, random::uuid(&*self.door.random), client_id, arrival);
        answered
    }

    /// The 401 of a token that has expired, with its challenge.
    pub fn expired(&self, authority: &Authority, arrival: Arrival) -> ApiError {
        let text = challenge::EXPIRED.to_owned();
        challenge::unauthorized(text, authority, self.door.directory.tenant_id(), arrival)
    }

    async fn guarded(&self, request: Request, arrival: Arrival, id: Uuid) -> Result<Response, ApiError> {
        let asked = Asked::of(&request)?;
        let (handler, exchange) = self.admitted(&request, asked, arrival, id).await?;
        handler(self.door.clone(), exchange, request.into_body()).await
    }

    /// Everything that is decided before a byte of the body is read.
    async fn admitted(
        &self,
        request: &Request,
        asked: Asked,
        arrival: Arrival,
        id: Uuid,
    ) -> Result<(Handler, Exchange), ApiError> {
        let meant = self.door.meant(&asked.authority).await?;
        let who = self.door.authenticate(request, &asked.authority, arrival).await?;
        let method = method::meant(request.method(), request.headers())?;
        let (operation, handler, params) = match self.routes.find(&method, request.uri().path()) {
            Lookup::Found(operation, handler, params) => (operation, *handler, params),
            Lookup::NoSuchMethod | Lookup::NoSuchPath => return Err(refusal::no_such_operation(&method, request)),
        };
        self.door.permit(operation, meant.vault(), &who)?;
        input::check_type(request)?;
        let api_version = ApiVersion::of(&asked.query)?;
        self.later_versions.note(api_version, &asked.query);
        let vault = self.door.made(meant, operation, &who).await?;
        let call = Call { now: self.door.clock.now(), who, vault, id };
        Ok((handler, Exchange { operation, params, asked, api_version, call }))
    }
}

impl VaultDoor {
    /// The vault that answers on a host, or the 404 that names those there are.
    async fn meant(&self, authority: &Authority) -> Result<Meant, ApiError> {
        let found = self.hosts.meant(&self.vaults, authority).await;
        match found.map_err(refusal::error)? {
            Some(meant) => Ok(meant),
            None => Err(self.no_such_vault(authority).await),
        }
    }

    /// The vault that was meant. One that is missing is made for a request that would be allowed in it, so that nobody
    /// fills the store with names; what is there by then may be another one, which has its own say.
    async fn made(&self, meant: Meant, operation: &Operation, who: &Identity) -> Result<Arc<Vault>, ApiError> {
        let wanted = matches!(meant, Meant::Wanted(_));
        let vault = self.hosts.made(&self.vaults, meant).await.map_err(refusal::error)?;
        if wanted {
            self.permit(operation, &vault, who)?;
        }
        Ok(vault)
    }

    async fn no_such_vault(&self, authority: &Authority) -> ApiError {
        let there = self.vaults.all().await.unwrap_or_default();
        let more = there.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!("{more} more"));
        let names = there.iter().take(NAMED).map(|vault| vault.name.as_str());
        let names: Vec<_> = names.chain(more.as_deref()).collect();
        refusal::no_such_vault(authority, &names)
    }

    async fn authenticate(
        &self,
        request: &Request,
        authority: &Authority,
        arrival: Arrival,
    ) -> Result<Identity, ApiError> {
        let resource = challenge::resource(authority);
        let refused = |message| challenge::unauthorized(message, authority, self.directory.tenant_id(), arrival);
        let Some(token) = challenge::bearer(request) else { return Err(refused(challenge::MISSING.to_owned())) };
        let audiences = [resource.as_str(), challenge::VAULT, challenge::MANAGED_HSM, challenge::APP_ID];
        match self.directory.authenticate(token, &audiences).await {
            Ok(identity) => Ok(identity),
            Err(why) => match challenge::message(why, token, self.directory.issuer()) {
                Ok(message) => Err(refused(message)),
                Err(record) => Err(refusal::error(record.into())),
            },
        }
    }

    fn permit(&self, operation: &Operation, vault: &Vault, who: &Identity) -> Result<(), ApiError> {
        match access::decide(&vault.access_policies, who, operation.permission) {
            Decision::Allowed => Ok(()),
            Decision::Missing(permission) => {
                Err(refusal::forbidden_by_policy(permission, vault, who, self.directory.issuer()))
            }
        }
    }
}
