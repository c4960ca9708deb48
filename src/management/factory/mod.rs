//! Data factories: made, changed, read, deleted with everything in them.

mod child;
mod children;
mod configured;
mod customer_key;
mod described;
pub(super) mod id;
mod identity;
mod kind;
mod network;
mod opened;
mod references;
mod resolved;
mod runs;
pub(super) mod runtime;
mod sealed_secret;
mod secret_access;
mod secrets;
mod system_key;
mod template;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use customer_key::PreparedKey;

use super::group_id::GroupId;
use super::refusal::Refusal;
use super::tags::{self, Tags};
use super::{Guard, Management, expecting, stamping};
use crate::clock::Timestamp;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, EntryKey, Revision};

pub(crate) use child::{Child, ChildRecord, Definition};
pub(crate) use configured::{ConfiguredFactory, FactoryDifference};
pub(crate) use customer_key::{CustomerKey, KeySettings};
pub(crate) use described::DescribedFactory;
pub(crate) use id::{ChildId, FACTORY_TYPE, FactoryId, NetworkId};
pub(crate) use identity::{AssignedIdentities, IdentityDefinition, NewIdentity};
pub(crate) use kind::ChildKind;
pub(crate) use network::{
    Connection, ConnectionChange, ConnectionState, ConnectionStatus, MAX_ENDPOINTS, ManagedEndpoint,
    ManagedEndpointDefinition, PlacedEndpoint, check_networks, subscriptions_of,
};
pub(crate) use runs::check_runs;
pub(crate) use runs::{
    ActivityRun, Filter, Holder, Invoker, NodeRoute, Operand, Outside, Run, RunQuery, Runs, Waiting,
};
pub(crate) use runtime::{
    AuthKeys, ConnectedNodes, ConnectionInfo, FactoryHost, KeyName, KnownNode, Link, MAX_JOBS, MAX_NODES, NODE_DOMAIN,
    NewNode, NewRuntime, NodeStatus, RuntimeChange, RuntimeKind, RuntimeRefusal, RuntimeStatus, check_runtimes,
};
pub(crate) use system_key::check_system_keys;

/// Records that a piece of a larger deletion deletes.
const PIECE: usize = 100;
/// How often a PUT has its customer-managed key prepared anew, because the factory has changed meanwhile.
const ATTEMPTS: usize = 4;

/// A data factory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Factory {
    /// The name of its resource group, as it was given.
    pub group: String,
    /// Its name, as it was made.
    pub name: String,
    /// Where it is.
    pub location: String,
    /// Its tags, if any were given.
    pub tags: Option<Tags>,
    /// Its identities, if any were ever given.
    pub identity: Option<AssignedIdentities>,
    /// Its customer-managed key, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<CustomerKey>,
    /// The members of its properties that are kept as they were given.
    pub properties: Definition,
    /// When it was made, on the vault clock.
    pub created: Timestamp,
    /// Whether a configuration has made it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub configured: bool,
    /// Changes with every change.
    pub etag: Uuid,
}

/// A factory as it is to be.
#[derive(Clone, Debug)]
pub(crate) struct FactoryDefinition {
    /// Its location.
    pub location: String,
    /// Its tags.
    pub tags: Option<Tags>,
    /// Its identities; none leaves those that it has (ours: what the service does is not public).
    pub identity: Option<IdentityDefinition>,
    /// Its customer-managed key; none where it has none.
    pub encryption: Option<KeySettings>,
    /// The members of its properties that are kept.
    pub properties: Definition,
}

/// What changes of a factory that exists.
#[derive(Clone, Debug)]
pub(crate) struct FactoryChange {
    /// Other tags; none leaves them.
    pub tags: Option<Tags>,
    /// Other identities; none leaves them.
    pub identity: Option<IdentityDefinition>,
    /// Members of its properties that are replaced.
    pub properties: Definition,
}

