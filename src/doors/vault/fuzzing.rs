//! Entry points of the fuzz targets for the data plane.

use std::sync::OnceLock;

use hyper::{Method, Uri};

use super::api_version::ApiVersion;
use super::target::Query;
use super::{Handler, keys, paging, routes, secrets};
use crate::http::routes::{Lookup, Routes};
use crate::vault::{ObjectName, Version};

/// Routes `METHOD URI`, and parses name, version and query as a handler does.
pub(crate) fn request_path(bytes: &[u8]) {
    static ROUTES: OnceLock<Routes<Handler>> = OnceLock::new();
    let mut words = bytes.splitn(2, |byte| *byte == b' ');
    let method = words.next().and_then(|word| Method::from_bytes(word).ok());
    let uri = words.next().and_then(|word| Uri::try_from(word).ok());
    let (Some(method), Some(uri)) = (method, uri) else { return };
    let Lookup::Found(_, _, params) = ROUTES.get_or_init(routes::table).find(&method, &uri) else { return };
    let (name, version) = (params.get("name"), params.get("version"));
    let _ = (ObjectName::parse(&name), Version::parse(&version));
    let query = Query(params.query().map(|(name, value)| (name.into_owned(), value.into_owned())).collect());
    let _ = (ApiVersion::of(&query).is_ok(), paging::page_request(&query).is_ok());
}

/// Parses the body of each operation on keys that has one.
pub(crate) fn key_body(bytes: &[u8]) {
    keys::fuzz_bodies(bytes);
}

/// Parses the body of each operation on secrets that has one.
pub(crate) fn secret_body(bytes: &[u8]) {
    secrets::fuzz_bodies(bytes);
}

/// Parses the body of an import, and loads the key in it.
pub(crate) fn jwk(bytes: &[u8]) {
    keys::fuzz_import(bytes);
}
