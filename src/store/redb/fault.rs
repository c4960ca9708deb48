//! What redb complains about, by error or by panic, as errors of a store.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::store::error::StoreError;

/// The part of the store that damage found by redb itself is reported for.
pub(super) const FILE: &str = "the database file";

/// Does `action`; a panic in it is damage in `part` of the store.
pub(super) fn guarded<T>(
    part: impl fmt::Display,
    action: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // What a panic leaves behind is redb's own state, which redb poisons, or a transaction that dies with it.
    catch_unwind(AssertUnwindSafe(action))
        .unwrap_or_else(|panic| Err(StoreError::Damaged { record: part.to_string(), why: words(&*panic) }))
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a page is damaged").to_owned()
}

/// An error of redb, as ours.
fn complaint(error: redb::Error) -> StoreError {
    match error {
        redb::Error::Io(error) => StoreError::io("reading or writing the database file", error),
        redb::Error::Corrupted(why) => StoreError::Damaged { record: FILE.into(), why },
        redb::Error::DatabaseClosed => StoreError::Closed,
        other => StoreError::Broken { why: other.to_string() },
    }
}

/// One conversion for each type that redb's calls fail with, so that `?` takes them all.
macro_rules! complaints {
    ($($error:ty),*) => {
        $(
            impl From<$error> for StoreError {
                fn from(error: $error) -> Self {
                    complaint(error.into())
                }
            }
        )*
    };
}

complaints!(redb::CommitError, redb::DatabaseError, redb::StorageError, redb::TableError, redb::TransactionError);
