//! Resource groups. One that a vault is in exists, though it was never made; so does the default one.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::group_id::GroupId;
use super::refusal::Refusal;
use super::tags::{self, Tags};
use super::{Guard, Management};
use crate::records::{Change, RecordError, View, encode};
use crate::resource_id::DEFAULT_RESOURCE_GROUP;
use crate::store::{Batch, Revision};
use crate::vault::DEFAULT_LOCATION;

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
    /// The group, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn group(&self, id: &GroupId) -> Result<Option<Group>, Refusal> {
        let view = self.records.view().await?;
        match self.recorded(&view, id).await? {
            (Some(group), _) => Ok(Some(group)),
            (None, _) => self.implied(id).await,
        }
    }

    /// The groups of `subscription`, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn groups(&self, subscription: Uuid) -> Result<Vec<Group>, Refusal> {
        let view = self.records.view().await?;
        let found = self.records.scan::<Group>(&view, &GroupId::keys_of(subscription), None, usize::MAX).await?;
        let mut all: Vec<Group> = found.iter().map(|group| group.as_ref().clone()).collect();
        for name in self.implied_names(subscription).await? {
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
        let implied = &self.implied(id).await?;
        let count = self.groups(id.subscription()).await?.len();
        let putting = |view: View| async move {
            let (existing, revision) = self.recorded(&view, id).await?;
            if existing.is_none() && implied.is_none() && count >= MAX_GROUPS {
                return Err(Refusal::TooManyGroups);
            }
            let name = existing.as_ref().or(implied.as_ref()).map_or(id.name(), |group| &group.name);
            let group = putting(name, existing.as_ref(), wanted)?;
            let is_new = existing.is_none() && implied.is_none();
            Ok(Change { batch: replacing(id, revision, &group)?, answer: (group, is_new) })
        };
        self.write(guard, putting).await
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
        let implied = &self.implied(id).await?;
        let changing = |view: View| async move {
            let (existing, revision) = self.recorded(&view, id).await?;
            let mut group = existing.or(implied.clone()).ok_or_else(|| Refusal::NoGroup(id.clone()))?;
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
        let holds = self.vaults_in(id).await?;
        if !holds.is_empty() {
            return Err(Refusal::Holds(holds));
        }
        if self.is_default(id) {
            return Err(Refusal::DefaultGroup);
        }
        loop {
            for factory in self.factories(id.subscription(), Some(id)).await? {
                let factory = factory.id(id.subscription());
                if let Some(factory) = factory {
                    self.delete_factory_and_roles(&factory, guard, false).await?;
                }
            }
            let deleting = |view: View| async move { self.deleting_group(&view, id).await };
            if let Some(group) = self.write(guard, deleting).await? {
                return Ok(group);
            }
        }
    }

    /// Decides the deletion of a group; none while a factory is in it, which came after the others were deleted.
    async fn deleting_group(&self, view: &View, id: &GroupId) -> Result<Change<Option<Group>>, Refusal> {
        let (existing, revision) = self.recorded(view, id).await?;
        let group = existing.ok_or_else(|| Refusal::NoGroup(id.clone()))?;
        if !view.keys(&id.factories(), None, 1).await.map_err(RecordError::from)?.is_empty() {
            return Ok(Change { batch: Batch::default(), answer: None });
        }
        let stamp = view.revision_of(&id.stamp()).await.map_err(RecordError::from)?.unwrap_or(0);
        let batch = Batch::default().expect(id.key(), revision).expect(id.stamp(), stamp);
        let batch = batch.delete(id.key()).delete(id.stamp());
        let batch = batch.and(self.authorization.removing_below(view, &id.scope()).await?);
        Ok(Change { batch, answer: Some(group) })
    }

    /// The begin of a batch that puts a resource into a group, which a deletion of the group at the same moment expects not to be there.
    pub(super) async fn group_stamp(&self, view: &View, id: &GroupId, value: Uuid) -> Result<Batch, Refusal> {
        let (existing, revision) = self.recorded(view, id).await?;
        if existing.is_none() && self.implied(id).await?.is_none() {
            return Err(Refusal::NoGroup(id.clone()));
        }
        let stamp = view.revision_of(&id.stamp()).await.map_err(RecordError::from)?.unwrap_or(0);
        let batch = Batch::default().expect(id.key(), revision).expect(id.stamp(), stamp);
        Ok(batch.put(id.stamp(), encode(&value)?))
    }

    /// The ids of the vaults in a group.
    async fn vaults_in(&self, id: &GroupId) -> Result<Vec<String>, Refusal> {
        let (tenant, all) = (self.directory.tenant().subscription, self.vaults.all().await?);
        let inside = all
            .iter()
            .filter(|vault| id.is(vault.resource.subscription.unwrap_or(tenant.0), &vault.resource.resource_group));
        Ok(inside.map(|vault| vault.resource_id(tenant).to_string()).collect())
    }

    async fn recorded(&self, view: &View, id: &GroupId) -> Result<(Option<Group>, Revision), RecordError> {
        let found = self.records.entry::<Group>(view, &id.key()).await?;
        Ok(found.map_or((None, 0), |(group, revision)| (Some(group.as_ref().clone()), revision)))
    }

    /// The group that exists because something that is no record of this room names it.
    async fn implied(&self, id: &GroupId) -> Result<Option<Group>, Refusal> {
        let names = self.implied_names(id.subscription()).await?;
        let found = names.into_iter().find(|name| name.eq_ignore_ascii_case(id.name()));
        Ok(found.map(Group::implied))
    }

    async fn implied_names(&self, subscription: Uuid) -> Result<Vec<String>, Refusal> {
        let tenant = self.directory.tenant().subscription.0;
        let vaults = self.vaults.all().await?;
        let inside = vaults.iter().filter(|vault| vault.resource.subscription.unwrap_or(tenant) == subscription);
        let default = (subscription == tenant).then(|| DEFAULT_RESOURCE_GROUP.to_owned());
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
