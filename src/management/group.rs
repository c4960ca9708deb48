//! Resource groups. One that a vault is in exists, though it was never made; so does the default one.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::group_id::GroupId;
use super::refusal::Refusal;
use super::tags::{self, Tags};
use super::{Guard, Management, expecting, stamping};
use crate::records::{Change, RecordError, View, encode};
use crate::resource_id::DEFAULT_RESOURCE_GROUP;
use crate::store::{Batch, EntryKey, Revision};
use crate::vault::{DEFAULT_LOCATION, Vault};

/// The most resource groups of a subscription (Azure subscription limits).
pub(crate) const MAX_GROUPS: usize = 980;

/// The longest name of a region, in characters.
const MAX_LOCATION: usize = 90;
/// The longest id of a resource that manages a group, in characters.
const MAX_MANAGER: usize = 1024;

/// A resource group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    /// Its name, as it was made.
    pub name: String,
    /// Where its own data is: `westeurope`.
    pub location: String,
    /// Its tags, if any were ever given.
    pub tags: Option<Tags>,
    /// The id of the resource that manages it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
}

/// A group as it is to be.
#[derive(Clone, Debug)]
pub(crate) struct GroupDefinition {
    /// Its location; Azure's names are taken in both spellings, `West Europe` and `westeurope`.
    pub location: String,
    /// Its tags.
    pub tags: Option<Tags>,
    /// The id of the resource that manages it.
    pub managed_by: Option<String>,
}

/// What changes of a group that exists.
#[derive(Clone, Debug)]
pub(crate) struct GroupChange {
    /// Other tags; none leaves them.
    pub tags: Option<Tags>,
    /// Another manager; none leaves it.
    pub managed_by: Option<String>,
}

/// `location` in the one spelling that Resource Manager answers.
pub(super) fn normalized(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
}

