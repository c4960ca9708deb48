//! Errors of redb as errors of a store.

use crate::store::error::StoreError;

/// The part of the store that damage found by redb itself is reported for.
pub(super) const FILE: &str = "the database file";

/// An error of redb as an error of a store.
fn store_error(error: redb::Error) -> StoreError {
    match error {
        redb::Error::Io(error) => StoreError::io("reading or writing the database file", error),
        redb::Error::Corrupted(why) => StoreError::Damaged { record: FILE.into(), why },
        redb::Error::DatabaseClosed => StoreError::Closed,
        // Another operation failed, and the writer opens the file again after it.
        redb::Error::PreviousIo => StoreError::Busy,
        other => StoreError::Engine { why: other.to_string() },
    }
}

/// One conversion for each type that redb's calls fail with, so that `?` takes them all.
macro_rules! store_errors {
    ($($error:ty),*) => {
        $(
            impl From<$error> for StoreError {
                fn from(error: $error) -> Self {
                    store_error(error.into())
                }
            }
        )*
    };
}

store_errors!(redb::CommitError, redb::DatabaseError, redb::StorageError, redb::TableError, redb::TransactionError);
