//! Why the domain said no: facts, without words of the wire.

use std::fmt;

use super::keys::release::ReleasePolicyError;
use super::keys::rotation::RotationPolicyError;
use super::keys::{KeyInput, KeyOperationsError, KeyRecord, KeyType};
use super::object::{DeletedUse, FoundVersion};
use super::{BackupError, Kind, ObjectName, Setting, VaultName, Version};
use crate::crypto::CryptoError;
use crate::crypto::pool::PoolError;
use crate::records::RecordError;
use crate::store::StoreError;

/// Why an operation was not done.
#[derive(Debug)]
pub enum Refusal {
    /// There is no such object, or no such version of it.
    NotFound {
        /// The kind.
        kind: Kind,
        /// The name asked for.
        name: ObjectName,
        /// The version asked for, if one was.
        version: Option<Version>,
    },
    /// There is no such deleted object.
    DeletedNotFound {
        /// The kind.
        kind: Kind,
        /// The name asked for.
        name: ObjectName,
    },
    /// The name belongs to a deleted object that can still be recovered.
    DeletedButRecoverable {
        /// The kind.
        kind: Kind,
        /// The name.
        name: ObjectName,
    },
    /// The object is being deleted or purged.
    BeingDeleted {
        /// The kind.
        kind: Kind,
        /// The name.
        name: ObjectName,
        /// What was attempted with it.
        attempt: Attempt,
    },
    /// The object is being recovered.
    BeingRecovered {
        /// The kind.
        kind: Kind,
        /// The name.
        name: ObjectName,
        /// What was attempted with it.
        attempt: Attempt,
    },
    /// The object to recover is not deleted.
    NotDeleted {
        /// The kind.
        kind: Kind,
        /// The name.
        name: ObjectName,
    },
    /// The vault lets nothing be purged before its time.
    PurgeProtected,
    /// The key is symmetric, and the caller may use public keys alone.
    PublicKeysOnly,
    /// The vault has no soft delete, so nothing of the kind can be done in it.
    NoSoftDelete(DeletedUse),
    /// An object of the backup's name is there.
    RestoreConflict {
        /// The kind.
        kind: Kind,
        /// The name.
        name: ObjectName,
        /// The latest version that the backup holds.
        version: Version,
    },
    /// The backup cannot be restored.
    BadBackup(BackupError),
    /// The object has more versions than a backup holds.
    TooManyVersions {
        /// How many it may have.
        most: usize,
    },
    /// This setting of a vault cannot be changed, or not so.
    FixedSetting(Setting),
    /// Another vault answers on this host name.
    AliasTaken {
        /// The host name.
        alias: String,
        /// The vault that answers on it.
        owner: VaultName,
    },
    /// There is a vault of the name that a copy shall have.
    VaultTaken {
        /// The name.
        name: VaultName,
    },
    /// There is no vault of the name that is to be copied.
    NoSuchVault {
        /// The name.
        name: VaultName,
    },
    /// There are objects whose vault's record is missing: no vault is created before that is repaired.
    OrphanedLayer {
        /// The key of one of their records.
        record: String,
    },
    /// There are so many vaults that no other is created on demand.
    TooManyVaults {
        /// How many there may be.
        most: usize,
    },
    /// The version is disabled.
    Disabled {
        /// The kind.
        kind: Kind,
        /// The operation in the service's spelling, for example `unwrapKey`.
        operation: &'static str,
    },
    /// The key's `nbf` lies ahead.
    NotYetValid {
        /// The operation in the service's spelling.
        operation: &'static str,
    },
    /// The key's `exp` has passed.
    Expired {
        /// The operation in the service's spelling.
        operation: &'static str,
    },
    /// The key's `key_ops` do not have the operation.
    OperationNotPermitted {
        /// The operation in the service's spelling.
        operation: &'static str,
    },
    /// HSM key types need a premium vault.
    NeedsPremium {
        /// The key type asked for.
        kty: &'static str,
    },
    /// The type of key cannot have these operations.
    Operations(KeyOperationsError),
    /// The key given is none that can be used.
    Import {
        /// The type it shall have.
        kty: KeyType,
        /// What is wrong with it.
        cause: CryptoError,
    },
    /// The key cannot be rotated, or not by this policy.
    Rotation(RotationPolicyError),
    /// The release policy, or its absence, is refused.
    Release(ReleasePolicyError),
    /// The algorithm could not be applied to the value given.
    Crypto {
        /// The key it was tried with.
        key: Box<FoundVersion<KeyRecord>>,
        /// The input at fault.
        input: KeyInput,
        /// The algorithm's name.
        algorithm: &'static str,
        /// What went wrong.
        cause: CryptoError,
    },
    /// Too much is waiting already; the same request may succeed soon.
    Busy,
    /// A stored record could not be understood.
    Damaged {
        /// The record's key.
        record: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server itself failed; the cause is for the log.
    Internal(String),
    /// Damage was found in the store: it is read, and no longer written.
    WritesStopped {
        /// What is damaged.
        why: String,
    },
    /// The store failed.
    Store(StoreError),
}

/// What was attempted with an object between two states: the service has a text for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// To make an object of its name.
    Create,
    /// To delete it.
    Delete,
    /// To recover it.
    Recover,
    /// To purge it.
    Purge,
}

impl fmt::Display for Refusal {
    /// For the log and for the command line; the wire has its own words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too much is waiting already"),
            Self::Damaged { record, why } => write!(f, "the record {record} is damaged: {why}"),
            Self::Internal(why) => f.write_str(why),
            Self::Store(error) => write!(f, "{error}"),
            Self::AliasTaken { alias, owner } => write!(f, "the vault '{owner}' answers on {alias}"),
            Self::NeedsPremium { kty } => write!(f, "keys of type {kty} need a premium vault"),
            Self::OrphanedLayer { record } => write!(
                f,
                "no vault is made, because the store holds objects of a vault whose record is missing ({record}): see what \
                 is missing with keyhaven check DIR (the data directory), then restore a copy of it"
            ),
            Self::WritesStopped { why } => {
                write!(f, "nothing is written any more, because damage was found in the store ({why})")
            }
            Self::VaultTaken { name } => write!(f, "there is a vault '{name}' already"),
            Self::NoSuchVault { name } => write!(f, "no vault is called '{name}'"),
            Self::DeletedButRecoverable { kind, name } => {
                write!(f, "the {} '{name}' is deleted and can be recovered", kind.singular())
            }
            other => write!(f, "{other:?}"),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Busy => Self::Busy,
            RecordError::Damaged { record, why } => Self::Damaged { record, why },
            RecordError::Store(StoreError::WritesStopped { why }) => Self::WritesStopped { why },
            RecordError::Store(error) => Self::Store(error),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        RecordError::from(error).into()
    }
}

impl From<PoolError> for Refusal {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Full => Self::Busy,
            PoolError::Panicked => Self::Internal("the work on a key panicked".into()),
            PoolError::Stopped => Self::Internal("the threads for private-key work have stopped".into()),
        }
    }
}
