//! Why a definition cannot be run here.

use std::fmt;

/// What of a definition cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotRunnable {
    /// Where it is: `activity 'N', typeProperties/method`.
    pub at: String,
    /// What it is, and what can be run instead.
    pub why: String,
}

impl NotRunnable {
    /// Something at `at` that cannot be run, because of `why`.
    pub(super) fn new(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), why: why.into() }
    }

    /// The same, of what is in `outer`.
    pub(super) fn within(self, outer: &str) -> Self {
        Self { at: format!("{outer}, {}", self.at), why: self.why }
    }
}

impl fmt::Display for NotRunnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.why)
    }
}

/// Refuses members of `given` that are not in `known`.
pub(super) fn check_members(
    at: &str,
    given: &serde_json::Map<String, serde_json::Value>,
    known: &[&str],
) -> Result<(), NotRunnable> {
    match given.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) if at.is_empty() => {
            Err(NotRunnable::new(name, format!("is not run here; known are {}", known.join(", "))))
        }
        Some(name) => {
            Err(NotRunnable::new(format!("{at}/{name}"), format!("is not run here; known are {}", known.join(", "))))
        }
    }
}
