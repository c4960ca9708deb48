//! Refusals that concern any object: not found, deleted, being deleted or recovered, disabled, backups.

use hyper::StatusCode;

use super::{bad, conflict, forbidden, place};
use crate::http::error::ApiError;
use crate::vault::{Attempt, BackupError, DeletedUse, Kind, ObjectName, Vault, Version};

/// The service's terms for a kind of object.
struct Terms {
    lower: &'static str,
    capital: &'static str,
    not_found: &'static str,
    disabled: &'static str,
}

impl Terms {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Key => Self { lower: "key", capital: "Key", not_found: "KeyNotFound", disabled: "KeyDisabled" },
            Kind::Secret => {
                Self { lower: "secret", capital: "Secret", not_found: "SecretNotFound", disabled: "SecretDisabled" }
            }
        }
    }
}

pub(super) fn deleted_not_found(kind: Kind, name: &ObjectName) -> ApiError {
    let Terms { capital, not_found, .. } = Terms::of(kind);
    ApiError::new(StatusCode::NOT_FOUND, not_found, format!("Deleted {capital} not found: {name}"))
}

pub(super) fn not_deleted(kind: Kind, name: &ObjectName) -> ApiError {
    let text = format!("{} exists already: {name}", Terms::of(kind).capital);
    let error = ApiError::new(StatusCode::BAD_REQUEST, "MethodNotAllowed", text);
    error.inner("RequestNotAllowedOnNonDeletedObject")
}

/// The service's text for a purge in a vault with purge protection; `vault` is named behind it.
pub(crate) fn purge_protected(vault: Option<&Vault>) -> ApiError {
    let vault = vault.map_or_else(String::new, |vault| format!("\r\nVault: {}", place(vault)));
    forbidden(format!(
        "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will \
         automatically purge it after the retention period has passed.{vault}"
    ))
}

/// The text is recorded for purge; the other operations follow it.
pub(super) fn no_soft_delete(wanted: DeletedUse) -> ApiError {
    let operation = match wanted {
        DeletedUse::Get => "get deleted",
        DeletedUse::List => "list deleted",
        DeletedUse::Recover => "recover",
        DeletedUse::Purge => "purge",
    };
    let text = format!("Operation \"{operation}\" is not enabled for this vault.");
    ApiError::new(StatusCode::BAD_REQUEST, "NotSupported", text)
}

/// Recorded by the Go and Java SDKs' own tests; a header says what is wrong.
pub(super) fn bad_backup(why: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "Malformed backup blob", "Backup blob is corrupt.")
        .header("x-keyhaven-detail", why)
}

/// What is wrong with a backup, and with which member.
pub(super) const fn backup_error(why: BackupError) -> &'static str {
    match why {
        BackupError::OtherKind => "value: not a backup of this kind",
        BackupError::Damaged => "value: the backup is damaged",
        BackupError::OtherBackupKey => "value: sealed under another backup key; give both servers the same backupKey",
        BackupError::OtherServerVersion => "value: the backup was made by another version of the server",
        BackupError::UnreadableMaterial => "value: a version's material is not base64url",
        BackupError::MaterialMismatch => "value: a version and its material do not fit",
    }
}

/// The number is the service's; its text was not found.
pub(super) fn too_many_versions(most: usize) -> ApiError {
    bad(format!("An object with more than {most} versions cannot be backed up."))
}

/// Recorded (golden 082, 084).
pub(super) fn deleted_but_recoverable(kind: Kind, name: &ObjectName) -> ApiError {
    let Terms { lower, capital, .. } = Terms::of(kind);
    conflict(format!(
        "{capital} {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, \
         the {lower} can only be recovered or purged."
    ))
    .inner("ObjectIsDeletedButRecoverable")
}

/// Recorded (golden 083, 085, 086).
pub(super) fn being_deleted(kind: Kind, name: &ObjectName, attempt: Attempt) -> ApiError {
    let capital = Terms::of(kind).capital;
    conflict(match attempt {
        Attempt::Create => {
            format!("{capital} {name} is currently being deleted and cannot be re-created; retry later.")
        }
        Attempt::Purge => format!("{capital} is currently being deleted."),
        Attempt::Recover | Attempt::Delete => format!("{capital} {name} is currently being deleted."),
    })
    .inner("ObjectIsBeingDeleted")
}

/// The text for `Attempt::Create` is public (hashicorp/terraform-provider-azurerm issue 12285); no other was found, and the
/// rest follow the texts of [`being_deleted`].
pub(super) fn being_recovered(kind: Kind, name: &ObjectName, attempt: Attempt) -> ApiError {
    let capital = Terms::of(kind).capital;
    conflict(match attempt {
        Attempt::Create => {
            format!("{capital} {name} is currently being recovered and cannot be re-created; retry later.")
        }
        Attempt::Recover | Attempt::Delete | Attempt::Purge => {
            format!("{capital} {name} is currently being recovered.")
        }
    })
    .inner("ObjectIsBeingRecovered")
}

/// Recorded (golden 087, 088); it has no inner code.
pub(crate) fn restore_conflict(kind: Kind, id: &str) -> ApiError {
    let word = Terms::of(kind).lower;
    conflict(format!(
        "There was a conflict restoring the {word} '{id}'. This can happen if either: a second {word} with the same name \
         was created after the first {word} was deleted; thus trying to restore a {word} whose name is already in use. To \
         fix this, rename the second {word} to something else so that the restore works. The second probable cause of \
         this exception is when multiple operations are performed in parallel against the {word}. To avoid this error, \
         perform operations against a {word} in a sequential manner."
    ))
}

pub(super) fn not_found(kind: Kind, name: &ObjectName, version: Option<&Version>) -> ApiError {
    let Terms { lower: word, not_found: code, .. } = Terms::of(kind);
    let id = version.map_or_else(|| name.to_string(), |version| format!("{name}/{version}"));
    let text = format!(
        "A {word} with (name/id) {id} was not found in this key vault. If you recently deleted this {word} you may be \
         able to recover it using the correct recovery command. For help resolving this issue, please see \
         https://go.microsoft.com/fwlink/?linkid=2125182"
    );
    ApiError::new(StatusCode::NOT_FOUND, code, text)
}

pub(super) fn disabled(kind: Kind, operation: &str) -> ApiError {
    let Terms { lower, disabled, .. } = Terms::of(kind);
    forbidden(format!("Operation {operation} is not allowed on a disabled {lower}.")).inner(disabled)
}
