//! The target of a request to the proxy: a host and a port. Parsing is strict, so that a resolver cannot read a second
//! spelling of an address in it.

use std::net::{IpAddr, Ipv4Addr};

use hyper::{StatusCode, Uri};

use super::error::ProxyError;
use crate::addresses::is_loopback;
use crate::http::authority::Authority;

/// The port of `https`, the only one on which cloud names are taken over.
pub(super) const HTTPS: u16 = 443;
/// The port of `http`, on which the instance metadata service listens.
pub(super) const HTTP: u16 = 80;
/// The address of the instance metadata service.
pub(super) const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
/// The longest host name, in bytes (RFC 1035).
const MAX_NAME_LENGTH: usize = 253;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    host: String,
    address: Option<IpAddr>,
    port: u16,
}

impl Target {
    /// Parses the target of `CONNECT HOST:PORT`.
    pub(super) fn from_connect(uri: &Uri) -> Result<Self, ProxyError> {
        let authority = uri.authority().and_then(|authority| Authority::parse(authority.as_str()));
        let authority = authority.ok_or_else(|| malformed("CONNECT needs HOST:PORT."))?;
        let port = authority.port().ok_or_else(|| malformed("CONNECT needs HOST:PORT."))?;
        Self::new(&authority, port)
    }

    /// Parses the target of a request in absolute form; the port defaults to that of the scheme.
    pub(super) fn from_absolute_form(uri: &Uri) -> Result<Self, ProxyError> {
        let usual_port = match uri.scheme_str() {
            Some("http") => HTTP,
            Some("https") => HTTPS,
            Some(_) => return Err(malformed("Use CONNECT for anything but http:// and https://.")),
            None => return Err(malformed("This is a proxy: set it as HTTPS_PROXY and HTTP_PROXY.")),
        };
        let authority = uri.authority().and_then(|authority| Authority::parse(authority.as_str()));
        let authority = authority.ok_or_else(|| malformed("The host of this URL is malformed."))?;
        Self::new(&authority, authority.port().unwrap_or(usual_port))
    }

    fn new(authority: &Authority, port: u16) -> Result<Self, ProxyError> {
        let host = authority.host().to_owned();
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        if port == 0 {
            return Err(malformed("Port 0 cannot be connected to."));
        }
        if address.is_none() && !is_name(&host) {
            let why = "The host is neither a name nor an address in its usual form (127.0.0.1, [::1]).";
            return Err(malformed(why));
        }
        Ok(Self { host, address, port })
    }

    /// Another host, a name, on the same port.
    pub(super) fn with_host(&self, name: &str) -> Self {
        Self { host: name.to_owned(), address: self.address.filter(|_| self.host == name), port: self.port }
    }

    /// The host: a name in lower case, or an address as it was written.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The address, if the host is one; an IPv4-mapped IPv6 address is returned as IPv4.
    pub(super) const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The port.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// `localhost` and names below it are loopback (RFC 6761), whatever a resolver says.
    pub(super) fn is_localhost(&self) -> bool {
        self.host == "localhost" || self.host.ends_with(".localhost")
    }

    /// Whether the target is loopback, which a parent proxy cannot reach.
    pub(super) fn is_loopback(&self) -> bool {
        self.is_localhost() || self.address.is_some_and(is_loopback)
    }

    /// `SCHEME://HOST:PORT/`, for rules that match URLs.
    pub(super) fn url(&self, scheme: &str) -> Option<Uri> {
        Uri::builder().scheme(scheme).authority(self.to_string()).path_and_query("/").build().ok()
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Whether `host` is a host name. One whose last label is a number is none: resolvers read `0177.1`, `0x7f000001` and
/// `2130706433` as addresses.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.starts_with(|first: char| first.is_ascii_digit())
        && last.strip_prefix("0x").unwrap_or(last).bytes().all(|byte| byte.is_ascii_hexdigit());
    host.len() <= MAX_NAME_LENGTH && !number && host.split('.').all(label)
}

fn malformed(why: &str) -> ProxyError {
    ProxyError::new(StatusCode::BAD_REQUEST, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(text: &str) -> Option<Target> {
        Target::from_connect(&Uri::builder().authority(text).build().ok()?).ok()
    }

    #[test]
    fn hosts_are_names_or_addresses_in_their_usual_form() {
        for text in ["Example.com:443", "example.com.:443", "[::1]:1", "127.0.0.1:1", "a_b-c:65535", "a.0x7f.de:1"] {
            assert!(connect(text).is_some(), "{text}");
        }
        for text in [
            "0177.0.0.1:443",
            "2130706433:443",
            "0x7f000001:443",
            "0x7f.1:443",
            "127.1:443",
            "127.0.0.1.1:443",
            "a..b:1",
            "%6cocalhost:1",
            "[fe80::1%25eth0]:1",
            "host:0",
            "host",
            ".:1",
            "a@b:1",
        ] {
            assert!(connect(text).is_none(), "{text}");
        }
        assert!(connect(&format!("{}:1", "a.".repeat(127))).is_some());
        assert!(connect(&format!("{}:1", "a.".repeat(128))).is_none());
    }

    #[test]
    fn an_address_with_a_final_dot_is_an_address() {
        assert_eq!(connect("169.254.169.254.:80").unwrap().address(), Some(METADATA));
        assert_eq!(connect("[::ffff:169.254.169.254]:80").unwrap().address(), Some(METADATA));
    }
}
