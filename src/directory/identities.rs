//! The identities of the tenant in the store: list, find, add, remove. Their ids are unique; an id that was removed leaves a
//! tombstone, so that no token request creates it again.

use std::sync::Arc;

use uuid::Uuid;

use super::{Directory, IdentityRecord};
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, EntryKey};

/// The most identities that are created automatically.
pub(super) const MAX_AUTO_CREATED: usize = 1000;

/// Why an identity was not added.
#[derive(Debug)]
pub(crate) enum AddRefusal {
    /// Another identity has its name or one of its ids.
    Taken {
        /// The other's name.
        by: String,
    },
    /// One of its ids was removed, so that it is not created automatically again.
    Removed,
    /// The limit of automatically created identities is reached.
    TooMany,
    /// The store failed.
    Record(RecordError),
}

impl From<RecordError> for AddRefusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

/// Identities that one commit adds: a few kilobytes each, with their certificates, and three changes, with their tombstones.
const IDENTITIES_PER_COMMIT: usize = 40;

impl Directory {
    /// Every identity, in the order of the configuration.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn identities(&self) -> Result<Vec<Arc<IdentityRecord>>, RecordError> {
        let view = self.records().view().await?;
        let mut all =
            self.records().scan::<IdentityRecord>(&view, &EntryKey::from("identity/"), None, usize::MAX).await?;
        all.sort_by_key(|identity| identity.order);
        Ok(all)
    }

    /// The identity whose principal id is `object_id`, if it exists.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn identity(&self, object_id: Uuid) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        let view = self.records().view().await?;
        self.records().get(&view, &key_of(object_id)).await
    }

    /// The identity called `name`, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find_by_name(&self, name: &str) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        Ok(self.identities().await?.into_iter().find(|identity| identity.name == name))
    }

    /// Makes `identities` the configured ones and adds those that are missing, [`IDENTITIES_PER_COMMIT`] at a time: after a
    /// kill the next start adds the rest. Returns the names of those that exist and differ.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn ensure(&self, identities: &[IdentityRecord]) -> Result<Vec<String>, RecordError> {
        self.set_configured(identities);
        let mut differing = Vec::new();
        // Without any, the tenant is recorded all the same.
        let pieces = identities.chunks(IDENTITIES_PER_COMMIT).chain(identities.is_empty().then_some(identities));
        for piece in pieces {
            let adding = |view: View| async move { self.adding_missing(&view, piece).await };
            differing.extend(self.records().update(adding).await?);
        }
        Ok(differing)
    }

    /// Adds `identity`, last in order.
    ///
    /// # Errors
    /// See [`AddRefusal`].
    pub(crate) async fn add(&self, identity: &IdentityRecord) -> Result<(), AddRefusal> {
        let adding = |view: View| async move {
            Ok::<_, AddRefusal>(Change { batch: self.adding(&view, identity).await?, answer: () })
        };
        self.records().update(adding).await
    }

    /// What a commit must do to add `identity`, last in order.
    ///
    /// # Errors
    /// See [`AddRefusal`].
    pub(crate) async fn adding(&self, view: &View, identity: &IdentityRecord) -> Result<Batch, AddRefusal> {
        let all = self.records().scan::<IdentityRecord>(view, &EntryKey::from("identity/"), None, usize::MAX).await?;
        if let Some(twin) = all.iter().find(|other| other.shares_with(identity)) {
            return Err(AddRefusal::Taken { by: twin.name.clone() });
        }
        let tombstones = tombstones(identity);
        if identity.auto_created {
            check_auto_create(view, &tombstones, &all).await?;
        }
        let order = all.iter().map(|other| other.order + 1).max().unwrap_or_default();
        let key = key_of(identity.object_id);
        let batch = tombstones.into_iter().fold(Batch::default(), |batch, tombstone| match identity.auto_created {
            true => batch.expect(tombstone, 0),
            false => batch.delete(tombstone),
        });
        let session = self.first_session(view, identity).await?;
        let added = IdentityRecord { order, session, ..identity.clone() };
        Ok(batch.expect(key.clone(), 0).put(key, encode(&added)?))
    }

    /// Removes the identity called `name`. Returns whether it existed. Its tokens are invalid from now on.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn remove(&self, name: &str) -> Result<bool, RecordError> {
        let Some(identity) = self.find_by_name(name).await? else { return Ok(false) };
        let object_id = identity.object_id;
        let removing = |view: View| async move {
            let batch = self.removing(&view, object_id).await?;
            let answer = batch.is_some();
            Ok::<_, RecordError>(Change { batch: batch.unwrap_or_default(), answer })
        };
        self.records().update(removing).await
    }

    /// What a commit must do to remove the identity whose principal id is `object_id`, if it exists.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn removing(&self, view: &View, object_id: Uuid) -> Result<Option<Batch>, RecordError> {
        let key = key_of(object_id);
        let Some((existing, revision)) = self.records().entry::<IdentityRecord>(view, &key).await? else {
            return Ok(None);
        };
        let batch = Batch::default().expect(key.clone(), revision).delete(key);
        let put = |batch: Batch, tombstone: EntryKey| batch.put(tombstone, session_bytes(&existing));
        Ok(Some(tombstones(&existing).into_iter().fold(batch, put)))
    }

    async fn adding_missing(
        &self,
        view: &View,
        identities: &[IdentityRecord],
    ) -> Result<Change<Vec<String>>, RecordError> {
        let (mut batch, mut differing) = (Batch::default(), Vec::new());
        for identity in identities {
            let key = key_of(identity.object_id);
            match self.records().get::<IdentityRecord>(view, &key).await? {
                Some(existing) if !existing.differences(identity).is_empty() => differing.push(identity.name.clone()),
                Some(_) => {}
                None => {
                    let session = self.first_session(view, identity).await?;
                    let added = IdentityRecord { session, ..identity.clone() };
                    batch = tombstones(identity).into_iter().fold(batch, Batch::delete);
                    batch = batch.expect(key.clone(), 0).put(key, encode(&added)?);
                }
            }
        }
        Ok(Change { batch: self.with_tenant_record(view, batch).await?, answer: differing })
    }

    /// Removes all automatically created identities, for a server that rejects unknown ones.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn remove_auto_created(&self) -> Result<(), RecordError> {
        let view = self.records().view().await?;
        let all = self.records().scan::<IdentityRecord>(&view, &EntryKey::from("identity/"), None, usize::MAX).await?;
        let auto_created = all.iter().filter(|identity| identity.auto_created);
        let batch = auto_created.fold(Batch::default(), |batch, identity| batch.delete(key_of(identity.object_id)));
        self.records().commit_pieces(batch).await
    }
}

