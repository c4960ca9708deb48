//! The status: version, store, vaults and operations. It needs no admin key.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::{OnDemand, State, internal_error};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::{Operation, Permission};

pub(super) static STATUS: Operation =
    Operation { name: "Status", method: Method::GET, path: "/admin/status", permission: Permission::Open };

#[derive(Serialize)]
struct StatusBody {
    version: &'static str,
    pid: u32,
    started: String,
    now: String,
    tenant: Uuid,
    store: &'static str,
    /// The address of the vaults' listener.
    listen: SocketAddr,
    /// The data directory; null when all is in memory.
    data: Option<String>,
    /// The configuration's file; null without one.
    configuration: Option<String>,
    /// Why the store is read-only, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<String>,
    vaults: Vec<String>,
    #[serde(rename = "onDemand")]
    on_demand: OnDemand,
    /// Why there is no takeover proxy although the server has one by default.
    #[serde(rename = "proxyOff", skip_serializing_if = "Option::is_none")]
    proxy_off: Option<String>,
    /// The configuration's file that is followed (`--watch`).
    #[serde(skip_serializing_if = "Option::is_none")]
    following: Option<FollowingBody>,
    operations: Vec<OperationBody>,
}

/// A file that is followed.
#[derive(Serialize)]
struct FollowingBody {
    file: String,
    /// Why its present content was not applied; null when it was.
    refused: Option<String>,
}

/// An operation of the data plane.
#[derive(Serialize)]
struct OperationBody {
    name: &'static str,
    request: String,
    permission: String,
}

pub(super) async fn status(state: Arc<State>) -> Result<Response, ApiError> {
    let vaults = state.vaults.all().await.map_err(|error| internal_error(&error))?;
    let status = StatusBody {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        started: state.started.to_string(),
        now: state.clock.now().to_string(),
        tenant: state.tenant(),
        store: state.store,
        listen: state.listen,
        data: state.data.as_ref().map(|dir| dir.display().to_string()),
        configuration: state.configuration.as_ref().map(|file| file.display().to_string()),
        degraded: state.vaults.degraded().map(|why| why.to_string()),
        vaults: vaults.iter().map(|vault| vault.name.to_string()).collect(),
        on_demand: state.on_demand,
        proxy_off: state.proxy_off.clone(),
        following: state
            .control
            .followed_file()
            .map(|followed| FollowingBody { file: followed.path.display().to_string(), refused: followed.refused }),
        operations: state.operations.iter().map(|operation| OperationBody::new(operation)).collect(),
    };
    Ok(body::json(StatusCode::OK, &status))
}

impl OperationBody {
    fn new(operation: &Operation) -> Self {
        Self {
            name: operation.name,
            request: format!("{} {}", operation.method, operation.path),
            permission: operation.permission.to_string(),
        }
    }
}
