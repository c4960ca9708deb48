//! The health of a store: why it is read only, if it is.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why writes are refused while reads go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Degraded {
    /// The disk is full: writes are refused until there is room again.
    DiskFull,
    /// Damage was found, described in one line. Nothing is written until the server is started again.
    Damaged(String),
}

impl fmt::Display for Degraded {
    /// For health checks, which need no credential: it names no record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DiskFull => "the disk is full: nothing can be written until there is room again",
            Self::Damaged(_) => {
                "damage was found in the store: nothing is written any more; \
                 stop the server, see what is damaged with keyhaven check DIR, and restore a copy"
            }
        })
    }
}

/// The health of one store, set by its threads.
#[derive(Clone, Default)]
pub(super) struct Health(Arc<Mutex<Option<Degraded>>>);

impl Health {
    /// Why writes are refused, if they are.
    pub(super) fn degraded(&self) -> Option<Degraded> {
        self.state().clone()
    }

    /// Stops writes because of damage, which nothing ends but a new start.
    pub(super) fn set_damaged(&self, why: String) {
        *self.state() = Some(Degraded::Damaged(why));
    }

    /// Whether the disk was full when it was last written to.
    pub(super) fn is_full(&self) -> bool {
        *self.state() == Some(Degraded::DiskFull)
    }

    /// The disk is full; returns whether that is new. Damage, which is worse, stays what it is.
    pub(super) fn set_full(&self) -> bool {
        let mut state = self.state();
        let is_new = state.is_none();
        if is_new {
            *state = Some(Degraded::DiskFull);
        }
        is_new
    }

    /// Something was written; returns whether the disk was full before.
    pub(super) fn set_written(&self) -> bool {
        let mut state = self.state();
        let was_full = *state == Some(Degraded::DiskFull);
        if was_full {
            *state = None;
        }
        was_full
    }

    fn state(&self) -> MutexGuard<'_, Option<Degraded>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_ends_with_a_write_and_damage_does_not() {
        let health = Health::default();
        assert!(health.set_full() && !health.set_full());
        assert_eq!(health.degraded(), Some(Degraded::DiskFull));
        assert!(health.set_written() && !health.set_written());
        assert_eq!(health.degraded(), None);
        health.set_damaged("a page".into());
        assert!(!health.set_full() && !health.set_written());
        assert_eq!(health.degraded(), Some(Degraded::Damaged("a page".into())));
    }
}
