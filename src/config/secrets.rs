//! Secrets in the configuration file: a list of entries, or an object of names and values.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::{ConfigError, invalid};
use super::object_names::{first_duplicate, object_name};
use crate::vault::InitialSecret;
use crate::vault::object::AttributesPatch;
use crate::vault::secrets::{MAX_CONTENT_TYPE, MAX_VALUE, NewSecret, SecretValue};

/// The member `secrets` of a vault, in the order of the file.
#[derive(Default)]
pub(super) struct SecretEntries(Vec<(Place, SecretEntry)>);

/// Where an entry lies, for errors.
enum Place {
    /// In a list.
    Index(usize),
    /// In an object, under its name.
    Name,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SecretEntry {
    name: String,
    value: SecretValue,
    content_type: Option<String>,
}

impl SecretEntries {
    /// The secrets to set.
    pub(super) fn initial(self, path: &str) -> Result<Vec<InitialSecret>, ConfigError> {
        let paths: Vec<_> = self.0.iter().map(|(place, secret)| place.path(path, secret)).collect();
        let initial = |((place, secret), own): ((Place, SecretEntry), &String)| secret.initial(&place, own);
        let secrets = self.0.into_iter().zip(&paths).map(initial).collect::<Result<Vec<_>, _>>()?;
        match first_duplicate(secrets.iter().map(|secret| &secret.name)) {
            Some(index) => Err(invalid(&paths[index], "there is a secret of this name before it")),
            None => Ok(secrets),
        }
    }
}

impl Place {
    /// The path of `secret`, an entry of the member at `path`.
    fn path(&self, path: &str, secret: &SecretEntry) -> String {
        match self {
            Self::Index(index) => format!("{path}[{index}]"),
            Self::Name => format!("{path}.{}", secret.name),
        }
    }

    /// The path of an entry's member; in an object the entry is the value itself.
    fn member(&self, own: &str, member: &str) -> String {
        match self {
            Self::Index(_) => format!("{own}.{member}"),
            Self::Name => own.to_owned(),
        }
    }
}

impl SecretEntry {
    /// The secret to set; `own` is its path.
    fn initial(self, place: &Place, own: &str) -> Result<InitialSecret, ConfigError> {
        if self.value.reveal().len() > MAX_VALUE {
            return Err(invalid(place.member(own, "value"), format!("must be at most {MAX_VALUE} bytes")));
        }
        if self.content_type.as_ref().is_some_and(|kind| kind.chars().count() > MAX_CONTENT_TYPE) {
            let why = format!("must be at most {MAX_CONTENT_TYPE} characters");
            return Err(invalid(place.member(own, "contentType"), why));
        }
        let name = object_name(place.member(own, "name"), &self.name)?;
        let attributes = AttributesPatch::default();
        let new = NewSecret { value: self.value, content_type: self.content_type, attributes, tags: None };
        Ok(InitialSecret { name, new })
    }
}

impl<'de> Deserialize<'de> for SecretEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm)
    }
}

/// Reads both forms.
struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = SecretEntries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of secrets, or an object of names and values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<SecretEntries, A::Error> {
        let mut secrets = Vec::new();
        while let Some(secret) = list.next_element()? {
            secrets.push((Place::Index(secrets.len()), secret));
        }
        Ok(SecretEntries(secrets))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<SecretEntries, A::Error> {
        let mut secrets = Vec::new();
        while let Some((name, value)) = object.next_entry()? {
            secrets.push((Place::Name, SecretEntry { name, value, content_type: None }));
        }
        Ok(SecretEntries(secrets))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parsed(secrets: &str) -> Result<Vec<(String, String)>, String> {
        let config = Config::parse(&format!(r#"{{"vaults":[{{"name":"acme","secrets":{secrets}}}]}}"#));
        let pair = |secret: &super::InitialSecret| (secret.name.to_string(), secret.new.value.reveal().to_owned());
        config.map(|config| config.vaults[0].secrets.iter().map(pair).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_object_of_names_and_values_is_as_good_as_a_list() {
        let list = parsed(r#"[{"name":"b","value":"1"},{"name":"a","value":"2","contentType":"text/plain"}]"#);
        assert_eq!(list, parsed(r#"{"b":"1","a":"2"}"#));
        assert_eq!(list.unwrap()[0], ("b".to_owned(), "1".to_owned()), "the file's order stays");
        assert_eq!(parsed("{}"), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_has_its_path_and_shows_no_value() {
        let long = "x".repeat(25_601);
        for (secrets, expected) in [
            (r#"{"a_b":"hush"}"#.to_owned(), "vaults[0].secrets.a_b: must be 1 to 127"),
            (r#"[{"name":"a_b","value":"hush"}]"#.to_owned(), "vaults[0].secrets[0].name: must be 1 to 127"),
            (r#"{"ok":"hush","OK":"hush"}"#.to_owned(), "vaults[0].secrets.OK: there is a secret of this name before"),
            (
                r#"[{"name":"a","value":"1"},{"name":"A","value":"1"}]"#.to_owned(),
                "vaults[0].secrets[1]: there is a secret of this name before",
            ),
            (format!(r#"{{"a":"{long}"}}"#), "vaults[0].secrets.a: must be at most 25600 bytes"),
            (format!(r#"[{{"name":"a","value":"{long}"}}]"#), "vaults[0].secrets[0].value: must be at most"),
            (r#"{"a":["hush"]}"#.to_owned(), "vaults[0].secrets.a: invalid type: list, expected a string"),
            (
                r#""hush""#.to_owned(),
                "vaults[0].secrets: invalid type: string, expected a list of secrets, or an object",
            ),
        ] {
            let why = parsed(&secrets).unwrap_err();
            assert!(why.starts_with(expected) && !why.contains("hush"), "{why}");
        }
    }
}
