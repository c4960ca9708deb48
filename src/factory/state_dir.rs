//! The directory of a factory: its state, the private keys of its certificates, and whose turn it is to write.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::state::State;
use crate::files;

/// The directory. Everything in it is its owner's alone (0700, 0600), written whole or not at all, and synced.
#[derive(Debug)]
pub(super) struct Home(PathBuf);

impl Home {
    /// The directory as it is.
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The directory, made where it is missing.
    pub(super) fn make(path: &Path) -> Result<Self, Refusal> {
        let home = Self::at(path);
        let platform = home.platform();
        files::create_dir(&platform).map_err(|error| failed(&platform, &error))?;
        Ok(home)
    }

    /// Waits until no other thread and no other process writes; the turn ends when the file is dropped.
    pub(super) fn turn(&self) -> Result<File, Refusal> {
        let path = self.0.join("lock");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let turn = file.and_then(|file| file.lock().map(|()| file)).map_err(|error| self.absent_or(&path, &error))?;
        for dir in [&self.0, &self.platform()] {
            files::remove_temp_files(dir).map_err(|error| self.absent_or(dir, &error))?;
        }
        Ok(turn)
    }

    pub(super) fn must_be_unused(&self) -> Result<(), Refusal> {
        if self.state().exists() { Err(Refusal::Exists(self.0.display().to_string())) } else { Ok(()) }
    }

    /// The state at this moment.
    pub(super) fn load(&self) -> Result<State, Refusal> {
        let path = self.state();
        let bytes = fs::read(&path).map_err(|error| self.absent_or(&path, &error))?;
        serde_json::from_slice(&bytes).map_err(|error| Refusal::Damaged(format!("{}: {error}", path.display())))
    }

    /// Saves `state` in the place of the one before; needs the turn.
    pub(super) fn save(&self, state: &mut State) -> Result<(), Refusal> {
        state.revision += 1;
        let text = serde_json::to_vec_pretty(state).map_err(|error| Refusal::Failed(error.to_string()))?;
        write(&self.state(), &text)
    }

    /// The private key (PKCS #8, DER) of a certificate. It lies apart from the state, in the place of the platform's own store.
    pub(super) fn key(&self, thumbprint: &str) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let path = self.key_file(thumbprint);
        fs::read(&path).map(Zeroizing::new).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Refusal::SystemKeyMissing { thumbprint: thumbprint.to_owned() },
            _ => failed(&path, &error),
        })
    }

    /// Keeps a private key, before a state names it.
    pub(super) fn keep_key(&self, thumbprint: &str, private: &[u8]) -> Result<(), Refusal> {
        write(&self.key_file(thumbprint), private)
    }

    /// Takes away the private keys that `state`, which is saved, does not name; needs the turn.
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
