//! The admin API: what tests and people do with a running server that no client of the service can. Everything but
//! `GET /admin/status` needs the admin key; no web page elsewhere can ask (see [`LocalNames`]).

mod clock;
mod credentials;
mod events;
mod faults;
mod identities;
mod input;
mod state;
mod status;
mod vaults;

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::{Clock, Timestamp};
use crate::crypto::credential;
use crate::directory::Directory;
use crate::events::Events;
use crate::faults::Faults;
use crate::http::budget::Budget;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::local::LocalNames;
use crate::http::routes::{Lookup, Params, Routes};
use crate::http::{Arrival, BoxFuture, Incoming, Request, Response};
use crate::operation::{Operation, Permission};
use crate::records::Degraded;
use crate::tasks::Timekeeper;
use crate::vault::Vaults;

pub use credentials::Credentials;

/// What the handlers of this door share.
pub struct AdminDoor {
    /// The names this listener may be asked by.
    pub names: LocalNames,
    /// What everything but status needs.
    pub admin_key: Zeroizing<String>,
    /// The vaults there are.
    pub vaults: Vaults,
    /// The tenant and its identities.
    pub directory: Directory,
    /// The engine that keeps things, for example `redb`.
    pub store: &'static str,
    /// Every operation of the data plane.
    pub operations: Vec<&'static Operation>,
    /// The vault clock.
    pub clock: Arc<dyn Clock>,
    /// What moves it.
    pub timekeeper: Arc<Timekeeper>,
    /// What goes wrong on purpose.
    pub faults: Arc<Faults>,
    /// Who hears of what happened.
    pub events: Arc<Events>,
    /// What programs sign in with.
    pub credentials: Arc<dyn Credentials>,
    /// What concerns the server as a whole.
    pub levers: Arc<dyn Levers>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Memory for snapshots that are being loaded.
    pub snapshots: Arc<Budget>,
    /// When the server started, on the system clock.
    pub started: Timestamp,
}

/// What the server as a whole can be made to do; it is put together elsewhere.
pub trait Levers: Send + Sync {
    /// Puts everything back to what the configuration says.
    fn reset(&self) -> BoxFuture<Result<(), Trouble>>;
    /// Everything there is, as one sealed file.
    fn save(&self) -> BoxFuture<Result<Vec<u8>, Trouble>>;
    /// Replaces everything by what a file holds.
    fn load(&self, file: Vec<u8>) -> BoxFuture<Result<(), Trouble>>;
    /// Why the server's certificates cannot name `alias`, if that is so.
    fn uncertified(&self, alias: &str) -> Option<String>;
    /// Vaults were made, renamed or taken away.
    fn vaults_changed(&self) -> BoxFuture<()>;
}

/// Why a lever did not do what it is for.
#[derive(Debug)]
pub enum Trouble {
    /// What was asked cannot be done, and this is why.
    Refused(String),
    /// There is no room on the disk for what it writes.
    DiskFull,
    /// The server failed; the cause is for the log.
    Failed(String),
}

type Handler = fn(Arc<AdminDoor>, Params, Incoming) -> BoxFuture<Result<Response, ApiError>>;

/// The door, open.
pub struct Open {
    door: Arc<AdminDoor>,
    routes: Routes<Handler>,
}

