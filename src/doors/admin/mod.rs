//! The admin API: controls of a running server that the real service does not have. Everything but `GET /admin/status` needs
//! the admin key; web pages cannot send requests (see [`AllowedHosts`]).

mod audit;
mod clock;
mod configuration;
mod credentials;
mod events;
mod factories;
mod failure;
mod faults;
mod identities;
mod log;
mod objects;
mod private_endpoints;
mod request_body;
mod reset;
mod role_assignments;
mod snapshot;
mod status;
mod trust_files;
mod vaults;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::authorization::Authorization;
use crate::clock::{Clock, Timestamp};
use crate::crypto::credential;
use crate::directory::Directory;
use crate::events::Events;
use crate::faults::Faults;
use crate::http::allowed_hosts::AllowedHosts;
use crate::http::authority::Authority;
use crate::http::budget::MemoryBudget;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::{Lookup, Params, Routes};
use crate::http::{BoxFuture, ConnectionInfo, Incoming, Request, Response};
use crate::management::Management;
use crate::operation::{Operation, Permission};
use crate::random::Random;
use crate::reconcile::Plan;
use crate::tasks::Timekeeper;
use crate::trail::{Answered, AskedFor, Caller, RecentTrails, Trail};
use crate::vault::Vaults;

pub(crate) use credentials::Credentials;

use failure::internal_error;

/// What the handlers of this door share.
pub(crate) struct State {
    /// The names this listener may be asked by.
    pub names: AllowedHosts,
    /// The key that every operation but status demands.
    pub admin_key: Zeroizing<String>,
    /// The vaults.
    pub vaults: Vaults,
    /// The tenant and its identities.
    pub directory: Directory,
    /// Who has which role.
    pub authorization: Authorization,
    /// Factories and what is in them.
    pub management: Management,
    /// Where etags come from.
    pub random: Arc<dyn Random>,
    /// Seconds on the vault clock until a new role assignment counts.
    pub role_assignment_delay: u32,
    /// The name of the storage engine, for example `redb`.
    pub store: &'static str,
    /// Every operation of the data plane.
    pub operations: Vec<&'static Operation>,
    /// The vault clock.
    pub clock: Arc<dyn Clock>,
    /// Moves the vault clock.
    pub timekeeper: Arc<Timekeeper>,
    /// The fault rules.
    pub faults: Arc<Faults>,
    /// Whether vaults are created when they are asked for.
    pub creates_vaults: bool,
    /// The configuration's file, if there is one.
    pub configuration: Option<PathBuf>,
    /// The kept events and the webhooks.
    pub events: Arc<Events>,
    /// Placeholder credentials for programs.
    pub credentials: Arc<dyn Credentials>,
    /// Operations on the whole server.
    pub control: Arc<dyn ServerControl>,
    /// Limits on requests.
    pub limits: Arc<Limits>,
    /// Memory for snapshots while they are loaded.
    pub snapshots: Arc<MemoryBudget>,
    /// When the server started, on the system clock.
    pub started: Timestamp,
    /// The trails of the last requests.
    pub recent: Arc<RecentTrails>,
    /// The data directory, if there is one.
    pub data: Option<PathBuf>,
    /// The address of the vaults' listener.
    pub listen: SocketAddr,
    /// What is made when it is asked for.
    pub on_demand: OnDemand,
    /// Why there is no takeover proxy although the server has one by default.
    pub proxy_off: Option<String>,
}

/// What a server makes when it is asked for.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct OnDemand {
    /// Vaults.
    pub vaults: bool,
    /// Identities.
    pub identities: bool,
}

/// Operations on the whole server; the composition root implements them.
pub(crate) trait ServerControl: Send + Sync {
    /// Applies a configuration, the text of a file, to the data.
    fn apply(&self, configuration: &str, mode: ApplyMode) -> BoxFuture<Result<Plan, ControlError>>;
    /// Replaces all data by what the configuration describes.
    fn reset(&self) -> BoxFuture<Result<(), ControlError>>;
    /// All data as one sealed snapshot file.
    fn save(&self) -> BoxFuture<Result<Vec<u8>, ControlError>>;
    /// Replaces all data by the content of a snapshot file.
    fn load(&self, file: Vec<u8>) -> BoxFuture<Result<(), ControlError>>;
    /// The configuration's file that is followed, if one is.
    fn followed_file(&self) -> Option<FollowedFile>;
    /// Why the server's certificates cannot name `alias`, if that is so.
    fn certificate_refusal(&self, alias: &str) -> Option<String>;
    /// Writes what is missing of the files by which programs trust the server.
    fn restore_client_files(&self) -> BoxFuture<Result<(), ControlError>>;
    /// Updates what depends on the list of vaults after one was created, deleted or given other aliases.
    fn vaults_changed(&self) -> BoxFuture<()>;
}

