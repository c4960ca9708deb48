//! Factories as a configuration wants them: compared, made, changed, deleted. What a configuration does not say of a factory stays.

use uuid::Uuid;

use super::id::{FactoryId, NetworkId};
use super::network::{Connection, ConnectionState, ConnectionStatus};
use super::{Definition, Factory, IdentityDefinition, Management, NewIdentity, claiming_name, identity};
use crate::access::network::PrivateEndpoint;
use crate::clock::Timestamp;
use crate::directory::IdentityRecord;
use crate::management::group::normalized;
use crate::management::refusal::Refusal;
use crate::management::stamping;
use crate::records::{Change, View, encode};
use crate::store::Batch;

/// A factory as a configuration wants it.
#[derive(Clone, Debug)]
pub(crate) struct ConfiguredFactory {
    /// Its id.
    pub id: FactoryId,
    /// Where it is.
    pub location: String,
    /// Whether its public access is off.
    pub is_private: bool,
    /// The private endpoints that are connected to it.
    pub private_endpoints: Vec<PrivateEndpoint>,
    /// The ids of its own identity, when the configuration makes it.
    pub identity: NewIdentity,
}

/// In what a factory is not as a configuration wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FactoryDifference {
    /// It is not there.
    Missing,
    /// It is not there, and this identity has the name or an id of its own.
    IdentityTaken(String),
    /// It is in another subscription.
    Subscription,
    /// It is in another resource group.
    ResourceGroup,
    /// It is in another location.
    Location,
    /// Its public access is on, or off.
    PublicAccess,
    /// Its private endpoints are others, have other addresses, or are not approved.
    PrivateEndpoints,
}

impl ConfiguredFactory {
    /// Its own identity, when the configuration makes it.
    pub(crate) fn own_identity(&self) -> IdentityRecord {
        identity::own(&self.id, self.identity)
    }

    /// Whether it names this connection, or one of the same name.
    fn names(&self, connection: &Connection) -> bool {
        self.private_endpoints.iter().any(|endpoint| endpoint.name.eq_ignore_ascii_case(&connection.name))
    }

    /// The connection of one of its private endpoints. These are no resources here: it has the id of one in the factory's group.
    fn connection(&self, endpoint: &PrivateEndpoint, etag: Uuid) -> Connection {
        let (group, name) = (self.id.group(), endpoint.name.clone());
        Connection {
            endpoint: format!("{group}/providers/Microsoft.Network/privateEndpoints/{name}"),
            ranges: endpoint.ranges.clone(),
            state: ConnectionState::of(ConnectionStatus::Approved, "Named by the configuration."),
            configured: true,
            name,
            etag,
        }
    }

    /// The factory as it is made, or `existing` as it is changed.
    fn factory(&self, existing: Option<Factory>, now: Timestamp) -> Factory {
        let mut factory = existing.unwrap_or_else(|| Factory {
            group: self.id.group().name().to_owned(),
            name: self.id.name().to_owned(),
            location: self.location.clone(),
            tags: None,
            identity: None,
            encryption: None,
            properties: Definition::new(),
            created: now,
            configured: true,
            etag: self.identity.object_id,
        });
        if factory.is_private() != self.is_private {
            let access = if self.is_private { "Disabled" } else { "Enabled" };
            factory.properties.insert("publicNetworkAccess".to_owned(), access.into());
        }
        // It follows from the former one, so that two changes never have the same.
        factory.etag = Uuid::new_v5(&factory.etag, b"configured");
        factory
    }

    fn differences(&self, id: &FactoryId, factory: &Factory, connections: &[Connection]) -> Vec<FactoryDifference> {
        let (group, wanted) = (id.group(), self.id.group());
        let is_connected = |endpoint: &PrivateEndpoint| {
            let is_it = |one: &&Connection| one.name.eq_ignore_ascii_case(&endpoint.name);
            connections.iter().find(is_it).is_some_and(|one| one.is_approved() && one.ranges == endpoint.ranges)
        };
        let is_left = |one: &Connection| one.configured && !self.names(one);
        let is_connected = self.private_endpoints.iter().all(is_connected) && !connections.iter().any(is_left);
        let all = [
            (FactoryDifference::Subscription, group.subscription() == wanted.subscription()),
            (FactoryDifference::ResourceGroup, group.name().eq_ignore_ascii_case(wanted.name())),
            (FactoryDifference::Location, normalized(&factory.location) == normalized(&self.location)),
            (FactoryDifference::PublicAccess, factory.is_private() == self.is_private),
            (FactoryDifference::PrivateEndpoints, is_connected),
        ];
        all.into_iter().filter(|(_, is_same)| !is_same).map(|(difference, _)| difference).collect()
    }
}

