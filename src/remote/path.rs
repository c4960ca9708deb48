//! The paths of a vault's API.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::url::VaultUrl;

/// The api-version of every request: the latest stable one of the 7 series.
const API_VERSION: &str = "7.6";
/// The characters that are percent-encoded in a path segment: all but letters, digits and the hyphen.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

/// `/collection/name`, `/collection/name/version`.
pub(super) fn path(collection: &str, name: &str, version: Option<&str>) -> String {
    let mut path = format!("/{collection}/{}", utf8_percent_encode(name, SEGMENT));
    if let Some(version) = version {
        path.push('/');
        path.extend(utf8_percent_encode(version, SEGMENT));
    }
    path
}

/// `/collection/name/operation`.
pub(super) fn operation_path(collection: &str, name: &str, operation: &str) -> String {
    format!("{}/{operation}", path(collection, name, None))
}

/// The URL of a request with its api-version, unless `path` (a next link) has one already.
pub(super) fn with_api_version(url: &VaultUrl, path: &str) -> String {
    match path.split_once('?') {
        None => format!("{url}{path}?api-version={API_VERSION}"),
        Some((_, query)) if query.contains("api-version=") => format!("{url}{path}"),
        Some(_) => format!("{url}{path}&api-version={API_VERSION}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_in_paths() {
        assert_eq!(path("keys", "app-1", None), "/keys/app-1");
        assert_eq!(path("keys", "a/../b?c", Some("v 1")), "/keys/a%2F%2E%2E%2Fb%3Fc/v%201");
    }

    #[test]
    fn the_api_version_is_added_once() {
        let url = "https://a.vault.azure.net".parse().unwrap();
        assert_eq!(with_api_version(&url, "/keys"), "https://a.vault.azure.net/keys?api-version=7.6");
        assert_eq!(
            with_api_version(&url, "/keys?maxresults=1"),
            "https://a.vault.azure.net/keys?maxresults=1&api-version=7.6"
        );
        assert_eq!(
            with_api_version(&url, "/keys?api-version=7.4&x=1"),
            "https://a.vault.azure.net/keys?api-version=7.4&x=1"
        );
    }
}
