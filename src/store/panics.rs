//! Engines panic on some damage: their panics as errors of a store.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::StoreError;

/// Runs `action`; a panic in it is damage in `part` of the store.
pub(super) fn catch_panic<T>(
    part: impl fmt::Display,
    action: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // What a panic leaves behind is the engine's own state, which it poisons, or a transaction that dies with it.
    catch_unwind(AssertUnwindSafe(action))
        .unwrap_or_else(|panic| Err(StoreError::Damaged { record: part.to_string(), why: panic_message(&*panic) }))
}

/// What a panic said.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a page is damaged").to_owned()
}
