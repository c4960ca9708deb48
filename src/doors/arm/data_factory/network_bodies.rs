//! Connections and managed private endpoints as the wire has them (examples of the API's specification).

use serde::{Deserialize, Serialize};

use super::super::refused_network;
use crate::http::error::ApiError;
use crate::management::{
    ChildId, Connection, ConnectionChange, ConnectionState, ConnectionStatus, FACTORY_TYPE, FactoryId, ManagedEndpoint,
    ManagedEndpointDefinition,
};

/// The groups that private endpoints of a factory connect to, each with the zone of its names.
const GROUPS: [(&str, &str); 2] =
    [("dataFactory", "privatelink.datafactory.azure.net"), ("portal", "privatelink.adf.azure.com")];

/// A connection in the body of a PUT.
#[derive(Deserialize)]
pub(super) struct ConnectionInput {
    properties: ConnectionProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionProperties {
    private_endpoint: Option<EndpointInput>,
    private_link_service_connection_state: StateInput,
}

#[derive(Deserialize)]
struct EndpointInput {
    id: Option<String>,
}

#[derive(Deserialize)]
struct StateInput {
    status: String,
    description: Option<String>,
}

impl ConnectionInput {
    /// What is to become of the connection.
    ///
    /// # Errors
    /// 400 for a status that there is not.
    pub(super) fn change(self) -> Result<ConnectionChange, ApiError> {
        let ConnectionProperties { private_endpoint, private_link_service_connection_state: given } = self.properties;
        let status = ConnectionStatus::parse(&given.status);
        let status = status.ok_or_else(|| refused_network::invalid_status(&given.status))?;
        let state = ConnectionState::of(status, given.description.as_deref().unwrap_or_default());
        Ok(ConnectionChange { endpoint: private_endpoint.and_then(|endpoint| endpoint.id), state })
    }
}

/// A managed private endpoint in the body of a PUT.
#[derive(Deserialize)]
pub(super) struct ManagedEndpointInput {
    properties: ManagedEndpointProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManagedEndpointProperties {
    private_link_resource_id: String,
    group_id: Option<String>,
    fqdns: Option<Vec<String>>,
}

impl ManagedEndpointInput {
    /// What it leads to.
    pub(super) fn definition(self) -> ManagedEndpointDefinition {
        let ManagedEndpointProperties { private_link_resource_id, group_id, fqdns } = self.properties;
        ManagedEndpointDefinition { private_link_resource_id, group_id, fqdns: fqdns.unwrap_or_default() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StateBody {
    status: &'static str,
    description: String,
    actions_required: String,
}

impl StateBody {
    fn of(state: ConnectionState) -> Self {
        let ConnectionState { status, description, actions_required } = state;
        Self { status: status.name(), description, actions_required }
    }
}

/// A connection as it is answered.
#[derive(Serialize)]
pub(super) struct ConnectionBody {
    pub(super) id: String,
    name: String,
    r#type: String,
    properties: ConnectionPropertiesBody,
    etag: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionPropertiesBody {
    provisioning_state: &'static str,
    private_endpoint: EndpointBody,
    private_link_service_connection_state: StateBody,
}

#[derive(Serialize)]
struct EndpointBody {
    id: String,
}

impl ConnectionBody {
    /// A connection of `factory`.
    pub(super) fn of(factory: &FactoryId, connection: Connection) -> Self {
        let properties = ConnectionPropertiesBody {
            provisioning_state: "Succeeded",
            private_endpoint: EndpointBody { id: connection.endpoint },
            private_link_service_connection_state: StateBody::of(connection.state),
        };
        Self {
            id: format!("{factory}/privateEndpointConnections/{}", connection.name),
            name: connection.name,
            r#type: format!("{FACTORY_TYPE}/privateEndpointConnections"),
            properties,
            etag: connection.etag.to_string(),
        }
    }
}

/// A managed private endpoint as it is answered.
#[derive(Serialize)]
pub(super) struct ManagedEndpointBody {
    pub(super) id: String,
    name: String,
    r#type: String,
    properties: ManagedPropertiesBody,
    etag: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManagedPropertiesBody {
    provisioning_state: &'static str,
    private_link_resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<String>,
    fqdns: Vec<String>,
    connection_state: StateBody,
}

impl ManagedEndpointBody {
    /// An endpoint in `network`.
    pub(super) fn of(network: &ChildId, endpoint: ManagedEndpoint) -> Self {
        let ManagedEndpointDefinition { private_link_resource_id, group_id, fqdns } = endpoint.definition;
        let properties = ManagedPropertiesBody {
            provisioning_state: "Succeeded",
            private_link_resource_id,
            group_id,
            fqdns,
            connection_state: StateBody::of(endpoint.state),
        };
        Self {
            id: format!("{network}/managedPrivateEndpoints/{}", endpoint.name),
            name: endpoint.name,
            r#type: format!("{FACTORY_TYPE}/managedVirtualNetworks/managedPrivateEndpoints"),
            properties,
            etag: endpoint.etag.to_string(),
        }
    }
}

/// The groups of a factory.
#[derive(Serialize)]
pub(super) struct LinkResources {
    value: Vec<LinkResource>,
}

#[derive(Serialize)]
struct LinkResource {
    id: String,
    name: &'static str,
    r#type: String,
    properties: LinkProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkProperties {
    group_id: &'static str,
    required_members: [&'static str; 1],
    required_zone_names: [&'static str; 1],
}

impl LinkResources {
    /// Those of `factory`.
    pub(super) fn of(factory: &FactoryId) -> Self {
        let resource = |(group, zone): (&'static str, &'static str)| LinkResource {
            id: format!("{factory}/privateLinkResources/{group}"),
            name: group,
            r#type: format!("{FACTORY_TYPE}/privateLinkResources"),
            properties: LinkProperties { group_id: group, required_members: [group], required_zone_names: [zone] },
        };
        Self { value: GROUPS.into_iter().map(resource).collect() }
    }
}
