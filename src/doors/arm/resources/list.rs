//! Lists of resources of every type.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;

use super::super::paging::Page;
use super::super::refused_change;
use super::super::state::{Call, State};
use super::filter::{Filter, Filtered};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::management::{Listed, Tags};
use crate::operation::Operation;

pub(super) static IN_SUBSCRIPTION: Operation = Operation::management(
    "ResourceList",
    Method::GET,
    "/subscriptions/{subscriptionId}/resources",
    "Microsoft.Resources/subscriptions/resources/read",
);
pub(super) static IN_GROUP: Operation = Operation::management(
    "ResourceListByGroup",
    Method::GET,
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/resources",
    "Microsoft.Resources/subscriptions/resourceGroups/resources/read",
);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceBody {
    id: String,
    name: String,
    r#type: &'static str,
    location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provisioning_state: Option<&'static str>,
}

/// Answers the resources of a subscription that the caller may see.
pub(super) async fn in_subscription(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let found = state.management.resources(call.subscription()).await.map_err(refused_change::of)?;
    answer(&call, found)
}

/// Answers the resources of a group that the caller may see.
pub(super) async fn in_group(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let id = call.group()?;
    state.management.group(&id).await.map_err(refused_change::of)?;
    let mut found = state.management.resources(call.subscription()).await.map_err(refused_change::of)?;
    found.retain(|one| id.is(call.subscription(), &one.group));
    answer(&call, found)
}

fn answer(call: &Call, found: Vec<Listed>) -> Result<Response, ApiError> {
    let filter = Filter::parse(call.query("$filter").as_deref())?;
    let with_state = call.query("$expand").is_some_and(|members| members.contains("provisioningState"));
    let shown = found.into_iter().filter(|one| {
        let Listed { name, kind, group, location, tags, .. } = one;
        let read = format!("{kind}/read");
        filter.takes(Filtered { name, kind, group, location, tags: tags.as_ref() }) && call.may(&read, &one.scope)
    });
    let shown = shown.map(|one| ResourceBody {
        id: one.scope.to_string(),
        name: one.name,
        r#type: one.kind,
        location: one.location,
        tags: one.tags,
        provisioning_state: with_state.then_some("Succeeded"),
    });
    Ok(body::json(StatusCode::OK, &Page::of(call, shown.collect(), |one| one.id.clone())?))
}
