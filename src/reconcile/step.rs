//! One step of a plan: what is done, and to what.

use std::fmt;

use serde::Serialize;

use crate::vault::{ObjectId, VaultName};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// It is created.
    Create,
    /// It is changed; a secret gets a new version.
    Change,
    /// It was deleted, and is recovered.
    Recover,
    /// An earlier configuration made it and this one does not name it: it is deleted.
    Delete,
    /// As `Delete`, but it stays: deletion was not asked for.
    Unnamed,
    /// Nothing is done to it, but programs notice the change.
    Note,
    /// It is read at the start alone, so it counts from the next one on.
    Restart,
    /// It cannot be as the configuration wants it: nothing is done at all.
    Refuse,
}

impl Action {
    /// What was done, for the log.
    pub(crate) const fn done(self) -> &'static str {
        match self {
            Self::Create => "created from the configuration",
            Self::Change => "changed as the configuration says",
            Self::Recover => "recovered, because the configuration names it",
            Self::Delete => "deleted, because the configuration no longer names it",
            Self::Unnamed => "left as it is, although the configuration no longer names it (keyhaven apply --prune)",
            Self::Note => "what programs have from `keyhaven env` is of the former configuration",
            Self::Restart => "left as it is: only a start reads it",
            Self::Refuse => "left as it is: it cannot be changed",
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    /// What is done.
    pub action: Action,
    /// What it is done to: `identity`, `role`, `factory`, `vault`, `key`, `secret`, or a `member` at the top of the configuration.
    pub kind: &'static str,
    /// The vault that a key or secret is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// The name.
    pub name: String,
    /// What differs, or why; empty where the action says all.
    pub detail: String,
}

impl Step {
    /// What it is done to: `secret shop/db`.
    pub(crate) fn subject(&self) -> String {
        match &self.vault {
            Some(vault) => format!("{} {vault}/{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        }
    }

    /// A step for the identity called `name`.
    pub(super) fn of_identity(action: Action, name: &str, detail: impl Into<String>) -> Self {
        Self { action, kind: "identity", vault: None, name: name.to_owned(), detail: detail.into() }
    }

    /// A step for a vault.
    pub(super) fn of_vault(action: Action, name: &VaultName, detail: impl Into<String>) -> Self {
        Self { action, kind: "vault", vault: None, name: name.to_string(), detail: detail.into() }
    }

    /// A step for a data factory.
    pub(super) fn of_factory(action: Action, name: &str, detail: impl Into<String>) -> Self {
        Self { action, kind: "factory", vault: None, name: name.to_owned(), detail: detail.into() }
    }

    /// A step for an object in `vault`.
    pub(super) fn of_object(action: Action, vault: &VaultName, object: &ObjectId, detail: impl Into<String>) -> Self {
        let (kind, name) = (object.kind.singular(), object.name.to_string());
        Self { action, kind, vault: Some(vault.to_string()), name, detail: detail.into() }
    }

    /// A step for a role assignment.
    pub(super) fn of_role(action: Action, subject: &str, detail: impl Into<String>) -> Self {
        Self { action, kind: "role", vault: None, name: subject.to_owned(), detail: detail.into() }
    }

    /// A step for a member at the top of the configuration.
    pub(super) fn of_member(action: Action, name: &str, detail: impl Into<String>) -> Self {
        Self { action, kind: "member", vault: None, name: name.to_owned(), detail: detail.into() }
    }
}

impl fmt::Display for Step {
    /// `secret shop/db: value (a new version)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}
