//! The parent proxy: the one that the environment of the server named before this proxy. Tunnels go through it, as they
//! would have without this proxy.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// The variables that name a proxy, in the order of precedence of curl and most clients.
const VARIABLES: [(&str, &str); 4] = [
    ("https_proxy", "HTTPS_PROXY"),
    ("http_proxy", "HTTP_PROXY"),
    ("all_proxy", "ALL_PROXY"),
    ("no_proxy", "NO_PROXY"),
];

/// Which proxy serves which URL. It may hold credentials, which its `Debug` does not show.
#[derive(Clone, Debug)]
pub struct ParentProxy(Arc<Matcher>);

impl Default for ParentProxy {
    /// No proxy.
    fn default() -> Self {
        Self(Arc::new(Matcher::builder().build()))
    }
}

impl ParentProxy {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and the exceptions in `NO_PROXY`, each in either case.
    ///
    /// # Errors
    /// When a variable names a proxy of another scheme than `http`, or no host. The text never holds credentials.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Self, String> {
        let set = VARIABLES.map(|names| first_set(variables, names));
        for (name, value) in set.iter().take(3).flatten() {
            check_usable(name, value)?;
        }
        let [https, http, all, no] = set.map(|found| found.map_or("", |(_, value)| value));
        Ok(Self(Arc::new(Matcher::builder().https(https).http(http).all(all).no(no).build())))
    }

    /// The proxy for `url`, if there is one.
    pub(super) fn for_url(&self, url: &Uri) -> Option<Intercept> {
        self.0.intercept(url)
    }
}

/// The first of the two names that is set and not empty.
fn first_set<'v>(
    variables: &'v BTreeMap<String, String>,
    names: (&'static str, &'static str),
) -> Option<(&'static str, &'v str)> {
    let set = |name| variables.get(name).filter(|value| !value.is_empty()).map(|value| (name, value.as_str()));
    set(names.0).or_else(|| set(names.1))
}

/// Only `http://` proxies are supported.
fn check_usable(name: &str, value: &str) -> Result<(), String> {
    let scheme = value.split_once("://").map_or("http", |(scheme, _)| scheme);
    if !scheme.eq_ignore_ascii_case("http") {
        let shown: String = scheme.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
        return Err(format!(
            "{name} names a proxy of the scheme {shown}; only http:// proxies can be passed through: unset it, or use --offline"
        ));
    }
    let host = value.parse::<Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    host.map(drop).ok_or_else(|| format!("{name} is no proxy's address; write http://HOST:PORT, or unset it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(variables: &[(&str, &str)]) -> Result<ParentProxy, String> {
        ParentProxy::from_variables(
            &variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    fn for_url(parent: &ParentProxy, url: &str) -> Option<String> {
        parent.for_url(&url.parse().unwrap()).map(|found| found.uri().to_string())
    }

    #[test]
    fn each_kind_of_url_has_its_proxy() {
        let set = [("HTTPS_PROXY", "http://one:1"), ("http_proxy", "two:2"), ("HTTP_PROXY", "http://other:9")];
        let parent = parent(&set).unwrap();
        assert_eq!(for_url(&parent, "https://a.example/").unwrap(), "http://one:1/");
        assert_eq!(for_url(&parent, "http://a.example/").unwrap(), "http://two:2/", "lower case first");
    }

    #[test]
    fn no_proxy_lists_exceptions() {
        let parent = parent(&[("ALL_PROXY", "http://one:1"), ("NO_PROXY", "b.example, 10.0.0.0/8")]).unwrap();
        assert!(for_url(&parent, "https://a.example/").is_some());
        for url in ["https://b.example/", "https://x.b.example/", "https://10.1.2.3/"] {
            assert_eq!(for_url(&parent, url), None, "{url}");
        }
    }

    #[test]
    fn an_error_does_not_quote_the_password() {
        for value in ["socks5://user:hush@one:1", "https://user:hush@one:1", "http://user:hush@", "http://hush hush"] {
            let why = parent(&[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(why.starts_with("HTTPS_PROXY ") && !why.contains("hush"), "{why}");
        }
        assert!(!format!("{:?}", parent(&[("https_proxy", "http://user:hush@one:1")]).unwrap()).contains("hush"));
        assert!(parent(&[("https_proxy", "")]).is_ok());
    }
}
