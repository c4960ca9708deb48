//! How much the expressions of a template may read and give, those of all deployments in it together.

use std::cell::Cell;

use serde_json::Value;

/// The most bytes that they read and give: each can refer to another ten times, and that again.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// The bytes that a value or an expression takes besides its text.
const EACH: usize = 64;

/// What is left of [`MAX_BYTES`].
#[derive(Debug)]
pub(super) struct Budget {
    left: Cell<usize>,
    refused: Cell<usize>,
}

impl Budget {
    /// The whole of it.
    pub(super) const fn new() -> Self {
        Self { left: Cell::new(MAX_BYTES), refused: Cell::new(0) }
    }

    /// Takes a value or an expression with so many bytes of text. Once something was too much, nothing is left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes.saturating_add(EACH));
        self.left.set(left.unwrap_or_default());
        left.is_some()
    }

    /// Takes a copy of `value`.
    pub(super) fn take_copy(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.take(text.len()),
            Value::Array(items) => self.take(0) && items.iter().all(|item| self.take_copy(item)),
            Value::Object(members) => {
                self.take(0) && members.iter().all(|(name, value)| self.take(name.len()) && self.take_copy(value))
            }
            _ => self.take(0),
        }
    }

    /// A number for something that is not evaluated: no other has it.
    pub(super) fn next_refused(&self) -> usize {
        self.refused.set(self.refused.get() + 1);
        self.refused.get()
    }
}
