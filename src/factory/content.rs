//! What is stored: sealed in both layers, opened with both keys.

use zeroize::Zeroizing;

use super::Factory;
use super::plaintext::Plain;
use super::refusal::Refusal;
use super::seal::{self, LayerKey, Sealed};
use super::state::{State, is_name, place_of_data};
use super::system_key::SystemKey;
use crate::clock::Timestamp;
use crate::crypto::base64url;

impl Factory {
    /// Stores `plain` under `name`, in the place of what was there.
    ///
    /// # Errors
    /// When the vault does not unwrap the data key, or the certificate of the system key has expired by `now`.
    pub fn put(&self, name: &str, plain: &[u8], now: Timestamp) -> Result<(), Refusal> {
        if !is_name(name) {
            return Err(Refusal::Name { name: name.to_owned() });
        }
        self.change(|state| {
            let sealed = self.keys_to_seal(state, now)?.seal(&place_of_data(name), plain)?;
            state.data.insert(name.to_owned(), sealed);
            Ok(())
        })
    }

    /// What is stored under `name`.
    ///
    /// # Errors
    /// When there is nothing, or either key is not to be had.
    pub fn show(&self, name: &str) -> Result<Plain, Refusal> {
        self.read(|state| {
            let absent = || Refusal::NotFound { what: "data", name: name.to_owned() };
            let sealed = state.data.get(name).ok_or_else(absent)?;
            self.open_sealed(state, &place_of_data(name), sealed).map(Plain::new)
        })
    }

    /// The keys that new things are sealed with. The data key is asked for here, once for all that one request stores.
    pub(super) fn keys_to_seal(&self, state: &State, now: Timestamp) -> Result<Keys, Refusal> {
        let newest = state.newest_system_key()?;
        if newest.is_expired(now) {
            return Err(Refusal::SystemKeyExpired { since: newest.not_after });
        }
        let system = (newest.thumbprint.clone(), newest.open(&self.home)?);
        let data = match &state.encryption {
            None => None,
            Some(encryption) => Some((encryption.data_key.clone(), self.data_key(state, &encryption.data_key)?)),
        };
        Ok(Keys { system, data })
    }

    pub(super) fn open_sealed(
        &self,
        state: &State,
        place: &str,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let system_key = state.system_key(&sealed.system_key)?.open(&self.home)?;
        let inner = sealed.without_outer(&system_key, place)?;
        match &sealed.data_key {
            None => Ok(inner),
            Some(id) => seal::take_off(&self.data_key(state, id)?, id, place, &inner).ok_or_else(|| damaged(place)),
        }
    }

    fn data_key(&self, state: &State, id: &str) -> Result<LayerKey, Refusal> {
        let encryption = state.encryption.as_ref().filter(|encryption| encryption.data_key == id);
        let encryption = encryption.ok_or_else(|| Refusal::Damaged(format!("there is no data key {id}")))?;
        self.unwrap(encryption.current()?, encryption.identity.as_deref())
    }
}

/// The keys that a request seals with, each with its id. It has no `Debug`.
pub(super) struct Keys {
    system: (String, LayerKey),
    data: Option<(String, LayerKey)>,
}

impl Keys {
    /// `plain` in its layers, bound to `place`.
    pub(super) fn seal(&self, place: &str, plain: &[u8]) -> Result<Sealed, Refusal> {
        let unsealed = || Refusal::Failed(format!("{place} could not be sealed"));
        let (thumbprint, system_key) = &self.system;
        let value = match &self.data {
            None => seal::put_on(system_key, thumbprint, place, plain),
            Some((id, key)) => {
                let inner = seal::put_on(key, id, place, plain).ok_or_else(unsealed)?;
                seal::put_on(system_key, thumbprint, place, &inner)
            }
        };
        Ok(Sealed {
            system_key: thumbprint.clone(),
            data_key: self.data.as_ref().map(|(id, _)| id.clone()),
            value: base64url::encode(&value.ok_or_else(unsealed)?),
        })
    }
}

impl Sealed {
    /// The same with its outer layer changed, which needs nothing of the customer's.
    pub(super) fn moved(&self, place: &str, from: &LayerKey, to: (&str, &LayerKey)) -> Result<Self, Refusal> {
        let inner = self.without_outer(from, place)?;
        let value = seal::put_on(to.1, to.0, place, &inner);
        let value = value.ok_or_else(|| Refusal::Failed(format!("{place} could not be sealed")))?;
        Ok(Self { system_key: to.0.to_owned(), data_key: self.data_key.clone(), value: base64url::encode(&value) })
    }

    fn without_outer(&self, system_key: &LayerKey, place: &str) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let layer = base64url::decode(&self.value).ok_or_else(|| damaged(place))?;
        seal::take_off(system_key, &self.system_key, place, &layer).ok_or_else(|| damaged(place))
    }
}

impl State {
    /// The system key that new things are sealed with.
    pub(super) fn newest_system_key(&self) -> Result<&SystemKey, Refusal> {
        self.system_keys.last().ok_or_else(|| Refusal::Damaged("there is no system key".to_owned()))
    }

    /// The system key of this thumbprint.
    pub(super) fn system_key(&self, thumbprint: &str) -> Result<&SystemKey, Refusal> {
        let found = self.system_keys.iter().find(|key| key.thumbprint == thumbprint);
        found.ok_or_else(|| Refusal::SystemKeyMissing { thumbprint: thumbprint.to_owned() })
    }
}

fn damaged(place: &str) -> Refusal {
    Refusal::Damaged(format!("{place} is not what was sealed there"))
}
