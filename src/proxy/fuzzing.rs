//! Entry points of the fuzz targets for the proxy.

use hyper::Uri;

use super::sniff::Sniffer;
use super::target::Target;
use crate::addresses::is_link_local;

/// Parses the target of a request. One that is an address never has a second spelling.
pub(crate) fn target(bytes: &[u8]) {
    let Ok(uri) = Uri::try_from(bytes) else { return };
    for target in [Target::from_connect(&uri), Target::from_absolute_form(&uri)].into_iter().flatten() {
        let written = target.to_string().parse().ok().and_then(|uri| Target::from_connect(&uri).ok());
        assert_eq!(written.as_ref().map(Target::address), Some(target.address()), "{target} reads back");
        let _ = target.address().map(is_link_local);
        let _ = (target.is_loopback(), target.url("https"));
    }
}

/// Sniffs a client's first bytes, in one piece and in pieces of which each has one byte.
pub(crate) fn client_hello(bytes: &[u8]) {
    let whole = Sniffer::default().push(bytes);
    let mut sniffer = Sniffer::default();
    let pieces = bytes.chunks(1).find_map(|piece| sniffer.push(piece));
    let is_short = bytes.len() < 4096;
    assert!(!is_short || bytes.is_empty() || whole == pieces, "{whole:?} in one piece, {pieces:?} in many");
}
