//! Who may use the plain listeners (managed identity, admin): programs on this machine, and no web page elsewhere
//! that makes a browser ask for it.

use hyper::Request;
use hyper::header::{HeaderMap, ORIGIN};

use super::authority::Authority;

/// The names under which a plain listener may be asked.
#[derive(Clone, Debug)]
pub(crate) struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// `localhost`, the metadata address and `others` (in any case); addresses of this machine need not be named.
    pub(crate) fn new(others: impl IntoIterator<Item = String>) -> Self {
        let own = ["localhost".to_owned(), "169.254.169.254".to_owned()];
        Self(own.into_iter().chain(others).map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Why `request`, which came in at the address `own`, is refused; none when it is not.
    pub(crate) fn rejection<B>(&self, request: &Request<B>, own: std::net::IpAddr) -> Option<&'static str> {
        let Some(authority) = Authority::of(request) else { return Some("the Host header is missing or malformed") };
        let ours = authority.address().is_some_and(|address| address.is_loopback() || address == own);
        if !ours && !self.0.iter().any(|name| name == authority.host()) {
            return Some("this Host is not a name of this listener");
        }
        browser(request.headers())
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
    let site = headers.get("sec-fetch-site").map(hyper::header::HeaderValue::as_bytes);
    match site {
        None | Some(b"none" | b"same-origin") => None,
        Some(_) => Some("requests from other sites (Sec-Fetch-Site) are refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn refused(headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().uri("/health");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let names = AllowedHosts::new(["Build-Box".to_owned()]);
        names.rejection(&request.body(()).unwrap(), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7))).is_some()
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