impl Management {
    /// In what the factory of this name is not as it is `wanted`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn factory_differences(
        &self,
        wanted: &ConfiguredFactory,
    ) -> Result<Vec<FactoryDifference>, Refusal> {
        let Some(id) = self.factory_named(wanted.id.name()).await? else {
            let identities = self.directory.identities().await?;
            let own = wanted.own_identity();
            let taken = identities.iter().find(|other| !other.auto_created && other.shares_with(&own));
            let missing = taken.map(|other| FactoryDifference::IdentityTaken(other.name.clone()));
            return Ok(vec![missing.unwrap_or(FactoryDifference::Missing)]);
        };
        Ok(wanted.differences(&id, &self.factory(&id).await?, &self.connections(&id).await?))
    }

    /// Makes the factory that is `wanted` with its resource group, or makes what a configuration says of it so, in one commit. What
    /// cannot change is not looked at.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn configure_factory(&self, wanted: &ConfiguredFactory, now: Timestamp) -> Result<(), Refusal> {
        let id = match self.factory_named(wanted.id.name()).await? {
            Some(existing) => existing,
            None => wanted.id.clone(),
        };
        let wanted = &ConfiguredFactory { id, ..wanted.clone() };
        self.records.update(|view: View| async move { self.configuring(&view, wanted, now).await }).await
    }

    /// The factories that a configuration has made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn configured_factories(&self) -> Result<Vec<FactoryId>, Refusal> {
        let view = self.records.view().await?;
        let all = self.all_factories(&view).await?;
        Ok(all.into_iter().filter(|(_, factory)| factory.configured).map(|(id, _)| id).collect())
    }

    /// Deletes a factory that a configuration has made, with everything in it.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn delete_configured_factory(&self, id: &FactoryId) -> Result<(), Refusal> {
        let guard = self.authorization.current().await?.guard;
        self.delete_factory(id, &guard).await.map(drop)
    }

    async fn configuring(
        &self,
        view: &View,
        wanted: &ConfiguredFactory,
        now: Timestamp,
    ) -> Result<Change<()>, Refusal> {
        let id = &wanted.id;
        let (existing, revision) = self.recorded_factory(view, id).await?;
        let own = existing.is_none().then(|| IdentityDefinition { system: true, ..IdentityDefinition::default() });
        let claim = match own {
            Some(_) => self.making_group(view, id.group(), &wanted.location).await?.and(claiming_name(view, id).await?),
            None => Batch::default(),
        };
        let factory = wanted.factory(existing, now);
        let batch = claim.and(self.connecting(view, wanted, factory.etag).await?);
        let before = factory.identity.clone().unwrap_or_default();
        let identities = (before, own.as_ref(), true);
        let change = self.with_identity(view, (id, revision), factory, identities, wanted.identity, batch).await?;
        Ok(Change { batch: change.batch, answer: () })
    }

    /// What a commit must do so that the private endpoints that are wanted are connected, and of the others those that no configuration
    /// has named.
    async fn connecting(&self, view: &View, wanted: &ConfiguredFactory, etag: Uuid) -> Result<Batch, Refusal> {
        let mut batch = stamping(view, wanted.id.contents_stamp()).await?;
        let existing = self.records.scan::<Connection>(view, &wanted.id.connections(), None, usize::MAX).await?;
        let place = |name: &str| NetworkId::connection(wanted.id.clone(), name).ok();
        for left in
            existing.iter().filter(|one| one.configured && !wanted.names(one)).filter_map(|one| place(&one.name))
        {
            batch = batch.delete(left.key());
        }
        for endpoint in &wanted.private_endpoints {
            if let Some(place) = place(&endpoint.name) {
                batch = batch.put(place.key(), encode(&wanted.connection(endpoint, etag))?);
            }
        }
        Ok(batch)
    }
}
