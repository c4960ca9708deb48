//! The bytes that entries are ordered by.

use std::fmt;
use std::ops::Bound;

/// A key: any bytes, ordered as bytes are. Also the prefix of a scan.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey(Vec<u8>);

impl EntryKey {
    /// The bytes themselves.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this key begins with `prefix`; every key begins with the empty one.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }

    /// Where a scan begins: at the prefix, or right behind `after` when that lies further on.
    pub(super) fn start_of_scan<'a>(prefix: &'a Self, after: Option<&'a Self>) -> Bound<&'a Self> {
        match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        }
    }
}

impl fmt::Display for EntryKey {
    /// The text that most keys are; other bytes are escaped as in a byte string literal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl AsRef<[u8]> for EntryKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for EntryKey {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for EntryKey {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<String> for EntryKey {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&str> for EntryKey {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_prints_readably_whatever_its_bytes() {
        assert_eq!(format!("{:?}", EntryKey::from("3/keys/APP")), r#""3/keys/APP""#);
        assert_eq!(EntryKey::from(&b"due/\x00\xff"[..]).to_string(), r"due/\x00\xff");
    }
}
