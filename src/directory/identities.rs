//! The identities of the tenant: managed identities, system-assigned and user-assigned.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Directory;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, Key};

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRecord {
    /// What people call it.
    pub name: String,
    /// The application id (`appid`).
    pub client_id: Uuid,
    /// The principal id (`oid`) that policies name.
    pub object_id: Uuid,
    /// The ARM id of the user-assigned identity or of the resource it was assigned to.
    pub resource_id: String,
    /// Whether a request that names no identity gets this one.
    pub system_assigned: bool,
    /// The secret it signs in with.
    pub client_secret: Option<ClientSecret>,
    /// Its place in the configuration.
    pub order: usize,
}

impl IdentityRecord {
    fn shares_with(&self, other: &Self) -> bool {
        self.name == other.name || self.client_id == other.client_id || self.object_id == other.object_id
    }
}

/// Why an identity was not added.
#[derive(Debug)]
pub enum AddRefusal {
    /// Its name or one of its ids belongs to another.
    Taken {
        /// The other's name.
        by: String,
    },
    /// The store failed.
    Record(RecordError),
}

impl From<RecordError> for AddRefusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

/// A client secret: shown by nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// The secret `text`.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// How a token request chooses its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The system-assigned one, else the first.
    Default,
    /// By application id.
    ClientId(String),
    /// By principal id.
    ObjectId(String),
    /// By ARM id, compared without regard to case.
    ResourceId(String),
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
    pub async fn named(&self, name: &str) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        Ok(self.identities().await?.into_iter().find(|identity| identity.name == name))
    }

    /// The identity a token request means, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn choose(&self, chosen: &Chosen) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        let all = self.identities().await?;
        let found = match chosen {
            Chosen::Default => self.default_of(&all),
            Chosen::ClientId(id) => all.iter().find(|identity| is(identity.client_id, id)),
            Chosen::ObjectId(id) => all.iter().find(|identity| is(identity.object_id, id)),
            Chosen::ResourceId(id) => all.iter().find(|identity| identity.resource_id.eq_ignore_ascii_case(id)),
        };
        Ok(found.cloned())
    }

    /// The system-assigned one of the configuration's, else its first: the data may hold others, from a configuration
    /// before.
    fn default_of<'a>(&self, all: &'a [Arc<IdentityRecord>]) -> Option<&'a Arc<IdentityRecord>> {
        let configured = self.inner.configured.get().map_or(&[][..], Vec::as_slice);
        let place = |identity: &IdentityRecord| configured.iter().position(|known| *known == identity.object_id);
        let mut candidates: Vec<_> = all.iter().filter(|identity| place(identity).is_some()).collect();
        candidates.sort_by_key(|identity| place(identity));
        if candidates.is_empty() {
            candidates = all.iter().collect();
        }
        candidates.iter().find(|identity| identity.system_assigned).or(candidates.first()).copied()
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
        let order = all.iter().map(|other| other.order + 1).max().unwrap_or_default();
        let key = key_of(identity.object_id);
        let batch = Batch::default().expect(key.clone(), 0);
        let added = IdentityRecord { order, ..identity.clone() };
        Ok(Change { batch: batch.put(key, encode(&added)?), answer: () })
    }

    /// Takes the identity called `name` away; answers whether there was one. Its tokens are worth nothing from now on.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn remove(&self, name: &str) -> Result<bool, RecordError> {
        let Some(identity) = self.named(name).await? else { return Ok(false) };
        let key = &key_of(identity.object_id);
        let taking = |view: View| async move {
            let there = view.revision_of(key).await?;
            let batch = there.map(|revision| Batch::default().expect(key.clone(), revision).delete(key.clone()));
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
        Ok(Change { batch, answer: differing })
    }
}

fn key_of(object_id: Uuid) -> Key {
    Key::from(format!("identity/{object_id}"))
}

fn is(id: Uuid, text: &str) -> bool {
    Uuid::parse_str(text).is_ok_and(|parsed| parsed == id)
}
