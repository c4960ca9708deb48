//! The customer-managed key: the rules for accepting one, and wrapping and unwrapping the data key with it. They work on values, so
//! that a factory in a directory and one in a store keep the same rules.

use zeroize::Zeroizing;

use super::Factory;
use super::encryption::{Encryption, Wrapping};
use super::key_uri::KeyUri;
use super::refusal::Refusal;
use super::seal::{DataKey, KEY_BYTES, LayerKey};
use super::vault_clients::VaultClients;
use crate::crypto::base64url;
use crate::random::{self, OsRandom};
use crate::remote::{Key, RequestError, VaultClient, VaultUrl};

/// The algorithm that the customer's key wraps the data key with.
const ALGORITHM: &str = "RSA-OAEP-256";

/// What decides whether a factory may get a customer-managed key that it does not have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    /// Whether it has one.
    pub(crate) has_key: bool,
    /// Whether nothing is in it.
    pub(crate) is_empty: bool,
    /// Whether it has a managed virtual network.
    pub(crate) has_managed_network: bool,
}

/// Vaults, reached as the identity that a customer-managed key is used as.
#[derive(Clone, Copy)]
pub(crate) struct KeyAccess<'a> {
    /// The clients.
    pub(crate) vaults: &'a VaultClients,
    /// The user-assigned identity; by default the factory's own.
    pub(crate) identity: Option<&'a str>,
}

impl Readiness {
    /// Refuses a factory that may not get a key any more.
    ///
    /// # Errors
    /// [`Refusal::AlreadyEnabled`], [`Refusal::NotEmpty`], [`Refusal::HasManagedVirtualNetwork`].
    pub(crate) const fn check(self) -> Result<(), Refusal> {
        match self {
            Self { has_key: true, .. } => Err(Refusal::AlreadyEnabled),
            Self { is_empty: false, .. } => Err(Refusal::NotEmpty),
            Self { has_managed_network: true, .. } => Err(Refusal::HasManagedVirtualNetwork),
            _ => Ok(()),
        }
    }
}

impl Factory {
    /// Enables the customer-managed key at `uri`, used as the user-assigned `identity` or else the system-assigned one. The
    /// factory must be empty and have no managed virtual network. A URI without a version (or with a slash at its end) follows
    /// the latest version.
    ///
    /// # Errors
    /// The rule that is violated.
    pub fn enable_key(&self, uri: &str, identity: Option<&str>) -> Result<(), Refusal> {
        self.change(|state| {
            let (has_key, is_empty) = (state.encryption.is_some(), state.is_empty());
            Readiness { has_key, is_empty, has_managed_network: state.managed_virtual_network }.check()?;
            state.encryption = Some(self.encryption(&state.tenant, uri, identity)?);
            Ok(())
        })
    }

    /// Refuses: a customer-managed key cannot be disabled.
    ///
    /// # Errors
    /// Always: [`Refusal::CannotBeDisabled`], or [`Refusal::NoCustomerKey`] when none is enabled.
    pub fn disable_key(&self) -> Result<(), Refusal> {
        match self.dir.load()?.encryption {
            Some(_) => Err(Refusal::CannotBeDisabled),
            None => Err(Refusal::NoCustomerKey),
        }
    }

    /// Generates a data key and wraps it under the key at `uri`.
    pub(super) fn encryption(&self, tenant: &str, uri: &str, identity: Option<&str>) -> Result<Encryption, Refusal> {
        let key = uri.parse().map_err(Refusal::InvalidKeyUri)?;
        KeyAccess { vaults: &self.vaults, identity }.enable(tenant, key)
    }
}

