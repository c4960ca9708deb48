//! Private endpoints in managed virtual networks of factories, which wait for the other side: listed, approved, rejected. What they lead to
//! is not all here, so the administrator of this server speaks for it.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::factories::refused;
use super::request_body::{self, bad_request};
use super::{State, with_admin_key};
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Incoming, Response, body};
use crate::management::{ConnectionState, ConnectionStatus, PlacedEndpoint};
use crate::operation::Operation;
use crate::random;

pub(super) static LIST: Operation = with_admin_key("PrivateEndpointList", Method::GET, "/admin/private-endpoints");
pub(super) static PUT: Operation = with_admin_key("PrivateEndpointPut", Method::PUT, "/admin/private-endpoints/{name}");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointList {
    private_endpoints: Vec<EndpointBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointBody {
    name: String,
    id: String,
    private_link_resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<String>,
    status: &'static str,
    description: String,
}

/// What the other side says: exactly one of the first two members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    approve: Option<bool>,
    reject: Option<bool>,
    description: Option<String>,
}

/// Answers every managed private endpoint.
pub(super) async fn list(state: Arc<State>) -> Result<Response, ApiError> {
    let all = state.management.all_managed_endpoints().await.map_err(refused)?;
    let private_endpoints = all.into_iter().map(EndpointBody::of).collect();
    Ok(body::json(StatusCode::OK, &EndpointList { private_endpoints }))
}

/// Approves or rejects one; its name is `FACTORY.NAME`, as the list has it.
pub(super) async fn put(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let name = params.get("name");
    let decision: Decision = request_body::json(&state, body, r#"{"approve": true}"#).await?;
    let decided = decision.state()?;
    let all = state.management.all_managed_endpoints().await.map_err(refused)?;
    let found = all.into_iter().find(|one| one.full_name().eq_ignore_ascii_case(&name));
    let PlacedEndpoint { factory, endpoint } = found.ok_or_else(|| not_there(&name))?;
    let etag = random::uuid(&*state.random);
    let made = state.management.decide_endpoint((&factory, &endpoint.name), &decided, etag).await;
    let endpoint = made.map_err(refused)?.ok_or_else(|| not_there(&name))?;
    Ok(body::json(StatusCode::OK, &EndpointBody::of(PlacedEndpoint { factory, endpoint })))
}

impl Decision {
    fn state(&self) -> Result<ConnectionState, ApiError> {
        let status = match (self.approve, self.reject) {
            (Some(true), None) => ConnectionStatus::Approved,
            (None, Some(true)) => ConnectionStatus::Rejected,
            _ => return Err(bad_request("give either {\"approve\": true} or {\"reject\": true}")),
        };
        Ok(ConnectionState::of(status, self.description.as_deref().unwrap_or_default()))
    }
}

impl EndpointBody {
    fn of(placed: PlacedEndpoint) -> Self {
        Self {
            name: placed.full_name(),
            id: placed.id(),
            private_link_resource_id: placed.endpoint.definition.private_link_resource_id,
            group_id: placed.endpoint.definition.group_id,
            status: placed.endpoint.state.status.name(),
            description: placed.endpoint.state.description,
        }
    }
}

fn not_there(name: &str) -> ApiError {
    let text = format!("No private endpoint is called '{name}'; GET /admin/private-endpoints lists them.");
    ApiError::new(StatusCode::NOT_FOUND, "PrivateEndpointNotFound", text)
}
