//! Private endpoints in the managed virtual network of a factory. The other side approves them; here the admin API speaks for it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::state::{ConnectionState, ConnectionStatus};
use crate::management::Management;
use crate::management::factory::id::{ChildId, FactoryId, NetworkId};
use crate::management::factory::kind::ChildKind;
use crate::management::factory::{Factory, FactoryWrite, check_match};
use crate::management::refusal::Refusal;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, EntryKey, Revision};

/// The only managed virtual network of a factory.
const NETWORK: &str = "default";
/// The most host names of an endpoint.
const MAX_NAMES: usize = 20;
/// The longest id of a resource, group or host name, in bytes.
const MAX_TEXT: usize = 1024;

/// A private endpoint in a factory's managed virtual network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagedEndpoint {
    /// Its name, as it was made.
    pub name: String,
    /// What it leads to.
    pub definition: ManagedEndpointDefinition,
    /// Whether the other side has approved it.
    pub state: ConnectionState,
    /// Changes with every change.
    pub etag: Uuid,
}

/// What a managed private endpoint leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagedEndpointDefinition {
    /// The id of the resource.
    pub private_link_resource_id: String,
    /// The group of the resource: `vault`, `blob`, …; none for a private link service.
    pub group_id: Option<String>,
    /// The host names that it answers for.
    pub fqdns: Vec<String>,
}

/// A managed private endpoint with where it is.
#[derive(Clone, Debug)]
pub(crate) struct PlacedEndpoint {
    /// Its factory.
    pub factory: FactoryId,
    /// It.
    pub endpoint: ManagedEndpoint,
}

impl Management {
    /// The endpoints in the managed virtual network of a factory, by name.
    ///
    /// # Errors
    /// When there is no such factory or network.
    pub(crate) async fn managed_endpoints(&self, network: &ChildId) -> Result<Vec<ManagedEndpoint>, Refusal> {
        let view = self.records.view().await?;
        self.check_network(&view, network).await?;
        let prefix = network.factory().managed_endpoints();
        let found = self.records.scan::<ManagedEndpoint>(&view, &prefix, None, usize::MAX).await?;
        Ok(found.iter().map(|endpoint| endpoint.as_ref().clone()).collect())
    }

