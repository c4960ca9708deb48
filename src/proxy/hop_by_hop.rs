//! What of a request and of an answer concerns one connection alone (RFC 9110, 7.6.1): a proxy takes it away, and writes
//! its own.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::{StatusCode, Uri};

use super::Refused;

/// Header fields of RFC 9110, and two that clients made up.
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
/// The one value of `TE` that asks for no coding.
const TRAILERS: &str = "trailers";

/// Takes away what concerns the connection that the message came on.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = members(headers, CONNECTION).filter_map(|name| name.parse().ok()).collect();
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Whether who sent these reads fields that come behind a body.
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    members(headers, TE).any(|member| member.eq_ignore_ascii_case(TRAILERS))
}

/// Says of this proxy's own connection that trailers are read (RFC 9110, 10.1.4).
pub(super) fn ask_for_trailers(headers: &mut HeaderMap) {
    headers.insert(TE, HeaderValue::from_static(TRAILERS));
    headers.insert(CONNECTION, HeaderValue::from_static("te"));
}

/// The path and the query of `url`, as a request to its own host has them; a URL may leave the path out, a request may not
/// (RFC 9112, 3.2.1).
pub(super) fn origin_form(url: &Uri) -> Result<Uri, Refused> {
    let path = url.path_and_query().map_or("", |path| path.as_str());
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    whole.parse().map_err(|_| malformed_url())
}

/// The host and port of `url` as the field `Host`; what the client wrote beside the URL does not count (RFC 9112, 3.2.2).
pub(super) fn host_field(url: &Uri) -> Result<HeaderValue, Refused> {
    let authority = url.authority().ok_or_else(malformed_url)?;
    HeaderValue::from_str(authority.as_str()).map_err(|_| malformed_url())
}

fn malformed_url() -> Refused {
    Refused { status: StatusCode::BAD_REQUEST, why: "The URL is malformed.".to_owned() }
}

/// The members of the lists in the fields called `name`.
fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}