/// A configuration's file that is applied when it changes.
#[derive(Debug)]
pub(crate) struct FollowedFile {
    /// Its path.
    pub path: PathBuf,
    /// Why its present content was not applied, if it was not.
    pub refused: Option<String>,
}

/// How a configuration is applied.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ApplyMode {
    /// Nothing is done; the plan alone is answered.
    pub dry_run: bool,
    /// What an earlier configuration made and this one does not name is deleted.
    pub prune: bool,
}

/// Why an operation on the whole server failed.
#[derive(Debug)]
pub(crate) enum ControlError {
    /// What was sent cannot be understood; the reason is for the client.
    Invalid(String),
    /// The request cannot be carried out; the reason is for the client.
    Refused(String),
    /// An internal failure; the cause is for the log.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

type Handler = fn(Arc<State>, Params, Incoming) -> BoxFuture<Result<Response, ApiError>>;

/// The door: routes requests to handlers.
pub(crate) struct Door {
    state: Arc<State>,
    routes: Routes<Handler>,
}

fn routes() -> Routes<Handler> {
    Routes::new(vec![
        (&status::STATUS, |state, _, _| Box::pin(status::status(state))),
        (&clock::SHOW, |state, _, _| Box::pin(async move { Ok(clock::show(&state)) })),
        (&clock::CHANGE, |state, _, body| Box::pin(clock::change(state, body))),
        (&identities::LIST, |state, _, _| Box::pin(identities::list(state))),
        (&identities::ADD, |state, _, body| Box::pin(identities::add(state, body))),
        (&identities::REMOVE, |state, params, _| Box::pin(identities::remove(state, params))),
        (&identities::CHANGE, |state, params, body| Box::pin(identities::change(state, params, body))),
        (&identities::REVOKE, |state, params, _| Box::pin(identities::revoke(state, params))),
        (&identities::TOKEN, |state, params, body| Box::pin(identities::token(state, params, body))),
        (&credentials::CREDENTIAL, |state, params, body| Box::pin(credentials::credential(state, params, body))),
        (&vaults::LIST, |state, _, _| Box::pin(vaults::list(state))),
        (&vaults::SHOW, |state, params, _| Box::pin(vaults::show(state, params))),
        (&vaults::PUT, |state, params, body| Box::pin(vaults::put(state, params, body))),
        (&vaults::DELETE, |state, params, _| Box::pin(vaults::delete(state, params))),
        (&objects::KEYS, |state, params, _| Box::pin(objects::keys(state, params))),
        (&objects::SECRETS, |state, params, _| Box::pin(objects::secrets(state, params))),
        (&role_assignments::LIST, |state, _, _| Box::pin(role_assignments::list(state))),
        (&role_assignments::PUT, |state, params, body| Box::pin(role_assignments::put(state, params, body))),
        (&role_assignments::DELETE, |state, params, _| Box::pin(role_assignments::delete(state, params))),
        (&factories::LIST, |state, _, _| Box::pin(factories::list(state))),
        (&factories::SHOW, |state, params, _| Box::pin(factories::show(state, params))),
        (&factories::TEMPLATE, |state, params, _| Box::pin(factories::template(state, params))),
        (&private_endpoints::LIST, |state, _, _| Box::pin(private_endpoints::list(state))),
        (&private_endpoints::PUT, |state, params, body| Box::pin(private_endpoints::put(state, params, body))),
        (&configuration::APPLY, |state, params, body| Box::pin(configuration::apply(state, params, body))),
        (&trust_files::RESTORE, |state, _, _| Box::pin(trust_files::restore(state))),
        (&reset::RESET, |state, _, _| Box::pin(reset::reset(state))),
        (&snapshot::SAVE, |state, _, _| Box::pin(snapshot::save(state))),
        (&snapshot::LOAD, |state, _, body| Box::pin(snapshot::load(state, body))),
        (&events::LIST, |state, params, _| Box::pin(events::list(state, params))),
        (&events::ACCEPT, |state, params, _| Box::pin(events::accept(state, params))),
        (&events::ACCEPT_POST, |state, params, _| Box::pin(events::accept(state, params))),
        (&log::SHOW, |state, params, _| Box::pin(async move { log::show(&state, &params) })),
        (&audit::SHOW, |state, params, _| Box::pin(async move { audit::show(&state, &params) })),
        (&faults::SHOW, |state, _, _| Box::pin(async move { Ok(faults::show(&state)) })),
        (&faults::REPLACE, |state, _, body| Box::pin(faults::replace(state, body))),
        (&faults::CLEAR, |state, _, _| Box::pin(async move { Ok(faults::clear(&state)) })),
        (&faults::SHOW_NAMED, |state, params, _| Box::pin(async move { faults::show_named(&state, &params) })),
        (&faults::PUT_NAMED, |state, params, body| Box::pin(faults::put_named(state, params, body))),
        (&faults::REMOVE_NAMED, |state, params, _| Box::pin(async move { faults::remove_named(&state, &params) })),
    ])
}

impl Door {
    /// A door over `state`.
    pub(crate) fn new(state: State) -> Self {
        Self { state: Arc::new(state), routes: routes() }
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request, connection: ConnectionInfo) -> Answered {
        let mut trail = Trail::new("admin");
        let answer = match self.authorize(&request, connection, &mut trail) {
            Ok((handler, params)) => match handler(self.state.clone(), params, request.into_body()).await {
                Ok(answer) => answer,
                Err(error) => error.into_response(),
            },
            Err(error) => error.into_response(),
        };
        trail.finish(answer)
    }

