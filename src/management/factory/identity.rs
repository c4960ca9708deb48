//! The managed identities of a factory: its own, which comes and goes with it, and user-assigned ones, which exist without it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::id::FactoryId;
use crate::directory::{AddRefusal, Directory, IdentityRecord};
use crate::management::refusal::Refusal;
use crate::records::View;
use crate::store::Batch;

/// The identities that a factory has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssignedIdentities {
    /// The principal id of its own.
    pub system: Option<Uuid>,
    /// The resource ids of the user-assigned ones.
    pub user: Vec<String>,
}

impl AssignedIdentities {
    /// Whether the user-assigned identity with this resource id is one of them.
    pub(super) fn has_user(&self, id: &str) -> bool {
        self.user.iter().any(|own| own.eq_ignore_ascii_case(id))
    }
}

/// The identities that a factory is to have.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdentityDefinition {
    /// Whether it has one of its own.
    pub system: bool,
    /// The resource ids of user-assigned ones; those with false are taken away. `None` takes all away.
    pub user: Option<BTreeMap<String, bool>>,
}

/// The ids of an identity that is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewIdentity {
    /// The principal id.
    pub object_id: Uuid,
    /// The application id.
    pub client_id: Uuid,
}

/// What becomes of a factory's identities.
pub(super) struct IdentityChange {
    /// Those that it has then.
    pub(super) assigned: AssignedIdentities,
    /// What the commit must do for it.
    pub(super) batch: Batch,
}

/// Decides what becomes of the identities `before` of a factory by what is `wanted`. Of a patch the user-assigned ones stay that it does
/// not name, unless it wants none ("Configure managed identities for Azure resources on an Azure VM using REST API calls").
pub(super) async fn assigning(
    (directory, view): (&Directory, &View),
    id: &FactoryId,
    before: &AssignedIdentities,
    (wanted, is_patch): (&IdentityDefinition, bool),
    new: NewIdentity,
) -> Result<IdentityChange, Refusal> {
    let user = user_assigned(directory, before, wanted, is_patch).await?;
    let (system, batch) = match (before.system, wanted.system) {
        (Some(own), true) => (Some(own), Batch::default()),
        (Some(own), false) => (None, removing(directory, view, own).await?),
        (None, true) => (Some(new.object_id), adding(directory, view, id, new).await?),
        (None, false) => (None, Batch::default()),
    };
    Ok(IdentityChange { assigned: AssignedIdentities { system, user }, batch })
}

/// What a commit must do so that the identity `own` of a factory is gone.
pub(super) async fn removing(directory: &Directory, view: &View, own: Uuid) -> Result<Batch, Refusal> {
    Ok(directory.removing(view, own).await?.unwrap_or_default())
}

/// The own identity of a factory.
pub(super) fn own(id: &FactoryId, ids: NewIdentity) -> IdentityRecord {
    IdentityRecord {
        name: format!("datafactory-{}", id.name()),
        client_id: ids.client_id,
        object_id: ids.object_id,
        resource_id: id.to_string(),
        of_resource: true,
        ..IdentityRecord::default()
    }
}

async fn adding(directory: &Directory, view: &View, id: &FactoryId, new: NewIdentity) -> Result<Batch, Refusal> {
    let identity = own(id, new);
    directory.adding(view, &identity).await.map_err(|refusal| match refusal {
        AddRefusal::Record(error) => Refusal::Record(error),
        AddRefusal::Taken { by } => Refusal::IdentityTaken(by),
        // Of identities that requests make alone.
        AddRefusal::Removed | AddRefusal::TooMany => Refusal::IdentityTaken(identity.name.clone()),
    })
}

async fn user_assigned(
    directory: &Directory,
    before: &AssignedIdentities,
    wanted: &IdentityDefinition,
    is_patch: bool,
) -> Result<Vec<String>, Refusal> {
    let Some(wanted) = &wanted.user else { return Ok(vec![]) };
    let is_named = |id: &String| wanted.keys().any(|named| named.eq_ignore_ascii_case(id));
    let stays = before.user.iter().filter(|id| is_patch && !is_named(id)).cloned();
    let added = wanted.iter().filter(|(_, added)| **added).map(|(id, _)| id.clone());
    let all: Vec<String> = stays.chain(added).collect();
    if all.is_empty() {
        return Ok(all);
    }
    let known = directory.identities().await?;
    let exists = |id: &str| known.iter().any(|one| !one.of_resource && one.resource_id.eq_ignore_ascii_case(id));
    match all.iter().find(|id| !exists(id)) {
        Some(unknown) => Err(Refusal::NoIdentity(unknown.clone())),
        None => Ok(all),
    }
}
