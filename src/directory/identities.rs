//! The identities of the tenant in the store: listed, added, removed.

use std::sync::Arc;

use uuid::Uuid;

use super::{Directory, IdentityRecord};
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, Key};

/// The most identities that are created automatically.
pub(super) const MAX_AUTO_CREATED: usize = 1000;

/// Why an identity was not added.
#[derive(Debug)]
pub enum AddRefusal {
    /// Its name or one of its ids belongs to another.
    Taken {
        /// The other's name.
        by: String,
    },
    /// One of its ids was taken away, and it is not made again because somebody asks for it.
    Removed,
    /// No more are made because somebody asks for them.
    TooMany,
    /// The store failed.
    Record(RecordError),
}

impl From<RecordError> for AddRefusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl Directory {
    /// Every identity, in the order of the configuration.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn identities(&self) -> Result<Vec<Arc<IdentityRecord>>, RecordError> {
        let view = self.records().view().await?;
        let mut all = self.records().scan::<IdentityRecord>(&view, &Key::from("identity/"), None, usize::MAX).await?;
        all.sort_by_key(|identity| identity.order);
        Ok(all)
    }

    /// The identity whose principal id is `object_id`, if it exists.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn identity(&self, object_id: Uuid) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        let view = self.records().view().await?;
        self.records().get(&view, &key_of(object_id)).await
    }

    /// The identity called `name`, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find_by_name(&self, name: &str) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        Ok(self.identities().await?.into_iter().find(|identity| identity.name == name))
    }

    /// Takes `identities` for the configuration's, and adds those whose principals are not there yet, in one commit;
    /// answers the names of those that are there and differ.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ensure(&self, identities: &[IdentityRecord]) -> Result<Vec<String>, RecordError> {
        // A directory has one configuration for as long as it lives.
        let _ = self.inner.configured.set(identities.iter().map(|identity| identity.object_id).collect());
        self.records().update(|view: View| async move { self.settle_identities(&view, identities).await }).await
    }

    /// Adds `identity`, last in order.
    ///
    /// # Errors
    /// [`AddRefusal::Taken`] when its name or an id of its is another's; what the store reports.
    pub async fn add(&self, identity: &IdentityRecord) -> Result<(), AddRefusal> {
        self.records().update(|view: View| async move { self.adding(&view, identity).await }).await
    }

    async fn adding(&self, view: &View, identity: &IdentityRecord) -> Result<Change<()>, AddRefusal> {
        let all = self.records().scan::<IdentityRecord>(view, &Key::from("identity/"), None, usize::MAX).await?;
        if let Some(twin) = all.iter().find(|other| other.shares_with(identity)) {
            return Err(AddRefusal::Taken { by: twin.name.clone() });
        }
        let marks = removed(identity);
        if identity.auto_created {
            may_be_made(view, &marks, &all).await?;
        }
        let order = all.iter().map(|other| other.order + 1).max().unwrap_or_default();
        let key = key_of(identity.object_id);
        let batch = marks.into_iter().fold(Batch::default(), |batch, mark| match identity.auto_created {
            true => batch.expect(mark, 0),
            false => batch.delete(mark),
        });
        let added = IdentityRecord { order, ..identity.clone() };
        Ok(Change { batch: batch.expect(key.clone(), 0).put(key, encode(&added)?), answer: () })
    }

    /// Takes the identity called `name` away; answers whether there was one. Its tokens are worth nothing from now on.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn remove(&self, name: &str) -> Result<bool, RecordError> {
        let Some(identity) = self.find_by_name(name).await? else { return Ok(false) };
        let (key, marks) = (&key_of(identity.object_id), &removed(&identity));
        let taking = |view: View| async move {
            let there = view.revision_of(key).await?;
            let batch = there.map(|revision| {
                let batch = Batch::default().expect(key.clone(), revision).delete(key.clone());
                marks.iter().fold(batch, |batch, mark| batch.put(mark.clone(), vec![]))
            });
            Ok::<_, RecordError>(Change { batch: batch.unwrap_or_default(), answer: there.is_some() })
        };
        self.records().update(taking).await
    }

    async fn settle_identities(
        &self,
        view: &View,
        identities: &[IdentityRecord],
    ) -> Result<Change<Vec<String>>, RecordError> {
        let (mut batch, mut differing) = (Batch::default(), Vec::new());
        for identity in identities {
            let key = key_of(identity.object_id);
            match self.records().get::<IdentityRecord>(view, &key).await? {
                Some(there) if *there != *identity => differing.push(identity.name.clone()),
                Some(_) => {}
                None => batch = batch.expect(key.clone(), 0).put(key, encode(identity)?),
            }
        }
        Ok(Change { batch: self.with_tenant(view, batch).await?, answer: differing })
    }

    /// Takes away what was made on the spot, in a server where no strangers are welcome (any more).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_auto_created(&self) -> Result<(), RecordError> {
        let forget = |view: View| async move {
            let all = self.records().scan::<IdentityRecord>(&view, &Key::from("identity/"), None, usize::MAX).await?;
            let made = all.iter().filter(|identity| identity.auto_created);
            let batch = made.fold(Batch::default(), |batch, identity| batch.delete(key_of(identity.object_id)));
            Ok::<_, RecordError>(Change { batch, answer: () })
        };
        self.records().update(forget).await
    }
}

/// Whether an identity may be made because somebody asks for it: `marks` say whether it was taken away.
async fn may_be_made(view: &View, marks: &[Key], all: &[Arc<IdentityRecord>]) -> Result<(), AddRefusal> {
    for mark in marks {
        if view.revision_of(mark).await.map_err(RecordError::from)?.is_some() {
            return Err(AddRefusal::Removed);
        }
    }
    let made = all.iter().filter(|other| other.auto_created).count();
    if made < MAX_AUTO_CREATED { Ok(()) } else { Err(AddRefusal::TooMany) }
}

/// Where it is marked that an identity of these ids was taken away.
fn removed(identity: &IdentityRecord) -> [Key; 2] {
    [identity.client_id, identity.object_id].map(|id| Key::from(format!("removed/{id}")))
}

fn key_of(object_id: Uuid) -> Key {
    Key::from(format!("identity/{object_id}"))
}
