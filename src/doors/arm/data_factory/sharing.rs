//! Integration runtimes that are shared with other factories: entries made by who shares one, and removed.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Deserialize;
use uuid::Uuid;

use super::super::endpoint::Handler;
use super::super::refused_change;
use super::super::state::{Call, State};
use super::paths::{action, factory_path};
use super::runtime_bodies::StatusBody;
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::management::{ChildId, ChildKind, FactoryId, GroupId, Link};
use crate::operation::Operation;

static LINK: Operation = Operation::management(
    "FactoryIntegrationRuntimeCreateLink",
    Method::POST,
    factory_path!("/integrationRuntimes/{name}/linkedIntegrationRuntime"),
    action!("integrationruntimes/linkedIntegrationRuntime/action"),
);
static REMOVE_LINKS: Operation = Operation::management(
    "FactoryIntegrationRuntimeRemoveLinks",
    Method::POST,
    factory_path!("/integrationRuntimes/{name}/removeLinks"),
    action!("integrationruntimes/removelinks/action"),
);

/// What answers each of them.
pub(super) fn routes() -> Vec<(&'static Operation, Handler)> {
    vec![
        (&LINK, |state, call| Box::pin(link(state, call))),
        (&REMOVE_LINKS, |state, call| Box::pin(remove_links(state, call))),
    ]
}

/// A runtime of another factory's that is to be a linked one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LinkInput {
    name: String,
    subscription_id: Uuid,
    data_factory_name: String,
    data_factory_location: String,
}

/// The factory whose links are removed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LinksInput {
    factory_name: String,
}

/// The longest name of a region, in bytes (ours).
const MAX_LOCATION: usize = 100;

/// Notes that a runtime is shared with one of another factory's; answers what it does. Who may use it is decided by roles alone.
async fn link(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let id = call.runtime()?;
    let link = call.json::<LinkInput>(&state.limits).await?.checked(&call)?;
    state.management.add_link(&call.access.guard, &id, &link).await.map_err(refused_change::of)?;
    let status = state.management.runtime_status(&id, state.system.now()).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &StatusBody::of(&status)))
}

/// Removes the links of a runtime to those of a factory: 200, also when there were none.
async fn remove_links(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let id = call.runtime()?;
    let LinksInput { factory_name } = call.json(&state.limits).await?;
    let removed = state.management.remove_links(&call.access.guard, &id, &factory_name).await;
    removed.map_err(refused_change::of)?;
    Ok(body::empty(StatusCode::OK))
}

impl LinkInput {
    /// The link, whose names can be those of a factory and of a runtime in it.
    fn checked(self, call: &Call) -> Result<Link, ApiError> {
        let Self { name, subscription_id, data_factory_name, data_factory_location } = self;
        let wrong = |member: &str| super::super::refusal::invalid_content(&format!("{member} is no such name"));
        let group = GroupId::parse(subscription_id, "g").map_err(|_| wrong("subscriptionId"))?;
        let factory = FactoryId::parse(group, &data_factory_name).map_err(|_| wrong("dataFactoryName"))?;
        ChildId::parse(factory, ChildKind::IntegrationRuntime, &name).map_err(|_| wrong("name"))?;
        if data_factory_location.is_empty() || data_factory_location.len() > MAX_LOCATION {
            return Err(wrong("dataFactoryLocation"));
        }
        Ok(Link {
            name,
            subscription: subscription_id,
            factory: data_factory_name,
            location: data_factory_location,
            created: call.now,
        })
    }
}
