//! Subscriptions: the tenant's, and those that vaults have of their own.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::super::refused_change;
use super::super::state::{Call, State};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::Operation;
use crate::resource_id::SubscriptionId;

pub(super) static LIST: Operation = Operation::signed_in("SubscriptionList", Method::GET, "/subscriptions");
pub(super) static GET: Operation =
    Operation::signed_in("SubscriptionGet", Method::GET, "/subscriptions/{subscriptionId}");

#[derive(Serialize)]
struct Listed {
    value: Vec<Subscription>,
    count: Count,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    id: String,
    authorization_source: &'static str,
    managed_by_tenants: [(); 0],
    subscription_id: Uuid,
    tenant_id: Uuid,
    display_name: &'static str,
    state: &'static str,
    subscription_policies: Policies,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Policies {
    location_placement_id: &'static str,
    quota_id: &'static str,
    spending_limit: &'static str,
}

#[derive(Serialize)]
struct Count {
    r#type: &'static str,
    value: usize,
}

/// `GET /subscriptions`.
pub(super) async fn list(state: Arc<State>) -> Result<Response, ApiError> {
    let tenant = state.directory.tenant_id();
    let all = state.management.subscriptions().await.map_err(refused_change::of)?;
    let value: Vec<_> = all.into_iter().map(|id| Subscription::of(id, tenant)).collect();
    let count = Count { r#type: "Total", value: value.len() };
    Ok(body::json(StatusCode::OK, &Listed { value, count }))
}

/// `GET /subscriptions/{subscriptionId}`; that it is there was checked.
pub(super) async fn get(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let tenant = state.directory.tenant_id();
    Ok(body::json(StatusCode::OK, &Subscription::of(call.subscription(), tenant)))
}

impl Subscription {
    fn of(id: Uuid, tenant: Uuid) -> Self {
        let subscription_policies = Policies {
            location_placement_id: "Public_2014-09-01",
            quota_id: "PayAsYouGo_2014-09-01",
            spending_limit: "Off",
        };
        Self {
            id: SubscriptionId(id).to_string(),
            authorization_source: "RoleBased",
            managed_by_tenants: [],
            subscription_id: id,
            tenant_id: tenant,
            display_name: "Keyhaven",
            state: "Enabled",
            subscription_policies,
        }
    }
}
