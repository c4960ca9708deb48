//! A node of an integration runtime as the wire has it: the members of the API's own example of a node that is online.

use serde::Serialize;

use crate::management::{MAX_JOBS, NodeStatus};

/// A node.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeBody {
    node_name: String,
    machine_name: String,
    host_service_uri: String,
    status: &'static str,
    capabilities: Capabilities,
    version_status: &'static str,
    version: String,
    register_time: String,
    last_connect_time: String,
    last_start_time: String,
    last_update_result: &'static str,
    is_active_dispatcher: bool,
    concurrent_jobs_limit: u32,
    max_concurrent_jobs: u32,
}

/// What a node can do, each `True` or `False`.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Capabilities {
    service_bus_connected: &'static str,
    https_port_enabled: &'static str,
    credential_in_sync: &'static str,
    connected_to_resource_manager: &'static str,
    node_enabled: &'static str,
}

impl Capabilities {
    pub(super) fn of(status: &NodeStatus) -> Self {
        let word = |is: bool| if is { "True" } else { "False" };
        let connected = word(status.is_online);
        Self {
            service_bus_connected: connected,
            https_port_enabled: word(status.node.description.remote_access),
            credential_in_sync: word(status.is_in_sync),
            connected_to_resource_manager: connected,
            node_enabled: "True",
        }
    }
}

impl NodeBody {
    /// The node; `dispatches` when the others get their credentials from it.
    pub(super) fn of(status: &NodeStatus, dispatches: bool) -> Self {
        let node = &status.node;
        Self {
            node_name: node.description.name.clone(),
            machine_name: node.description.machine.clone(),
            host_service_uri: node.host_service_uri(),
            status: if status.is_online { "Online" } else { "Offline" },
            capabilities: Capabilities::of(status),
            version_status: "UpToDate",
            version: node.description.version.clone(),
            register_time: node.registered.to_string(),
            last_connect_time: status.last_seen.to_string(),
            last_start_time: node.started.to_string(),
            last_update_result: "None",
            is_active_dispatcher: dispatches,
            concurrent_jobs_limit: node.concurrent_jobs_limit.unwrap_or(MAX_JOBS),
            max_concurrent_jobs: MAX_JOBS,
        }
    }
}

/// What a node does, as monitoring data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeLoad {
    node_name: String,
    concurrent_jobs_limit: u32,
    concurrent_jobs_running: u32,
}

impl NodeLoad {
    /// The load of a node. Nodes report neither memory nor processors, so that these are left out.
    pub(super) fn of(status: &NodeStatus) -> Self {
        let node = &status.node;
        Self {
            node_name: node.description.name.clone(),
            concurrent_jobs_limit: node.concurrent_jobs_limit.unwrap_or(MAX_JOBS),
            concurrent_jobs_running: status.jobs,
        }
    }
}
