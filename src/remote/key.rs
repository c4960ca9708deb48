//! A key in an answer of a vault.

use serde_json::Value;

use super::error::RequestError;

/// A key, or one version of it: the JSON of the answer, with accessors for common members.
#[derive(Clone, Debug, PartialEq)]
pub struct Key(Value);

/// Bytes that a key has wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The id of the key version that wrapped them.
    pub kid: String,
    /// The wrapped bytes.
    pub value: Vec<u8>,
}

impl Key {
    /// Parses an answer that describes a key.
    pub(super) fn of(answer: Value) -> Result<Self, RequestError> {
        if answer["key"]["kid"].is_string() {
            Ok(Self(answer))
        } else {
            Err(RequestError::NoAnswer("an answer that describes no key".to_owned()))
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

    /// Its recovery level: `Recoverable`, `Recoverable+Purgeable`, `Purgeable`, …; empty if the answer has none.
    pub fn recovery_level(&self) -> &str {
        self.0["attributes"]["recoveryLevel"].as_str().unwrap_or_default()
    }

    /// When it expires, in Unix seconds.
    pub fn expires(&self) -> Option<i64> {
        self.0["attributes"]["exp"].as_i64()
    }

    /// The complete answer.
    pub const fn json(&self) -> &Value {
        &self.0
    }
}

/// The last segment of an id: its version, where it has one.
pub(super) fn last_segment(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}
