//! Subscriptions (Microsoft.Resources, 2022-12-01). There is one.

use hyper::{Method, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::State;
use crate::directory::Tenant;
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Response, body};
use crate::operation::Operation;

pub(super) static LIST: Operation = Operation::signed_in("SubscriptionList", Method::GET, "/subscriptions");
pub(super) static GET: Operation =
    Operation::signed_in("SubscriptionGet", Method::GET, "/subscriptions/{subscriptionId}");

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

/// `GET /subscriptions`.
pub(super) fn list(state: &State) -> Response {
    let value = [Subscription::of(state.directory.tenant())];
    body::json(StatusCode::OK, &Listed { value, count: Count { r#type: "Total", value: 1 } })
}

/// `GET /subscriptions/{subscriptionId}`. The errors are Resource Manager's (recorded in public:
/// Azure/autorest-clientruntime-for-java issue 511, Azure/apiops issue 460).
pub(super) fn get(state: &State, params: &Params) -> Result<Response, ApiError> {
    let (tenant, given) = (state.directory.tenant(), params.get("subscriptionId"));
    match Uuid::parse_str(&given) {
        Ok(id) if id == tenant.subscription.0 => Ok(body::json(StatusCode::OK, &Subscription::of(tenant))),
        Ok(_) => {
            let text = format!("The subscription '{given}' could not be found.");
            Err(ApiError::new(StatusCode::NOT_FOUND, "SubscriptionNotFound", text))
        }
        Err(_) => {
            let text = format!("The provided subscription identifier '{given}' is malformed or invalid.");
            Err(ApiError::new(StatusCode::BAD_REQUEST, "InvalidSubscriptionId", text))
        }
    }
}

impl Subscription {
    fn of(tenant: Tenant) -> Self {
        let subscription_policies = Policies {
            location_placement_id: "Public_2014-09-01",
            quota_id: "PayAsYouGo_2014-09-01",
            spending_limit: "Off",
        };
        Self {
            id: tenant.subscription.to_string(),
            authorization_source: "RoleBased",
            managed_by_tenants: [],
            subscription_id: tenant.subscription.0,
            tenant_id: tenant.id,
            display_name: "Keyhaven",
            state: "Enabled",
            subscription_policies,
        }
    }
}
