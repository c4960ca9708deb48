//! Re-wrapping: moves the data key to another version, key or vault. The stored content is not touched.

use super::Factory;
use super::key_uri::KeyUri;
use super::refusal::Refusal;
use super::state::{Encryption, State};

/// The result of following the latest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The data key was re-wrapped under the latest version.
    Rewrapped {
        /// The URI of the old version.
        from: String,
        /// The URI of the latest version.
        to: String,
    },
    /// It was wrapped under the latest version already.
    Current,
    /// The key's URI names a version, so the latest is not followed.
    Pinned,
}

impl Factory {
    /// Follows the latest version of the key, if its URI names none: re-wraps the data key when there is a newer version. Checks
    /// all rules for keys again.
    ///
    /// # Errors
    /// [`Refusal::NoCustomerKey`]; when the old version does not unwrap or the new one does not wrap. Nothing becomes
    /// unreadable.
    pub fn refresh(&self) -> Result<Refreshed, Refusal> {
        let _lock = self.dir.lock()?;
        let mut state = self.dir.load()?;
        let (uri, identity, from) = current(&state)?;
        if uri.key_version.is_some() {
            return Ok(Refreshed::Pinned);
        }
        let version = self.check_key(&state.tenant, &uri, identity.as_deref())?;
        let to = KeyUri { key_version: Some(version.clone()), ..uri.clone() };
        if to == from {
            return Ok(Refreshed::Current);
        }
        self.rewrap(&mut state, uri, &version)?;
        Ok(Refreshed::Rewrapped { from: from.to_string(), to: to.to_string() })
    }

    /// Moves to the key at `uri`: another version, another key, another vault. The rules are those of the first key.
    ///
    /// # Errors
    /// The rule that is violated; when the old key does not unwrap. Nothing becomes unreadable.
    pub fn move_key(&self, uri: &str) -> Result<(), Refusal> {
        let _lock = self.dir.lock()?;
        let mut state = self.dir.load()?;
        let (_, identity, _) = current(&state)?;
        let uri: KeyUri = uri.parse().map_err(Refusal::InvalidKeyUri)?;
        let version = self.check_key(&state.tenant, &uri, identity.as_deref())?;
        self.rewrap(&mut state, uri, &version)
    }

    /// Saves the new wrapping beside the old one before it drops that: whenever this is interrupted, the state holds a wrapping
    /// that unwraps.
    fn rewrap(&self, state: &mut State, uri: KeyUri, version: &str) -> Result<(), Refusal> {
        state.drop_old_wrappings();
        let encryption = state.encryption.as_mut().ok_or(Refusal::NoCustomerKey)?;
        let identity = encryption.identity.clone();
        let data_key = self.unwrap(encryption.current()?, identity.as_deref())?;
        encryption.wrapped.push(self.wrap(&uri, version, identity.as_deref(), &data_key)?);
        encryption.key = uri;
        self.dir.save(state)?;
        state.drop_old_wrappings();
        self.dir.save(state)
    }
}

/// The URI as it was set, the identity that it is used as, and the URI of the version in use.
fn current(state: &State) -> Result<(KeyUri, Option<String>, KeyUri), Refusal> {
    let encryption = state.encryption.as_ref().ok_or(Refusal::NoCustomerKey)?;
    Ok((encryption.key.clone(), encryption.identity.clone(), encryption.current()?.uri()))
}

impl Encryption {
    /// The wrapping in use.
    pub(super) fn current(&self) -> Result<&super::state::Wrapping, Refusal> {
        self.wrapped.last().ok_or_else(|| Refusal::Damaged("the data key is gone".to_owned()))
    }
}
