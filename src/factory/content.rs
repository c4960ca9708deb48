//! The entries of a factory: sealed in two layers, opened with both keys.

use zeroize::Zeroizing;

use super::Factory;
use super::plaintext::Plaintext;
use super::refusal::Refusal;
use super::seal::{DataKey, Sealed};
use super::state::{State, entry_associated_data, is_name};
use super::system_key::SystemKey;
use super::system_layer::SystemLayer;
use crate::clock::Timestamp;

impl Factory {
    /// Stores `plain` under `name`, replacing what was there.
    ///
    /// # Errors
    /// When the vault does not unwrap the data key, or the certificate of the system key has expired by `now`.
    pub fn put(&self, name: &str, plain: &[u8], now: Timestamp) -> Result<(), Refusal> {
        if !is_name(name) {
            return Err(Refusal::InvalidName { name: name.to_owned() });
        }
        self.change(|state| {
            let sealed = self.sealing_keys(state, now)?.seal(&entry_associated_data(name), plain)?;
            state.data.insert(name.to_owned(), sealed);
            Ok(())
        })
    }

    /// Returns what is stored under `name`.
    ///
    /// # Errors
    /// When there is nothing, or a key is unavailable.
    pub fn show(&self, name: &str) -> Result<Plaintext, Refusal> {
        self.read(|state| {
            let absent = || Refusal::NotFound { what: "data", name: name.to_owned() };
            let sealed = state.data.get(name).ok_or_else(absent)?;
            self.open_sealed(state, &entry_associated_data(name), sealed).map(Plaintext::new)
        })
    }

    /// The keys to seal new content with. Unwraps the data key once for all that one request stores.
    pub(super) fn sealing_keys(&self, state: &State, now: Timestamp) -> Result<Keys, Refusal> {
        let newest = state.newest_system_key()?;
        if newest.is_expired(now) {
            return Err(Refusal::SystemKeyExpired { since: newest.not_after });
        }
        let system = self.open_system_key(newest)?;
        let data = match &state.encryption {
            None => None,
            Some(encryption) => Some(encryption.unwrapped(&self.vaults)?),
        };
        Ok(Keys { system, data })
    }

    pub(super) fn open_sealed(
        &self,
        state: &State,
        associated_data: &str,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let system_key = self.open_system_key(state.system_key(&sealed.system_key)?)?;
        let data_key = sealed.data_key.as_ref().map(|id| self.data_key(state, id)).transpose()?;
        system_key.open(data_key.as_ref(), associated_data, sealed)
    }

    /// Unwraps a system key, for which the private key of its certificate must be in the directory.
    pub(super) fn open_system_key(&self, key: &SystemKey) -> Result<SystemLayer, Refusal> {
        key.open(&self.dir.key(&key.thumbprint)?)
    }

    fn data_key(&self, state: &State, id: &str) -> Result<DataKey, Refusal> {
        let encryption = state.encryption.as_ref().filter(|encryption| encryption.data_key == id);
        let encryption = encryption.ok_or_else(|| Refusal::Damaged(format!("there is no data key {id}")))?;
        encryption.unwrapped(&self.vaults)
    }
}

/// The keys of both layers. Deliberately no `Debug`.
pub(super) struct Keys {
    system: SystemLayer,
    data: Option<DataKey>,
}

impl Keys {
    /// Seals `plain` in both layers, bound to `associated_data`.
    pub(super) fn seal(&self, associated_data: &str, plain: &[u8]) -> Result<Sealed, Refusal> {
        self.system.seal(self.data.as_ref(), associated_data, plain)
    }
}

impl State {
    /// The system key to seal new content with.
    pub(super) fn newest_system_key(&self) -> Result<&SystemKey, Refusal> {
        self.system_keys.last().ok_or_else(|| Refusal::Damaged("there is no system key".to_owned()))
    }

    /// The system key of this thumbprint.
    pub(super) fn system_key(&self, thumbprint: &str) -> Result<&SystemKey, Refusal> {
        let found = self.system_keys.iter().find(|key| key.thumbprint == thumbprint);
        found.ok_or_else(|| Refusal::SystemKeyMissing { thumbprint: thumbprint.to_owned() })
    }
}
