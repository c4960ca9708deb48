//! The network of a factory: who approved which private endpoint, of its own and of its managed virtual network, and which nodes are
//! served.

mod connections;
mod managed;
mod state;

use std::net::IpAddr;

use super::Factory;
use super::id::FactoryId;
use crate::access::network::{AddressRange, NodeRules, PrivateEndpoint};
use crate::management::refusal::Refusal;
use crate::management::{Management, stamping};
use crate::records::{RecordError, Records, View};
use crate::store::{Batch, EntryKey};

pub(crate) use connections::{Connection, ConnectionChange};
pub(crate) use managed::{ManagedEndpoint, ManagedEndpointDefinition, PlacedEndpoint, subscriptions_of};
pub(crate) use state::{ConnectionState, ConnectionStatus};

/// The most private endpoints of a factory, of each sort (Azure Data Factory limits: 1,000 in a managed virtual network).
pub(crate) const MAX_ENDPOINTS: usize = 1000;

impl Management {
    /// Whether the factory serves a node that comes from `address`: by its public access and its approved private endpoints.
    ///
    /// # Errors
    /// When there is no such factory.
    pub(crate) async fn serves_node(&self, id: &FactoryId, address: IpAddr) -> Result<bool, Refusal> {
        let factory = self.factory(id).await?;
        if !factory.is_private() {
            return Ok(true);
        }
        let private_endpoints = self.approved_endpoints(id).await?;
        let networks = self.authorization.networks().await?.networks;
        Ok(NodeRules { is_private: true, private_endpoints }.serve(address, &networks))
    }

    /// The addresses of a factory's approved private endpoints.
    ///
    /// # Errors
    /// When there is no such factory.
    pub(crate) async fn private_ranges(&self, id: &FactoryId) -> Result<Vec<AddressRange>, Refusal> {
        let endpoints = self.approved_endpoints(id).await?;
        let networks = self.authorization.networks().await?.networks;
        Ok(endpoints.iter().flat_map(|endpoint| endpoint.addresses(&networks)).cloned().collect())
    }

    async fn approved_endpoints(&self, id: &FactoryId) -> Result<Vec<PrivateEndpoint>, Refusal> {
        let approved = self.connections(id).await?.into_iter().filter(Connection::is_approved);
        Ok(approved.map(|connection| connection.private_endpoint()).collect())
    }

    /// The begin of a batch that changes the network of `factory`. It needs no key of the factory's: nothing of it is sealed.
    async fn changing(&self, view: &View, factory: &FactoryId) -> Result<Batch, Refusal> {
        let revision = self.factory_revision(view, factory).await?;
        Ok(stamping(view, factory.contents_stamp()).await?.expect(factory.key(), revision))
    }
}

/// Checks that what there is of networks in `records` can be read.
pub(crate) async fn check_networks(records: &Records, view: &View) -> Result<(), RecordError> {
    records.scan::<Connection>(view, &EntryKey::from("factory-connection/"), None, usize::MAX).await?;
    records.scan::<ManagedEndpoint>(view, &EntryKey::from("managed-endpoint/"), None, usize::MAX).await.map(drop)
}

impl Factory {
    /// Whether private link is on: nodes are served by private endpoints alone, and credentials of linked services that they connect
    /// must be in a vault.
    pub(crate) fn is_private(&self) -> bool {
        let access = self.properties.get("publicNetworkAccess").and_then(serde_json::Value::as_str);
        access.is_some_and(|access| access.eq_ignore_ascii_case("Disabled"))
    }
}
