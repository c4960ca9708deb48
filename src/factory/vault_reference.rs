//! References to secrets of a vault in the definition of a linked service.

use serde_json::Value;

use super::refusal::Refusal;

/// The type of a linked service that is a vault.
pub(super) const KEY_VAULT: &str = "AzureKeyVault";
/// The type of a reference to a vault's secret.
const REFERENCE: &str = "AzureKeyVaultSecret";
/// The type of a credential that the definition itself holds.
const SECURE_STRING: &str = "SecureString";

/// A reference to a secret of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name of the linked service of type `AzureKeyVault`.
    pub store: String,
    /// The secret's name.
    pub secret: String,
    /// The version; `None` follows the latest.
    pub version: Option<String>,
}

/// The references in `properties`, each with its JSON pointer.
pub(crate) fn references(properties: &Value) -> Result<Vec<(String, Reference)>, Refusal> {
    let all = walk(properties).into_iter().filter(|(_, value)| value["type"] == REFERENCE);
    all.map(|(pointer, value)| Reference::of(&pointer, value).map(|reference| (pointer, reference))).collect()
}

impl Reference {
    /// Parses a reference; the version may be missing, empty or `latest`.
    fn of(at: &str, value: &Value) -> Result<Self, Refusal> {
        let wrong = |why| Refusal::LinkedService { at: at.to_owned(), why };
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        if value["store"]["type"] != "LinkedServiceReference" {
            return Err(wrong("store must be of type LinkedServiceReference"));
        }
        let version = match &value["secretVersion"] {
            Value::Null => None,
            Value::String(version) => {
                Some(version.clone()).filter(|version| !version.is_empty() && version != "latest")
            }
            _ => return Err(wrong("secretVersion must be text")),
        };
        Ok(Self {
            store: text(&value["store"]["referenceName"]).ok_or_else(|| wrong("store must have a referenceName"))?,
            secret: text(&value["secretName"]).ok_or_else(|| wrong("secretName must name a secret"))?,
            version,
        })
    }
}

/// Every value in `root` with its JSON pointer (RFC 6901), without those inside of credentials.
fn walk(root: &Value) -> Vec<(String, &Value)> {
    let mut found = vec![];
    let mut left = vec![(String::new(), root)];
    while let Some((pointer, value)) = left.pop() {
        let below = |key: &str| format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(_) if value["type"] == SECURE_STRING || value["type"] == REFERENCE => {}
            Value::Object(members) => left.extend(members.iter().map(|(key, value)| (below(key), value))),
            Value::Array(items) => {
                left.extend(items.iter().enumerate().map(|(at, item)| (below(&at.to_string()), item)))
            }
            _ => {}
        }
        found.push((pointer, value));
    }
    found
}
