//! The ready files of a running server, written again when another configuration counts: its vaults, and the identity that programs
//! are by default.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::ready::ReadyFile;
use crate::vault::VaultName;

/// What was written, and where; nothing until [`ReadyFiles::keep`].
#[derive(Clone, Default)]
pub struct ReadyFiles(Arc<Mutex<Option<Written>>>);

struct Written {
    ready: ReadyFile,
    files: Vec<PathBuf>,
}

impl ReadyFiles {
    /// Keeps `ready`, which was written to `files`.
    pub fn keep(&self, ready: ReadyFile, files: Vec<PathBuf>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Written { ready, files });
    }

    /// Writes the files again for these vaults, the client id of the default identity, and the first vault of another
    /// configuration. May block.
    ///
    /// # Errors
    /// When one cannot be written.
    pub(super) fn update(
        &self,
        vaults: &[VaultName],
        client: Option<Uuid>,
        first: Option<&VaultName>,
    ) -> std::io::Result<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Written { ready, files }) = kept.as_mut() else { return Ok(()) };
        ready.update(vaults, client, first);
        files.iter().try_for_each(|file| ready.write(file))
    }
}
