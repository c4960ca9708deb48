//! A secret in an answer of a vault.

use std::fmt;

use serde_json::Value;
use zeroize::Zeroizing;

use super::error::RequestError;
use super::key::last_segment;

/// One version of a secret. `Debug` does not show its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its id, with the version.
    pub id: String,
    /// Its value.
    pub value: Zeroizing<String>,
    /// The rest of the answer: `id`, `attributes`, `contentType`, `tags`.
    pub properties: Value,
}

impl Secret {
    /// Parses an answer that describes a secret; a null value becomes empty.
    pub(super) fn of(mut answer: Value) -> Result<Self, RequestError> {
        let value = match answer["value"].take() {
            Value::String(text) => Zeroizing::new(text),
            _ => Zeroizing::default(),
        };
        let id = answer["id"].as_str().map(str::to_owned);
        let id = id.ok_or_else(|| RequestError::NoAnswer("an answer that describes no secret".to_owned()))?;
        if let Value::Object(members) = &mut answer {
            members.remove("value");
        }
        Ok(Self { id, value, properties: answer })
    }

    /// The version, the last segment of its id.
    pub fn version(&self) -> &str {
        last_segment(&self.id)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id)
    }
}
