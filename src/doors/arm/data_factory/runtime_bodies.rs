//! Integration runtimes as the wire has them. The members of a status without nodes are those of a recording in public
//! (Azure/azure-sdk-for-net, `SelfHostedIntegrationRuntimeScenarioTest`), with `latestVersion` in its later spelling.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::node_body::{Capabilities, NodeBody, NodeLoad};
use crate::management::{AuthKeys, ConnectionInfo, Link, RuntimeStatus};

/// What changes of a runtime's settings.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettingsInput {
    pub(super) auto_update: Option<String>,
    pub(super) update_delay_offset: Option<String>,
}

/// Which auth key is made anew.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyInput {
    pub(super) key_name: String,
}

/// Both auth keys.
#[derive(Serialize)]
pub(super) struct AuthKeysBody<'k> {
    #[serde(rename = "authKey1")]
    first: &'k str,
    #[serde(rename = "authKey2")]
    second: &'k str,
}

impl<'k> AuthKeysBody<'k> {
    pub(super) fn of(keys: &'k AuthKeys) -> Self {
        Self { first: keys.first.as_str(), second: keys.second.as_str() }
    }
}

/// How credentials are brought to a node.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectionBody<'i> {
    version: &'i str,
    public_key: &'i str,
    service_token: &'i str,
    identity_cert_thumbprint: &'i str,
    host_service_uri: String,
    // So spelt at the service.
    is_identity_cert_exprired: bool,
}

impl<'i> ConnectionBody<'i> {
    pub(super) fn of(info: &'i ConnectionInfo) -> Self {
        let description = &info.node.description;
        Self {
            version: &description.version,
            public_key: &description.public_key,
            service_token: info.service_token.as_str(),
            identity_cert_thumbprint: &description.thumbprint,
            host_service_uri: info.node.host_service_uri(),
            is_identity_cert_exprired: false,
        }
    }
}

/// What a runtime does.
#[derive(Serialize)]
pub(super) struct StatusBody {
    name: String,
    properties: StatusProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusProperties {
    data_factory_name: String,
    state: &'static str,
    r#type: &'static str,
    type_properties: TypeProperties,
}

#[derive(Serialize)]
#[serde(untagged)]
enum TypeProperties {
    SelfHosted(Box<SelfHosted>),
    Managed(Managed),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SelfHosted {
    auto_update: &'static str,
    task_queue_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    nodes: Vec<NodeBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_delay_offset: Option<String>,
    service_urls: [String; 1],
    links: Vec<LinkBody>,
    version_status: &'static str,
    capabilities: Value,
    latest_version: &'static str,
    state: &'static str,
    create_time: String,
}

/// A runtime of another factory's that is linked to this one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkBody {
    name: String,
    subscription_id: Uuid,
    data_factory_name: String,
    data_factory_location: String,
    create_time: String,
}

impl LinkBody {
    fn of(link: &Link) -> Self {
        Self {
            name: link.name.clone(),
            subscription_id: link.subscription,
            data_factory_name: link.factory.clone(),
            data_factory_location: link.location.clone(),
            create_time: link.created.to_string(),
        }
    }
}

/// What the service's own runtime shows: nothing while it has no machines of its own.
#[derive(Serialize)]
struct Managed {}

impl StatusBody {
    pub(super) fn of(status: &RuntimeStatus) -> Self {
        let state = status.state.as_str();
        let type_properties = match &status.own {
            None => TypeProperties::Managed(Managed {}),
            Some(runtime) => TypeProperties::SelfHosted(Box::new(SelfHosted {
                auto_update: if runtime.auto_update { "On" } else { "Off" },
                task_queue_id: runtime.id,
                version: status.dispatcher().map(|node| node.node.description.version.clone()),
                nodes: nodes(status),
                update_delay_offset: runtime.update_delay.clone(),
                service_urls: [status.endpoint.clone()],
                links: runtime.links.iter().map(LinkBody::of).collect(),
                version_status: if status.nodes.is_empty() { "None" } else { "UpToDate" },
                capabilities: status.dispatcher().map_or_else(|| json!({}), |node| json!(Capabilities::of(node))),
                latest_version: env!("CARGO_PKG_VERSION"),
                state,
                create_time: runtime.created.to_string(),
            })),
        };
        let (data_factory_name, r#type) = (status.factory.clone(), status.kind.as_str());
        let properties = StatusProperties { data_factory_name, state, r#type, type_properties };
        Self { name: status.name.clone(), properties }
    }
}

fn nodes(status: &RuntimeStatus) -> Vec<NodeBody> {
    let dispatcher = status.dispatcher().map(|node| node.node.id);
    status.nodes.iter().map(|node| NodeBody::of(node, dispatcher == Some(node.node.id))).collect()
}

/// What the nodes of a runtime do.
#[derive(Serialize)]
pub(super) struct MonitoringBody {
    name: String,
    nodes: Vec<NodeLoad>,
}

impl MonitoringBody {
    pub(super) fn of(status: &RuntimeStatus) -> Self {
        Self { name: status.name.clone(), nodes: status.nodes.iter().map(NodeLoad::of).collect() }
    }
}