impl KeyAccess<'_> {
    /// A new data key, wrapped under `key`, which must keep all rules.
    ///
    /// # Errors
    /// The rule that is violated.
    pub(crate) fn enable(self, tenant: &str, key: KeyUri) -> Result<Encryption, Refusal> {
        let version = self.check(tenant, &key)?;
        let data_key = LayerKey::new(random::secret());
        let wrapping = self.wrap(&key, &version, &data_key)?;
        let (id, identity) = (random::uuid(&OsRandom).to_string(), self.identity.map(str::to_owned));
        Ok(Encryption { key, identity, data_key: id, wrapped: vec![wrapping] })
    }

    /// Checks every rule for a key and returns the version to wrap with. Wraps and unwraps random bytes to prove that the
    /// identity may do both.
    pub(super) fn check(self, tenant: &str, uri: &KeyUri) -> Result<String, Refusal> {
        check_tenant(&self.vault(&uri.vault_base_url), tenant)?;
        let found = self.find(uri)?;
        check_is_rsa(&found)?;
        check_purge_protection(&uri.vault_base_url, found.recovery_level())?;
        self.wrap(uri, found.version(), &Zeroizing::new(random::secret()))?;
        Ok(found.version().to_owned())
    }

    /// The key as its vault describes it; the latest version where `uri` names none.
    pub(super) fn find(self, uri: &KeyUri) -> Result<Key, Refusal> {
        let found = self.vault(&uri.vault_base_url).key(&uri.key_name, uri.key_version.as_deref());
        found.map_err(|failure| key_refusal("get", uri, failure))
    }

    /// Wraps the data key under `version`, and checks that it unwraps to the same bytes.
    pub(super) fn wrap(self, uri: &KeyUri, version: &str, data_key: &LayerKey) -> Result<Wrapping, Refusal> {
        let vault = self.vault(&uri.vault_base_url);
        let wrapped = vault.wrap(&uri.key_name, version, ALGORITHM, data_key.as_slice());
        let wrapped = wrapped.map_err(|failure| key_refusal("wrap", uri, failure))?;
        let wrapping = Wrapping {
            vault: uri.vault_base_url.clone(),
            name: uri.key_name.clone(),
            version: version.to_owned(),
            algorithm: ALGORITHM.to_owned(),
            value: base64url::encode(&wrapped.value),
        };
        let same = self.unwrap(&wrapping)? == *data_key;
        if same && wrapped.kid.ends_with(version) {
            Ok(wrapping)
        } else {
            Err(Refusal::UnwrapMismatch { key: uri.to_string() })
        }
    }

    /// Unwraps the data key by a request to the vault; it is never cached.
    pub(super) fn unwrap(self, wrapping: &Wrapping) -> Result<LayerKey, Refusal> {
        let uri = wrapping.uri();
        let damaged = || Refusal::Damaged(format!("what {uri} wrapped is no data key"));
        let wrapped = base64url::decode(&wrapping.value).ok_or_else(damaged)?;
        let vault = self.vault(&wrapping.vault);
        let bytes = vault.unwrap(&wrapping.name, &wrapping.version, &wrapping.algorithm, &wrapped);
        let bytes = bytes.map_err(|failure| key_refusal("unwrap", &uri, failure))?;
        let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| damaged())?;
        Ok(LayerKey::new(bytes))
    }

    fn vault(self, url: &VaultUrl) -> std::sync::Arc<VaultClient> {
        self.vaults.vault(url, self.identity)
    }
}

impl Encryption {
    /// The data key, which the vault unwraps for it.
    ///
    /// # Errors
    /// What the vault refuses.
    pub(crate) fn unwrapped(&self, vaults: &VaultClients) -> Result<DataKey, Refusal> {
        let key = self.access(vaults).unwrap(self.current()?)?;
        Ok(DataKey::new(self.data_key.clone(), key))
    }

    /// The vaults as its identity reaches them.
    pub(super) fn access<'a>(&'a self, vaults: &'a VaultClients) -> KeyAccess<'a> {
        KeyAccess { vaults, identity: self.identity.as_deref() }
    }
}

fn check_tenant(vault: &VaultClient, ours: &str) -> Result<(), Refusal> {
    let url = || vault.url().clone();
    let theirs = vault.tenant().map_err(|failure| match failure {
        RequestError::NoVault(why) => Refusal::NoVault { url: url(), why },
        failure => Refusal::TenantUnknown { vault: url(), failure: Box::new(failure) },
    })?;
    if theirs.eq_ignore_ascii_case(ours) {
        Ok(())
    } else {
        Err(Refusal::OtherTenant { vault: url(), theirs, ours: ours.to_owned() })
    }
}

fn check_is_rsa(key: &Key) -> Result<(), Refusal> {
    match key.kty() {
        "RSA" | "RSA-HSM" => Ok(()),
        kty => Err(Refusal::KeyType { kty: kty.to_owned() }),
    }
}

/// A key's recovery level says what its vault does: `Purgeable` alone is no soft delete, with something before it no purge
/// protection (`DeletionRecoveryLevel` of the service's REST reference).
fn check_purge_protection(vault: &VaultUrl, level: &str) -> Result<(), Refusal> {
    if !level.contains("Recoverable") {
        Err(Refusal::NoSoftDelete { vault: vault.clone() })
    } else if level.contains("Purgeable") {
        Err(Refusal::NoPurgeProtection { vault: vault.clone() })
    } else {
        Ok(())
    }
}

/// Converts an error of a key operation: what the vault denies the identity or its address has a refusal of its own.
fn key_refusal(operation: &'static str, uri: &KeyUri, failure: RequestError) -> Refusal {
    let permission = match operation {
        "wrap" => "wrapKey",
        "unwrap" => "unwrapKey",
        other => other,
    };
    let (vault, failure) = (uri.vault_base_url.clone(), Box::new(failure));
    if failure.is_permission_denied() {
        return Refusal::MissingPermission { collection: "keys", permission, vault, failure };
    }
    if failure.is_network_denied() {
        return Refusal::ShutOut { vault, failure };
    }
    Refusal::Key { operation, key: uri.to_string(), failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recovery_level_tells_soft_delete_and_purge_protection() {
        let vault: VaultUrl = "https://v.vault.azure.net".parse().unwrap();
        let check = |level| check_purge_protection(&vault, level);
        for level in ["Recoverable", "Recoverable+ProtectedSubscription", "CustomizedRecoverable"] {
            assert_eq!(check(level), Ok(()), "{level}");
        }
        for level in ["Recoverable+Purgeable", "CustomizedRecoverable+Purgeable"] {
            assert_eq!(check(level), Err(Refusal::NoPurgeProtection { vault: vault.clone() }), "{level}");
        }
        for level in ["Purgeable", ""] {
            assert_eq!(check(level), Err(Refusal::NoSoftDelete { vault: vault.clone() }), "{level}");
        }
    }
}
