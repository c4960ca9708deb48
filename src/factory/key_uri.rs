//! The URI of a key, as the portal shows it and people paste it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::remote::VaultUrl;

/// A key in a vault: one version, or the latest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyUri {
    /// The URL of its vault.
    pub vault_base_url: VaultUrl,
    /// Its name.
    pub key_name: String,
    /// The version; `None` follows the latest.
    pub key_version: Option<String>,
}

/// The error for text that is no URI of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the URI of a key; write it as https://VAULT/keys/NAME or https://VAULT/keys/NAME/VERSION")
    }
}

impl std::error::Error for NotAKey {}

impl FromStr for KeyUri {
    type Err = NotAKey;

    /// Parses `https://VAULT/keys/NAME[/VERSION]`; a slash at the end is ignored.
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let (vault_base_url, path) = VaultUrl::split(text).map_err(|_| NotAKey)?;
        let path = path.strip_prefix('/').ok_or(NotAKey)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let (name, version) = match path.split('/').collect::<Vec<_>>()[..] {
            [keys, name] if is_keys(keys) => (name, None),
            [keys, name, version] if is_keys(keys) && is_name(version) => (name, Some(version.to_owned())),
            _ => return Err(NotAKey),
        };
        let key = Self { vault_base_url, key_name: name.to_owned(), key_version: version };
        if is_name(name) { Ok(key) } else { Err(NotAKey) }
    }
}

fn is_keys(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("keys")
}

fn is_name(text: &str) -> bool {
    (1..=127).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/keys/{}", self.vault_base_url, self.key_name)?;
        self.key_version.as_ref().map_or(Ok(()), |version| write!(f, "/{version}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_and_a_final_slash_are_optional() {
        let parsed = |text: &str| text.parse::<KeyUri>().unwrap().to_string();
        for text in [
            "https://v.vault.azure.net/keys/k",
            "https://v.vault.azure.net/keys/k/",
            "https://V.vault.azure.net:443/Keys/k/",
        ] {
            assert_eq!(parsed(text), "https://v.vault.azure.net/keys/k", "{text}");
        }
        for text in ["https://v.vault.localhost:1/keys/k/0a1", "https://v.vault.localhost:1/keys/k/0a1/"] {
            assert_eq!(parsed(text), "https://v.vault.localhost:1/keys/k/0a1", "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "k",
            "http://v/keys/k",
            "https://v",
            "https://v/keys",
            "https://v/keys/",
            "https://v/keys//",
            "https://v/keys//0a1",
            "https://v/secrets/k",
            "https://v/keys/k/0a1/x",
            "https://v/keys/k//",
            "https://v/keys/k?x=1",
            "https://v/keys/a%2Fb",
            "https://u@v/keys/k",
        ] {
            assert_eq!(text.parse::<KeyUri>(), Err(NotAKey), "{text}");
        }
    }
}
