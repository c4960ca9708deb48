//! A key as a vault answers it.

use serde_json::Value;

use super::error::Failure;

/// A key, or one version of it: the vault's own JSON, and what is mostly asked of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key(Value);

/// Bytes that a key wrapped, or encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The id of the exact version that did it.
    pub kid: String,
    /// The wrapped bytes.
    pub value: Vec<u8>,
}

impl Key {
    /// The key that `answer` describes.
    pub(super) fn of(answer: Value) -> Result<Self, Failure> {
        if answer["key"]["kid"].is_string() {
            Ok(Self(answer))
        } else {
            Err(Failure::Unreachable("an answer that describes no key".to_owned()))
        }
    }

    /// Its id, with the version.
    pub fn kid(&self) -> &str {
        self.0["key"]["kid"].as_str().unwrap_or_default()
    }

    /// The version, the last segment of its id.
    pub fn version(&self) -> &str {
        last_segment(self.kid())
    }

    /// Its type: `RSA`, `RSA-HSM`, `EC`, …
    pub fn kty(&self) -> &str {
        self.0["key"]["kty"].as_str().unwrap_or_default()
    }

    /// Whether it is enabled.
    pub fn is_enabled(&self) -> bool {
        self.0["attributes"]["enabled"].as_bool().unwrap_or(true)
    }

    /// What a deletion would mean: `Recoverable`, `Recoverable+Purgeable`, `Purgeable`, …; empty when it is not told.
    pub fn recovery_level(&self) -> &str {
        self.0["attributes"]["recoveryLevel"].as_str().unwrap_or_default()
    }

    /// When it expires, in Unix seconds.
    pub fn expires(&self) -> Option<i64> {
        self.0["attributes"]["exp"].as_i64()
    }

    /// All of the answer.
    pub const fn json(&self) -> &Value {
        &self.0
    }
}

/// The last segment of an id: its version, where it has one.
pub(super) fn last_segment(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}