impl Management {
    /// The group.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn group(&self, id: &GroupId) -> Result<Group, Refusal> {
        let view = self.records.view().await?;
        Ok(self.existing_group(&view, id).await?.0)
    }

    /// The groups of `subscription`, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn groups(&self, subscription: Uuid) -> Result<Vec<Group>, Refusal> {
        let view = self.records.view().await?;
        let found = self.records.scan::<Group>(&view, &GroupId::keys_of(subscription), None, usize::MAX).await?;
        let mut all: Vec<Group> = found.iter().map(|group| group.as_ref().clone()).collect();
        for name in self.implied_names(&view, subscription).await? {
            if !all.iter().any(|group| group.name.eq_ignore_ascii_case(&name)) {
                all.push(Group::implied(name));
            }
        }
        all.sort_by_key(|group| group.name.to_ascii_lowercase());
        Ok(all)
    }

    /// Makes a group, or makes it as `wanted`. Answers it, and whether there was none.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn put_group(
        &self,
        guard: &Guard,
        id: &GroupId,
        wanted: &GroupDefinition,
    ) -> Result<(Group, bool), Refusal> {
        tags::check(wanted.tags.as_ref().unwrap_or(&Tags::new()))?;
        let putting = |view: View| async move {
            let (there, revision) = self.group_in(&view, id).await?;
            let is_new = there.is_none();
            let counted = if is_new { self.counting(&view, id.subscription()).await? } else { Batch::default() };
            let name = there.as_ref().map_or(id.name(), |group| &group.name);
            let group = putting(name, there.as_ref().filter(|_| revision > 0), wanted)?;
            Ok(Change { batch: replacing(id, revision, &group)?.and(counted), answer: (group, is_new) })
        };
        self.write(guard, putting).await
    }

    /// The begin of a batch that makes a group: of two at the same moment, one is decided again, so that none passes the limit.
    async fn counting(&self, view: &View, subscription: Uuid) -> Result<Batch, Refusal> {
        let recorded = view.keys(&GroupId::keys_of(subscription), None, MAX_GROUPS).await.map_err(RecordError::from)?;
        let implied = self.implied_names(view, subscription).await?;
        let implied = implied.iter().filter_map(|name| GroupId::parse(subscription, name).ok()).map(|id| id.key());
        let all: HashSet<EntryKey> = recorded.into_iter().map(|(key, _)| key).chain(implied).collect();
        match all.len() {
            MAX_GROUPS.. => Err(Refusal::TooManyGroups),
            _ => Ok(stamping(view, GroupId::last_of(subscription)).await?),
        }
    }

    /// Changes tags or manager of a group.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn change_group(
        &self,
        guard: &Guard,
        id: &GroupId,
        change: &GroupChange,
    ) -> Result<Group, Refusal> {
        tags::check(change.tags.as_ref().unwrap_or(&Tags::new()))?;
        check_length("managedBy", change.managed_by.as_deref().unwrap_or_default(), MAX_MANAGER)?;
        let changing = |view: View| async move {
            let (mut group, revision) = self.existing_group(&view, id).await?;
            group.tags = change.tags.clone().or(group.tags);
            group.managed_by = change.managed_by.clone().or(group.managed_by);
            Ok(Change { batch: replacing(id, revision, &group)?, answer: group })
        };
        self.write(guard, changing).await
    }

    /// Deletes a group with everything in it, and the role assignments at it and below. One that vaults are in stays: they are deleted by other means.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn delete_group(&self, guard: &Guard, id: &GroupId) -> Result<Group, Refusal> {
        loop {
            let deleting = |view: View| async move { self.deleting_group(&view, id).await };
            if let Some(group) = self.write(guard, deleting).await? {
                return Ok(group);
            }
            for factory in self.factories(id.subscription(), Some(id)).await? {
                if let Some(factory) = factory.id(id.subscription()) {
                    self.delete_factory_and_roles(&factory, guard, false).await?;
                }
            }
        }
    }

    /// Decides the deletion of a group; none while a factory is in it.
    async fn deleting_group(&self, view: &View, id: &GroupId) -> Result<Change<Option<Group>>, Refusal> {
        let holds = self.vaults_in(view, id).await?;
        if !holds.is_empty() {
            return Err(Refusal::Holds(holds));
        }
        if self.is_default(id) {
            return Err(Refusal::DefaultGroup);
        }
        let (group, revision) = self.existing_group(view, id).await?;
        if !view.keys(&id.factories(), None, 1).await.map_err(RecordError::from)?.is_empty() {
            return Ok(Change { batch: Batch::default(), answer: None });
        }
        let batch = expecting(view, id.stamp()).await?.expect(id.key(), revision);
        let batch = batch.delete(id.key()).delete(id.stamp());
        let batch = batch.and(self.authorization.removing_below(view, &id.scope()).await?);
        Ok(Change { batch, answer: Some(group) })
    }

    /// The begin of a batch that puts a resource into a group, which a deletion of the group at the same moment expects not to be there.
    /// A group that vaults imply is made with that: they may go, and the resource stays.
    pub(super) async fn filling_group(&self, view: &View, id: &GroupId) -> Result<Batch, Refusal> {
        let (group, revision) = self.existing_group(view, id).await?;
        let batch = stamping(view, id.stamp()).await?;
        match revision {
            0 if !self.is_default(id) => Ok(batch.and(replacing(id, revision, &group)?)),
            _ => Ok(batch.expect(id.key(), revision)),
        }
    }

    /// As [`Self::filling_group`], of one that is made at `location` if it is not there.
    pub(super) async fn making_group(&self, view: &View, id: &GroupId, location: &str) -> Result<Batch, Refusal> {
        if self.group_in(view, id).await?.0.is_some() {
            return self.filling_group(view, id).await;
        }
        let group = Group { location: normalized(location), ..Group::implied(id.name().to_owned()) };
        let batch = self.counting(view, id.subscription()).await?.and(stamping(view, id.stamp()).await?);
        Ok(batch.and(replacing(id, 0, &group)?))
    }

    /// The ids of the vaults in a group.
    async fn vaults_in(&self, view: &View, id: &GroupId) -> Result<Vec<String>, Refusal> {
        let (tenant, all) = (self.directory.tenant().subscription, self.vaults.all_in(view).await?);
        let inside = all.iter().filter(|vault| self.is_in(vault, id));
        Ok(inside.map(|vault| vault.resource_id(tenant).to_string()).collect())
    }

    fn is_in(&self, vault: &Vault, id: &GroupId) -> bool {
        let tenant = self.directory.tenant().subscription;
        id.is(vault.subscription(tenant).0, &vault.resource.resource_group)
    }

    /// As [`Self::group_in`], of one that must be there.
    pub(super) async fn existing_group(&self, view: &View, id: &GroupId) -> Result<(Group, Revision), Refusal> {
        let (there, revision) = self.group_in(view, id).await?;
        Ok((there.ok_or_else(|| Refusal::NoGroup(id.clone()))?, revision))
    }

    /// The group in `view`, if there is one, and the revision of its record: 0 of one that is only implied.
    async fn group_in(&self, view: &View, id: &GroupId) -> Result<(Option<Group>, Revision), Refusal> {
        match self.records.entry::<Group>(view, &id.key()).await? {
            Some((group, revision)) => Ok((Some(group.as_ref().clone()), revision)),
            None => Ok((self.implied(view, id).await?, 0)),
        }
    }

    /// The group that exists because something that is no record of this room names it.
    async fn implied(&self, view: &View, id: &GroupId) -> Result<Option<Group>, Refusal> {
        if self.is_default(id) {
            return Ok(Some(Group::implied(DEFAULT_RESOURCE_GROUP.to_owned())));
        }
        let vaults = self.vaults.all_in(view).await?;
        let inside = vaults.iter().find(|vault| self.is_in(vault, id));
        Ok(inside.map(|vault| Group::implied(vault.resource.resource_group.clone())))
    }

    async fn implied_names(&self, view: &View, subscription: Uuid) -> Result<Vec<String>, Refusal> {
        let tenant = self.directory.tenant().subscription;
        let vaults = self.vaults.all_in(view).await?;
        let inside = vaults.iter().filter(|vault| vault.subscription(tenant).0 == subscription);
        let default = (subscription == tenant.0).then(|| DEFAULT_RESOURCE_GROUP.to_owned());
        Ok(default.into_iter().chain(inside.map(|vault| vault.resource.resource_group.clone())).collect())
    }

    fn is_default(&self, id: &GroupId) -> bool {
        id.is(self.directory.tenant().subscription.0, DEFAULT_RESOURCE_GROUP)
    }
}

impl Group {
    fn implied(name: String) -> Self {
        Self { name, location: DEFAULT_LOCATION.to_owned(), tags: None, managed_by: None }
    }
}

/// The group called `name` as it is `wanted`; an existing one keeps its location.
fn putting(name: &str, existing: Option<&Group>, wanted: &GroupDefinition) -> Result<Group, Refusal> {
    check_length("location", &wanted.location, MAX_LOCATION)?;
    check_length("managedBy", wanted.managed_by.as_deref().unwrap_or_default(), MAX_MANAGER)?;
    let location = normalized(&wanted.location);
    if let Some(current) = existing.map(|group| &group.location).filter(|current| **current != location) {
        return Err(Refusal::FixedLocation { current: current.clone(), wanted: location });
    }
    let (tags, managed_by) = (wanted.tags.clone(), wanted.managed_by.clone());
    Ok(Group { name: name.to_owned(), location, tags, managed_by })
}

fn check_length(member: &'static str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.chars().count() > most { Err(Refusal::TooLong { member, most }) } else { Ok(()) }
}

fn replacing(id: &GroupId, revision: Revision, group: &Group) -> Result<Batch, RecordError> {
    Ok(Batch::default().expect(id.key(), revision).put(id.key(), encode(group)?))
}
