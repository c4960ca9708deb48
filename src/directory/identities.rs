//! The identities of the tenant: managed identities, system-assigned and user-assigned.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Directory;
use crate::crypto::credential;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, Key};

/// The most identities that are created automatically.
const MAX_AUTO_CREATED: usize = 1000;
/// The longest ARM id, in bytes, of an automatically created identity.
const MAX_RESOURCE_ID_BYTES: usize = 2048;

/// An identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Principals (groups) whose access policies are its too.
    #[serde(default)]
    pub groups: Vec<Uuid>,
    /// The certificates it signs in with, as DER in base64.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Whose tokens it signs in with.
    #[serde(default)]
    pub federated: Vec<FederatedCredential>,
    /// Whether it was created by a token request instead of the configuration or the admin API.
    #[serde(default)]
    pub auto_created: bool,
    /// Its place in the configuration.
    pub order: usize,
}

/// Tokens of another issuer that stand for an identity (a federated identity credential).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederatedCredential {
    /// Who signs them (`iss`): an `https` URL below which its OpenID configuration lies.
    pub issuer: String,
    /// Whom they speak of (`sub`).
    pub subject: String,
    /// What they are for (`aud`).
    pub audience: String,
}

impl IdentityRecord {
    /// Whether nothing was said about how it proves who it is.
    pub(super) fn has_no_credentials(&self) -> bool {
        self.client_secret.is_none() && self.certificates.is_empty() && self.federated.is_empty()
    }

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

/// A client secret: shown by nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// The secret `text`.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret's text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this secret; takes as long whatever they share.
    pub(super) fn is(&self, given: &str) -> bool {
        credential::matches(given.as_bytes(), self.0.as_bytes())
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// The policy for a token request that names an identity which is not configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownIdentities {
    /// The identity does not exist.
    Reject,
    /// The identity is created, a member of the default identity's group.
    AutoCreate,
}

/// How a token request selects its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentitySelector {
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
    pub async fn find_by_name(&self, name: &str) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        Ok(self.identities().await?.into_iter().find(|identity| identity.name == name))
    }

    /// The identity a token request means, if there is one; or was made known just now, when `strangers` are.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn select(
        &self,
        chosen: &IdentitySelector,
        unknown_identities: UnknownIdentities,
    ) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        let all = self.identities().await?;
        let found = match chosen {
            IdentitySelector::Default => self.default_of(&all),
            IdentitySelector::ClientId(id) => all.iter().find(|identity| is(identity.client_id, id)),
            IdentitySelector::ObjectId(id) => all.iter().find(|identity| is(identity.object_id, id)),
            IdentitySelector::ResourceId(id) => {
                all.iter().find(|identity| identity.resource_id.eq_ignore_ascii_case(id))
            }
        };
        match (found, unknown_identities) {
            // Elsewhere nobody knows those that were made for this machine's programs.
            (Some(found), UnknownIdentities::Reject) if found.auto_created => Ok(None),
            (Some(found), _) => Ok(Some(found.clone())),
            (None, UnknownIdentities::AutoCreate) => self.auto_create(chosen, &all).await,
            (None, UnknownIdentities::Reject) => Ok(None),
        }
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

    /// Makes the identity that `chosen` means, with the grants of the default identity; none when no identity can be
    /// called so, or when too many were made already.
    async fn auto_create(
        &self,
        chosen: &IdentitySelector,
        all: &[Arc<IdentityRecord>],
    ) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        let Some(identity) = self.stranger(chosen, all) else { return Ok(None) };
        match self.add(&identity).await {
            Ok(()) => tracing::info!(client_id = %identity.client_id, "an identity was made on the spot"),
            // Somebody else was faster.
            Err(AddRefusal::Taken { .. }) => {}
            Err(AddRefusal::Removed) => return Ok(None),
            Err(AddRefusal::TooMany) => {
                let limit = MAX_AUTO_CREATED;
                tracing::warn!(limit, "so many identities were made on the spot; one more is refused");
                return Ok(None);
            }
            Err(AddRefusal::Record(error)) => return Err(error),
        }
        self.identity(identity.object_id).await
    }

    /// Ids that are not given follow from the one that is, so that they are the same in every run.
    fn stranger(&self, chosen: &IdentitySelector, all: &[Arc<IdentityRecord>]) -> Option<IdentityRecord> {
        let given = |id: &str| Uuid::parse_str(id).ok().filter(|id| !id.is_nil());
        let (what, client, object, resource) = match chosen {
            IdentitySelector::Default => return None,
            IdentitySelector::ClientId(id) => (id, Some(given(id)?), None, None),
            IdentitySelector::ObjectId(id) => (id, None, Some(given(id)?), None),
            IdentitySelector::ResourceId(id) if id.starts_with('/') && id.len() <= MAX_RESOURCE_ID_BYTES => {
                (id, None, None, Some(id.clone()))
            }
            IdentitySelector::ResourceId(_) => return None,
        };
        // However an id is spelled, it is the same one.
        let what = given(what).map_or_else(|| what.to_ascii_lowercase(), |id| id.to_string());
        let derived = |kind: &str| Uuid::new_v5(&self.tenant_id(), format!("{kind}:{what}").as_bytes());
        let client_id = client.unwrap_or_else(|| derived("client"));
        let name = format!("made-on-the-spot-{client_id}");
        Some(IdentityRecord {
            client_id,
            object_id: object.unwrap_or_else(|| derived("object")),
            resource_id: resource.unwrap_or_else(|| self.tenant().identity_id(&name).to_string()),
            groups: self.default_of(all).map(|default| default.object_id).into_iter().collect(),
            auto_created: true,
            name,
            ..IdentityRecord::default()
        })
    }

    /// The system-assigned one of the configuration's, else its first: the data may hold others, from a configuration
    /// before.
    fn default_of<'a>(&self, all: &'a [Arc<IdentityRecord>]) -> Option<&'a Arc<IdentityRecord>> {
        let configured = self.inner.configured.get().map_or(&[][..], Vec::as_slice);
        let place = |identity: &IdentityRecord| configured.iter().position(|known| *known == identity.object_id);
        let mut candidates: Vec<_> = all.iter().filter(|identity| place(identity).is_some()).collect();
        candidates.sort_by_key(|identity| place(identity));
        if candidates.is_empty() {
            candidates = all.iter().filter(|identity| !identity.auto_created).collect();
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

fn is(id: Uuid, text: &str) -> bool {
    Uuid::parse_str(text).is_ok_and(|parsed| parsed == id)
}
