//! The renewal of the system key: everything is re-sealed under a new certificate, one by one, and stays readable meanwhile.

use super::Factory;
use super::refusal::Refusal;
use super::state::State;
use super::system_key::SystemKey;
use crate::clock::Timestamp;

/// The result of a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The thumbprint of the old certificate.
    pub from: String,
    /// The thumbprint of the new certificate.
    pub to: String,
    /// When the new certificate expires.
    pub not_after: Timestamp,
    /// The number of entries and credentials that were re-sealed.
    pub moved: usize,
}

impl Factory {
    /// Renews the system key if its certificate expires within 30 days of `now`, or has expired.
    ///
    /// # Errors
    /// As [`Factory::renew_system_key`].
    pub fn renew_if_due(&self, now: Timestamp) -> Result<Option<Renewal>, Refusal> {
        let state = self.dir.load()?;
        let under_way = state.system_keys.len() > 1;
        let due = under_way || state.newest_system_key()?.is_due(now);
        due.then(|| self.renew_system_key(now)).transpose()
    }

    /// Renews the system key: generates a certificate for two years from `now`, and re-seals every entry and credential under it,
    /// one by one. The old key is removed when all are done. Does not need the customer's vault. Continues a renewal that was
    /// interrupted.
    ///
    /// # Errors
    /// When the old key is missing. What was re-sealed by then stays so.
    pub fn renew_system_key(&self, now: Timestamp) -> Result<Renewal, Refusal> {
        let lock = self.dir.lock()?;
        let mut state = self.dir.load()?;
        let from = state.system_keys.first().map(|key| key.thumbprint.clone()).unwrap_or_default();
        if state.system_keys.len() < 2 {
            self.begin_renewal(&mut state, now)?;
        }
        drop(lock);
        let mut moved = 0;
        while self.reseal_one()? {
            moved += 1;
        }
        let state = self.dir.load()?;
        let newest = state.newest_system_key()?;
        Ok(Renewal { from, to: newest.thumbprint.clone(), not_after: newest.not_after, moved })
    }

    /// Adds a second system key, under which new content is sealed from now on.
    fn begin_renewal(&self, state: &mut State, now: Timestamp) -> Result<(), Refusal> {
        let (system_key, private) = SystemKey::generate(&state.name, now)?;
        self.dir.save_key(&system_key.thumbprint, &private)?;
        state.system_keys.push(system_key);
        self.dir.save(state)
    }

    /// Re-seals the first thing under an old system key, holding the lock for this one alone so that others can write in
    /// between. Removes the old keys when nothing is left.
    fn reseal_one(&self) -> Result<bool, Refusal> {
        let _lock = self.dir.lock()?;
        let mut state = self.dir.load()?;
        let newest = state.newest_system_key()?;
        let to = self.open_system_key(newest)?;
        let Some((associated_data, sealed)) = state.sealed().find(|(_, sealed)| !to.is_around(sealed)) else {
            self.drop_old_system_keys(&mut state)?;
            return Ok(false);
        };
        let from = self.open_system_key(state.system_key(&sealed.system_key)?)?;
        let resealed = to.resealed(&associated_data, sealed, &from)?;
        if let Some((_, sealed)) = state.sealed_mut().find(|(data, _)| *data == associated_data) {
            *sealed = resealed;
        }
        self.dir.save(&mut state)?;
        Ok(true)
    }

    /// Removes the old keys from the state first, then their private keys.
    fn drop_old_system_keys(&self, state: &mut State) -> Result<(), Refusal> {
        let old = state.system_keys.len().saturating_sub(1);
        state.system_keys.drain(..old);
        self.dir.save(state)?;
        self.dir.sweep_keys(state)
    }
}
