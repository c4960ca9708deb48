//! What the management plane keeps: resource groups, and the data factories in them. Every change is one commit that expects the role assignments which allowed it.
//! Knows no HTTP and no texts of errors.

mod factory;
mod group;
mod group_id;
mod listed;
mod refusal;
mod tags;

use crate::authorization::Authorization;
use crate::directory::Directory;
use crate::records::{Change, RecordError, Records, View};
use crate::store::{EntryKey, Revision};
use crate::vault::Vaults;

pub(crate) use factory::{
    AssignedIdentities, Child, ChildId, ChildKind, Definition, FACTORY_TYPE, Factory, FactoryChange, FactoryDefinition,
    FactoryId, FactoryWrite, IdentityDefinition, NewIdentity,
};
pub(crate) use group::{Group, GroupChange, GroupDefinition};
pub(crate) use group_id::GroupId;
pub(crate) use listed::Listed;
pub(crate) use refusal::Refusal;
pub(crate) use tags::Tags;

/// What a write was allowed by, and must still be so when it commits: a key and its revision.
pub(crate) type Guard = (EntryKey, Revision);

/// The resources of the tenant. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Management {
    directory: Directory,
    records: Records,
    authorization: Authorization,
    vaults: Vaults,
}

impl Management {
    /// The resources in `records`; the vaults among them are `vaults`.
    pub(crate) fn new(directory: Directory, records: Records, authorization: Authorization, vaults: Vaults) -> Self {
        Self { directory, records, authorization, vaults }
    }

    /// Runs a write that `guard` allowed. The decision may run several times.
    async fn write<T, F>(&self, guard: &Guard, decide: impl Fn(View) -> F + Sync) -> Result<T, Refusal>
    where
        T: Send,
        F: Future<Output = Result<Change<T>, Refusal>> + Send,
    {
        let decide = &decide;
        let deciding = |view: View| async move {
            let (key, revision) = guard;
            if view.revision_of(key).await.map_err(RecordError::from)?.unwrap_or(0) != *revision {
                return Err(RecordError::Busy.into());
            }
            let Change { batch, answer } = decide(view).await?;
            let batch = if batch.is_empty() { batch } else { batch.expect(key.clone(), *revision) };
            Ok::<_, Refusal>(Change { batch, answer })
        };
        self.records.update(deciding).await
    }
}
