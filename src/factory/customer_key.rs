//! The customer-managed key: the rules for accepting one, and wrapping and unwrapping the data key with it.

use zeroize::Zeroizing;

use super::Factory;
use super::key_uri::KeyUri;
use super::refusal::Refusal;
use super::seal::{KEY_BYTES, LayerKey};
use super::state::{Encryption, State, Wrapping};
use crate::crypto::base64url;
use crate::random::{self, OsRandom};
use crate::remote::{Key, RequestError, VaultClient, VaultUrl};

/// The algorithm that the customer's key wraps the data key with.
const ALGORITHM: &str = "RSA-OAEP-256";

impl Factory {
    /// Enables the customer-managed key at `uri`, used as the user-assigned `identity` or else the system-assigned one. The
    /// factory must be empty and have no managed virtual network. A URI without a version (or with a slash at its end) follows
    /// the latest version.
    ///
    /// # Errors
    /// The rule that is violated.
    pub fn enable_key(&self, uri: &str, identity: Option<&str>) -> Result<(), Refusal> {
        self.change(|state| {
            if state.encryption.is_some() {
                return Err(Refusal::AlreadyEnabled);
            }
            if !state.is_empty() {
                return Err(Refusal::NotEmpty);
            }
            if state.managed_virtual_network {
                return Err(Refusal::HasManagedVirtualNetwork);
            }
            state.encryption = Some(self.encryption(state, uri, identity.map(str::to_owned))?);
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
    pub(super) fn encryption(&self, state: &State, uri: &str, identity: Option<String>) -> Result<Encryption, Refusal> {
        let key: KeyUri = uri.parse().map_err(Refusal::InvalidKeyUri)?;
        let version = self.check_key(&state.tenant, &key, identity.as_deref())?;
        let data_key = LayerKey::new(random::secret());
        let wrapping = self.wrap(&key, &version, identity.as_deref(), &data_key)?;
        let id = random::uuid(&OsRandom).to_string();
        Ok(Encryption { key, identity, data_key: id, wrapped: vec![wrapping] })
    }

    /// Checks every rule for a key and returns the version to wrap with. Wraps and unwraps random bytes to prove that the
    /// identity may do both.
    pub(super) fn check_key(&self, tenant: &str, uri: &KeyUri, identity: Option<&str>) -> Result<String, Refusal> {
        let vault = self.vaults.vault(&uri.vault_base_url, identity);
        check_tenant(&vault, tenant)?;
        let found = vault.key(&uri.key_name, uri.key_version.as_deref());
        let found = found.map_err(|failure| key_refusal("get", uri, failure))?;
        check_is_rsa(&found)?;
        check_purge_protection(&uri.vault_base_url, found.recovery_level())?;
        self.wrap(uri, found.version(), identity, &Zeroizing::new(random::secret()))?;
        Ok(found.version().to_owned())
    }

    /// Wraps the data key under `version`, and checks that it unwraps to the same bytes.
    pub(super) fn wrap(
        &self,
        uri: &KeyUri,
        version: &str,
        identity: Option<&str>,
        data_key: &LayerKey,
    ) -> Result<Wrapping, Refusal> {
        let vault = self.vaults.vault(&uri.vault_base_url, identity);
        let wrapped = vault.wrap(&uri.key_name, version, ALGORITHM, data_key.as_slice());
        let wrapped = wrapped.map_err(|failure| key_refusal("wrap", uri, failure))?;
        let wrapping = Wrapping {
            vault: uri.vault_base_url.clone(),
            name: uri.key_name.clone(),
            version: version.to_owned(),
            algorithm: ALGORITHM.to_owned(),
            value: base64url::encode(&wrapped.value),
        };
        let same = self.unwrap(&wrapping, identity)? == *data_key;
        if same && wrapped.kid.ends_with(version) {
            Ok(wrapping)
        } else {
            Err(Refusal::UnwrapMismatch { key: uri.to_string() })
        }
    }

    /// Unwraps the data key by a request to the vault; it is never cached.
    pub(super) fn unwrap(&self, wrapping: &Wrapping, identity: Option<&str>) -> Result<LayerKey, Refusal> {
        let uri = wrapping.uri();
        let damaged = || Refusal::Damaged(format!("what {uri} wrapped is no data key"));
        let wrapped = base64url::decode(&wrapping.value).ok_or_else(damaged)?;
        let vault = self.vaults.vault(&wrapping.vault, identity);
        let bytes = vault.unwrap(&wrapping.name, &wrapping.version, &wrapping.algorithm, &wrapped);
        let bytes = bytes.map_err(|failure| key_refusal("unwrap", &uri, failure))?;
        let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| damaged())?;
        Ok(LayerKey::new(bytes))
    }
}

impl Wrapping {
    /// The URI of the exact version.
    pub(super) fn uri(&self) -> KeyUri {
        KeyUri {
            vault_base_url: self.vault.clone(),
            key_name: self.name.clone(),
            key_version: Some(self.version.clone()),
        }
    }
}

fn check_tenant(vault: &VaultClient, ours: &str) -> Result<(), Refusal> {
    let url = || vault.url().clone();
    let theirs =
        vault.tenant().map_err(|failure| Refusal::TenantUnknown { vault: url(), failure: Box::new(failure) })?;
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
    let vault = || uri.vault_base_url.clone();
    if failure.is_permission_denied() {
        return Refusal::MissingPermission { collection: "keys", permission, vault: vault() };
    }
    if failure.is_network_denied() {
        return Refusal::ShutOut { vault: vault(), failure: Box::new(failure) };
    }
    Refusal::Key { operation, key: uri.to_string(), failure: Box::new(failure) }
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
