//! A key or a secret that a drill created, and its removal.

use crate::remote::{RequestError, VaultClient, VaultUrl};

/// A key or a secret that a drill created.
pub(super) struct CreatedObject {
    kind: Kind,
    vault: VaultUrl,
    name: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Secret,
}

impl CreatedObject {
    pub(super) fn key(vault: VaultUrl, name: &str) -> Self {
        Self { kind: Kind::Key, vault, name: name.to_owned() }
    }

    pub(super) fn secret(vault: VaultUrl, name: &str) -> Self {
        Self { kind: Kind::Secret, vault, name: name.to_owned() }
    }

    /// The URL of its vault.
    pub(super) const fn vault(&self) -> &VaultUrl {
        &self.vault
    }

    /// Deletes it, and purges it if the vault allows that; returns a note for the report if it remains.
    pub(super) fn remove(&self, vault: &VaultClient) -> Option<String> {
        let what = match self.kind {
            Kind::Key => "key",
            Kind::Secret => "secret",
        };
        // 404: it is deleted already.
        match self.delete(vault) {
            Err(failure) if failure.status() != Some(404) => {
                return Some(format!("the {what} {} is left behind: {failure}", self.name));
            }
            _ => {}
        }
        match self.purge(vault) {
            Ok(()) => None,
            Err(failure) if failure.status() == Some(404) => None,
            Err(failure) if failure.status() == Some(403) => Some(format!(
                "the {what} {} is deleted, and stays so until its time is over: it may not be purged",
                self.name
            )),
            Err(failure) => Some(format!("the {what} {} is deleted and not purged: {failure}", self.name)),
        }
    }

    fn delete(&self, vault: &VaultClient) -> Result<(), RequestError> {
        match self.kind {
            Kind::Key => vault.delete_key(&self.name).map(drop),
            Kind::Secret => vault.delete_secret(&self.name).map(drop),
        }
    }

    fn purge(&self, vault: &VaultClient) -> Result<(), RequestError> {
        match self.kind {
            Kind::Key => vault.purge_key(&self.name),
            Kind::Secret => vault.purge_secret(&self.name),
        }
    }
}
