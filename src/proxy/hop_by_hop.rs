//! Hop-by-hop header fields (RFC 9110, 7.6.1): those that concern one connection. A proxy removes them and writes its own.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::{StatusCode, Uri};

use super::error::ProxyError;

/// The hop-by-hop fields of RFC 9110, and two non-standard ones that clients send.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];
/// The value of `TE` that asks for trailers and no coding.
const TRAILERS: &str = "trailers";

/// Removes all hop-by-hop fields, those that `Connection` names included.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = list_members(headers, CONNECTION).filter_map(|name| name.parse().ok()).collect();
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Whether the sender of these fields accepts trailers.
pub(super) fn accepts_trailers(headers: &HeaderMap) -> bool {
    list_members(headers, TE).any(|member| member.eq_ignore_ascii_case(TRAILERS))
}

/// Announces that this proxy's own connection accepts trailers (RFC 9110, 10.1.4).
pub(super) fn request_trailers(headers: &mut HeaderMap) {
    headers.insert(TE, HeaderValue::from_static(TRAILERS));
    headers.insert(CONNECTION, HeaderValue::from_static("te"));
}

/// The origin form of `url`: path and query. A URL may leave the path out, a request may not (RFC 9112, 3.2.1).
pub(super) fn origin_form(url: &Uri) -> Result<Uri, ProxyError> {
    let path = url.path_and_query().map_or("", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    path.parse().map_err(|_| malformed_url())
}

/// The `Host` field for `url`; replaces what the client sent beside the URL (RFC 9112, 3.2.2).
pub(super) fn host_field(url: &Uri) -> Result<HeaderValue, ProxyError> {
    let authority = url.authority().ok_or_else(malformed_url)?;
    HeaderValue::from_str(authority.as_str()).map_err(|_| malformed_url())
}

fn malformed_url() -> ProxyError {
    ProxyError::new(StatusCode::BAD_REQUEST, "The URL is malformed.")
}

/// The members of the comma-separated lists in the fields called `name`.
fn list_members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}