/// What a write of a factory is made with.
#[derive(Clone, Debug)]
pub(crate) struct FactoryWrite {
    /// What allowed it.
    pub guard: Guard,
    /// The etag that it must have, `*` for any; none asks for nothing.
    pub if_match: Option<String>,
    /// The etag that it gets.
    pub etag: Uuid,
    /// The ids of what it may need: an identity, a credential and the task of encrypting it.
    pub identity: NewIdentity,
    /// What a runtime that it makes consists of, if it may make one.
    pub runtime: Option<NewRuntime>,
    /// The moment, on the vault clock.
    pub now: Timestamp,
    /// The moment on the system clock, by which nodes of runtimes are connected.
    pub system_now: Timestamp,
}

impl Management {
    /// The factory.
    ///
    /// # Errors
    /// When there is none, or no such group.
    pub(crate) async fn factory(&self, id: &FactoryId) -> Result<Factory, Refusal> {
        let view = self.records.view().await?;
        match self.recorded_factory(&view, id).await?.0 {
            Some(factory) => Ok(factory),
            None => {
                self.existing_group(&view, id.group()).await?;
                Err(Refusal::NoFactory(id.clone()))
            }
        }
    }

    /// The factories of a subscription, or of one of its groups, by group and name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn factories(&self, subscription: Uuid, group: Option<&GroupId>) -> Result<Vec<Factory>, Refusal> {
        let all = || EntryKey::from(format!("factory/{subscription}/"));
        let prefix = group.map_or_else(all, GroupId::factories);
        let view = self.records.view().await?;
        let found = self.records.scan::<Factory>(&view, &prefix, None, usize::MAX).await?;
        Ok(found.iter().map(|factory| factory.as_ref().clone()).collect())
    }

    /// Makes a factory, or makes it as `wanted`.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn put_factory(
        &self,
        id: &FactoryId,
        wanted: &FactoryDefinition,
        write: &FactoryWrite,
    ) -> Result<Factory, Refusal> {
        tags::check(wanted.tags.as_ref().unwrap_or(&Tags::new()))?;
        for _ in 0..ATTEMPTS {
            let prepared = &self.prepared_key(id, wanted, write).await?;
            let putting = |view: View| async move { self.putting_factory(&view, id, wanted, (write, prepared)).await };
            if let Some(factory) = self.write(&write.guard, putting).await? {
                return Ok(factory);
            }
        }
        Err(RecordError::Busy.into())
    }

    /// Decides a PUT; none when the key was prepared for the factory as it was before another write.
    async fn putting_factory(
        &self,
        view: &View,
        id: &FactoryId,
        wanted: &FactoryDefinition,
        (write, prepared): (&FactoryWrite, &PreparedKey),
    ) -> Result<Change<Option<Factory>>, Refusal> {
        let (existing, revision) = self.recorded_factory(view, id).await?;
        let existing = existing.as_ref();
        check_match(existing.map(|one| one.etag), write.if_match.as_deref())?;
        let mut factory = Factory::putting(id, existing, wanted, write)?;
        if !prepared.is_for(existing) {
            return Ok(Change { batch: Batch::default(), answer: None });
        }
        factory.encryption = prepared.key.clone();
        let mut batch = if existing.is_none() { self.claiming(view, id).await? } else { Batch::default() };
        if let (Some(first), Some(key)) = (&prepared.first, &prepared.key) {
            self.check_ready(view, id, existing, &key.settings).await?;
            batch = batch.and(expecting(view, id.contents_stamp()).await?);
            batch = batch.and(self.sealing_contents(view, id, first).await?);
        }
        let before = factory.identity.clone().unwrap_or_default();
        let identities = (before, wanted.identity.as_ref(), false);
        let change = self.with_identity(view, (id, revision), factory, identities, write.identity, batch).await?;
        Ok(Change { batch: change.batch, answer: Some(change.answer) })
    }

    /// Changes tags, identities and public access of a factory.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn change_factory(
        &self,
        id: &FactoryId,
        change: &FactoryChange,
        write: &FactoryWrite,
    ) -> Result<Factory, Refusal> {
        tags::check(change.tags.as_ref().unwrap_or(&Tags::new()))?;
        let changing = |view: View| async move {
            let (existing, revision) = self.recorded_factory(&view, id).await?;
            let mut factory = existing.ok_or_else(|| Refusal::NoFactory(id.clone()))?;
            factory.tags = change.tags.clone().or(factory.tags);
            factory.properties.extend(change.properties.clone());
            factory.etag = write.etag;
            let before = factory.identity.clone().unwrap_or_default();
            let wanted = (before, change.identity.as_ref(), true);
            self.with_identity(&view, (id, revision), factory, wanted, write.identity, Batch::default()).await
        };
        self.write(&write.guard, changing).await
    }

    /// Deletes a factory with everything in it, its identity and the role assignments at it. Answers whether there was one.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn delete_factory(&self, id: &FactoryId, guard: &Guard) -> Result<bool, Refusal> {
        self.delete_factory_and_roles(id, guard, true).await
    }

    /// As [`Self::delete_factory`]; without `roles` the assignments stay, for the group's deletion to remove.
    pub(super) async fn delete_factory_and_roles(
        &self,
        id: &FactoryId,
        guard: &Guard,
        roles: bool,
    ) -> Result<bool, Refusal> {
        loop {
            let deleting = |view: View| async move { self.deleting_factory(&view, id, roles).await };
            if let Some(existed) = self.write(guard, deleting).await? {
                return Ok(existed);
            }
        }
    }

    /// Decides the next piece of a deletion; answers whether there was a factory, once it is the last piece.
    async fn deleting_factory(
        &self,
        view: &View,
        id: &FactoryId,
        roles: bool,
    ) -> Result<Change<Option<bool>>, Refusal> {
        let (existing, revision) = self.recorded_factory(view, id).await?;
        let Some(factory) = existing else { return Ok(Change { batch: Batch::default(), answer: Some(false) }) };
        let contents = keys_within(view, id).await?;
        let is_last = contents.len() < PIECE;
        let batch = contents.into_iter().fold(Batch::default(), Batch::delete);
        let batch = batch.expect(id.key(), revision);
        if !is_last {
            return Ok(Change { batch: batch.and(stamping(view, id.contents_stamp()).await?), answer: None });
        }
        let batch = batch.and(expecting(view, id.contents_stamp()).await?);
        let batch = batch.delete(id.key()).delete(id.name_key()).delete(id.contents_stamp());
        let batch = batch.and(expecting(view, id.system_keys_key()).await?).delete(id.system_keys_key());
        let batch = batch.and(self.unlinking(view, (id, None), None).await?);
        let identity = match factory.identity.and_then(|identity| identity.system) {
            Some(own) => identity::removing(&self.directory, view, own).await?,
            None => Batch::default(),
        };
        let roles = match roles {
            true => self.authorization.removing_below(view, &id.scope()).await?,
            false => Batch::default(),
        };
        Ok(Change { batch: batch.and(identity).and(roles), answer: Some(true) })
    }

    async fn recorded_factory(&self, view: &View, id: &FactoryId) -> Result<(Option<Factory>, Revision), RecordError> {
        let found = self.records.entry::<Factory>(view, &id.key()).await?;
        Ok(found.map_or((None, 0), |(factory, revision)| (Some(factory.as_ref().clone()), revision)))
    }

    /// What a commit must do so that a new factory is the only one of its name, and its group is not deleted at the same moment.
    async fn claiming(&self, view: &View, id: &FactoryId) -> Result<Batch, Refusal> {
        Ok(self.filling_group(view, id.group()).await?.and(claiming_name(view, id).await?))
    }

    /// The commit of `factory` with the identities that are wanted, and what else is in `batch`.
    async fn with_identity(
        &self,
        view: &View,
        (id, revision): (&FactoryId, Revision),
        mut factory: Factory,
        (before, wanted, is_patch): (AssignedIdentities, Option<&IdentityDefinition>, bool),
        new: NewIdentity,
        batch: Batch,
    ) -> Result<Change<Factory>, Refusal> {
        let mut batch = batch.expect(id.key(), revision);
        if let Some(wanted) = wanted {
            let place = (&self.directory, view);
            let change = identity::assigning(place, id, &before, (wanted, is_patch), new).await?;
            factory.identity = Some(change.assigned);
            batch = batch.and(change.batch);
        }
        if let Some(key) = &factory.encryption {
            key.check_identity(factory.identity.as_ref().unwrap_or(&AssignedIdentities::default()))?;
        }
        Ok(Change { batch: batch.put(id.key(), encode(&factory)?), answer: factory })
    }
}

