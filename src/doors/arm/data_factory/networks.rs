//! The network of factories: connections of private endpoints, the groups that they connect to, managed private endpoints.

use std::sync::Arc;

use hyper::header::IF_MATCH;
use hyper::{Method, StatusCode};

use super::super::endpoint::Handler;
use super::super::paging::Page;
use super::super::state::{Call, State};
use super::super::{refused_change, refused_network};
use super::network_bodies::{
    ConnectionBody, ConnectionInput, LinkResources, ManagedEndpointBody, ManagedEndpointInput,
};
use super::paths::{action, factory_path};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::management::{ChildId, ChildKind, NetworkId};
use crate::operation::Operation;

static LIST_CONNECTIONS: Operation = Operation::management(
    "FactoryPrivateEndpointConnectionList",
    Method::GET,
    factory_path!("/privateEndPointConnections"),
    action!("privateEndpointConnections/read"),
);
static GET_CONNECTION: Operation = Operation::management(
    "FactoryPrivateEndpointConnectionGet",
    Method::GET,
    factory_path!("/privateEndpointConnections/{name}"),
    action!("privateEndpointConnections/read"),
);
static PUT_CONNECTION: Operation = Operation::management(
    "FactoryPrivateEndpointConnectionPut",
    Method::PUT,
    factory_path!("/privateEndpointConnections/{name}"),
    action!("privateEndpointConnections/write"),
);
static DELETE_CONNECTION: Operation = Operation::management(
    "FactoryPrivateEndpointConnectionDelete",
    Method::DELETE,
    factory_path!("/privateEndpointConnections/{name}"),
    action!("privateEndpointConnections/delete"),
);
static LINK_RESOURCES: Operation = Operation::management(
    "FactoryPrivateLinkResourceList",
    Method::GET,
    factory_path!("/privateLinkResources"),
    action!("privateLinkResources/read"),
);
static LIST_MANAGED: Operation = Operation::management(
    "FactoryManagedPrivateEndpointList",
    Method::GET,
    factory_path!("/managedVirtualNetworks/{network}/managedPrivateEndpoints"),
    action!("managedVirtualNetworks/managedPrivateEndpoints/read"),
);
static GET_MANAGED: Operation = Operation::management(
    "FactoryManagedPrivateEndpointGet",
    Method::GET,
    factory_path!("/managedVirtualNetworks/{network}/managedPrivateEndpoints/{name}"),
    action!("managedVirtualNetworks/managedPrivateEndpoints/read"),
);
static PUT_MANAGED: Operation = Operation::management(
    "FactoryManagedPrivateEndpointPut",
    Method::PUT,
    factory_path!("/managedVirtualNetworks/{network}/managedPrivateEndpoints/{name}"),
    action!("managedVirtualNetworks/managedPrivateEndpoints/write"),
);
static DELETE_MANAGED: Operation = Operation::management(
    "FactoryManagedPrivateEndpointDelete",
    Method::DELETE,
    factory_path!("/managedVirtualNetworks/{network}/managedPrivateEndpoints/{name}"),
    action!("managedVirtualNetworks/managedPrivateEndpoints/delete"),
);

/// What answers the operations on connections.
pub(super) fn connection_routes() -> Vec<(&'static Operation, Handler)> {
    vec![
        (&LIST_CONNECTIONS, |state, call| Box::pin(list_connections(state, call))),
        (&GET_CONNECTION, |state, call| Box::pin(get_connection(state, call))),
        (&PUT_CONNECTION, |state, call| Box::pin(put_connection(state, call))),
        (&DELETE_CONNECTION, |state, call| Box::pin(delete_connection(state, call))),
    ]
}

/// What answers the question for the groups.
pub(super) fn link_routes() -> Vec<(&'static Operation, Handler)> {
    vec![(&LINK_RESOURCES, |state, call| Box::pin(link_resources(state, call)))]
}

/// What answers the operations on managed private endpoints.
pub(super) fn managed_routes() -> Vec<(&'static Operation, Handler)> {
    vec![
        (&LIST_MANAGED, |state, call| Box::pin(list_managed(state, call))),
        (&GET_MANAGED, |state, call| Box::pin(get_managed(state, call))),
        (&PUT_MANAGED, |state, call| Box::pin(put_managed(state, call))),
        (&DELETE_MANAGED, |state, call| Box::pin(delete_managed(state, call))),
    ]
}

