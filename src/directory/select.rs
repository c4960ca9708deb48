//! Selects the identity that a token request names, and creates it where unknown identities are accepted.

use std::sync::Arc;

use uuid::Uuid;

use super::identities::MAX_AUTO_CREATED;
use super::{AddRefusal, Directory, IdentityRecord};
use crate::records::RecordError;

/// The longest ARM id, in bytes, of an automatically created identity.
const MAX_RESOURCE_ID_BYTES: usize = 2048;
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
}

fn is(id: Uuid, text: &str) -> bool {
    Uuid::parse_str(text).is_ok_and(|parsed| parsed == id)
}
