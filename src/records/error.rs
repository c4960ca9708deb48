//! Why a record was not read or changed.

use std::{error, fmt};

use crate::store::StoreError;

/// Why a record could not be read or changed.
#[derive(Debug)]
pub enum RecordError {
    /// Other changes were faster each time, or too much is waiting: the same request may succeed soon.
    Busy,
    /// A stored record cannot be read as what it should be, or is missing where another names it.
    Damaged {
        /// The record's key.
        record: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store failed.
    Store(StoreError),
}

impl RecordError {
    /// Whether there was no room on the disk.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_full())
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many changes at once"),
            Self::Damaged { record, why } => write!(f, "the record {record} is damaged: {why}"),
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}

impl error::Error for RecordError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Busy | Self::Damaged { .. } => None,
        }
    }
}

impl From<StoreError> for RecordError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            other => Self::Store(other),
        }
    }
}
