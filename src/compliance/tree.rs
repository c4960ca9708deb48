//! JSON of a file in which some values are not known: each of them is replaced by why. Facts are taken from it by paths.

use serde_json::{Value, json};

use super::facts::Fact;
use crate::clock::Timestamp;

/// The member of an unknown value that says why. A file that names a member so makes its own value unknown, and no more.
const WHY: &str = "\u{0}why";
/// The member with what the file has in its place.
const SOURCE: &str = "\u{0}source";

/// An unknown value in the place of a value that cannot be read: the file has `source` there.
pub(super) fn unknown(why: impl Into<String>, source: impl Into<String>) -> Value {
    json!({WHY: why.into(), SOURCE: source.into()})
}

/// Why the value cannot be read, if it is an unknown value.
pub(super) fn why(value: &Value) -> Option<&str> {
    if std::ptr::eq(value, &raw const TWICE) {
        return Some("a member is there twice, in different cases");
    }
    value.get(WHY)?.as_str()
}

/// A value as people know it: a text itself, an unknown value by what the file has. Two that are equal are the same value.
pub(super) fn words(value: &Value) -> String {
    match value.get(SOURCE).and_then(Value::as_str) {
        Some(source) => source.to_owned(),
        None => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

/// What is at `path`. Names of members have no case, as in Resource Manager; a number is an index.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Fact<&'a Value> {
    if let Some(why) = why(value) {
        return Fact::Unknown(why.to_owned());
    }
    match (path, value) {
        (_, Value::Null) => Fact::Unset,
        ([], value) => Fact::Known(value),
        ([name, rest @ ..], value) => member(value, name).map_or(Fact::Unset, |value| at(value, rest)),
    }
}

/// What a member has that is there twice, in different cases: it is known by its address, and cannot be read.
static TWICE: Value = Value::String(String::new());

/// The member called `name`, whatever its case; an unknown value where there are two.
pub(super) fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    if let Value::Array(items) = value {
        return items.get(name.parse::<usize>().ok()?);
    }
    let mut all = value.as_object()?.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let first = all.next()?;
    Some(if all.next().is_some() { &TWICE } else { first })
}

/// The members called `name`, whatever their case, to be changed.
pub(super) fn members_mut<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    let all = value.as_object_mut().into_iter().flatten();
    all.filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// What the member called `name` has, whatever its case; null where there is none.
pub(super) fn part<'a>(value: &'a Value, name: &str) -> &'a Value {
    member(value, name).unwrap_or(&Value::Null)
}

/// The text at `path`.
pub(super) fn text(value: &Value, path: &[&str]) -> Fact<String> {
    at(value, path).then(|found| found.as_str().map(str::to_owned).ok_or_else(|| wrong(path, "a text")))
}

/// The truth at `path`; `"true"` is one too.
pub(super) fn flag(value: &Value, path: &[&str]) -> Fact<bool> {
    at(value, path).then(|found| match found {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) => text.to_ascii_lowercase().parse().map_err(|_| wrong(path, "true or false")),
        _ => Err(wrong(path, "true or false")),
    })
}

/// The number at `path`; `"7"` is one too.
pub(super) fn number(value: &Value, path: &[&str]) -> Fact<i64> {
    at(value, path).then(|found| as_number(found).ok_or_else(|| wrong(path, "a number")))
}

/// A number, or a text of one.
pub(super) fn as_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// The items of the list at `path`.
pub(super) fn list<'a>(value: &'a Value, path: &[&str]) -> Fact<&'a [Value]> {
    at(value, path).then(|found| found.as_array().map(Vec::as_slice).ok_or_else(|| wrong(path, "a list")))
}

/// The texts of the list at `path`, each read by `read`.
pub(super) fn texts(value: &Value, path: &[&str], read: impl Fn(&Value) -> Fact<String>) -> Fact<Vec<String>> {
    list(value, path).then(|items| {
        let text = |item| match read(item) {
            Fact::Known(text) => Ok(text),
            Fact::Unset => Err(wrong(path, "a list of texts")),
            Fact::Unknown(why) => Err(why),
        };
        items.iter().map(text).collect()
    })
}

/// The moment at `path`, as RFC 3339 or in seconds since 1970.
pub(super) fn moment(value: &Value, path: &[&str]) -> Fact<Timestamp> {
    at(value, path).then(|found| {
        let moment = found.as_i64().map(Timestamp::from_unix);
        moment.or_else(|| Timestamp::parse(found.as_str()?)).ok_or_else(|| wrong(path, "a moment"))
    })
}

/// Whether a parameter of a template of this type has a secret.
pub(super) fn is_secure(kind: &Value) -> bool {
    kind.as_str().is_some_and(|kind| ["securestring", "secureobject"].iter().any(|one| kind.eq_ignore_ascii_case(one)))
}

fn wrong(path: &[&str], expected: &str) -> String {
    format!("{} is not {expected}", path.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_value_makes_all_below_it_unknown_and_what_is_null_is_not_set() {
        let tree = json!({"a": unknown("so", "[x()]"), "b": {"C": "d"}, "n": null, "list": [{"v": "1"}, {"v": 2}]});
        assert_eq!(text(&tree, &["a", "deeper"]), Fact::Unknown("so".to_owned()));
        assert_eq!(text(&tree, &["B", "c"]), Fact::Known("d".to_owned()));
        assert_eq!((text(&tree, &["n"]), text(&tree, &["none", "c"])), (Fact::Unset, Fact::Unset));
        assert_eq!(number(&tree, &["list", "0", "v"]), Fact::Known(1));
        assert_eq!(flag(&tree, &["b", "c"]), Fact::Unknown("b.c is not true or false".to_owned()));
        assert_eq!(words(&tree["a"]), "[x()]");
        let twice = json!({"a": true, "A": false});
        assert_eq!(flag(&twice, &["a"]), Fact::Unknown("a member is there twice, in different cases".to_owned()));
        let all = texts(&tree, &["list"], |item| text(item, &["v"]));
        assert_eq!(all, Fact::Unknown("v is not a text".to_owned()));
    }
}
