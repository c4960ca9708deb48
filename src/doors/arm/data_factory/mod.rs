//! Microsoft.DataFactory, 2018-06-01: factories and what is in them.

mod bodies;
mod children;
mod factories;
mod network_bodies;
mod networks;
mod node_body;
mod nodes;
mod paths;
mod run_bodies;
mod runs;
mod runtime_bodies;
mod runtimes;
mod sharing;

use super::endpoint::{Endpoint, Handler};
use super::provider::{OtherVersions, ProvidedType, Provider};
use crate::management::ChildKind;
use crate::operation::Operation;

/// The provider.
pub(super) static PROVIDER: Provider = Provider {
    namespace: "Microsoft.DataFactory",
    types: &[
        &FACTORIES,
        &LINKED_SERVICES,
        &DATASETS,
        &PIPELINES,
        &DATA_FLOWS,
        &TRIGGERS,
        &MANAGED_VIRTUAL_NETWORKS,
        &INTEGRATION_RUNTIMES,
        &CONNECTIONS,
        &LINK_RESOURCES,
        &MANAGED_ENDPOINTS,
        &CREDENTIALS,
    ],
};

const fn own_type(name: &'static str) -> ProvidedType {
    ProvidedType { name, versions: &["2018-06-01"], others: OtherVersions::Refused }
}

static FACTORIES: ProvidedType = own_type("factories");
static LINKED_SERVICES: ProvidedType = own_type("factories/linkedservices");
static DATASETS: ProvidedType = own_type("factories/datasets");
static PIPELINES: ProvidedType = own_type("factories/pipelines");
static DATA_FLOWS: ProvidedType = own_type("factories/dataflows");
static TRIGGERS: ProvidedType = own_type("factories/triggers");
static MANAGED_VIRTUAL_NETWORKS: ProvidedType = own_type("factories/managedVirtualNetworks");
static INTEGRATION_RUNTIMES: ProvidedType = own_type("factories/integrationruntimes");
static CONNECTIONS: ProvidedType = own_type("factories/privateEndpointConnections");
static LINK_RESOURCES: ProvidedType = own_type("factories/privateLinkResources");
static MANAGED_ENDPOINTS: ProvidedType = own_type("factories/managedVirtualNetworks/managedPrivateEndpoints");
static CREDENTIALS: ProvidedType = own_type("factories/credentials");

/// The operations.
pub(super) fn routes() -> Vec<(&'static Operation, Endpoint)> {
    let factories: [(&'static Operation, Handler); 6] = [
        (&factories::LIST_IN_SUBSCRIPTION, |state, call| Box::pin(factories::list_in_subscription(state, call))),
        (&factories::LIST, |state, call| Box::pin(factories::list(state, call))),
        (&factories::PUT, |state, call| Box::pin(factories::put(state, call))),
        (&factories::PATCH, |state, call| Box::pin(factories::update(state, call))),
        (&factories::GET, |state, call| Box::pin(factories::get(state, call))),
        (&factories::DELETE, |state, call| Box::pin(factories::delete(state, call))),
    ];
    let of_factories =
        factories.into_iter().map(|(operation, handler)| (operation, Endpoint { kind: &FACTORIES, handler }));
    let of_children = children::KINDS.iter().flat_map(|operations| {
        let kind = type_of(operations.kind);
        operations.routes().into_iter().map(move |(operation, handler)| (operation, Endpoint { kind, handler }))
    });
    let others = [
        (&INTEGRATION_RUNTIMES, runtimes::routes()),
        (&INTEGRATION_RUNTIMES, nodes::routes()),
        (&INTEGRATION_RUNTIMES, sharing::routes()),
        (&PIPELINES, runs::routes()),
        (&CONNECTIONS, networks::connection_routes()),
        (&LINK_RESOURCES, networks::link_routes()),
        (&MANAGED_ENDPOINTS, networks::managed_routes()),
    ];
    let of_others = others.into_iter().flat_map(|(kind, routes)| {
        routes.into_iter().map(move |(operation, handler)| (operation, Endpoint { kind, handler }))
    });
    of_factories.chain(of_children).chain(of_others).collect()
}

const fn type_of(kind: ChildKind) -> &'static ProvidedType {
    match kind {
        ChildKind::LinkedService => &LINKED_SERVICES,
        ChildKind::Dataset => &DATASETS,
        ChildKind::Pipeline => &PIPELINES,
        ChildKind::DataFlow => &DATA_FLOWS,
        ChildKind::Trigger => &TRIGGERS,
        ChildKind::ManagedVirtualNetwork => &MANAGED_VIRTUAL_NETWORKS,
        ChildKind::IntegrationRuntime => &INTEGRATION_RUNTIMES,
        ChildKind::Credential => &CREDENTIALS,
    }
}
