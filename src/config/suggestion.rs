//! Words for a name that does not exist: which there are, and which of them was probably wanted.

use crate::directory::IdentityRecord;

/// How alike two names must be, from 0 to 1, for one to be suggested for the other.
const ALIKE: f64 = 0.85;
/// The most names of a list that can have any length.
const MOST_LISTED: usize = 20;

/// ` (did you mean 'NAME'?)` for the one of `known` that is most like `given`; empty when none is.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    let scored = known.map(|name| (likeness(given, name), name)).filter(|(score, _)| *score >= ALIKE);
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, name)| format!(" (did you mean '{name}'?)")).unwrap_or_default()
}

/// How alike two names are, as they are written or with their words in another order: `get_secret` is `SecretGet`.
fn likeness(one: &str, other: &str) -> f64 {
    let written = strsim::jaro_winkler(&one.to_lowercase(), &other.to_lowercase());
    written.max(strsim::jaro_winkler(&sorted_words(one), &sorted_words(other)))
}

/// The words of a name in the order of the alphabet, in lower case: `SecretGet` is `getsecret`.
fn sorted_words(name: &str) -> String {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter.is_uppercase() || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.sort_unstable();
    words.concat()
}

/// The names, apart by commas; of a long list the first alone.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<_> = names.collect();
    match all.get(..MOST_LISTED) {
        _ if all.is_empty() => "none".to_owned(),
        Some(first) if all.len() > MOST_LISTED => format!("{} and {} more", first.join(", "), all.len() - MOST_LISTED),
        _ => all.join(", "),
    }
}

/// Why `name` is no identity, with the names that there are.
pub(super) fn no_identity(name: &str, identities: &[IdentityRecord]) -> String {
    let names = || identities.iter().filter(|identity| !identity.auto_created).map(|identity| identity.name.as_str());
    format!("no identity is called '{name}'; there are {}{}", listed(names()), did_you_mean(name, names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_strange_one_none() {
        let known = || ["get", "wrapKey", "unwrapKey", "list"].into_iter();
        assert_eq!(did_you_mean("wrapkeys", known()), " (did you mean 'wrapKey'?)");
        assert_eq!(did_you_mean("unwarpKey", known()), " (did you mean 'unwrapKey'?)");
        assert_eq!(did_you_mean("everything", known()), "");
        let operations = || ["KeyGet", "SecretSet", "SecretGet", "KeyWrap"].into_iter();
        for given in ["GetSecret", "get_secret", "secretget", "SecretGte"] {
            assert_eq!(did_you_mean(given, operations()), " (did you mean 'SecretGet'?)", "{given}");
        }
        assert_eq!(did_you_mean("wrapKey", operations()), " (did you mean 'KeyWrap'?)");
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<_> = (0..25).map(|number| number.to_string()).collect();
        assert!(listed(names.iter().map(String::as_str)).ends_with(", 19 and 5 more"));
        assert_eq!(listed(["a", "b"].into_iter()), "a, b");
        assert_eq!(listed(std::iter::empty()), "none");
    }
}
