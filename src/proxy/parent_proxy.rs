//! The proxy that was set before this one, in the environment of whoever started the server: what is tunnelled goes
//! through it, as it would have gone without this one.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// What may name a proxy, in the order in which curl and most clients look.
const VARIABLES: [(&str, &str); 4] = [
    ("https_proxy", "HTTPS_PROXY"),
    ("http_proxy", "HTTP_PROXY"),
    ("all_proxy", "ALL_PROXY"),
    ("no_proxy", "NO_PROXY"),
];

/// Which proxy leads where. It may hold credentials; its `Debug` does not show them.
#[derive(Clone, Debug)]
pub struct Former(Arc<Matcher>);

impl Default for Former {
    /// No proxy.
    fn default() -> Self {
        Self(Arc::new(Matcher::builder().build()))
    }
}

impl Former {
    /// The proxy that these environment variables name, with its exceptions.
    ///
    /// # Errors
    /// What cannot be used, without the credentials in it.
    pub fn of(variables: &BTreeMap<String, String>) -> Result<Self, String> {
        let set = VARIABLES.map(|names| given(variables, names));
        for (name, value) in set.iter().take(3).flatten() {
            usable(name, value)?;
        }
        let [https, http, all, no] = set.map(|found| found.map_or("", |(_, value)| value));
        Ok(Self(Arc::new(Matcher::builder().https(https).http(http).all(all).no(no).build())))
    }

    /// The proxy that leads to `url`, if one does.
    pub(super) fn towards(&self, url: &Uri) -> Option<Intercept> {
        self.0.intercept(url)
    }
}

fn given<'v>(
    variables: &'v BTreeMap<String, String>,
    names: (&'static str, &'static str),
) -> Option<(&'static str, &'v str)> {
    let set = |name| variables.get(name).filter(|value| !value.is_empty()).map(|value| (name, value.as_str()));
    set(names.0).or_else(|| set(names.1))
}

fn usable(name: &str, value: &str) -> Result<(), String> {
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

    fn former(variables: &[(&str, &str)]) -> Result<Former, String> {
        Former::of(&variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn towards(former: &Former, url: &str) -> Option<String> {
        former.towards(&url.parse().unwrap()).map(|found| found.uri().to_string())
    }

    #[test]
    fn each_kind_of_url_has_its_proxy() {
        let set = [("HTTPS_PROXY", "http://one:1"), ("http_proxy", "two:2"), ("HTTP_PROXY", "http://other:9")];
        let former = former(&set).unwrap();
        assert_eq!(towards(&former, "https://a.example/").unwrap(), "http://one:1/");
        assert_eq!(towards(&former, "http://a.example/").unwrap(), "http://two:2/", "lower case first");
    }

    #[test]
    fn its_own_exceptions_hold() {
        let former = former(&[("ALL_PROXY", "http://one:1"), ("NO_PROXY", "b.example, 10.0.0.0/8")]).unwrap();
        assert!(towards(&former, "https://a.example/").is_some());
        for url in ["https://b.example/", "https://x.b.example/", "https://10.1.2.3/"] {
            assert_eq!(towards(&former, url), None, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_its_password() {
        for value in ["socks5://user:hush@one:1", "https://user:hush@one:1", "http://user:hush@", "http://hush hush"] {
            let why = former(&[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(why.starts_with("HTTPS_PROXY ") && !why.contains("hush"), "{why}");
        }
        assert!(!format!("{:?}", former(&[("https_proxy", "http://user:hush@one:1")]).unwrap()).contains("hush"));
        assert!(former(&[("https_proxy", "")]).is_ok());
    }
}