impl Factory {
    /// The factory as it is `wanted`, with the identities that it has; an existing one keeps its location and name.
    fn putting(
        id: &FactoryId,
        existing: Option<&Self>,
        wanted: &FactoryDefinition,
        write: &FactoryWrite,
    ) -> Result<Self, Refusal> {
        let same_place = |one: &str| super::group::normalized(one) == super::group::normalized(&wanted.location);
        if let Some(existing) = existing.filter(|existing| !same_place(&existing.location)) {
            let (current, wanted) = (existing.location.clone(), wanted.location.clone());
            return Err(Refusal::FixedResourceLocation { id: id.clone(), current, wanted });
        }
        Ok(Self {
            group: existing.map_or(id.group().name(), |existing| &existing.group).to_owned(),
            name: existing.map_or(id.name(), |existing| &existing.name).to_owned(),
            location: existing.map_or(&wanted.location, |existing| &existing.location).clone(),
            tags: wanted.tags.clone(),
            identity: existing.and_then(|existing| existing.identity.clone()),
            encryption: existing.and_then(|existing| existing.encryption.clone()),
            properties: wanted.properties.clone(),
            created: existing.map_or(write.now, |existing| existing.created),
            configured: existing.is_some_and(|existing| existing.configured),
            etag: write.etag,
        })
    }

