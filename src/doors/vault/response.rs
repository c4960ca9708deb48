//! The headers that every answer of the service carries (4,617 recordings agree).

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, EXPIRES, HeaderMap, HeaderName, HeaderValue, PRAGMA};
use hyper::header::{STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use uuid::Uuid;

use crate::http::{ConnectionInfo, Response};
use crate::vault::DEFAULT_LOCATION;

/// Echoed when sent.
pub(super) const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const REGION: HeaderName = HeaderName::from_static("x-ms-keyvault-region");
const SERVICE_VERSION: HeaderName = HeaderName::from_static("x-ms-keyvault-service-version");
const NETWORK_INFO: HeaderName = HeaderName::from_static("x-ms-keyvault-network-info");

const ASSIGNMENT_ID: HeaderName = HeaderName::from_static("x-ms-keyvault-rbac-assignment-id");
const ASSIGNMENT_CACHE: HeaderName = HeaderName::from_static("x-ms-keyvault-rbac-cache");
/// Ages in seconds, in the service's form: `ra_age=75;da_age=6519;rd_age=6519;brd_age=23007;ra_notif_age=365;dec_lev=1;`.
const FRESH: &str = "ra_age=0;da_age=0;rd_age=0;brd_age=0;ra_notif_age=0;dec_lev=1;";

/// The most fields that are added to an answer. Room for all is made at once: each time that a map grows it hashes what it has anew.
const FIELDS: usize = 12;

/// Completes an answer.
pub(super) fn finish(response: &mut Response, id: Uuid, client_id: Option<HeaderValue>, connection: ConnectionInfo) {
    if response.status() == StatusCode::NO_CONTENT {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    headers.reserve(FIELDS);
    constant(headers);
    insert(headers, REQUEST_ID, id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    insert(headers, NETWORK_INFO, &network_info(connection));
    if let Some(client_id) = client_id {
        headers.insert(CLIENT_REQUEST_ID, client_id);
    }
}

/// Names the role assignment that allowed a request, as vaults with roles do on authorized answers (recording G001), and what
/// that service remembers of assignments: here nothing is ever out of date.
pub(super) fn assigned(response: &mut Response, assignment: Uuid) {
    let headers = response.headers_mut();
    insert(headers, ASSIGNMENT_ID, assignment.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    headers.insert(ASSIGNMENT_CACHE, HeaderValue::from_static(FRESH));
}

/// Names the location of a vault that is elsewhere than most.
pub(super) fn located(response: &mut Response, location: &str) {
    insert(response.headers_mut(), REGION, location);
}

fn constant(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(EXPIRES, HeaderValue::from_static("-1"));
    headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000;includeSubDomains"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REGION, HeaderValue::from_static(DEFAULT_LOCATION));
    headers.insert(SERVICE_VERSION, HeaderValue::from_static("1.9.2500.1"));
}

fn network_info(connection: ConnectionInfo) -> String {
    let address = connection.peer.ip().to_canonical();
    let (kind, family) = if address.is_ipv4() { ("Ipv4", "InterNetwork") } else { ("Ipv6", "InterNetworkV6") };
    format!("conn_type={kind};addr={address};act_addr_fam={family};")
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
