//! Tags of resources.

use std::collections::BTreeMap;

use super::refusal::Refusal;

/// Tags by their names.
pub(crate) type Tags = BTreeMap<String, String>;

/// The most tags of a resource (Azure Resource Manager, tag limitations).
const MAX_TAGS: usize = 50;
/// The longest name of a tag, in characters.
const MAX_NAME: usize = 512;
/// The longest value of a tag, in characters.
const MAX_VALUE: usize = 256;

/// Refuses more tags, or longer ones, than Azure takes.
pub(super) fn check(tags: &Tags) -> Result<(), Refusal> {
    let is_long = |(name, value): (&String, &String)| {
        name.is_empty() || name.chars().count() > MAX_NAME || value.chars().count() > MAX_VALUE
    };
    if tags.len() > MAX_TAGS || tags.iter().any(is_long) { Err(Refusal::InvalidTags) } else { Ok(()) }
}
