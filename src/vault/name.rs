//! Names and ids: parsed at the edge, so that nothing inside has to validate them again.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::random::{self, Random};

/// A vault's name in lower case: 3-24 letters, digits and single hyphens, a letter first, no hyphen last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VaultName(Arc<str>);

impl VaultName {
    /// The name that `text` spells in any case, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let starts = text.starts_with(|first: char| first.is_ascii_alphabetic());
        let formed = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let fits = (3..=24).contains(&text.len());
        let hyphens = text.contains("--") || text.ends_with('-');
        (starts && formed && fits && !hyphens).then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// `local`: the vault there is when none is configured.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<VaultName> for String {
    fn from(name: VaultName) -> Self {
        Self::from(&*name.0)
    }
}

impl fmt::Display for VaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

listed_enum! {
    /// The kinds of object a vault holds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub enum Kind {
        /// Cryptographic keys.
        Key,
        /// Secret values.
        Secret,
    }
}

impl Kind {
    /// One object of the kind, in words: `key`, `secret`.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Secret => "secret",
        }
    }

    /// The collection's name in ids and in the store: `keys`, `secrets`.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Key => "keys",
            Self::Secret => "secrets",
        }
    }

    /// The kind whose collection has this name.
    pub fn of_collection(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.collection() == name)
    }

    /// The collection of what was deleted: `deletedkeys`, `deletedsecrets`.
    pub const fn deleted_collection(self) -> &'static str {
        match self {
            Self::Key => "deletedkeys",
            Self::Secret => "deletedsecrets",
        }
    }

    /// The object that an id's path speaks of: `/keys/NAME` or `/keys/NAME/VERSION`.
    pub fn parse_path(self, path: &str) -> Option<(ObjectName, Option<Version>)> {
        let mut segments = path.strip_prefix('/')?.split('/');
        segments.next().filter(|collection| collection.eq_ignore_ascii_case(self.collection()))?;
        let name = segments.next().and_then(ObjectName::parse)?;
        let version = match segments.next() {
            None | Some("") => None,
            Some(text) => Some(Version::parse(text)?),
        };
        segments.next().is_none().then_some((name, version))
    }
}

/// An object's name: 1-127 letters, digits and hyphens. Compared without regard to case, kept as it was first written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ObjectName(String);

impl ObjectName {
    /// The name that `text` is, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::is_name(text).then(|| Self(text.to_owned()))
    }

    /// Whether `text` is a name.
    pub fn is_name(text: &str) -> bool {
        (1..=127).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that names are compared and ordered by (the service's `$skiptoken` shows upper case).
    pub fn upper(&self) -> String {
        self.0.to_ascii_uppercase()
    }
}

impl PartialEq for ObjectName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ObjectName {}

impl Hash for ObjectName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.upper().hash(state);
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version id: 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Version(String);

impl Version {
    /// The version that `text` spells in any case, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let formed = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        formed.then(|| Self(text.to_ascii_lowercase()))
    }

    /// A new version id.
    pub fn random(random: &dyn Random) -> Self {
        Self(random::uuid(random).simple().to_string())
    }

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stored text that is none of these: what is read back is parsed like everything else.
macro_rules! read_back_by_parsing {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text).ok_or(concat!("not a ", stringify!($name)))
            }
        }
    )*};
}

read_back_by_parsing!(VaultName, ObjectName, Version);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vault_names_follow_the_services_rule() {
        for good in ["local", "abc", "A-b-9", "contoso-prod", "a23456789012345678901234"] {
            assert_eq!(VaultName::parse(good).unwrap().as_str(), good.to_ascii_lowercase());
        }
        for bad in ["ab", "1abc", "-abc", "abc-", "a--b", "a.b", "a2345678901234567890123456", "", "ab_c"] {
            assert!(VaultName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn object_names_compare_without_case_and_keep_it() {
        let name = ObjectName::parse("My-Key").unwrap();
        assert_eq!(name, ObjectName::parse("mY-kEY").unwrap());
        assert_eq!(name.to_string(), "My-Key");
        for bad in ["", "a_b", "a.b", "ä", &"x".repeat(128)] {
            assert!(ObjectName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_path_speaks_of_an_object_and_perhaps_its_version() {
        let version = "0".repeat(32);
        let parsed =
            |path: &str| Kind::Key.parse_path(path).map(|(name, version)| (name.to_string(), version.is_some()));
        assert_eq!(parsed("/keys/a"), Some(("a".to_owned(), false)));
        assert_eq!(parsed("/keys/a/"), Some(("a".to_owned(), false)));
        assert_eq!(parsed(&format!("/Keys/a/{version}")), Some(("a".to_owned(), true)));
        for path in
            ["", "/", "keys/a", "/secrets/a", "/keys/", "/keys/a_b", "/keys/a/b", &format!("/keys/a/{version}/c")]
        {
            assert_eq!(parsed(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_stored_is_parsed_too() {
        assert_eq!(serde_json::to_string(&ObjectName::parse("My-Key").unwrap()).unwrap(), r#""My-Key""#);
        assert_eq!(serde_json::from_str::<ObjectName>(r#""My-Key""#).unwrap().as_str(), "My-Key");
        assert!(serde_json::from_str::<ObjectName>(r#""../x""#).is_err());
        assert!(serde_json::from_str::<Version>(r#""x/y""#).is_err());
        assert!(serde_json::from_str::<VaultName>(r#""a--b""#).is_err());
    }

    #[test]
    fn versions_are_32_hexadecimal_digits() {
        assert!(Version::parse(&"aF09".repeat(8)).is_some());
        assert!(Version::parse(&"g".repeat(32)).is_none());
        assert!(Version::parse("abc").is_none());
    }
}
