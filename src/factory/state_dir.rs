//! The directory of a factory: its state, the private keys of its certificates, and the writers' lock.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::state::State;
use crate::files::{self, LockFile};

/// The directory. Everything in it is private to its owner (0700, 0600); files are replaced atomically and synced.
#[derive(Debug)]
pub(super) struct StateDir(PathBuf);

impl StateDir {
    /// The directory at `path`; creates nothing.
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The directory at `path`; creates it if it is missing.
    pub(super) fn create(path: &Path) -> Result<Self, Refusal> {
        let home = Self::at(path);
        let platform = home.platform();
        files::create_dir(&platform).map_err(|error| failed(&platform, &error))?;
        Ok(home)
    }

    /// Takes the exclusive lock of writers, waiting for other threads and processes. Removes the temporary files of a writer
    /// that was killed.
    pub(super) fn lock(&self) -> Result<LockFile, Refusal> {
        let path = self.0.join("lock");
        let lock = LockFile::lock(&path).map_err(|error| self.absent_or(&path, &error))?;
        for dir in [&self.0, &self.platform()] {
            files::remove_temp_files(dir).map_err(|error| self.absent_or(dir, &error))?;
        }
        Ok(lock)
    }

    /// Refuses a directory that holds a factory.
    pub(super) fn must_be_unused(&self) -> Result<(), Refusal> {
        if self.state().exists() { Err(Refusal::AlreadyExists(self.0.display().to_string())) } else { Ok(()) }
    }

    /// Reads the current state.
    pub(super) fn load(&self) -> Result<State, Refusal> {
        let path = self.state();
        let bytes = fs::read(&path).map_err(|error| self.absent_or(&path, &error))?;
        serde_json::from_slice(&bytes).map_err(|error| Refusal::Damaged(format!("{}: {error}", path.display())))
    }

    /// Replaces the saved state by `state`. The caller holds the lock.
    pub(super) fn save(&self, state: &mut State) -> Result<(), Refusal> {
        state.revision += 1;
        let text = serde_json::to_vec_pretty(state).map_err(|error| Refusal::Failed(error.to_string()))?;
        write(&self.state(), &text)
    }

    /// Reads the private key (PKCS #8, DER) of a certificate. It is kept apart from the state, as in the platform's key store.
    pub(super) fn key(&self, thumbprint: &str) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let path = self.key_file(thumbprint);
        fs::read(&path).map(Zeroizing::new).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Refusal::SystemKeyMissing { thumbprint: thumbprint.to_owned() },
            _ => failed(&path, &error),
        })
    }

    /// Saves a private key. Call it before saving a state that names the key.
    pub(super) fn save_key(&self, thumbprint: &str, private: &[u8]) -> Result<(), Refusal> {
        write(&self.key_file(thumbprint), private)
    }

    /// Removes the private keys that `state`, which is saved, does not name. The caller holds the lock.
    pub(super) fn sweep_keys(&self, state: &State) -> Result<(), Refusal> {
        let platform = self.platform();
        let named: Vec<_> = state.system_keys.iter().map(|key| self.key_file(&key.thumbprint)).collect();
        for entry in fs::read_dir(&platform).map_err(|error| failed(&platform, &error))? {
            let path = entry.map_err(|error| failed(&platform, &error))?.path();
            if !named.contains(&path) {
                fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
            }
        }
        Ok(())
    }

    fn state(&self) -> PathBuf {
        self.0.join("factory.json")
    }

    fn platform(&self) -> PathBuf {
        self.0.join("platform")
    }

    fn key_file(&self, thumbprint: &str) -> PathBuf {
        self.platform().join(format!("{thumbprint}.key"))
    }

    fn absent_or(&self, path: &Path, error: &std::io::Error) -> Refusal {
        match error.kind() {
            ErrorKind::NotFound => Refusal::NoFactory(self.0.display().to_string()),
            _ => failed(path, error),
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    files::write(path, bytes, files::PRIVATE).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Refusal {
    Refusal::File(format!("{}: {error}", path.display()))
}
