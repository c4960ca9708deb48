//! Who may use the plain listeners (managed identity, admin): programs on this machine, and no web page elsewhere
//! that makes a browser ask for it.

use hyper::Request;
use hyper::header::{HeaderMap, ORIGIN};

use super::authority::Authority;

/// Browsers send it with every request.
const SEC_FETCH_SITE: &str = "sec-fetch-site";
/// The most names that a refusal lists.
const MAX_LISTED: usize = 12;

/// The names under which a plain listener may be asked.
#[derive(Clone, Debug)]
pub(crate) struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// `localhost`, the metadata address and `others` (in any case); addresses of this machine need not be named.
    pub(crate) fn new(others: impl IntoIterator<Item = String>) -> Self {
        let own = ["localhost".to_owned(), "169.254.169.254".to_owned()];
        let mut names = Vec::new();
        for name in own.into_iter().chain(others).map(|name| name.to_ascii_lowercase()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Self(names)
    }

    /// Why `request`, which came in at the address `own`, is refused; none when it is not.
    pub(crate) fn rejection<B>(&self, request: &Request<B>, own: std::net::IpAddr) -> Option<String> {
        let Some(authority) = Authority::of(request) else {
            return Some("the Host header is missing or malformed".to_owned());
        };
        let ours = authority.address().is_some_and(|address| address.is_loopback() || address == own);
        if !ours && !self.0.iter().any(|name| name == authority.host()) {
            return Some(self.foreign_name(authority.host(), request.headers()));
        }
        browser(request.headers()).map(str::to_owned)
    }

    /// Says which names there are, but not to a browser: a page that points its own name here could read them.
    fn foreign_name(&self, host: &str, headers: &HeaderMap) -> String {
        let refused = format!("'{host}' is not a name of this listener");
        if headers.contains_key(SEC_FETCH_SITE) || browser(headers).is_some() {
            return refused;
        }
        let (shown, rest) = self.0.split_at(self.0.len().min(MAX_LISTED));
        let more = if rest.is_empty() { String::new() } else { format!(", {} more", rest.len()) };
        format!(
            "{refused}, which answers as {}{more} and by its addresses; ask by one of these, or add the name to defaultHosts of \
             the configuration",
            shown.join(", ")
        )
    }
}

/// Marks of a request that a web page or a proxy made.
fn browser(headers: &HeaderMap) -> Option<&'static str> {
    if headers.contains_key(ORIGIN) {
        return Some("requests of web pages (Origin) are refused");
    }
    if headers.contains_key("x-forwarded-for") {
        return Some("forwarded requests (X-Forwarded-For) are refused");
    }
    let site = headers.get(SEC_FETCH_SITE).map(hyper::header::HeaderValue::as_bytes);
    match site {
        None | Some(b"none" | b"same-origin") => None,
        Some(_) => Some("requests from other sites (Sec-Fetch-Site) are refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn rejection(headers: &[(&str, &str)]) -> Option<String> {
        let mut request = Request::builder().uri("/health");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let names = AllowedHosts::new(["Build-Box".to_owned()]);
        names.rejection(&request.body(()).unwrap(), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)))
    }

    fn refused(headers: &[(&str, &str)]) -> bool {
        rejection(headers).is_some()
    }

    #[test]
    fn a_refusal_names_what_was_asked_and_what_there_is_but_not_to_a_browser() {
        let why = rejection(&[("host", "Keyhaven:8080")]).unwrap();
        assert_eq!(
            why,
            "'keyhaven' is not a name of this listener, which answers as localhost, 169.254.169.254, build-box and by its \
             addresses; ask by one of these, or add the name to defaultHosts of the configuration"
        );
        let why = rejection(&[("host", "evil.example"), ("sec-fetch-site", "same-origin")]).unwrap();
        assert_eq!(why, "'evil.example' is not a name of this listener");
    }

    #[test]
    fn own_names_and_addresses_are_answered() {
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "169.254.169.254", "build-box:1", "10.0.0.7"] {
            assert!(!refused(&[("host", host)]), "{host}");
        }
    }

    #[test]
    fn rebound_names_and_web_pages_are_refused() {
        assert!(refused(&[]));
        assert!(refused(&[("host", "evil.example")]));
        assert!(refused(&[("host", "10.0.0.8")]));
        assert!(refused(&[("host", "localhost"), ("origin", "https://evil.example")]));
        assert!(refused(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]));
        assert!(refused(&[("host", "localhost"), ("x-forwarded-for", "1.2.3.4")]));
        assert!(!refused(&[("host", "localhost"), ("sec-fetch-site", "same-origin")]));
    }
}
