//! Identities as a configuration wants them: what would change, and the change. Ids of an identity never change, because
//! policies and tokens hold them.

use std::sync::{Arc, PoisonError};

use uuid::Uuid;

use super::identities::{key_of, tombstones};
use super::{Directory, IdentityRecord};
use crate::records::{Change, RecordError, View, encode};
use crate::store::Batch;

/// A member of an identity in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdentityMember {
    ClientId,
    ObjectId,
    ResourceId,
    SystemAssigned,
    ClientSecret,
    Groups,
    Certificates,
    Federated,
    Enabled,
    TrustedService,
    Addresses,
}

/// What must happen for an identity to be as a configuration wants it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IdentityChange {
    /// It does not exist.
    Create,
    /// These members differ.
    Change(Vec<IdentityMember>),
    /// These ids differ, and cannot change.
    FixedIds(Vec<IdentityMember>),
    /// Another identity has one of its ids.
    Taken {
        /// The other's name.
        by: String,
    },
}

impl IdentityChange {
    /// What must happen to the identities `all` for `wanted` to be one of them; none if it is.
    pub(crate) fn of(wanted: &IdentityRecord, all: &[Arc<IdentityRecord>]) -> Option<Self> {
        let lasting = || all.iter().filter(|identity| !identity.auto_created);
        let Some(existing) = lasting().find(|identity| identity.name == wanted.name) else {
            let taken = lasting().find(|other| other.shares_with(wanted));
            return Some(taken.map_or(Self::Create, |other| Self::Taken { by: other.name.clone() }));
        };
        let members = existing.differences(wanted);
        let is_id = |member: &IdentityMember| matches!(member, IdentityMember::ClientId | IdentityMember::ObjectId);
        let ids: Vec<_> = members.iter().copied().filter(is_id).collect();
        match (ids.is_empty(), members.is_empty()) {
            (false, _) => Some(Self::FixedIds(ids)),
            (true, false) => Some(Self::Change(members)),
            (true, true) => None,
        }
    }
}

impl IdentityRecord {
    /// The members in which two identities of one name differ. Their position in the configuration and their session are none.
    pub(crate) fn differences(&self, other: &Self) -> Vec<IdentityMember> {
        let members = [
            (IdentityMember::ClientId, self.client_id != other.client_id),
            (IdentityMember::ObjectId, self.object_id != other.object_id),
            (IdentityMember::ResourceId, self.resource_id != other.resource_id),
            (IdentityMember::SystemAssigned, self.system_assigned != other.system_assigned),
            (IdentityMember::ClientSecret, self.client_secret != other.client_secret),
            (IdentityMember::Groups, self.groups != other.groups),
            (IdentityMember::Certificates, self.certificates != other.certificates),
            (IdentityMember::Federated, self.federated != other.federated),
            (IdentityMember::Enabled, self.disabled != other.disabled),
            (IdentityMember::TrustedService, self.trusted_service != other.trusted_service),
            (IdentityMember::Addresses, self.addresses != other.addresses),
        ];
        members.into_iter().filter(|(_, differs)| *differs).map(|(member, _)| member).collect()
    }
}

impl Directory {
    /// Makes `identities` the configured ones, in their order.
    pub(crate) fn set_configured(&self, identities: &[IdentityRecord]) {
        let ids = identities.iter().map(|identity| (identity.object_id, identity.system_assigned)).collect();
        *self.inner.configured.write().unwrap_or_else(PoisonError::into_inner) = ids;
    }

    /// The configured identities, by principal id, in the configuration's order; and whether each is system-assigned.
    pub(super) fn configured(&self) -> Vec<(Uuid, bool)> {
        self.inner.configured.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Creates the identity `wanted`, or changes the one of its ids; who made that stays known, and its session goes on.
    /// Identities of its ids that token requests have made go.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn put_configured(&self, wanted: &IdentityRecord) -> Result<(), RecordError> {
        let all = self.identities().await?;
        let made_by_requests = all.iter().filter(|other| other.auto_created && other.shares_with(wanted));
        let removed: Vec<_> = made_by_requests.map(|other| key_of(other.object_id)).collect();
        let (removed, key) = (&removed, &key_of(wanted.object_id));
        let putting = |view: View| async move {
            let existing = self.records().entry::<IdentityRecord>(&view, key).await?;
            let revision = existing.as_ref().map_or(0, |(_, revision)| *revision);
            let session = match &existing {
                Some((existing, _)) => existing.session,
                None => self.first_session(&view, wanted).await?,
            };
            let lasting = existing.filter(|(existing, _)| !existing.auto_created);
            let configured = lasting.map_or(wanted.configured, |(existing, _)| existing.configured);
            let batch = removed
                .iter()
                .chain(&tombstones(wanted))
                .fold(Batch::default(), |batch, key| batch.delete(key.clone()));
            let put = IdentityRecord { configured, session, ..wanted.clone() };
            let batch = batch.expect(key.clone(), revision).put(key.clone(), encode(&put)?);
            Ok::<_, RecordError>(Change { batch, answer: () })
        };
        self.records().update(putting).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str, client: u128, object: u128) -> IdentityRecord {
        let (client_id, object_id) = (Uuid::from_u128(client), Uuid::from_u128(object));
        IdentityRecord { name: name.to_owned(), client_id, object_id, ..IdentityRecord::default() }
    }

    #[test]
    fn ids_never_change_and_belong_to_one_identity() {
        let all = [Arc::new(identity("shop", 1, 2))];
        let change = |wanted: &IdentityRecord| IdentityChange::of(wanted, &all);
        assert_eq!(change(&identity("shop", 1, 2)), None);
        assert_eq!(change(&IdentityRecord { order: 7, configured: true, ..identity("shop", 1, 2) }), None);
        assert_eq!(change(&identity("other", 3, 4)), Some(IdentityChange::Create));
        assert_eq!(change(&identity("other", 1, 4)), Some(IdentityChange::Taken { by: "shop".to_owned() }));
        assert_eq!(change(&identity("shop", 9, 2)), Some(IdentityChange::FixedIds(vec![IdentityMember::ClientId])));
        let secret = IdentityRecord { system_assigned: true, ..identity("shop", 1, 2) };
        assert_eq!(change(&secret), Some(IdentityChange::Change(vec![IdentityMember::SystemAssigned])));
    }

    #[test]
    fn one_that_a_token_request_made_gives_way() {
        let made = IdentityRecord { auto_created: true, ..identity("made-on-the-spot", 1, 2) };
        assert_eq!(IdentityChange::of(&identity("shop", 1, 4), &[Arc::new(made)]), Some(IdentityChange::Create));
    }
}
