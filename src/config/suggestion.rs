//! Words for a name that does not exist: which there are, and which of them was probably wanted.

/// How alike two names must be, from 0 to 1, for one to be suggested for the other.
const ALIKE: f64 = 0.85;
/// The most names of a list that can have any length.
const MOST_LISTED: usize = 20;

/// ` (did you mean 'NAME'?)` for the one of `known` that is most like `given`; empty when none is.
pub(super) fn did_you_mean<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    let given = given.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&given, &name.to_lowercase());
    let scored = known.map(|name| (likeness(name), name)).filter(|(score, _)| *score >= ALIKE);
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, name)| format!(" (did you mean '{name}'?)")).unwrap_or_default()
}

/// The names, apart by commas; of a long list the first alone.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<_> = names.collect();
    match all.get(..MOST_LISTED) {
        _ if all.is_empty() => "none".to_owned(),
        Some(first) if all.len() > MOST_LISTED => format!("{} and {} more", first.join(", "), all.len() - MOST_LISTED),
        _ => all.join(", "),
    }
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
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<_> = (0..25).map(|number| number.to_string()).collect();
        assert!(listed(names.iter().map(String::as_str)).ends_with(", 19 and 5 more"));
        assert_eq!(listed(["a", "b"].into_iter()), "a, b");
        assert_eq!(listed(std::iter::empty()), "none");
    }
}
