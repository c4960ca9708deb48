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

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Secret => "secret",
        }
    }
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

    /// Deletes it, and purges it if the vault allows that; returns a note for the report if it stays as a deleted one.
    ///
    /// # Errors
    /// When it could not be deleted.
    pub(super) fn remove(&self, vault: &VaultClient) -> Result<Option<String>, RequestError> {
        let what = self.kind.word();
        // 404: it is deleted already.
        self.delete(vault).or_else(|failure| if failure.status() == Some(404) { Ok(()) } else { Err(failure) })?;
        Ok(match self.purge(vault) {
            Ok(()) => None,
            Err(failure) if failure.status() == Some(404) => None,
            Err(failure) if failure.status() == Some(403) => Some(format!(
                "the {what} {} is deleted, and stays so until its time is over: it may not be purged",
                self.name
            )),
            Err(failure) => Some(format!("the {what} {} is deleted and not purged: {failure}", self.name)),
        })
    }

    /// What it is, and the command that deletes it; `ours` is the vault's name at a server of this program.
    pub(super) fn how_to_remove(&self, ours: Option<&str>) -> String {
        let (what, name, vault) = (self.kind.word(), &self.name, &self.vault);
        match ours {
            Some(vault) => format!("the {what} {name}: keyhaven {what} delete {name} --vault {vault}"),
            None => format!("the {what} {name}: az keyvault {what} delete --id {vault}/{what}s/{name}"),
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
