//! The renewal of the system key: everything moves under a new certificate, one by one, and can be read all the while.

use super::Factory;
use super::refusal::Refusal;
use super::state::State;
use super::system_key::SystemKey;
use crate::clock::Timestamp;

/// What a renewal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The thumbprint of the certificate before.
    pub from: String,
    /// The new one's.
    pub to: String,
    /// When the new one expires.
    pub not_after: Timestamp,
    /// How many data and credentials have moved.
    pub moved: usize,
}

impl Factory {
    /// Renews the system key if its certificate expires within 30 days of `now`, or has expired.
    ///
    /// # Errors
    /// As [`Factory::renew_system_key`].
    pub fn renew_if_due(&self, now: Timestamp) -> Result<Option<Renewal>, Refusal> {
        let state = self.home.load()?;
        let under_way = state.system_keys.len() > 1;
        let due = under_way || state.newest_system_key()?.is_due(now);
        due.then(|| self.renew_system_key(now)).transpose()
    }

    /// Renews the system key: a new certificate for two years from `now` on, under which every datum and credential moves, one
    /// by one. The old one can be read until all have moved, then it goes. The customer's vault is not needed. A renewal that
    /// was interrupted goes on.
    ///
    /// # Errors
    /// When the old key is missing. Whatever has moved by then stays moved.
    pub fn renew_system_key(&self, now: Timestamp) -> Result<Renewal, Refusal> {
        let turn = self.home.turn()?;
        let mut state = self.home.load()?;
        let from = state.system_keys.first().map(|key| key.thumbprint.clone()).unwrap_or_default();
        if state.system_keys.len() < 2 {
            self.begin_renewal(&mut state, now)?;
        }
        drop(turn);
        let mut moved = 0;
        while self.move_one()? {
            moved += 1;
        }
        let state = self.home.load()?;
        let newest = state.newest_system_key()?;
        Ok(Renewal { from, to: newest.thumbprint.clone(), not_after: newest.not_after, moved })
    }

    /// A second system key beside the first; what is stored from now on is stored under it.
    fn begin_renewal(&self, state: &mut State, now: Timestamp) -> Result<(), Refusal> {
        let (system_key, private) = SystemKey::generate(&state.name, now)?;
        self.home.keep_key(&system_key.thumbprint, &private)?;
        state.system_keys.push(system_key);
        self.home.save(state)
    }

    /// Moves what is first found under another system key than the newest, in a turn of its own, so that others can write in
    /// between. When nothing is left the old keys go.
    fn move_one(&self) -> Result<bool, Refusal> {
        let _turn = self.home.turn()?;
        let mut state = self.home.load()?;
        let newest = state.newest_system_key()?;
        let (to, key) = (newest.thumbprint.clone(), newest.open(&self.home)?);
        let Some((place, sealed)) = state.sealed().find(|(_, sealed)| sealed.system_key != to) else {
            self.forget_former_system_keys(&mut state)?;
            return Ok(false);
        };
        let from = state.system_key(&sealed.system_key)?.open(&self.home)?;
        let moved = sealed.moved(&place, &from, (&to, &key))?;
        if let Some((_, sealed)) = state.sealed_mut().find(|(known, _)| *known == place) {
            *sealed = moved;
        }
        self.home.save(&mut state)?;
        Ok(true)
    }

    /// The state names the old ones no more before their private keys go.
    fn forget_former_system_keys(&self, state: &mut State) -> Result<(), Refusal> {
        let former = state.system_keys.len().saturating_sub(1);
        state.system_keys.drain(..former);
        self.home.save(state)?;
        self.home.sweep_keys(state)
    }
}
