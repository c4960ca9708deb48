//! The outer layer of all that a factory keeps: under its system key, around the layer under the customer's key, if there is one. It is
//! taken off and put on without the customer's key.

use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::seal::{self, DataKey, LayerKey, Sealed, damaged};
use crate::crypto::base64url;

/// A system key, opened. Deliberately no `Debug`.
pub(crate) struct SystemLayer {
    /// The thumbprint of its certificate.
    thumbprint: String,
    key: LayerKey,
}

impl SystemLayer {
    pub(super) const fn new(thumbprint: String, key: LayerKey) -> Self {
        Self { thumbprint, key }
    }

    /// Seals `plain`, bound to `associated_data`, under the data key first.
    ///
    /// # Errors
    /// When a cipher fails.
    pub(crate) fn seal(&self, data: Option<&DataKey>, associated_data: &str, plain: &[u8]) -> Result<Sealed, Refusal> {
        let value = match data {
            None => self.sealed(associated_data, plain)?,
            Some(key) => self.sealed(associated_data, &key.seal(associated_data, plain)?)?,
        };
        Ok(Sealed { system_key: self.thumbprint.clone(), data_key: data.map(|key| key.id().to_owned()), value })
    }

    /// Opens what was sealed so, with the data key that it is under.
    ///
    /// # Errors
    /// [`Refusal::Damaged`] when a key, the associated data or any byte differs.
    pub(crate) fn open(
        &self,
        data: Option<&DataKey>,
        associated_data: &str,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let inner = self.inner(associated_data, sealed)?;
        match (&sealed.data_key, data) {
            (None, _) => Ok(inner),
            (Some(id), Some(key)) if id == key.id() => key.open(associated_data, &inner),
            _ => Err(damaged(associated_data)),
        }
    }

    /// Moves what is under the system key `from` under this one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn resealed(&self, associated_data: &str, sealed: &Sealed, from: &Self) -> Result<Sealed, Refusal> {
        let value = self.sealed(associated_data, &from.inner(associated_data, sealed)?)?;
        Ok(Sealed { system_key: self.thumbprint.clone(), data_key: sealed.data_key.clone(), value })
    }

    /// Whether it is what `sealed` is under.
    pub(crate) fn is_around(&self, sealed: &Sealed) -> bool {
        self.thumbprint == sealed.system_key
    }

    fn sealed(&self, associated_data: &str, inner: &[u8]) -> Result<String, Refusal> {
        let value = seal::seal_layer(&self.key, &self.thumbprint, associated_data, inner);
        let value = value.ok_or_else(|| Refusal::Failed(format!("{associated_data} could not be sealed")))?;
        Ok(base64url::encode(&value))
    }

    fn inner(&self, associated_data: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let layer = base64url::decode(&sealed.value).ok_or_else(|| damaged(associated_data))?;
        seal::open_layer(&self.key, &sealed.system_key, associated_data, &layer).ok_or_else(|| damaged(associated_data))
    }
}
