//! The customer's key: when one is accepted, and what is done with it.

use zeroize::Zeroizing;

use super::Factory;
use super::key_uri::KeyUri;
use super::refusal::Refusal;
use super::seal::{KEY_BYTES, LayerKey};
use super::state::{Encryption, State, Wrapping};
use crate::crypto::base64url;
use crate::random::{self, OsRandom};
use crate::remote::{Failure, Key, Vault, VaultUrl};

/// The role that has what the identity needs on keys.
pub const RECOMMENDED_ROLE: &str = "Key Vault Crypto Service Encryption User";
/// How the customer's key wraps the data key.
const ALGORITHM: &str = "RSA-OAEP-256";

impl Factory {
    /// Enables the customer's key at `uri`, reached as the user-assigned `identity` or the system-assigned one: only while the
    /// factory is empty and has no managed virtual network. Without a version (or with a slash at its end) the URI means
    /// whichever is the latest.
    ///
    /// # Errors
    /// The rule that is not met.
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

    /// There is no way back from a customer's key.
    ///
    /// # Errors
    /// Always: [`Refusal::CannotBeSwitchedOff`], or [`Refusal::NoCustomerKey`] when there is nothing to switch off.
    pub fn disable_key(&self) -> Result<(), Refusal> {
        match self.home.load()?.encryption {
            Some(_) => Err(Refusal::CannotBeSwitchedOff),
            None => Err(Refusal::NoCustomerKey),
        }
    }

    /// A new data key under the key at `uri`.
    pub(super) fn encryption(&self, state: &State, uri: &str, identity: Option<String>) -> Result<Encryption, Refusal> {
        let key: KeyUri = uri.parse().map_err(Refusal::Uri)?;
        let version = self.accept(&state.tenant, &key, identity.as_deref())?;
        let data_key = LayerKey::new(random::secret());
        let wrapping = self.wrap(&key, &version, identity.as_deref(), &data_key)?;
        let id = random::uuid(&OsRandom).to_string();
        Ok(Encryption { key, identity, data_key: id, wrapped: vec![wrapping] })
    }

    /// Checks every rule for a key, and answers the version to wrap with. That the identity may wrap and unwrap is shown by
    /// doing both.
    pub(super) fn accept(&self, tenant: &str, uri: &KeyUri, identity: Option<&str>) -> Result<String, Refusal> {
        let vault = self.reach.vault(&uri.vault_base_url, identity);
        of_tenant(&vault, tenant)?;
        let found = vault.key(&uri.key_name, uri.key_version.as_deref());
        let found = found.map_err(|failure| of_key("get", uri, failure))?;
        is_rsa(&found)?;
        is_protected(&uri.vault_base_url, found.recovery_level())?;
        self.wrap(uri, found.version(), identity, &Zeroizing::new(random::secret()))?;
        Ok(found.version().to_owned())
    }

    /// The data key as the `version` wraps it, once it has been seen to unwrap again.
    pub(super) fn wrap(
        &self,
        uri: &KeyUri,
        version: &str,
        identity: Option<&str>,
        data_key: &LayerKey,
    ) -> Result<Wrapping, Refusal> {
        let vault = self.reach.vault(&uri.vault_base_url, identity);
        let wrapped = vault.wrap(&uri.key_name, version, ALGORITHM, data_key.as_slice());
        let wrapped = wrapped.map_err(|failure| of_key("wrap", uri, failure))?;
        let wrapping = Wrapping {
            vault: uri.vault_base_url.clone(),
            name: uri.key_name.clone(),
            version: version.to_owned(),
            algorithm: ALGORITHM.to_owned(),
            value: base64url::encode(&wrapped.value),
        };
        let same = self.unwrap(&wrapping, identity)? == *data_key;
        if same && wrapped.kid.ends_with(version) { Ok(wrapping) } else { Err(Refusal::Proof { key: uri.to_string() }) }
    }

    /// The data key, asked of the vault each time.
    pub(super) fn unwrap(&self, wrapping: &Wrapping, identity: Option<&str>) -> Result<LayerKey, Refusal> {
        let uri = wrapping.uri();
        let damaged = || Refusal::Damaged(format!("what {uri} wrapped is no data key"));
        let wrapped = base64url::decode(&wrapping.value).ok_or_else(damaged)?;
        let vault = self.reach.vault(&wrapping.vault, identity);
        let bytes = vault.unwrap(&wrapping.name, &wrapping.version, &wrapping.algorithm, &wrapped);
        let bytes = bytes.map_err(|failure| of_key("unwrap", &uri, failure))?;
        let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| damaged())?;
        Ok(LayerKey::new(bytes))
    }
}

impl Wrapping {
    /// The exact version.
    pub(super) fn uri(&self) -> KeyUri {
        KeyUri {
            vault_base_url: self.vault.clone(),
            key_name: self.name.clone(),
            key_version: Some(self.version.clone()),
        }
    }
}

fn of_tenant(vault: &Vault, ours: &str) -> Result<(), Refusal> {
    let url = || vault.url().clone();
    let theirs = vault.tenant().map_err(|failure| Refusal::Vault { vault: url(), failure: Box::new(failure) })?;
    if theirs.eq_ignore_ascii_case(ours) {
        Ok(())
    } else {
        Err(Refusal::OtherTenant { vault: url(), theirs, ours: ours.to_owned() })
    }
}

fn is_rsa(key: &Key) -> Result<(), Refusal> {
    match key.kty() {
        "RSA" | "RSA-HSM" => Ok(()),
        kty => Err(Refusal::KeyType { kty: kty.to_owned() }),
    }
}

/// A key's recovery level says what its vault does: `Purgeable` alone is no soft delete, with something before it no purge
/// protection (`DeletionRecoveryLevel` of the service's REST reference).
fn is_protected(vault: &VaultUrl, level: &str) -> Result<(), Refusal> {
    if !level.contains("Recoverable") {
        Err(Refusal::NoSoftDelete { vault: vault.clone() })
    } else if level.contains("Purgeable") {
        Err(Refusal::NoPurgeProtection { vault: vault.clone() })
    } else {
        Ok(())
    }
}

/// What the vault's refusal of an operation means.
fn of_key(operation: &'static str, uri: &KeyUri, failure: Failure) -> Refusal {
    let permission = match operation {
        "wrap" => "wrapKey",
        "unwrap" => "unwrapKey",
        other => other,
    };
    if failure.is_lack_of_permission() {
        let vault = uri.vault_base_url.clone();
        return Refusal::MissingPermission { collection: "keys", permission, vault };
    }
    Refusal::Key { operation, key: uri.to_string(), failure: Box::new(failure) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recovery_level_says_what_the_vault_does() {
        let vault: VaultUrl = "https://v.vault.azure.net".parse().unwrap();
        let of = |level| is_protected(&vault, level);
        for level in ["Recoverable", "Recoverable+ProtectedSubscription", "CustomizedRecoverable"] {
            assert_eq!(of(level), Ok(()), "{level}");
        }
        for level in ["Recoverable+Purgeable", "CustomizedRecoverable+Purgeable"] {
            assert_eq!(of(level), Err(Refusal::NoPurgeProtection { vault: vault.clone() }), "{level}");
        }
        for level in ["Purgeable", ""] {
            assert_eq!(of(level), Err(Refusal::NoSoftDelete { vault: vault.clone() }), "{level}");
        }
    }
}
