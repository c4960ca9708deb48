//! The `$filter` of lists of resources and groups: comparisons joined by `and`.

use super::super::refusal;
use crate::http::error::ApiError;
use crate::management::Tags;

/// A filter; without clauses it takes everything.
#[derive(Debug, Default)]
pub(super) struct Filter(Vec<Clause>);

#[derive(Debug)]
struct Clause {
    member: String,
    operator: Operator,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    /// `substringof(value, member)`
    Contains,
}

/// What a filter looks at.
#[derive(Clone, Copy)]
pub(super) struct Filtered<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// The type, with its namespace.
    pub(super) kind: &'a str,
    /// The name of the resource group.
    pub(super) group: &'a str,
    /// The location.
    pub(super) location: &'a str,
    /// The tags.
    pub(super) tags: Option<&'a Tags>,
}

/// The members that can be compared.
const MEMBERS: [&str; 6] = ["name", "resourceType", "resourceGroup", "location", "tagName", "tagValue"];

impl Filter {
    /// The filter that `text` is.
    ///
    /// # Errors
    /// 400 for what is none.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, ApiError> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Self::default()) };
        let clauses = conjuncts(text).into_iter().map(|clause| Clause::parse(clause.trim()));
        clauses.collect::<Option<_>>().map(Self).ok_or_else(|| {
            let text = format!("Invalid $filter '{text}' specified in the query string.");
            refusal::bad_request("InvalidFilterInQueryString", text)
        })
    }

    /// Whether it takes `one`.
    pub(super) fn takes(&self, one: Filtered<'_>) -> bool {
        self.0.iter().all(|clause| match &*clause.member {
            "name" => clause.holds(one.name),
            "resourceType" => clause.holds(one.kind),
            "resourceGroup" => clause.holds(one.group),
            "location" => clause.holds(one.location),
            "tagName" => one.tags.is_some_and(|tags| tags.keys().any(|name| clause.holds(name))),
            _ => self.holds_for_tag_value(clause, one.tags),
        })
    }

    /// The value is that of the tag which another clause names, if one does.
    fn holds_for_tag_value(&self, clause: &Clause, tags: Option<&Tags>) -> bool {
        let named = |name: &str| self.0.iter().filter(|other| other.member == "tagName").all(|other| other.holds(name));
        tags.is_some_and(|tags| tags.iter().any(|(name, value)| named(name) && clause.holds(value)))
    }
}

impl Clause {
    fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix("substringof(").and_then(|rest| rest.strip_suffix(')')) {
            let (value, member) = inner.rsplit_once(',')?;
            return Some(Self { member: member_of(member)?, operator: Operator::Contains, value: quoted(value)? });
        }
        let (member, rest) = text.split_once(' ')?;
        let (operator, value) = rest.trim_start().split_once(' ')?;
        let operator = match operator.to_ascii_lowercase().as_str() {
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            _ => return None,
        };
        Some(Self { member: member_of(member)?, operator, value: quoted(value)? })
    }

    fn holds(&self, found: &str) -> bool {
        match self.operator {
            Operator::Equal => found.eq_ignore_ascii_case(&self.value),
            Operator::NotEqual => !found.eq_ignore_ascii_case(&self.value),
            Operator::Contains => found.to_lowercase().contains(&self.value.to_lowercase()),
        }
    }
}

fn member_of(text: &str) -> Option<String> {
    MEMBERS.into_iter().find(|member| member.eq_ignore_ascii_case(text.trim())).map(str::to_owned)
}

/// The text between quotes; a quote in it is written twice.
fn quoted(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    (!inner.replace("''", "").contains('\'')).then(|| inner.replace("''", "'"))
}

/// The parts of `text` between the word `and`, outside of quotes.
fn conjuncts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut in_quotes) = (Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        in_quotes ^= byte == b'\'';
        let is_word = at >= start && text.get(at..at + 5).is_some_and(|word| word.eq_ignore_ascii_case(" and "));
        if is_word && !in_quotes {
            parts.push(&text[start..at]);
            start = at + 5;
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(filter: &str) -> bool {
        let tags = Tags::from([("team".to_owned(), "it's and".to_owned()), ("env".to_owned(), "test".to_owned())]);
        let one = Filtered {
            name: "acme",
            kind: "Microsoft.KeyVault/vaults",
            group: "shop",
            location: "local",
            tags: Some(&tags),
        };
        Filter::parse(Some(filter)).unwrap().takes(one)
    }

    #[test]
    fn every_clause_must_hold() {
        for (filter, expected) in [
            ("", true),
            ("resourceType eq 'microsoft.keyvault/VAULTS'", true),
            ("resourcetype EQ 'x'", false),
            ("resourceType ne 'x' and name eq 'acme'", true),
            ("name eq 'acme' AND resourceGroup eq 'x'", false),
            ("substringof('CM', name)", true),
            ("location eq 'local' and substringof('x', name)", false),
            ("tagName eq 'team' and tagValue eq 'it''s and'", true),
            ("tagName eq 'team' and tagValue eq 'test'", false),
            ("tagValue eq 'test'", true),
        ] {
            assert_eq!(takes(filter), expected, "{filter}");
        }
    }

    #[test]
    fn a_text_is_what_is_between_its_quotes() {
        for (text, expected) in [
            ("'it''s'", Some("it's")),
            ("''''", Some("'")),
            ("'a\0b'", Some("a\0b")),
            ("'''", None),
            ("'a'b'", None),
            ("'", None),
        ] {
            assert_eq!(quoted(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for filter in
            ["name", "name eq acme", "name lt 'a'", "size eq '1'", "name eq 'a'b'", "name eq 'a' or x", "é and "]
        {
            assert_eq!(Filter::parse(Some(filter)).unwrap_err().code, "InvalidFilterInQueryString", "{filter}");
        }
    }
}
