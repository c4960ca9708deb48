//! Re-wrapping: moves the data key to another version, key or vault. The stored content is not touched.

use super::Factory;
use super::encryption::Encryption;
use super::key_uri::KeyUri;
use super::refusal::Refusal;
use super::state::State;
use super::vault_clients::VaultClients;

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
        let encryption = state.encryption.as_ref().ok_or(Refusal::NoCustomerKey)?;
        let (uri, from) = (encryption.key.clone(), encryption.wrapped_by()?);
        if uri.key_version.is_some() {
            return Ok(Refreshed::Pinned);
        }
        let version = encryption.access(&self.vaults).check(&state.tenant, &uri)?;
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
        let encryption = state.encryption.as_ref().ok_or(Refusal::NoCustomerKey)?;
        let uri: KeyUri = uri.parse().map_err(Refusal::InvalidKeyUri)?;
        let version = encryption.access(&self.vaults).check(&state.tenant, &uri)?;
        self.rewrap(&mut state, uri, &version)
    }

    /// Saves the new wrapping beside the old one before it drops that: whenever this is interrupted, the state holds a wrapping
    /// that unwraps.
    fn rewrap(&self, state: &mut State, uri: KeyUri, version: &str) -> Result<(), Refusal> {
        state.drop_old_wrappings();
        state.encryption.as_mut().ok_or(Refusal::NoCustomerKey)?.rewrap(&self.vaults, uri, version)?;
        self.dir.save(state)?;
        state.drop_old_wrappings();
        self.dir.save(state)
    }
}

impl Encryption {
    /// Wraps the data key, which the old key must unwrap, under `version` of the key at `uri` too. That wrapping is in use then.
    fn rewrap(&mut self, vaults: &VaultClients, uri: KeyUri, version: &str) -> Result<(), Refusal> {
        let access = self.access(vaults);
        let data_key = access.unwrap(self.current()?)?;
        let wrapping = access.wrap(&uri, version, &data_key)?;
        self.wrapped.push(wrapping);
        self.key = uri;
        Ok(())
    }

    /// The same data key under the key at `uri`, used as `identity`: another version, key, vault or identity. The rules are those of
    /// the first key. The old key must unwrap as the old identity, or as the new one, which may be the way back for a factory whose
    /// identity has lost its access.
    ///
    /// # Errors
    /// The rule that is violated.
    pub(crate) fn moved(
        &self,
        vaults: &VaultClients,
        tenant: &str,
        (uri, identity): (KeyUri, Option<String>),
    ) -> Result<Self, Refusal> {
        let moved = Self { identity, ..self.clone() };
        let access = moved.access(vaults);
        let version = access.check(tenant, &uri)?;
        let old = self.current()?;
        let data_key = self.access(vaults).unwrap(old).or_else(|refusal| match moved.identity == self.identity {
            true => Err(refusal),
            false => access.unwrap(old).map_err(|_| refusal),
        })?;
        let wrapped = vec![access.wrap(&uri, &version, &data_key)?];
        Ok(Self { key: uri, wrapped, ..moved })
    }

    /// The same under the latest version, where the URI names none and there is a newer one.
    ///
    /// # Errors
    /// When the latest version cannot be found, does not keep the rules, or the one in use does not unwrap.
    pub(crate) fn at_latest(&self, vaults: &VaultClients, tenant: &str) -> Result<Option<Self>, Refusal> {
        if self.key.key_version.is_some() {
            return Ok(None);
        }
        let latest = self.access(vaults).find(&self.key)?;
        if latest.version() == self.current()?.version {
            return Ok(None);
        }
        self.moved(vaults, tenant, (self.key.clone(), self.identity.clone())).map(Some)
    }
}
