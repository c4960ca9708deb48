//! The URL of a vault: a type whose values are always valid.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ureq::http::Uri;
use ureq::http::uri::Authority;

/// `https://HOST[:PORT]`, normalized: lower case, no default port, no slash at the end. Equal URLs name one vault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VaultUrl {
    authority: String,
}

/// The error for text that is no URL of a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAVault;

impl fmt::Display for NotAVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the URL of a vault; write it as https://NAME.vault.azure.net")
    }
}

impl std::error::Error for NotAVault {}

impl VaultUrl {
    /// Splits `url` into the vault, and path and query.
    ///
    /// # Errors
    /// When it is not HTTPS, or has a user or a fragment.
    pub fn split(url: &str) -> Result<(Self, String), NotAVault> {
        let uri: Uri = url.trim().parse().map_err(|_| NotAVault)?;
        let authority = uri.authority().filter(|authority| has_host_and_no_user(authority)).ok_or(NotAVault)?;
        if uri.scheme_str() != Some("https") || url.contains('#') {
            return Err(NotAVault);
        }
        let rest = uri.path_and_query().map_or("", |rest| rest.as_str());
        Ok((Self { authority: normalized(authority) }, rest.to_owned()))
    }

    /// Host and port; the port only if it is not 443.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host, without the port.
    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }

    /// Whether the host of this vault is a subdomain of the host of `resource`, with the same port: the official clients'
    /// "challenge resource verification". A token for any other resource would be accepted by other hosts.
    pub(super) fn is_below(&self, resource: &str) -> bool {
        let Ok((resource, _)) = Self::split(resource) else { return false };
        self.authority.strip_suffix(&resource.authority).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }
}

fn has_host_and_no_user(authority: &Authority) -> bool {
    !authority.as_str().contains('@') && !authority.host().is_empty()
}

fn normalized(authority: &Authority) -> String {
    let host = authority.host().to_ascii_lowercase();
    match authority.port_u16() {
        None | Some(443) => host,
        Some(port) => format!("{host}:{port}"),
    }
}

impl FromStr for VaultUrl {
    type Err = NotAVault;

    /// Accepts a slash at the end, and no path.
    fn from_str(text: &str) -> Result<Self, NotAVault> {
        let (url, rest) = Self::split(text)?;
        if rest.is_empty() || rest == "/" { Ok(url) } else { Err(NotAVault) }
    }
}

impl TryFrom<String> for VaultUrl {
    type Error = NotAVault;

    fn try_from(text: String) -> Result<Self, NotAVault> {
        text.parse()
    }
}

impl From<VaultUrl> for String {
    fn from(url: VaultUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for VaultUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> VaultUrl {
        text.parse().unwrap()
    }

    #[test]
    fn urls_of_one_vault_are_equal() {
        let one = url("https://acme.vault.azure.net");
        for text in
            ["https://acme.vault.azure.net/", "https://ACME.vault.azure.net:443", " https://acme.vault.azure.net\n"]
        {
            assert_eq!(url(text), one, "{text}");
        }
        assert_eq!(one.to_string(), "https://acme.vault.azure.net");
        assert_eq!(url("https://a.vault.localhost:8443").authority(), "a.vault.localhost:8443");
        for (text, host) in [
            ("https://a.b:8443", "a.b"),
            ("https://a.b", "a.b"),
            ("https://[::1]:1", "[::1]"),
            ("https://[::1]", "[::1]"),
        ] {
            assert_eq!(url(text).host(), host);
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for text in [
            "",
            "acme",
            "http://acme.vault.azure.net",
            "https://u:p@acme.vault.azure.net",
            "https://a/keys",
            "https://a/?b",
            "https://a#b",
            "https://",
        ] {
            assert_eq!(text.parse::<VaultUrl>(), Err(NotAVault), "{text}");
        }
    }

    #[test]
    fn path_and_query_are_kept_unchanged() {
        let (vault, rest) = VaultUrl::split("https://a.vault.localhost:1/Keys/n/?x=1").unwrap();
        assert_eq!((vault.authority(), rest.as_str()), ("a.vault.localhost:1", "/Keys/n/?x=1"));
    }

    #[test]
    fn only_a_parent_domain_of_the_vault_is_its_resource() {
        let vault = url("https://acme.vault.localhost:8443");
        assert!(vault.is_below("https://vault.localhost:8443"));
        assert!(vault.is_below("https://vault.localhost:8443/"));
        for resource in [
            "https://vault.localhost",
            "https://vault.azure.net",
            "https://ault.localhost:8443",
            "https://acme.vault.localhost:8443",
            "http://vault.localhost:8443",
            "",
        ] {
            assert!(!vault.is_below(resource), "{resource}");
        }
    }
}
