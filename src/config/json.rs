//! Parsing of JSON whose errors name the member and not its value, and say what would be good.

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::objects::ObjectsAlone;
use super::suggestion::did_you_mean;

/// How errors name a JSON object.
pub(super) const OBJECT: &str = "an object";
/// What the parser has before a line and a column.
const POSITION: &str = " at line ";
/// What the parser of GUIDs says, and what is said instead.
const GUID: (&str, &str) = ("UUID parsing failed", "must be a GUID, such as 6b9e7c1a-0000-4000-8000-000000000001");

/// Parses the JSON `text`, which a program has sent, as a `T`; it must be an object.
///
/// # Errors
/// The first invalid member, with its path, without its value and its position, which only the program's author could find.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, ConfigError> {
    parse(text).map_err(|error| ConfigError { why: without_position(error.why), ..error })
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ConfigError> {
    // Whatever `T` is: what is a list within is another matter.
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(error_at(".", format!("invalid type: list, expected {OBJECT}")));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(ObjectsAlone(&mut reader))
        .map_err(|error| error_at(&error.path().to_string(), in_words(&error.inner().to_string())))?;
    reader.end().map_err(|error| error_at(".", error.to_string()))?;
    Ok(value)
}

/// As [`read`], of a file: comments and trailing commas are allowed.
///
/// # Errors
/// The first invalid member, with its path, its line and its column; a text that is YAML.
pub(super) fn read_file<T: DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    let json = without_comments(text);
    parse(&json).map_err(|error| match is_yaml(&json) {
        true => error_at(
            ".",
            "this is YAML; the configuration is JSON with comments (`keyhaven init` writes an example)".to_owned(),
        ),
        false => error,
    })
}

/// `text` with blanks in the place of comments and trailing commas, each line as long as before.
fn without_comments(text: &str) -> Zeroizing<Vec<u8>> {
    let mut json = Zeroizing::new(text.as_bytes().to_vec());
    // Fails at a slash that begins no comment: the parser then says where it is.
    if json_strip_comments::strip_slice(&mut json).is_err() {
        json.copy_from_slice(text.as_bytes());
    }
    // The ends of lines within comments stay, so that errors name the file's lines.
    for (stripped, _) in json.iter_mut().zip(text.bytes()).filter(|(_, given)| *given == b'\n') {
        *stripped = b'\n';
    }
    json
}

/// Whether `text`, without comments, begins as YAML does: with a marker, a list or a key without quotes.
fn is_yaml(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text.trim_ascii_start());
    let first = text.lines().next().unwrap_or_default();
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "$_- ".contains(c));
    first.starts_with("---") || first.starts_with("- ") || first.split_once(':').is_some_and(|(key, _)| is_key(key))
}

/// An error at `path`, without its end where that is not known: the text breaks off there.
fn error_at(path: &str, why: String) -> ConfigError {
    let known = path.trim_end_matches(['?', '.']);
    ConfigError { path: if known.is_empty() { ".".to_owned() } else { known.to_owned() }, why }
}

/// A parser's message without the value, which can be a secret of the wrong type, and with what would be good.
fn in_words(why: &str) -> String {
    let why = why.replace("a formatted UUID string", "a GUID");
    if let Some((given, expected)) = why.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        let kind = given.split(['`', '"']).next().unwrap_or_default().trim_end();
        return format!("invalid type: {}, expected {}", form(kind), expected_form(expected));
    }
    if why.starts_with(GUID.0) {
        let position = why.rfind(POSITION).map_or("", |at| &why[at..]);
        return format!("{}{position}", GUID.1);
    }
    with_suggestion(&why).unwrap_or(why)
}

/// What serde calls a `kind` of value, in the words of JSON.
fn form(kind: &str) -> &str {
    match kind {
        "map" => "object",
        "sequence" => "list",
        other => other,
    }
}

/// What serde has `expected`, and after it the position, in the words of JSON: no type of this program is named.
fn expected_form(expected: &str) -> String {
    let (what, position) = expected.split_at(expected.find(POSITION).unwrap_or(expected.len()));
    let what = match what {
        "a map" => OBJECT,
        "a sequence" => "a list",
        "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number",
        "f64" => "a number",
        named if named.starts_with("struct ") => OBJECT,
        other => other,
    };
    format!("{what}{position}")
}