fn routes() -> Routes<Handler> {
    Routes::new(vec![
        (&status::STATUS, |door, _, _| Box::pin(status::status(door))),
        (&clock::SHOW, |door, _, _| Box::pin(async move { Ok(clock::show(&door)) })),
        (&clock::MOVE, |door, _, body| Box::pin(clock::moved(door, body))),
        (&identities::LIST, |door, _, _| Box::pin(identities::list(door))),
        (&identities::ADD, |door, _, body| Box::pin(identities::add(door, body))),
        (&identities::REMOVE, |door, params, _| Box::pin(identities::remove(door, params))),
        (&identities::TOKEN, |door, params, body| Box::pin(identities::token(door, params, body))),
        (&credentials::CREDENTIAL, |door, params, body| Box::pin(credentials::credential(door, params, body))),
        (&vaults::LIST, |door, _, _| Box::pin(vaults::list(door))),
        (&vaults::PUT, |door, params, body| Box::pin(vaults::put(door, params, body))),
        (&vaults::DELETE, |door, params, _| Box::pin(vaults::delete(door, params))),
        (&state::RESET, |door, _, _| Box::pin(state::reset(door))),
        (&state::SAVE, |door, _, _| Box::pin(state::save(door))),
        (&state::LOAD, |door, _, body| Box::pin(state::load(door, body))),
        (&events::LIST, |door, params, _| Box::pin(events::list(door, params))),
        (&events::ACCEPT, |door, params, _| Box::pin(events::accept(door, params))),
        (&events::ACCEPT_POST, |door, params, _| Box::pin(events::accept(door, params))),
        (&faults::SHOW, |door, _, _| Box::pin(async move { Ok(faults::show(&door)) })),
        (&faults::REPLACE, |door, _, body| Box::pin(faults::replace(door, body))),
        (&faults::CLEAR, |door, _, _| Box::pin(async move { Ok(faults::clear(&door)) })),
    ])
}

impl Open {
    /// Opens `door`.
    pub fn new(door: AdminDoor) -> Self {
        Self { door: Arc::new(door), routes: routes() }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request, arrival: Arrival) -> Response {
        match self.admitted(&request, arrival) {
            Ok((handler, params)) => match handler(self.door.clone(), params, request.into_body()).await {
                Ok(answer) => answer,
                Err(error) => self.explained(error).into_response(),
            },
            Err(error) => error.into_response(),
        }
    }

    /// What failed while the disk is full has failed by that.
    fn explained(&self, error: ApiError) -> ApiError {
        let internal = error.status == StatusCode::INTERNAL_SERVER_ERROR;
        let is_full = internal && self.door.vaults.degraded() == Some(Degraded::DiskFull);
        if is_full { ApiError::disk_full() } else { error }
    }

    /// Where the request leads, once it is known that its sender may ask.
    fn admitted(&self, request: &Request, arrival: Arrival) -> Result<(Handler, Params), ApiError> {
        if let Some(why) = self.door.names.refusal(request, arrival.local.ip()) {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "Forbidden", why));
        }
        match self.routes.find(request.method(), request.uri().path()) {
            Lookup::Found(operation, handler, params) => {
                if operation.permission != Permission::Open {
                    self.authenticated(request)?;
                }
                Ok((*handler, params.with_query(request.uri().query())))
            }
            Lookup::NoSuchMethod => {
                self.authenticated(request)?;
                let text = format!("{} cannot be done with this path of the admin API.", request.method());
                Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", text))
            }
            Lookup::NoSuchPath => {
                self.authenticated(request)?;
                Err(ApiError::new(StatusCode::NOT_FOUND, "NotFound", "The admin API has no such path."))
            }
        }
    }

    fn authenticated(&self, request: &Request) -> Result<(), ApiError> {
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key =
            given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let key = key.map_or("", |(_, key)| key.trim());
        if credential::matches(key.as_bytes(), self.door.admin_key.as_bytes()) {
            return Ok(());
        }
        let text = "Send the admin key as Authorization: Bearer KEY. It stands in the ready file and in admin.key of the \
                    data directory, unless KEYHAVEN_ADMIN_KEY has set it.";
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized", text).header("www-authenticate", "Bearer"))
    }
}

impl AdminDoor {
    fn tenant(&self) -> Uuid {
        self.directory.tenant_id()
    }
}

/// An operation of this door that needs the admin key.
const fn guarded(name: &'static str, method: hyper::Method, path: &'static str) -> Operation {
    Operation { name, method, path, permission: Permission::Admin }
}

/// What could not be done because something is as it is.
fn conflict(why: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "Conflict", why)
}

/// The cause goes to the log, never to the wire.
fn failed(why: &str) -> ApiError {
    tracing::error!(why, "a request to the admin API failed");
    let text = "An internal error occurred; the server's log says which.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text)
}

impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(why) => conflict(why),
            Trouble::DiskFull => Self::disk_full(),
            Trouble::Failed(why) => failed(&why),
        }
    }
}
