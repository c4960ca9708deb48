//! Names of keys and secrets in a configuration.

use std::collections::BTreeSet;

use super::error::{ConfigError, invalid};
use crate::vault::ObjectName;

/// Parses a name; `path` is its own.
pub(super) fn object_name(path: String, name: &str) -> Result<ObjectName, ConfigError> {
    ObjectName::parse(name).ok_or_else(|| invalid(path, "must be 1 to 127 letters, digits and hyphens"))
}

/// The position of the first name that is there twice.
pub(super) fn first_duplicate<'a>(names: impl Iterator<Item = &'a ObjectName>) -> Option<usize> {
    let mut known = BTreeSet::new();
    names.map(|name| known.insert(name.upper())).position(|is_new| !is_new)
}
