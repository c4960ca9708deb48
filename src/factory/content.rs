//! The entries of a factory: sealed in two layers, opened with both keys.

use zeroize::Zeroizing;

use super::Factory;
use super::plaintext::Plaintext;
use super::refusal::Refusal;
use super::seal::{self, DataKey, LayerKey, Sealed, damaged};
use super::state::{State, entry_associated_data, is_name};
use super::system_key::SystemKey;
use crate::clock::Timestamp;
use crate::crypto::base64url;

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
        let system = (newest.thumbprint.clone(), self.open_system_key(newest)?);
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
        let inner = sealed.without_outer(&system_key, associated_data)?;
        match &sealed.data_key {
            None => Ok(inner),
            Some(id) => self.data_key(state, id)?.open(associated_data, &inner),
        }
    }

    /// Unwraps a system key, for which the private key of its certificate must be in the directory.
    pub(super) fn open_system_key(&self, key: &SystemKey) -> Result<LayerKey, Refusal> {
        key.open(&self.dir.key(&key.thumbprint)?)
    }

    fn data_key(&self, state: &State, id: &str) -> Result<DataKey, Refusal> {
        let encryption = state.encryption.as_ref().filter(|encryption| encryption.data_key == id);
        let encryption = encryption.ok_or_else(|| Refusal::Damaged(format!("there is no data key {id}")))?;
        encryption.unwrapped(&self.vaults)
    }
}

/// The keys of both layers, each with its id. Deliberately no `Debug`.
pub(super) struct Keys {
    system: (String, LayerKey),
    data: Option<DataKey>,
}

impl Keys {
    /// Seals `plain` in both layers, bound to `associated_data`.
    pub(super) fn seal(&self, associated_data: &str, plain: &[u8]) -> Result<Sealed, Refusal> {
        let unsealed = || Refusal::Failed(format!("{associated_data} could not be sealed"));
        let (thumbprint, system_key) = &self.system;
        let value = match &self.data {
            None => seal::seal_layer(system_key, thumbprint, associated_data, plain),
            Some(key) => {
                let inner = key.seal(associated_data, plain)?;
                seal::seal_layer(system_key, thumbprint, associated_data, &inner)
            }
        };
        Ok(Sealed {
            system_key: thumbprint.clone(),
            data_key: self.data.as_ref().map(|key| key.id().to_owned()),
            value: base64url::encode(&value.ok_or_else(unsealed)?),
        })
    }
}

impl Sealed {
    /// Replaces the outer layer, which does not need the customer's key.
    pub(super) fn resealed(
        &self,
        associated_data: &str,
        from: &LayerKey,
        to: (&str, &LayerKey),
    ) -> Result<Self, Refusal> {
        let inner = self.without_outer(from, associated_data)?;
        let value = seal::seal_layer(to.1, to.0, associated_data, &inner);
        let value = value.ok_or_else(|| Refusal::Failed(format!("{associated_data} could not be sealed")))?;
        Ok(Self { system_key: to.0.to_owned(), data_key: self.data_key.clone(), value: base64url::encode(&value) })
    }

    fn without_outer(&self, system_key: &LayerKey, associated_data: &str) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let layer = base64url::decode(&self.value).ok_or_else(|| damaged(associated_data))?;
        seal::open_layer(system_key, &self.system_key, associated_data, &layer).ok_or_else(|| damaged(associated_data))
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
