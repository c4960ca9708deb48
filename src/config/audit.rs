//! Where audit records are written, in the configuration.

use std::path::PathBuf;

use serde::Deserialize;

use super::error::{ConfigError, invalid};

/// The bytes that an audit file is rotated at by default.
pub(crate) const DEFAULT_MAX_BYTES: u64 = 100 << 20;
/// The least and the most that they may be.
const BOUNDS: std::ops::RangeInclusive<u64> = 4096..=1 << 40;

/// The `audit` of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditSettings {
    /// The file, if records are to be written into one.
    pub file: Option<PathBuf>,
    /// The bytes that a file is rotated at.
    pub max_bytes: u64,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { file: None, max_bytes: DEFAULT_MAX_BYTES }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AuditEntry {
    file: Option<PathBuf>,
    max_bytes: Option<u64>,
}

impl AuditEntry {
    pub(super) fn settings(self) -> Result<AuditSettings, ConfigError> {
        let max_bytes = self.max_bytes.unwrap_or(DEFAULT_MAX_BYTES);
        if !BOUNDS.contains(&max_bytes) {
            return Err(invalid("audit.maxBytes", format!("must be {} to {}", BOUNDS.start(), BOUNDS.end())));
        }
        Ok(AuditSettings { file: self.file, max_bytes })
    }
}
