//! Parser of addresses on the command line, and the default ports.

use std::net::{IpAddr, SocketAddr};

/// The port of the vaults unless another is given.
pub(super) const VAULTS_PORT: u16 = 8443;
/// The port of managed-identity tokens unless another is given.
pub(super) const IDENTITY_PORT: u16 = 8080;
/// The port of the admin API unless another is given.
pub(super) const ADMIN_PORT: u16 = 8081;
/// The port of the takeover's proxy in `serve` unless another is given.
pub(super) const PROXY_PORT: u16 = 8082;

/// `ADDRESS:PORT`, `localhost:PORT`, `:PORT` or `PORT`; the last three mean loopback.
pub(super) fn parse(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").or(text.strip_prefix(':')).unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    text.parse().map_err(|_| "not an address; write ADDRESS:PORT, for example 127.0.0.1:8443".to_owned())
}

/// Like [`parse`]; `off`, or an empty text, switches the listener off.
pub(super) fn parse_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() || text == "off" { Ok(None) } else { parse(text).map(Some) }
}

/// An address without a port.
pub(super) fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let address = text.parse::<IpAddr>().map_err(|_| "not an address; write one such as 203.0.113.7 or fd00::7")?;
    Ok(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_can_be_short() {
        for (text, expected) in [
            ("127.0.0.1:8443", "127.0.0.1:8443"),
            ("localhost:1", "127.0.0.1:1"),
            (":0", "127.0.0.1:0"),
            ("9000", "127.0.0.1:9000"),
            ("0.0.0.0:443", "0.0.0.0:443"),
            ("[::1]:443", "[::1]:443"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected);
        }
        assert!(parse("example.com:443").is_err());
        for text in ["", "off"] {
            assert_eq!(parse_or_off(text), Ok(None));
        }
    }
}
