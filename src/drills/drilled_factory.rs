//! A factory in a drill: what it stores, whether that still reads, and how it is refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::environment::Ground;
use super::key::{DrilledKey, short};
use super::step::{Outcome, Wrong, brief};
use crate::factory::{Factory, New, Refreshed, Refusal};
use crate::files::PrivateDir;
use crate::random;

/// A factory, and what it must hold.
pub(super) struct Plant {
    factory: Factory,
    ground: Arc<Ground>,
    entries: Mutex<BTreeMap<String, Zeroizing<[u8; 32]>>>,
    reads: AtomicUsize,
    /// It goes with the factory.
    home: PrivateDir,
}

/// How access is denied.
#[derive(Clone, Copy, Debug)]
pub(super) enum Denied {
    /// The identity lacks a permission.
    Permission,
    /// The vault refuses the key with this status and inner code.
    Key(u16, Option<&'static str>),
    /// The identity gets no token any more.
    SignIn,
}

impl Plant {
    /// An empty factory without a customer-managed key.
    pub(super) fn empty(ground: &Arc<Ground>) -> Result<Self, Wrong> {
        let unusable = |error| Wrong::seen(format!("no directory for a factory: {error}"));
        let home = PrivateDir::new("factory-").map_err(unusable)?;
        let new = New { name: ground.name("factory"), tenant: ground.operator().tenant()?, ..New::default() };
        let factory = Factory::create(home.path(), new, ground.reach(), ground.now()?)?;
        Ok(Self { factory, ground: ground.clone(), entries: Mutex::default(), reads: AtomicUsize::default(), home })
    }

    /// An empty factory that follows the latest version of `key`.
    pub(super) fn with_key(ground: &Arc<Ground>, key: &DrilledKey) -> Result<Self, Wrong> {
        let plant = Self::empty(ground)?;
        plant.factory.enable_key(&key.uri(), None)?;
        Ok(plant)
    }

    /// A factory under `key`, which is made, with three entries.
    pub(super) fn stocked(ground: &Arc<Ground>, key: &DrilledKey) -> Result<Self, Wrong> {
        key.make()?;
        let plant = Self::with_key(ground, key)?;
        plant.write(3)?;
        Ok(plant)
    }

    /// The factory itself.
    pub(super) const fn factory(&self) -> &Factory {
        &self.factory
    }

    /// The same factory, opened anew: nothing of what a process remembers is left.
    pub(super) fn opened_again(self) -> Result<Self, Wrong> {
        let factory = Factory::open(self.home.path(), self.ground.reach())?;
        Ok(Self { factory, ..self })
    }

    /// Stores `more` entries that nobody could guess.
    pub(super) fn write(&self, more: usize) -> Result<(), Wrong> {
        let now = self.ground.now()?;
        for _ in 0..more {
            let name = format!("entry-{}", self.entries().len());
            let value = Zeroizing::new(random::secret());
            self.factory.put(&name, value.as_slice(), now)?;
            self.entries().insert(name, value);
        }
        Ok(())
    }

    /// Every entry must read as it was written.
    pub(super) fn read_all(&self) -> Outcome {
        let entries = self.entries().clone();
        for (name, value) in &entries {
            let read = self.factory.show(name).map_err(|refusal| Wrong::seen(format!("{name}: {refusal}")))?;
            if read.reveal() != value.as_slice() {
                return Err(Wrong::seen(format!("{name} reads as something else than was written")));
            }
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(format!("{} entries read", entries.len()))
    }

    /// Every entry must be refused as `denied` says.
    pub(super) fn all_refused(&self, denied: Denied) -> Outcome {
        let names: Vec<String> = self.entries().keys().cloned().collect();
        let mut told = String::new();
        for name in &names {
            let Err(refusal) = self.factory.show(name) else { return Err(Wrong::seen(format!("{name} was read"))) };
            told = denied.fits(&refusal).ok_or_else(|| Wrong::seen(format!("{name}: {refusal}")))?;
        }
        Ok(format!("{} entries refused: {told}", names.len()))
    }

    /// Re-wraps the data key under the latest version, which must be another one.
    pub(super) fn follow(&self) -> Result<(), Wrong> {
        match self.factory.refresh()? {
            Refreshed::Moved { .. } => Ok(()),
            Refreshed::Current => Err(Wrong::seen("the factory found no newer version")),
            Refreshed::Fixed => Err(Wrong::seen("the factory keeps to one version")),
        }
    }

    /// The data key must be wrapped under `version`.
    pub(super) fn is_under(&self, version: &str) -> Outcome {
        let status = self.factory.status(self.ground.now()?)?;
        let by = status.customer_key.map(|key| key.wrapped_by).unwrap_or_default();
        let by = by.rsplit('/').next().unwrap_or_default();
        let told = format!("the data key is wrapped under version {}", short(by));
        if by == version { Ok(told) } else { Err(Wrong::seen(format!("{told}, not {}", short(version)))) }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Zeroizing<[u8; 32]>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Denied {
    /// What is told of a refusal that is one of these.
    fn fits(self, refusal: &Refusal) -> Option<String> {
        match (self, refusal) {
            (Self::Permission, Refusal::MissingPermission { permission, .. }) => {
                Some(format!("no permission to {permission}"))
            }
            (Self::Key(status, inner), Refusal::Key { failure, .. }) => {
                let fits = failure.status() == Some(status) && (inner.is_none() || failure.inner() == inner);
                fits.then(|| brief(failure))
            }
            (Self::SignIn, Refusal::Key { failure, .. }) => {
                matches!(failure.status(), Some(400 | 401)).then(|| format!("no token, {}", brief(failure)))
            }
            _ => None,
        }
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self::Seen(refusal.to_string())
    }
}
