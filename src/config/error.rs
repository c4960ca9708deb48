//! What is invalid in a configuration, and where.

use std::fmt;

/// An invalid member of a configuration: its path and the reason.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub(super) path: String,
    pub(super) why: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            // An error of the whole document has no path.
            "." => f.write_str(&self.why),
            path => write!(f, "{path}: {}", self.why),
        }
    }
}

impl std::error::Error for ConfigError {}

/// An error at `path`. A single entry has an empty path of its own, so its members' paths begin with a dot, which is cut.
pub(super) fn invalid(path: impl Into<String>, why: impl Into<String>) -> ConfigError {
    ConfigError { path: path.into().trim_start_matches('.').to_owned(), why: why.into() }
}