/// Answers the connections of a factory.
async fn list_connections(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let factory = call.factory()?;
    let found = state.management.connections(&factory).await.map_err(refused_change::of)?;
    let shown = found.into_iter().map(|one| ConnectionBody::of(&factory, one)).collect();
    Ok(body::json(StatusCode::OK, &Page::of(&call, shown, |one: &ConnectionBody| one.id.clone())?))
}

/// Answers a connection.
async fn get_connection(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (factory, id) = (call.factory()?, call.connection()?);
    let found = state.management.connection(&id).await.map_err(refused_change::of)?;
    if call.has_etag(found.etag) {
        return Ok(body::empty(StatusCode::NOT_MODIFIED));
    }
    Ok(body::json(StatusCode::OK, &ConnectionBody::of(&factory, found)))
}

/// Approves or rejects a connection, or makes one.
async fn put_connection(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let (factory, id) = (call.factory()?, call.connection()?);
    let write = state.factory_write(&call, call.header(&IF_MATCH));
    let change = call.json::<ConnectionInput>(&state.limits).await?.change()?;
    let made = state.management.put_connection(&id, &change, &write).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &ConnectionBody::of(&factory, made)))
}

/// Deletes a connection: 200, or 204 where there is none.
async fn delete_connection(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (id, write) = (call.connection()?, state.factory_write(&call, None));
    let existed = state.management.delete_connection(&id, &write).await.map_err(refused_change::of)?;
    Ok(body::empty(if existed { StatusCode::OK } else { StatusCode::NO_CONTENT }))
}

/// Answers the groups that private endpoints connect to.
async fn link_resources(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let factory = call.factory()?;
    state.management.factory(&factory).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &LinkResources::of(&factory)))
}

/// Answers the endpoints in a factory's managed virtual network.
async fn list_managed(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let network = call.network()?;
    let found = state.management.managed_endpoints(&network).await.map_err(refused_change::of)?;
    let shown = found.into_iter().map(|one| ManagedEndpointBody::of(&network, one)).collect();
    Ok(body::json(StatusCode::OK, &Page::of(&call, shown, |one: &ManagedEndpointBody| one.id.clone())?))
}

/// Answers a managed private endpoint.
async fn get_managed(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (network, id) = (call.network()?, call.managed_endpoint()?);
    let found = state.management.managed_endpoint(&network, &id).await.map_err(refused_change::of)?;
    if call.has_etag(found.etag) {
        return Ok(body::empty(StatusCode::NOT_MODIFIED));
    }
    Ok(body::json(StatusCode::OK, &ManagedEndpointBody::of(&network, found)))
}

/// Makes a managed private endpoint, or makes it anew; always 200.
async fn put_managed(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let (network, id) = (call.network()?, call.managed_endpoint()?);
    let write = state.factory_write(&call, call.header(&IF_MATCH));
    let wanted = call.json::<ManagedEndpointInput>(&state.limits).await?.definition();
    let made = state.management.put_managed_endpoint((&network, &id), &wanted, &write).await;
    Ok(body::json(StatusCode::OK, &ManagedEndpointBody::of(&network, made.map_err(refused_change::of)?)))
}

/// Deletes a managed private endpoint: 200, or 204 where there is none.
async fn delete_managed(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let (network, id) = (call.network()?, call.managed_endpoint()?);
    let write = state.factory_write(&call, None);
    let existed = state.management.delete_managed_endpoint((&network, &id), &write).await;
    let status = if existed.map_err(refused_change::of)? { StatusCode::OK } else { StatusCode::NO_CONTENT };
    Ok(body::empty(status))
}

impl Call {
    /// The connection in the path.
    fn connection(&self) -> Result<NetworkId, ApiError> {
        let name = self.params.get("name");
        NetworkId::connection(self.factory()?, &name).map_err(|_| refused_network::invalid_connection(&name))
    }

    /// The managed virtual network in the path.
    fn network(&self) -> Result<ChildId, ApiError> {
        let name = self.params.get("network");
        let id = ChildId::parse(self.factory()?, ChildKind::ManagedVirtualNetwork, &name);
        id.map_err(|_| refused_change::invalid_child(&name))
    }

    /// The managed private endpoint in the path.
    fn managed_endpoint(&self) -> Result<NetworkId, ApiError> {
        let name = self.params.get("name");
        NetworkId::managed(self.factory()?, &name).map_err(|_| refused_network::invalid_endpoint(&name))
    }
}
