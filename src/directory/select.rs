//! Selects the identity that a token request names, and creates it where unknown identities are accepted.

use std::sync::Arc;

use uuid::Uuid;

use super::identities::MAX_AUTO_CREATED;
use super::{AddRefusal, Directory, IdentityRecord};
use crate::records::RecordError;

/// The longest resource id, in bytes, of an automatically created identity.
const MAX_RESOURCE_ID_BYTES: usize = 2048;

/// The policy for a token request that names an identity which is not configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownIdentities {
    /// The identity does not exist.
    Reject,
    /// The identity is created, a member of the default identity's group.
    AutoCreate,
}

/// How a token request selects its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IdentitySelector {
    /// The request names none: the system-assigned identity, else the first. Managed-identity requests ask before whether there
    /// is a choice, see [`Directory::has_several_identities`].
    Default,
    /// By application id.
    ClientId(String),
    /// By principal id.
    ObjectId(String),
    /// By resource id, compared without regard to case.
    ResourceId(String),
}

impl IdentitySelector {
    /// Whether it names `identity` by an id.
    fn names(&self, identity: &IdentityRecord) -> bool {
        match self {
            Self::Default => false,
            Self::ClientId(id) => is_same_id(identity.client_id, id),
            Self::ObjectId(id) => is_same_id(identity.object_id, id),
            Self::ResourceId(id) => identity.resource_id.eq_ignore_ascii_case(id),
        }
    }
}

impl Directory {
    /// The identity that `selector` names; with [`UnknownIdentities::AutoCreate`] it is created if it does not exist.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn select(
        &self,
        selector: &IdentitySelector,
        unknown: UnknownIdentities,
    ) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        let all = self.identities().await?;
        match (self.find(selector, &all), unknown) {
            (Some(found), _) if found.of_resource => Ok(None),
            // Auto-created identities exist only for requests that may create them.
            (Some(found), UnknownIdentities::Reject) if found.auto_created => Ok(None),
            (Some(found), _) => Ok(Some(found.clone())),
            (None, UnknownIdentities::AutoCreate) => self.auto_create(selector, &all).await,
            (None, UnknownIdentities::Reject) => Ok(None),
        }
    }

    fn find<'a>(&self, selector: &IdentitySelector, all: &'a [Arc<IdentityRecord>]) -> Option<&'a Arc<IdentityRecord>> {
        match selector {
            IdentitySelector::Default => self.default_identity(all),
            by_id => all.iter().find(|identity| by_id.names(identity)),
        }
    }

    /// Creates the identity that `selector` names, with the access of the default identity. None when the id cannot be an
    /// identity's, when the identity was removed, or at the limit.
    async fn auto_create(
        &self,
        selector: &IdentitySelector,
        all: &[Arc<IdentityRecord>],
    ) -> Result<Option<Arc<IdentityRecord>>, RecordError> {
        let Some(identity) = self.new_identity(selector, all) else { return Ok(None) };
        match self.add(&identity).await {
            Ok(()) => tracing::info!(client_id = %identity.client_id, "an identity was created automatically"),
            // A concurrent request has created it.
            Err(AddRefusal::Taken { .. }) => {}
            Err(AddRefusal::Removed) => return Ok(None),
            Err(AddRefusal::TooMany) => {
                let limit = MAX_AUTO_CREATED;
                tracing::warn!(limit, "the limit of automatically created identities is reached; one more is refused");
                return Ok(None);
            }
            Err(AddRefusal::Record(error)) => return Err(error),
        }
        self.identity(identity.object_id).await
    }

    /// The identity to create. The ids that the request does not name are derived from the one that it names, so that they are
    /// the same in every run.
    fn new_identity(&self, selector: &IdentitySelector, all: &[Arc<IdentityRecord>]) -> Option<IdentityRecord> {
        let parsed = |id: &str| Uuid::parse_str(id).ok().filter(|id| !id.is_nil());
        let (id, client, object, resource) = match selector {
            IdentitySelector::Default => return None,
            IdentitySelector::ClientId(id) => (id, Some(parsed(id)?), None, None),
            IdentitySelector::ObjectId(id) => (id, None, Some(parsed(id)?), None),
            IdentitySelector::ResourceId(id) if id.starts_with('/') && id.len() <= MAX_RESOURCE_ID_BYTES => {
                (id, None, None, Some(id.clone()))
            }
            IdentitySelector::ResourceId(_) => return None,
        };
        // Every spelling of an id derives the same ids.
        let id = parsed(id).map_or_else(|| id.to_ascii_lowercase(), |id| id.to_string());
        let derived = |kind: &str| Uuid::new_v5(&self.tenant_id(), format!("{kind}:{id}").as_bytes());
        let client_id = client.unwrap_or_else(|| derived("client"));
        let name = format!("made-on-the-spot-{client_id}");
        Some(IdentityRecord {
            client_id,
            object_id: object.unwrap_or_else(|| derived("object")),
            resource_id: resource.unwrap_or_else(|| self.tenant().identity_id(&name).to_string()),
            groups: self.default_identity(all).map(|default| default.object_id).into_iter().collect(),
            auto_created: true,
            name,
            ..IdentityRecord::default()
        })
    }

    /// The system-assigned identity of the configuration, else its first. Identities of an earlier configuration, which the
    /// data may still hold, do not count.
    fn default_identity<'a>(&self, all: &'a [Arc<IdentityRecord>]) -> Option<&'a Arc<IdentityRecord>> {
        let candidates = self.candidates(all);
        let assigned = candidates.iter().find(|candidate| candidate.system_assigned);
        assigned.or(candidates.first()).map(|candidate| candidate.identity)
    }

    /// Whether a managed-identity request that names no identity could be of several: more than one is configured, and none of
    /// them is system-assigned.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn has_several_identities(&self) -> Result<bool, RecordError> {
        let all = self.identities().await?;
        let candidates = self.candidates(&all);
        Ok(candidates.len() > 1 && !candidates.iter().any(|candidate| candidate.system_assigned))
    }

    /// The configured identities in their order; without any, those of the data that were neither created automatically nor are a
    /// resource's own. What the configuration says of an identity counts, not what an earlier one left in the data.
    fn candidates<'a>(&self, all: &'a [Arc<IdentityRecord>]) -> Vec<Candidate<'a>> {
        let configured = self.configured();
        let find = |(object_id, system_assigned): &(Uuid, bool)| {
            let identity = all.iter().find(|identity| identity.object_id == *object_id)?;
            Some(Candidate { identity, system_assigned: *system_assigned })
        };
        let found: Vec<_> = configured.iter().filter_map(find).collect();
        if !found.is_empty() {
            return found;
        }
        let others = all.iter().filter(|identity| !identity.auto_created && !identity.of_resource);
        others.map(|identity| Candidate { identity, system_assigned: identity.system_assigned }).collect()
    }
}

/// An identity that can be the default one.
struct Candidate<'a> {
    identity: &'a Arc<IdentityRecord>,
    system_assigned: bool,
}

fn is_same_id(id: Uuid, text: &str) -> bool {
    Uuid::parse_str(text).is_ok_and(|parsed| parsed == id)
}
