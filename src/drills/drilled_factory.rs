//! The factory of a drill: it stores random entries, and checks that they read back or are denied.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::environment::Environment;
use super::key::{DrilledKey, short};
use super::step::{Outcome, StepError, summary};
use crate::factory::{Factory, NewFactory, Refreshed, Refusal};
use crate::files::PrivateDir;
use crate::random;

/// A factory and the entries that it must hold.
pub(super) struct DrilledFactory {
    factory: Factory,
    environment: Arc<Environment>,
    entries: Mutex<BTreeMap<String, Zeroizing<[u8; 32]>>>,
    reads: AtomicUsize,
    /// Removed with the factory.
    dir: PrivateDir,
}

/// How access to an entry is denied.
#[derive(Clone, Copy, Debug)]
pub(super) enum Denial {
    /// The identity lacks a permission.
    Permission,
    /// The vault refuses the key with this status and inner code.
    Key(u16, Option<&'static str>),
    /// The identity no longer gets a token.
    SignIn,
    /// The vault's firewall does not let the address in.
    Firewall,
}

impl DrilledFactory {
    /// An empty factory without a customer-managed key.
    pub(super) fn empty(environment: &Arc<Environment>) -> Result<Self, StepError> {
        let unusable = |error| StepError::unexpected(format!("no directory for a factory: {error}"));
        let dir = PrivateDir::new("factory-").map_err(unusable)?;
        let new = NewFactory {
            name: environment.name("factory"),
            tenant: environment.operator().tenant()?,
            ..NewFactory::default()
        };
        let factory = Factory::create(dir.path(), new, environment.vault_clients(), environment.now()?)?;
        Ok(Self {
            factory,
            environment: environment.clone(),
            entries: Mutex::default(),
            reads: AtomicUsize::default(),
            dir,
        })
    }

    /// An empty factory that follows the latest version of `key`.
    pub(super) fn with_key(environment: &Arc<Environment>, key: &DrilledKey) -> Result<Self, StepError> {
        let factory = Self::empty(environment)?;
        factory.factory.enable_key(&key.uri(), None)?;
        Ok(factory)
    }

    /// Creates `key`, and a factory under it with three entries.
    pub(super) fn with_entries(environment: &Arc<Environment>, key: &DrilledKey) -> Result<Self, StepError> {
        key.create()?;
        let factory = Self::with_key(environment, key)?;
        factory.write(3)?;
        Ok(factory)
    }

    /// The factory itself.
    pub(super) const fn inner(&self) -> &Factory {
        &self.factory
    }

    /// Opens the factory again from its directory, without anything cached in memory.
    pub(super) fn reopen(self) -> Result<Self, StepError> {
        let factory = Factory::open(self.dir.path(), self.environment.vault_clients())?;
        Ok(Self { factory, ..self })
    }

    /// Stores `more` random entries.
    pub(super) fn write(&self, more: usize) -> Result<(), StepError> {
        let now = self.environment.now()?;
        for _ in 0..more {
            let name = format!("entry-{}", self.entries().len());
            let value = Zeroizing::new(random::secret());
            self.factory.put(&name, value.as_slice(), now)?;
            self.entries().insert(name, value);
        }
        Ok(())
    }

    /// Expects that every entry reads back as it was written.
    pub(super) fn read_all(&self) -> Outcome {
        let entries = self.entries().clone();
        for (name, value) in &entries {
            let read =
                self.factory.show(name).map_err(|refusal| StepError::unexpected(format!("{name}: {refusal}")))?;
            if read.reveal() != value.as_slice() {
                return Err(StepError::unexpected(format!("{name} reads as something else than was written")));
            }
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(format!("{} entries read", entries.len()))
    }

    /// Expects that every entry is denied as `denial` says.
    pub(super) fn expect_all_denied(&self, denial: Denial) -> Outcome {
        let names: Vec<String> = self.entries().keys().cloned().collect();
        let mut last = String::new();
        for name in &names {
            let Err(refusal) = self.factory.show(name) else {
                return Err(StepError::unexpected(format!("{name} was read")));
            };
            last =
                denial.describe_match(&refusal).ok_or_else(|| StepError::unexpected(format!("{name}: {refusal}")))?;
        }
        Ok(format!("{} entries refused: {last}", names.len()))
    }

    /// Re-wraps the data key; expects that the latest version is a newer one.
    pub(super) fn rewrap(&self) -> Result<(), StepError> {
        match self.factory.refresh()? {
            Refreshed::Rewrapped { .. } => Ok(()),
            Refreshed::Current => Err(StepError::unexpected("the factory found no newer version")),
            Refreshed::Pinned => Err(StepError::unexpected("the factory keeps to one version")),
        }
    }

    /// Expects that the data key is wrapped under `version`.
    pub(super) fn expect_wrapped_by(&self, version: &str) -> Outcome {
        let status = self.factory.status(self.environment.now()?)?;
        let by = status.customer_key.map(|key| key.wrapped_by).unwrap_or_default();
        let by = by.rsplit('/').next().unwrap_or_default();
        let text = format!("the data key is wrapped under version {}", short(by));
        if by == version { Ok(text) } else { Err(StepError::unexpected(format!("{text}, not {}", short(version)))) }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Zeroizing<[u8; 32]>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Denial {
    /// Describes `refusal` if it is a denial of this kind.
    fn describe_match(self, refusal: &Refusal) -> Option<String> {
        match (self, refusal) {
            (Self::Permission, Refusal::MissingPermission { .. }) => Some(refusal.to_string()),
            (Self::Firewall, Refusal::ShutOut { failure, .. }) => {
                (failure.inner() == Some("ForbiddenByFirewall")).then(|| refusal.to_string())
            }
            (Self::Key(status, inner), Refusal::Key { failure, .. }) => {
                let fits = failure.status() == Some(status) && (inner.is_none() || failure.inner() == inner);
                fits.then(|| summary(failure))
            }
            (Self::SignIn, Refusal::Key { failure, .. }) => {
                matches!(failure.status(), Some(400 | 401)).then(|| format!("no token, {}", summary(failure)))
            }
            _ => None,
        }
    }
}

impl From<Refusal> for StepError {
    fn from(refusal: Refusal) -> Self {
        Self::Unexpected(refusal.to_string())
    }
}
