//! Tags of resources.

use std::collections::{BTreeMap, BTreeSet};

use super::refusal::Refusal;

/// Tags by their names.
pub(crate) type Tags = BTreeMap<String, String>;

/// The most tags of a resource (Azure Resource Manager, tag limitations).
pub(crate) const MAX_TAGS: usize = 50;
/// The longest name of a tag, in characters.
pub(crate) const MAX_NAME: usize = 512;
/// The longest value of a tag, in characters.
pub(crate) const MAX_VALUE: usize = 256;

/// Refuses more tags, or longer ones, than Azure takes, and two whose names differ in case alone.
pub(super) fn check(tags: &Tags) -> Result<(), Refusal> {
    if tags.len() > MAX_TAGS {
        return Err(Refusal::TooManyTags);
    }
    let mut names = BTreeSet::new();
    let mut is_wrong = |name: &String, value: &String| {
        let fits = (1..=MAX_NAME).contains(&name.chars().count()) && value.chars().count() <= MAX_VALUE;
        !fits || !names.insert(name.to_lowercase())
    };
    match tags.iter().find(|(name, value)| is_wrong(name, value)) {
        Some((name, _)) => Err(Refusal::InvalidTag(name.chars().take(MAX_NAME).collect())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_bounded_and_their_names_have_no_case() {
        let tags = |all: &[(&str, &str)]| -> Tags {
            all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let many = |count: usize| -> Tags { (0..count).map(|number| (number.to_string(), String::new())).collect() };
        assert!(check(&many(MAX_TAGS)).is_ok());
        assert!(matches!(check(&many(MAX_TAGS + 1)), Err(Refusal::TooManyTags)));
        assert!(check(&tags(&[(&"n".repeat(MAX_NAME), &"v".repeat(MAX_VALUE))])).is_ok());
        let [long_name, long_value] = ["n".repeat(MAX_NAME + 1), "v".repeat(MAX_VALUE + 1)];
        for (wrong, named) in [
            (tags(&[("", "v")]), ""),
            (tags(&[(&long_name, "v")]), &long_name[1..]),
            (tags(&[("env", &long_value)]), "env"),
            (tags(&[("Env", "1"), ("env", "2")]), "env"),
        ] {
            assert!(matches!(check(&wrong), Err(Refusal::InvalidTag(name)) if name == named), "{named}");
        }
    }
}
