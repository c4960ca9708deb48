//! Nodes of self-hosted integration runtimes: shown, limited, removed.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::super::endpoint::Handler;
use super::super::refused_change;
use super::super::state::{Call, State};
use super::node_body::NodeBody;
use super::paths::{action, factory_path};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::management::NodeStatus;
use crate::operation::Operation;

static GET: Operation = Operation::management(
    "FactoryIntegrationRuntimeNodeGet",
    Method::GET,
    factory_path!("/integrationRuntimes/{name}/nodes/{nodeName}"),
    action!("integrationruntimes/nodes/read"),
);
static PATCH: Operation = Operation::management(
    "FactoryIntegrationRuntimeNodeUpdate",
    Method::PATCH,
    factory_path!("/integrationRuntimes/{name}/nodes/{nodeName}"),
    action!("integrationruntimes/nodes/write"),
);
static DELETE: Operation = Operation::management(
    "FactoryIntegrationRuntimeNodeDelete",
    Method::DELETE,
    factory_path!("/integrationRuntimes/{name}/nodes/{nodeName}"),
    action!("integrationruntimes/nodes/delete"),
);
static ADDRESS: Operation = Operation::management(
    "FactoryIntegrationRuntimeNodeIpAddress",
    Method::POST,
    factory_path!("/integrationRuntimes/{name}/nodes/{nodeName}/ipAddress"),
    action!("integrationruntimes/nodes/ipAddress/action"),
);

/// What answers each of them.
pub(super) fn routes() -> Vec<(&'static Operation, Handler)> {
    vec![
        (&GET, |state, call| Box::pin(get(state, call))),
        (&PATCH, |state, call| Box::pin(limit(state, call))),
        (&DELETE, |state, call| Box::pin(delete(state, call))),
        (&ADDRESS, |state, call| Box::pin(address(state, call))),
    ]
}

/// What changes of a node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInput {
    concurrent_jobs_limit: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AddressBody {
    ip_address: String,
}

/// Answers a node.
async fn get(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    state.shown_node(&call).await
}

/// Limits how many activities a node runs at once.
async fn limit(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let (id, name) = (call.runtime()?, call.node());
    let NodeInput { concurrent_jobs_limit } = call.json(&state.limits).await?;
    let limited = state.management.limit_node(&call.access.guard, &id, &name, concurrent_jobs_limit).await;
    limited.map_err(refused_change::of)?;
    state.shown_node(&call).await
}

/// Removes a node: 200, or 204 where there is none.
async fn delete(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (id, name) = (call.runtime()?, call.node());
    let existed = state.management.remove_node(&call.access.guard, &id, &name).await.map_err(refused_change::of)?;
    Ok(body::empty(if existed { StatusCode::OK } else { StatusCode::NO_CONTENT }))
}

/// Answers the address that a node comes from.
async fn address(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let status = state.node_status(&call).await?.0;
    Ok(body::json(StatusCode::OK, &AddressBody { ip_address: status.address.to_string() }))
}

impl Call {
    fn node(&self) -> String {
        self.params.get("nodeName").into_owned()
    }
}

impl State {
    async fn shown_node(&self, call: &Call) -> Result<Response, ApiError> {
        let (status, dispatches) = self.node_status(call).await?;
        Ok(body::json(StatusCode::OK, &NodeBody::of(&status, dispatches)))
    }

    /// The node in the path, and whether the others get their credentials from it.
    async fn node_status(&self, call: &Call) -> Result<(NodeStatus, bool), ApiError> {
        let (id, now) = (call.runtime()?, self.system.now());
        let node = self.management.node(&id, &call.node()).await.map_err(refused_change::of)?;
        let status = self.management.runtime_status(&id, now).await.map_err(refused_change::of)?;
        let dispatches = status.dispatcher().is_some_and(|one| one.node.id == node.id);
        let shown = status.nodes.into_iter().find(|one| one.node.id == node.id);
        Ok((shown.unwrap_or_else(|| self.management.node_status(&node, now)), dispatches))
    }
}
