//! A factory under its customer's key: what a write of the factory makes of it, and how the key is reached. The rules for keys are
//! those of `factory`; vaults are asked before the commit, on threads that may block.

use serde::{Deserialize, Serialize};

use super::id::{ChildId, FactoryId};
use super::identity::AssignedIdentities;
use super::kind::ChildKind;
use super::{Factory, FactoryDefinition, FactoryWrite, Management, check_match};
use crate::factory::{self, DataKey, Encryption, KeyAccess, KeyUri, NotAKey, Readiness};
use crate::management::group::normalized;
use crate::management::refusal::Refusal;
use crate::records::{RecordError, View};
use crate::remote::VaultUrl;
use crate::vault::VaultName;

/// What makes a factory that is not empty ("Encrypt Azure Data Factory with customer-managed keys").
const ENTITIES: [ChildKind; 5] =
    [ChildKind::LinkedService, ChildKind::Dataset, ChildKind::Pipeline, ChildKind::DataFlow, ChildKind::Trigger];

/// The settings of a customer-managed key, as they were given: they are answered so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeySettings {
    /// `https://NAME.vault.azure.net`.
    pub vault_base_url: String,
    /// The key's name.
    pub key_name: String,
    /// Its version; without one, or with an empty one, the latest is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<String>,
    /// As which identity it is used; the factory's own without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<KeyIdentity>,
}

/// The identity that a customer-managed key is used as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyIdentity {
    /// The resource id of a user-assigned one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_assigned_identity: Option<String>,
}

/// A customer-managed key in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerKey {
    /// Its settings.
    pub settings: KeySettings,
    /// The data key that it wraps.
    pub(super) encryption: Encryption,
}

/// The key that a write of a factory gives it.
pub(super) struct PreparedKey {
    /// What the factory was when it was prepared; none where there was no factory.
    basis: Option<Basis>,
    pub(super) key: Option<CustomerKey>,
    /// The data key of a factory that gets its first key: it must be empty when that is committed, and what is in it all the same is
    /// sealed then.
    pub(super) first: Option<DataKey>,
}

#[derive(PartialEq, Eq)]
struct Basis {
    key: Option<CustomerKey>,
    identity: Option<AssignedIdentities>,
}

impl KeySettings {
    /// The key that they name.
    fn uri(&self) -> Result<KeyUri, NotAKey> {
        let vault: VaultUrl = self.vault_base_url.parse().map_err(|_| NotAKey)?;
        let version = self.key_version.iter().filter(|version| !version.is_empty());
        let version: String = version.map(|version| format!("/{version}")).collect();
        // A slash would end the name, or the version.
        match self.key_name.contains('/') || version.matches('/').count() > 1 {
            true => Err(NotAKey),
            false => format!("{vault}/keys/{}{version}", self.key_name).parse(),
        }
    }

    /// The user-assigned identity; none for the factory's own.
    fn user_assigned(&self) -> Option<&str> {
        let named = self.identity.as_ref()?.user_assigned_identity.as_deref();
        named.filter(|id| !id.is_empty())
    }

    /// Whether both mean the same key, used as the same identity.
    fn is_same_as(&self, other: &Self) -> bool {
        let identity = |one: &Self| one.user_assigned().map(str::to_ascii_lowercase);
        self.uri().is_ok() && self.uri() == other.uri() && identity(self) == identity(other)
    }
}

impl CustomerKey {
    /// Refuses identities of a factory without the one that the key is used as.
    pub(super) fn check_identity(&self, assigned: &AssignedIdentities) -> Result<(), Refusal> {
        let user = self.settings.user_assigned();
        let has = match user {
            Some(id) => assigned.user.iter().any(|one| one.eq_ignore_ascii_case(id)),
            None => assigned.system.is_some(),
        };
        if has { Ok(()) } else { Err(Refusal::KeyIdentity(user.map(str::to_owned))) }
    }
}

impl PreparedKey {
    /// Whether it was prepared for the factory as it is.
    pub(super) fn is_for(&self, existing: Option<&Factory>) -> bool {
        self.basis == existing.map(Basis::of)
    }
}

impl Basis {
    fn of(factory: &Factory) -> Self {
        Self { key: factory.encryption.clone(), identity: factory.identity.clone() }
    }
}

impl Management {
    /// The key of the factory `id` when it is as it is `wanted`. Asks its vault where the key is another one than before.
    ///
    /// # Errors
    /// The rule that is violated.
    pub(super) async fn prepared_key(
        &self,
        id: &FactoryId,
        wanted: &FactoryDefinition,
        write: &FactoryWrite,
    ) -> Result<PreparedKey, Refusal> {
        let view = self.records.view().await?;
        let (existing, _) = self.recorded_factory(&view, id).await?;
        let existing = existing.as_ref();
        let basis = existing.map(Basis::of);
        let current = existing.and_then(|factory| factory.encryption.clone());
        let (key, first) = match (current, wanted.encryption.clone()) {
            (None, None) => return Ok(PreparedKey { basis, key: None, first: None }),
            (Some(_), None) => return Err(Refusal::CustomerKey(factory::Refusal::CannotBeDisabled)),
            (Some(current), Some(settings)) if current.settings.is_same_as(&settings) => {
                return Ok(PreparedKey { basis, key: Some(CustomerKey { settings, ..current }), first: None });
            }
            (current, Some(settings)) => {
                check_match(existing.map(|one| one.etag), write.if_match.as_deref())?;
                let factory = Factory::putting(id, existing, wanted, write)?;
                if existing.is_none() {
                    self.claiming(&view, id).await?;
                }
                if current.is_none() {
                    self.check_ready(&view, id, existing, &settings).await?;
                }
                self.wrapping(&factory, current, settings).await?
            }
        };
        Ok(PreparedKey { basis, key: Some(key), first })
    }

