//! Resource groups.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::super::paging::Page;
use super::super::polling;
use super::super::state::{Call, State};
use super::super::{refusal, refused_change};
use super::filter::{Filter, Filtered};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::management::{Group, GroupChange, GroupDefinition, GroupId, Tags};
use crate::operation::Operation;

const COLLECTION: &str = "/subscriptions/{subscriptionId}/resourceGroups";
const GROUP: &str = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}";
/// The type of every group.
pub(super) const TYPE: &str = "Microsoft.Resources/resourceGroups";
const READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";
const WRITE: &str = "Microsoft.Resources/subscriptions/resourceGroups/write";
const DELETE_ACTION: &str = "Microsoft.Resources/subscriptions/resourceGroups/delete";

pub(super) static LIST: Operation = Operation::management("ResourceGroupList", Method::GET, COLLECTION, READ);
pub(super) static GET: Operation = Operation::management("ResourceGroupGet", Method::GET, GROUP, READ);
pub(super) static EXISTS: Operation = Operation::management("ResourceGroupExists", Method::HEAD, GROUP, READ);
pub(super) static PUT: Operation = Operation::management("ResourceGroupPut", Method::PUT, GROUP, WRITE);
pub(super) static PATCH: Operation = Operation::management("ResourceGroupUpdate", Method::PATCH, GROUP, WRITE);
pub(super) static DELETE: Operation =
    Operation::management("ResourceGroupDelete", Method::DELETE, GROUP, DELETE_ACTION);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupBody {
    id: String,
    name: String,
    r#type: &'static str,
    location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    managed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Tags>,
    properties: GroupProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupProperties {
    provisioning_state: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutBody {
    location: Option<String>,
    tags: Option<Tags>,
    managed_by: Option<String>,
}

/// Answers the groups that the caller may see.
pub(super) async fn list(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (subscription, filter) = (call.subscription(), Filter::parse(call.query("$filter").as_deref())?);
    let groups = state.management.groups(subscription).await.map_err(refused_change::of)?;
    let shown = groups.into_iter().filter_map(|group| {
        let id = GroupId::parse(subscription, &group.name).ok()?;
        let tags = group.tags.as_ref();
        let filtered = Filtered { name: &group.name, kind: TYPE, group: &group.name, location: &group.location, tags };
        (filter.takes(filtered) && call.may_at(&id.scope())).then(|| GroupBody::of(&id, group))
    });
    Ok(body::json(StatusCode::OK, &Page::of(&call, shown.collect(), |group| group.id.clone())?))
}

/// Answers a group.
pub(super) async fn get(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let id = call.group()?;
    let group = state.management.group(&id).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &GroupBody::of(&id, group)))
}

/// Answers whether there is such a group: 204 or 404.
pub(super) async fn exists(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    state.management.group(&call.group()?).await.map_err(refused_change::of)?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}

/// Makes a group (201), or makes it anew (200).
pub(super) async fn put(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let (id, guard) = (call.group()?, call.access.guard.clone());
    let PutBody { location, tags, managed_by } = call.json(&state.limits).await?;
    let location = location.filter(|location| !location.trim().is_empty()).ok_or_else(refusal::location_required)?;
    let wanted = GroupDefinition { location, tags, managed_by };
    let (group, is_new) = state.management.put_group(&guard, &id, &wanted).await.map_err(refused_change::of)?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(body::json(status, &GroupBody::of(&id, group)))
}

/// Changes the tags of a group.
pub(super) async fn update(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let (id, guard) = (call.group()?, call.access.guard.clone());
    let PutBody { tags, managed_by, .. } = call.json(&state.limits).await?;
    let change = GroupChange { tags, managed_by };
    let group = state.management.change_group(&guard, &id, &change).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &GroupBody::of(&id, group)))
}

/// Deletes a group. It is gone when this is answered; clients of Azure ask the `Location` all the same.
pub(super) async fn delete(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let id = call.group()?;
    let group = state.management.delete_group(&call.access.guard, &id).await.map_err(refused_change::of)?;
    let job = format!("RESOURCEGROUPDELETIONJOB-{}-{}", id.name().to_uppercase(), group.location);
    Ok(polling::accepted(&call, &job, &group.location))
}

impl GroupBody {
    fn of(id: &GroupId, group: Group) -> Self {
        let own = GroupId::parse(id.subscription(), &group.name).unwrap_or_else(|_| id.clone());
        Self {
            id: own.to_string(),
            name: group.name,
            r#type: TYPE,
            location: group.location,
            managed_by: group.managed_by,
            tags: group.tags,
            properties: GroupProperties { provisioning_state: "Succeeded" },
        }
    }
}