/// A message without the position at its end; one on text that is no JSON keeps it.
fn without_position(why: String) -> String {
    let about_a_value =
        ["invalid ", "unknown ", "missing ", "duplicate ", "must "].iter().any(|how| why.starts_with(how));
    match why.rfind(POSITION).filter(|_| about_a_value) {
        Some(at) => why[..at].to_owned(),
        None => why,
    }
}

/// The message on a name that does not exist, with the one that was probably wanted: all of them are in it, in backticks.
fn with_suggestion(why: &str) -> Option<String> {
    let named: Vec<&str> = why.strip_prefix("unknown ")?.split('`').skip(1).step_by(2).collect();
    let (given, known) = named.split_first()?;
    let (unknown, expected) = why.split_once(", expected ")?;
    Some(format!("{unknown}{}, expected {expected}", did_you_mean(given, known.iter().copied())))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crate::config::Config;

    fn refused(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn comments_and_trailing_commas_are_allowed_and_errors_name_the_files_lines() {
        let text = "// first\n{ /* two\n lines */ \"vaults\": [ // here\n  {\"name\": \"acme\", \"aliases\": [\"a//b\",],},\n] }";
        assert_eq!(refused(text), "vaults[0].aliases[0]: must be a host name without a port");
        let text = text.replace("aliases", "alias");
        let expected = "vaults[0].alias: unknown field `alias` (did you mean 'aliases'?), expected one of `name`, ";
        assert!(refused(&text).starts_with(expected), "{}", refused(&text));
        assert!(refused(&text).ends_with("at line 4 column 26"), "{}", refused(&text));
        assert!(Config::parse("{} // end").is_ok());
        assert!(refused("{ /* open").starts_with("EOF while parsing"), "{}", refused("{ /* open"));
        assert!(refused("{ / }").ends_with("line 1 column 3"), "{}", refused("{ / }"));
    }

    #[test]
    fn a_guid_is_called_so() {
        let expected = "tenantId: must be a GUID, such as 6b9e7c1a-0000-4000-8000-000000000001 at line 1 column 15";
        assert_eq!(refused(r#"{"tenantId":"x"}"#), expected);
        assert!(refused(r#"{"tenantId":5}"#).starts_with("tenantId: invalid type: integer, expected a GUID"));
    }

    #[test]
    fn no_type_of_this_program_is_named() {
        for (text, expected) in [
            ("[]", "invalid type: list, expected an object"),
            ("7", "invalid type: integer, expected an object at line 1 column 1"),
            (r#"{"vaults":{}}"#, "vaults: invalid type: object, expected a list at line 1 column 10"),
            (r#"{"vaults":[7]}"#, "vaults[0]: invalid type: integer, expected an object at line 1 column 12"),
            (r#"{"limits":[1]}"#, "limits: invalid type: list, expected an object at line 1 column 10"),
            (r#"{"backupKey":["k"]}"#, "backupKey: invalid type: list, expected an object at line 1 column 13"),
            (r#"{"factories":[["abc"]]}"#, "factories[0]: invalid type: list, expected an object at line 1 column 14"),
            (
                r#"{"vaults":[{"name":"acme","accessPolicies":[["default"]]}]}"#,
                "vaults[0].accessPolicies[0]: invalid type: list, expected an object at line 1 column 44",
            ),
            (
                r#"{"vaults":[{"name":"acme","secrets":[["s","v"]]}]}"#,
                "vaults[0].secrets[0]: invalid type: list, expected an object at line 1 column 37",
            ),
            (
                r#"{"limits":{"streams":"x"}}"#,
                "limits.streams: invalid type: string, expected a whole number at line 1 column 24",
            ),
        ] {
            assert_eq!(refused(text), expected);
        }
    }

    #[test]
    fn what_a_program_has_sent_has_no_position_unless_it_is_no_json() {
        let sent = |text: &str| super::read::<HashMap<String, u64>>(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(sent(r#"{"a":"b"}"#), "a: invalid type: string, expected a whole number");
        assert_eq!(sent("[]"), "invalid type: list, expected an object");
        assert!(sent(r#"{"a":"#).ends_with(" at line 1 column 5"), "{}", sent(r#"{"a":"#));
    }

    #[test]
    fn yaml_is_called_so() {
        for text in ["---\nvaults: []", "# mine\nidentities:\n  - name: shop\n", "- name: shop", "$schema: x\n"] {
            assert!(refused(text).starts_with("this is YAML"), "{}", refused(text));
        }
        for text in ["{ vaults: [] }", "", "vaults = []", "<a:b>", "\"a\": 1"] {
            assert!(!refused(text).contains("YAML"), "{}", refused(text));
        }
    }
}