    /// The host that nodes of its runtimes register at: `FACTORY.REGION.datafactory.azure.net`.
    pub(crate) fn endpoint(&self) -> String {
        let is_fine = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        let region: String = super::group::normalized(&self.location).chars().filter(is_fine).collect();
        format!("{}.{region}.datafactory.azure.net", self.name.to_ascii_lowercase())
    }

    /// The principal id of its own identity.
    pub(super) fn own_identity(&self) -> Option<Uuid> {
        self.identity.as_ref().and_then(|identity| identity.system)
    }

    /// Its id in `subscription`.
    pub(crate) fn id(&self, subscription: Uuid) -> Option<FactoryId> {
        FactoryId::parse(GroupId::parse(subscription, &self.group).ok()?, &self.name).ok()
    }
}

/// What a commit must do so that a new factory is the only one of its name.
async fn claiming_name(view: &View, id: &FactoryId) -> Result<Batch, Refusal> {
    match view.revision_of(&id.name_key()).await.map_err(RecordError::from)? {
        Some(_) => Err(Refusal::FactoryNameInUse(id.name().to_owned())),
        None => Ok(Batch::default().expect(id.name_key(), 0).put(id.name_key(), encode(&id.to_string())?)),
    }
}

/// The first keys of what is in a factory, at most [`PIECE`].
async fn keys_within(view: &View, id: &FactoryId) -> Result<Vec<EntryKey>, RecordError> {
    let mut found = Vec::new();
    let own = [id.contents(), id.connections(), id.managed_endpoints()];
    for prefix in own.into_iter().chain(id.runtime_records()).chain(id.run_records()) {
        let keys = view.keys(&prefix, None, PIECE - found.len()).await?;
        found.extend(keys.into_iter().map(|(key, _)| key));
    }
    Ok(found)
}

/// Refuses a write that asks for another etag than there is.
fn check_match(etag: Option<Uuid>, if_match: Option<&str>) -> Result<(), Refusal> {
    let Some(wanted) = if_match.map(|text| text.trim().trim_start_matches("W/").trim_matches(['"', '\\'])) else {
        return Ok(());
    };
    let fits = etag.is_some_and(|etag| wanted == "*" || etag.to_string().eq_ignore_ascii_case(wanted));
    if fits { Ok(()) } else { Err(Refusal::PreconditionFailed) }
}

#[cfg(test)]
pub(super) mod tests;