    /// The endpoint of this id.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn managed_endpoint(&self, network: &ChildId, id: &NetworkId) -> Result<ManagedEndpoint, Refusal> {
        let view = self.records.view().await?;
        self.check_network(&view, network).await?;
        self.recorded_endpoint(&view, id).await?.0.ok_or_else(|| Refusal::NoNetworkResource(id.clone()))
    }

    /// Makes an endpoint, or makes it as `wanted`. It waits for the other side, unless that has decided about the same resource.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn put_managed_endpoint(
        &self,
        (network, id): (&ChildId, &NetworkId),
        wanted: &ManagedEndpointDefinition,
        write: &FactoryWrite,
    ) -> Result<ManagedEndpoint, Refusal> {
        wanted.check()?;
        let putting = |view: View| async move {
            let batch = self.changing(&view, id.factory()).await?;
            self.check_network(&view, network).await?;
            let (existing, revision) = self.recorded_endpoint(&view, id).await?;
            check_match(existing.as_ref().map(|one| one.etag), write.if_match.as_deref())?;
            if existing.is_none() {
                self.check_room(&view, &id.factory().managed_endpoints()).await?;
            }
            let name = existing.as_ref().map_or(id.name(), |one| &one.name).to_owned();
            let decided = existing.filter(|one| one.definition.leads_where(wanted)).map(|one| one.state);
            let state = decided.unwrap_or_else(|| ConnectionState::of(ConnectionStatus::Pending, ""));
            let endpoint = ManagedEndpoint { name, definition: wanted.clone(), state, etag: write.etag };
            let batch = batch.expect(id.key(), revision).put(id.key(), encode(&endpoint)?);
            Ok(Change { batch, answer: endpoint })
        };
        self.write(&write.guard, putting).await
    }

    /// Deletes an endpoint. Answers whether it was there.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn delete_managed_endpoint(
        &self,
        (network, id): (&ChildId, &NetworkId),
        write: &FactoryWrite,
    ) -> Result<bool, Refusal> {
        let deleting = |view: View| async move {
            let batch = self.changing(&view, id.factory()).await?;
            self.check_network(&view, network).await?;
            let (existing, revision) = self.recorded_endpoint(&view, id).await?;
            if existing.is_none() {
                return Ok(Change { batch: Batch::default(), answer: false });
            }
            Ok(Change { batch: batch.expect(id.key(), revision).delete(id.key()), answer: true })
        };
        self.write(&write.guard, deleting).await
    }

    /// Every endpoint in managed virtual networks, in the order of factories and names.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn all_managed_endpoints(&self) -> Result<Vec<PlacedEndpoint>, Refusal> {
        let view = self.records.view().await?;
        let mut all = Vec::new();
        for (factory, _) in self.all_factories(&view).await? {
            let found =
                self.records.scan::<ManagedEndpoint>(&view, &factory.managed_endpoints(), None, usize::MAX).await?;
            let placed = |one: &std::sync::Arc<ManagedEndpoint>| PlacedEndpoint {
                factory: factory.clone(),
                endpoint: one.as_ref().clone(),
            };
            all.extend(found.iter().map(placed));
        }
        Ok(all)
    }

    /// Decides about an endpoint for the other side: the answer of the resource that it leads to. Answers it, if it is there.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn decide_endpoint(
        &self,
        (factory, name): (&FactoryId, &str),
        state: &ConnectionState,
        etag: Uuid,
    ) -> Result<Option<ManagedEndpoint>, Refusal> {
        let Ok(id) = NetworkId::managed(factory.clone(), name) else { return Ok(None) };
        let id = &id;
        let deciding = |view: View| async move {
            let (existing, revision) = self.recorded_endpoint(&view, id).await?;
            let Some(existing) = existing else { return Ok(Change { batch: Batch::default(), answer: None }) };
            let endpoint = ManagedEndpoint { state: state.clone(), etag, ..existing };
            let batch = Batch::default().expect(id.key(), revision).put(id.key(), encode(&endpoint)?);
            Ok::<_, Refusal>(Change { batch, answer: Some(endpoint) })
        };
        self.records.update(deciding).await
    }

    /// Every factory with its id, in the order of their keys.
    pub(crate) async fn all_factories(&self, view: &View) -> Result<Vec<(FactoryId, Factory)>, Refusal> {
        let mut all = Vec::new();
        for subscription in subscriptions_of(view).await? {
            let prefix = EntryKey::from(format!("factory/{subscription}/"));
            let found = self.records.scan::<Factory>(view, &prefix, None, usize::MAX).await?;
            all.extend(found.iter().filter_map(|one| Some((one.id(subscription)?, one.as_ref().clone()))));
        }
        Ok(all)
    }

    async fn check_network(&self, view: &View, network: &ChildId) -> Result<(), Refusal> {
        self.factory_revision(view, network.factory()).await?;
        match view.revision_of(&network.key()).await.map_err(RecordError::from)? {
            Some(_) => Ok(()),
            None => Err(Refusal::NoChild(network.clone())),
        }
    }

    async fn recorded_endpoint(
        &self,
        view: &View,
        id: &NetworkId,
    ) -> Result<(Option<ManagedEndpoint>, Revision), RecordError> {
        let found = self.records.entry::<ManagedEndpoint>(view, &id.key()).await?;
        Ok(found.map_or((None, 0), |(one, revision)| (Some(one.as_ref().clone()), revision)))
    }
}

/// The subscriptions that factories are in.
pub(crate) async fn subscriptions_of(view: &View) -> Result<BTreeSet<Uuid>, RecordError> {
    let keys = view.keys(&EntryKey::from("factory/"), None, usize::MAX).await?;
    let subscription = |key: &EntryKey| {
        let text = std::str::from_utf8(key.as_bytes()).ok()?;
        Uuid::parse_str(text.split('/').nth(1)?).ok()
    };
    Ok(keys.iter().filter_map(|(key, _)| subscription(key)).collect())
}

impl PlacedEndpoint {
    /// What the admin API calls it: `FACTORY.NAME`, which no other is called.
    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.factory.name(), self.endpoint.name)
    }

    /// Its id.
    pub(crate) fn id(&self) -> String {
        let kind = ChildKind::ManagedVirtualNetwork.segment();
        format!("{}/{kind}/{NETWORK}/managedPrivateEndpoints/{}", self.factory, self.endpoint.name)
    }
}

impl ManagedEndpointDefinition {
    /// Whether both lead to the same group of the same resource.
    fn leads_where(&self, other: &Self) -> bool {
        let group = |one: &Self| one.group_id.as_ref().map(|group| group.to_ascii_lowercase());
        self.private_link_resource_id.eq_ignore_ascii_case(&other.private_link_resource_id)
            && group(self) == group(other)
    }

    /// Refuses what leads nowhere, and too much of it.
    fn check(&self) -> Result<(), Refusal> {
        let id = &self.private_link_resource_id;
        let texts = self.fqdns.iter().chain(&self.group_id);
        let why = if !id.starts_with('/') || id.len() > MAX_TEXT {
            "properties.privateLinkResourceId is no id of a resource"
        } else if self.fqdns.len() > MAX_NAMES || texts.into_iter().any(|text| text.len() > MAX_TEXT) {
            "properties has more or longer host names than are taken"
        } else {
            return Ok(());
        };
        Err(Refusal::Definition(why.to_owned()))
    }
}