/// Whether an identity with these tombstone keys may be created automatically.
async fn check_auto_create(
    view: &View,
    tombstones: &[EntryKey],
    all: &[Arc<IdentityRecord>],
) -> Result<(), AddRefusal> {
    for tombstone in tombstones {
        if view.revision_of(tombstone).await.map_err(RecordError::from)?.is_some() {
            return Err(AddRefusal::Removed);
        }
    }
    let auto_created = all.iter().filter(|other| other.auto_created).count();
    if auto_created < MAX_AUTO_CREATED { Ok(()) } else { Err(AddRefusal::TooMany) }
}

/// The keys of the tombstones that a removed identity leaves, one for each of its ids.
pub(super) fn tombstones(identity: &IdentityRecord) -> [EntryKey; 2] {
    [identity.client_id, identity.object_id].map(|id| EntryKey::from(format!("removed/{id}")))
}

/// What a tombstone of an identity holds: its last session.
fn session_bytes(identity: &IdentityRecord) -> Vec<u8> {
    identity.session.to_be_bytes().to_vec()
}

/// The last session in a tombstone; earlier versions of this program left it empty.
pub(super) fn session_in(tombstone: &[u8]) -> i64 {
    tombstone.try_into().map_or(0, i64::from_be_bytes)
}

pub(super) fn key_of(object_id: Uuid) -> EntryKey {
    EntryKey::from(format!("identity/{object_id}"))
}
