//! The admin API: for now `GET /admin/status`, which anybody on this machine may ask.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use crate::clock::{Clock, Timestamp};
use crate::http::error::ApiError;
use crate::http::local::LocalNames;
use crate::http::routes::{Lookup, Routes};
use crate::http::{Arrival, BoxFuture, Request, Response, body};
use crate::operation::{Operation, Permission};
use crate::vault::Vaults;

static STATUS: Operation =
    Operation { name: "Status", method: Method::GET, path: "/admin/status", permission: Permission::Open };

/// What the handlers of this door share.
pub struct AdminDoor {
    /// The names this listener may be asked by.
    pub names: LocalNames,
    /// The vaults there are.
    pub vaults: Vaults,
    /// The tenant.
    pub tenant: Uuid,
    /// The engine that keeps things, for example `redb`.
    pub store: &'static str,
    /// Every operation of the data plane.
    pub operations: Vec<&'static Operation>,
    /// The vault clock.
    pub clock: Arc<dyn Clock>,
    /// When the server started, on the system clock.
    pub started: Timestamp,
}

type Handler = fn(Arc<AdminDoor>) -> BoxFuture<Response>;

/// The door, open.
pub struct Open {
    door: Arc<AdminDoor>,
    routes: Routes<Handler>,
}

impl Open {
    /// Opens `door`.
    pub fn new(door: AdminDoor) -> Self {
        let routes: Routes<Handler> = Routes::new(vec![(&STATUS, |door| Box::pin(status(door)))]);
        Self { door: Arc::new(door), routes }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request, arrival: Arrival) -> Response {
        if let Some(why) = self.door.names.refusal(&request, arrival.local.ip()) {
            return ApiError::new(StatusCode::FORBIDDEN, "Forbidden", why).into_response();
        }
        match self.routes.find(request.method(), request.uri().path()) {
            Lookup::Found(_, handler, _) => handler(self.door.clone()).await,
            Lookup::NoSuchMethod => {
                ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Use GET.").into_response()
            }
            Lookup::NoSuchPath => {
                let text = "The admin API has GET /admin/status alone.";
                ApiError::new(StatusCode::NOT_FOUND, "NotFound", text).into_response()
            }
        }
    }
}

#[derive(Serialize)]
struct Status {
    version: &'static str,
    pid: u32,
    started: String,
    now: String,
    tenant: Uuid,
    store: &'static str,
    vaults: Vec<String>,
    operations: Vec<Offered>,
}

/// An operation of the data plane.
#[derive(Serialize)]
struct Offered {
    name: &'static str,
    request: String,
    permission: String,
}

async fn status(door: Arc<AdminDoor>) -> Response {
    let vaults = match door.vaults.all().await {
        Ok(vaults) => vaults.iter().map(|vault| vault.name.to_string()).collect(),
        Err(why) => {
            tracing::error!(?why, "the vaults could not be listed");
            let text = "The vaults could not be listed; the server's log says why.";
            return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text).into_response();
        }
    };
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        started: door.started.to_string(),
        now: door.clock.now().to_string(),
        tenant: door.tenant,
        store: door.store,
        vaults,
        operations: door.operations.iter().map(|operation| Offered::new(operation)).collect(),
    };
    body::json(StatusCode::OK, &status)
}

impl Offered {
    fn new(operation: &Operation) -> Self {
        Self {
            name: operation.name,
            request: format!("{} {}", operation.method, operation.path),
            permission: operation.permission.to_string(),
        }
    }
}
