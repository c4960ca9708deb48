//! The host and port a client used.

use std::fmt::{self, Write};
use std::net::IpAddr;

use hyper::Request;
use hyper::header::HOST;

/// The port of https.
const DEFAULT_PORT: u16 = 443;

/// A host, in lower case and without brackets, and the port if one was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    host: String,
    port: Option<u16>,
}

impl Authority {
    /// What `text` (`HOST`, `HOST:PORT`, `[ADDRESS]:PORT`) names, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::plain(text).or_else(|| Self::any(text))
    }

    /// The form of nearly every request, three times as fast: a name of letters, digits, dots and hyphens, and a port of digits.
    fn plain(text: &str) -> Option<Self> {
        let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        let is_digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        if host.is_empty() || !host.bytes().all(is_name) || !port.is_none_or(is_digits) {
            return None;
        }
        let port = port.map(str::parse).transpose().ok()?;
        Some(Self { host: host.to_owned(), port })
    }

    fn any(text: &str) -> Option<Self> {
        let parsed: hyper::http::uri::Authority = text.parse().ok()?;
        if text.contains('@') || (parsed.host().len() < text.len() && parsed.port_u16().is_none()) {
            return None;
        }
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        (!host.is_empty()).then(|| Self { host, port: parsed.port_u16() })
    }

    /// The host a request is for: the target's authority (HTTP/2, absolute form), else the `Host` header.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        match request.uri().authority() {
            Some(authority) => Self::parse(authority.as_str()),
            None => Self::parse(request.headers().get(HOST)?.to_str().ok()?),
        }
    }

    /// The host, in lower case, a final dot dropped.
    pub(crate) fn host(&self) -> &str {
        self.host.strip_suffix('.').unwrap_or(&self.host)
    }

    /// The port, if one was written.
    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The address, if the host is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The same port below the host's parent domain: `a.vault.localhost:8443` gives `vault.localhost:8443`.
    /// None for addresses and single labels.
    pub(crate) fn parent(&self) -> Option<Self> {
        if self.address().is_some() {
            return None;
        }
        let (_, parent) = self.host().split_once('.')?;
        Some(Self { host: parent.to_owned(), port: self.port })
    }

    /// Another host on the same port.
    #[must_use]
    pub(crate) fn with_host(&self, host: &str) -> Self {
        Self { host: host.to_owned(), port: self.port }
    }

    /// This host, on `port` unless another one was written.
    #[must_use]
    pub(crate) fn on_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port: self.port.or(Some(port)) }
    }

    /// This host as URLs have it: without the port when it is the scheme's own (443).
    #[must_use]
    pub(crate) fn without_default_port(&self) -> Self {
        Self { host: self.host.clone(), port: self.port.filter(|port| *port != 443) }
    }

    /// This host with its port written out, the scheme's own (443) if none was.
    #[must_use]
    pub(crate) fn with_explicit_port(&self) -> Self {
        Self { host: self.host.clone(), port: Some(self.port.unwrap_or(443)) }
    }
}

impl Authority {
    /// Appends this host to `text`, as URLs have it.
    pub(crate) fn append_to(&self, text: &mut String) {
        if self.host.contains(':') {
            text.extend(["[", &self.host, "]"]);
        } else {
            text.push_str(&self.host);
        }
        if let Some(port) = self.port.filter(|port| *port != DEFAULT_PORT) {
            let _ = write!(text, ":{port}");
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_and_ports_are_taken_apart() {
        let authority = Authority::parse("Acme.Vault.Localhost:8443").unwrap();
        assert_eq!((authority.host(), authority.port()), ("acme.vault.localhost", Some(8443)));
        assert_eq!(authority.parent().unwrap().to_string(), "vault.localhost:8443");
    }

    proptest! {
        #[test]
        fn the_fast_form_is_read_like_any_other(text in "[a-z0-9.:-]{0,20}|[a-z]{1,5}:[0-9]{0,7}") {
            prop_assert!(Authority::plain(&text).is_none() || Authority::plain(&text) == Authority::any(&text), "{}", text);
        }
    }

    #[test]
    fn addresses_have_no_parent() {
        for text in ["127.0.0.1:8443", "[::1]:8443"] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!(authority.parent(), None);
            assert_eq!(authority.to_string(), text);
        }
        assert_eq!(Authority::parse("localhost").unwrap().parent(), None);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "a b", "user@host", "host:port", "host:99999", "/path"] {
            assert!(Authority::parse(text).is_none(), "{text}");
        }
    }
}