    /// Refuses the first key of a factory that may not get one (any more).
    pub(super) async fn check_ready(
        &self,
        view: &View,
        id: &FactoryId,
        existing: Option<&Factory>,
        settings: &KeySettings,
    ) -> Result<(), Refusal> {
        if existing.is_none() {
            let has_user_assigned = settings.user_assigned().is_some();
            return match has_user_assigned {
                true => Ok(()),
                false => Err(Refusal::CustomerKey(factory::Refusal::NeedsUserAssignedIdentity)),
            };
        }
        let mut is_empty = true;
        for kind in ENTITIES {
            is_empty &= !self.has_any(view, id, kind).await?;
        }
        let has_managed_network = self.has_any(view, id, ChildKind::ManagedVirtualNetwork).await?;
        Readiness { has_key: false, is_empty, has_managed_network }.check().map_err(Refusal::CustomerKey)
    }

    async fn has_any(&self, view: &View, id: &FactoryId, kind: ChildKind) -> Result<bool, RecordError> {
        let found = view.keys(&ChildId::keys_of(id, kind), None, 1).await.map_err(RecordError::from)?;
        Ok(!found.is_empty())
    }

    /// The data key under the key of `settings`: a new one, which is answered, or that of `current`.
    async fn wrapping(
        &self,
        factory: &Factory,
        current: Option<CustomerKey>,
        settings: KeySettings,
    ) -> Result<(CustomerKey, Option<DataKey>), Refusal> {
        let uri = settings.uri().map_err(|why| Refusal::CustomerKey(factory::Refusal::InvalidKeyUri(why)))?;
        let (own, identity) = (factory.own_identity(), settings.user_assigned().map(str::to_owned));
        if own.is_none() && identity.is_none() {
            return Err(Refusal::KeyIdentity(None));
        }
        self.check_region(&factory.location, &uri.vault_base_url).await?;
        let tenant = self.directory.tenant_id().to_string();
        let asking = self.access.run(own, move |vaults| match current {
            None => {
                let encryption = KeyAccess { vaults, identity: identity.as_deref() }.enable(&tenant, uri)?;
                let first = encryption.unwrapped(vaults)?;
                Ok((encryption, Some(first)))
            }
            Some(current) => Ok((current.encryption.moved(vaults, &tenant, (uri, identity))?, None)),
        });
        let (encryption, first) = asking.await?.map_err(Refusal::CustomerKey)?;
        Ok((CustomerKey { settings, encryption }, first))
    }

    /// Refuses a vault of another region. One that is not here refuses the request itself.
    async fn check_region(&self, ours: &str, url: &VaultUrl) -> Result<(), Refusal> {
        let host = url.authority().split(':').next().unwrap_or_default();
        let found = match VaultName::parse(host.split('.').next().unwrap_or_default()) {
            Some(name) => self.vaults.find(&name).await?,
            None => None,
        };
        let found = match found {
            Some(found) => Some(found),
            None => self.vaults.find_alias(host).await?,
        };
        match found.map(|vault| vault.resource.location.clone()) {
            Some(theirs) if normalized(&theirs) != normalized(ours) => {
                Err(Refusal::KeyRegion { vault: url.to_string(), theirs, ours: ours.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, version: Option<&str>, identity: Option<&str>) -> KeySettings {
        let identity =
            identity.map(|id| KeyIdentity { user_assigned_identity: Some(id.to_owned()).filter(|id| id != "null") });
        KeySettings {
            vault_base_url: url.to_owned(),
            key_name: "k".to_owned(),
            key_version: version.map(str::to_owned),
            identity,
        }
    }

    #[test]
    fn settings_mean_the_same_however_they_are_written() {
        let plain = settings("https://v.vault.azure.net", None, None);
        for same in [
            settings("https://V.vault.azure.net/", Some(""), None),
            settings("https://v.vault.azure.net:443", None, Some("")),
            settings("https://v.vault.azure.net", None, Some("null")),
        ] {
            assert!(same.is_same_as(&plain), "{same:?}");
        }
        for other in [
            settings("https://w.vault.azure.net", None, None),
            settings("https://v.vault.azure.net", Some("0a1"), None),
            settings("https://v.vault.azure.net", None, Some("/x")),
        ] {
            assert!(!other.is_same_as(&plain), "{other:?}");
        }
        let wrong = settings("http://v.vault.azure.net", None, None);
        assert!(wrong.uri().is_err() && !wrong.is_same_as(&wrong));
    }
}