    /// Routes a request whose sender is authorized.
    fn authorize(
        &self,
        request: &Request,
        connection: ConnectionInfo,
        trail: &mut Trail,
    ) -> Result<(Handler, Params), ApiError> {
        if let Some(why) = self.state.names.rejection(request, connection.local.ip()) {
            trail.asked = Authority::of(request).map(|authority| AskedFor::new(authority.host()));
            return Err(ApiError::new(StatusCode::FORBIDDEN, "Forbidden", why));
        }
        match self.routes.find(request.method(), request.uri()) {
            Lookup::Found(operation, handler, params) => {
                trail.route(operation, &params);
                trail.is_probe = [&raw const log::SHOW, &raw const audit::SHOW].contains(&&raw const *operation);
                match (operation.permission, self.check_admin_key(request)) {
                    (_, Ok(())) => trail.caller = Caller::Admin,
                    (Permission::Open, Err(_)) => {}
                    (_, Err(refusal)) => return Err(refusal),
                }
                Ok((*handler, params))
            }
            Lookup::NoSuchMethod => {
                self.check_admin_key(request)?;
                let text = format!("{} cannot be done with this path of the admin API.", request.method());
                Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", text))
            }
            Lookup::NoSuchPath => {
                self.check_admin_key(request)?;
                let text =
                    "The admin API has no such path; all of it is below /admin/: GET /admin/vaults, for example.";
                Err(ApiError::new(StatusCode::NOT_FOUND, "NotFound", text))
            }
        }
    }

    fn check_admin_key(&self, request: &Request) -> Result<(), ApiError> {
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key =
            given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let key = key.map_or("", |(_, key)| key.trim());
        if credential::matches(key.as_bytes(), self.state.admin_key.as_bytes()) {
            return Ok(());
        }
        let text = "Send the admin key as Authorization: Bearer KEY. It is in the ready file and in admin.key of the \
                    data directory, unless KEYHAVEN_ADMIN_KEY has set it.";
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized", text).header("www-authenticate", "Bearer"))
    }
}

impl State {
    fn tenant(&self) -> Uuid {
        self.directory.tenant_id()
    }
}

/// An operation of this door that needs the admin key.
const fn with_admin_key(name: &'static str, method: hyper::Method, path: &'static str) -> Operation {
    Operation { name, method, path, permission: Permission::Admin }
}

/// The answer to a request that the present state rules out.
fn conflict(why: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "Conflict", why)
}

#[cfg(test)]
mod tests {
    use hyper::Method;

    use super::routes;
    use crate::http::routes::Lookup;
    use crate::vault::Kind;

    #[test]
    fn each_kind_of_object_has_a_list() {
        for kind in Kind::ALL {
            let path = format!("/admin/vaults/acme/{}", kind.collection()).parse().unwrap();
            assert!(matches!(routes().find(&Method::GET, &path), Lookup::Found(..)), "{}", kind.collection());
        }
    }
}
