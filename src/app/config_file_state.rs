//! The state of a configuration's file that is followed.

use std::sync::{Arc, Mutex, PoisonError};

/// What became of the file's present content. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ConfigFileState(Arc<Mutex<Option<String>>>);

impl ConfigFileState {
    /// Why the content was not applied, if it was not.
    pub(super) fn refusal(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the refusal; answers whether there was one before.
    pub(super) fn set(&self, refusal: Option<String>) -> bool {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), refusal).is_some()
    }
}
