//! From one version, key or vault to the next: the data key is wrapped anew, nothing else is touched.

use super::Factory;
use super::key_uri::KeyUri;
use super::refusal::Refusal;
use super::state::{Encryption, State};

/// What following the latest version came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The data key is wrapped by the latest version now.
    Moved {
        /// The version before, as URI.
        from: String,
        /// The latest.
        to: String,
    },
    /// It was already.
    Current,
    /// The key's URI names a version, which is kept to.
    Fixed,
}

impl Factory {
    /// Follows the latest version of the key, where its URI names none: wraps the data key anew when there is a newer one. All
    /// rules for keys are checked again.
    ///
    /// # Errors
    /// [`Refusal::NoCustomerKey`]; when the old version does not unwrap or the new one does not wrap. What was readable stays so.
    pub fn refresh(&self) -> Result<Refreshed, Refusal> {
        let _turn = self.home.turn()?;
        let mut state = self.home.load()?;
        let (uri, identity, from) = current(&state)?;
        if uri.key_version.is_some() {
            return Ok(Refreshed::Fixed);
        }
        let version = self.accept(&state.tenant, &uri, identity.as_deref())?;
        let to = KeyUri { key_version: Some(version.clone()), ..uri.clone() };
        if to == from {
            return Ok(Refreshed::Current);
        }
        self.rewrap(&mut state, uri, &version)?;
        Ok(Refreshed::Moved { from: from.to_string(), to: to.to_string() })
    }

    /// Moves to the key at `uri`: another version, another key, another vault. It must meet the same rules as the first.
    ///
    /// # Errors
    /// The rule that is not met; when the key before does not unwrap. What was readable stays so.
    pub fn move_key(&self, uri: &str) -> Result<(), Refusal> {
        let _turn = self.home.turn()?;
        let mut state = self.home.load()?;
        let (_, identity, _) = current(&state)?;
        let uri: KeyUri = uri.parse().map_err(Refusal::Uri)?;
        let version = self.accept(&state.tenant, &uri, identity.as_deref())?;
        self.rewrap(&mut state, uri, &version)
    }

    /// The new wrapping is saved beside the old one before that is forgotten: whenever this is interrupted, the state holds
    /// one that unwraps.
    fn rewrap(&self, state: &mut State, uri: KeyUri, version: &str) -> Result<(), Refusal> {
        state.forget_former_wrappings();
        let encryption = state.encryption.as_mut().ok_or(Refusal::NoCustomerKey)?;
        let identity = encryption.identity.clone();
        let data_key = self.unwrap(encryption.current()?, identity.as_deref())?;
        encryption.wrapped.push(self.wrap(&uri, version, identity.as_deref(), &data_key)?);
        encryption.key = uri;
        self.home.save(state)?;
        state.forget_former_wrappings();
        self.home.save(state)
    }
}

/// The key as it was given, who reaches it, and the exact version in use.
fn current(state: &State) -> Result<(KeyUri, Option<String>, KeyUri), Refusal> {
    let encryption = state.encryption.as_ref().ok_or(Refusal::NoCustomerKey)?;
    Ok((encryption.key.clone(), encryption.identity.clone(), encryption.current()?.uri()))
}

impl Encryption {
    /// The wrapping that counts.
    pub(super) fn current(&self) -> Result<&super::state::Wrapping, Refusal> {
        self.wrapped.last().ok_or_else(|| Refusal::Damaged("the data key is gone".to_owned()))
    }
}
