//! The one subscription.

use hyper::{Method, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::State;
use crate::http::{Response, body};
use crate::operation::Operation;

pub(super) static LIST: Operation = Operation::open("SubscriptionList", Method::GET, "/subscriptions");

#[derive(Serialize)]
struct Listed {
    value: [Subscription; 1],
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
    value: u32,
}

/// `GET /subscriptions` (Microsoft.Resources, 2022-12-01).
pub(super) fn list(state: &State) -> Response {
    let tenant = state.directory.tenant();
    let policies = Policies {
        location_placement_id: "Public_2014-09-01",
        quota_id: "PayAsYouGo_2014-09-01",
        spending_limit: "Off",
    };
    let subscription = Subscription {
        id: tenant.subscription.to_string(),
        authorization_source: "RoleBased",
        managed_by_tenants: [],
        subscription_id: tenant.subscription.0,
        tenant_id: tenant.id,
        display_name: "Keyhaven",
        state: "Enabled",
        subscription_policies: policies,
    };
    body::json(StatusCode::OK, &Listed { value: [subscription], count: Count { r#type: "Total", value: 1 } })
}
