//! How activities end.

/// How an activity ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it is for.
    Succeeded,
    /// It did not.
    Failed,
    /// It was not begun.
    Skipped,
}
