//! API versions that are later than those this server knows: they are taken, and the log names them.

use std::sync::{Mutex, PoisonError};

use super::api_version::{self, ApiVersion};
use super::target::Query;

/// The unknown versions that clients have used since the start, so that the log names each once.
#[derive(Default)]
pub(super) struct LaterVersions(Mutex<Vec<String>>);

impl LaterVersions {
    /// The most that are remembered, and so the most lines in the log: clients can send any date.
    const MOST: usize = 32;

    /// Writes a line to the log when `version`, which `query` names, is a later one than are known, the first time.
    pub(super) fn note(&self, version: ApiVersion, query: &Query) {
        if version > ApiVersion::NEWEST && self.is_new(api_version::requested(query)) {
            let api_version = api_version::requested(query);
            tracing::warn!(
                api_version,
                "a client uses an api-version later than those this server knows; it gets the answers of the newest one"
            );
        }
    }

    fn is_new(&self, text: &str) -> bool {
        if ApiVersion::is_published(text) {
            return false;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = seen.len() < Self::MOST && !seen.iter().any(|known| known == text);
        if new {
            seen.push(text.to_owned());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_each_later_version_once_and_has_an_end() {
        let later = LaterVersions::default();
        assert!(later.is_new("2027-01-01") && !later.is_new("2027-01-01"));
        assert!(later.is_new("2027-01-01-preview"));
        assert!(!later.is_new("2026-05-01-preview"), "it is known");
        let lines = (0..1000).filter(|n| later.is_new(&format!("{}-01-01", 3000 + n))).count();
        assert_eq!(lines, LaterVersions::MOST - 2);
    }
}
