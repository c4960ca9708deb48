//! Secrets as they are answered: with their value by set and get, without it by everything else.

use hyper::StatusCode;
use serde::Serialize;

use super::super::api_version::ApiVersion;
use super::super::attributes::AttributesOut;
use super::super::authorized_request::AuthorizedRequest;
use super::super::deletion::DeletionOut;
use crate::http::{Response, body};
use crate::vault::object::{DeletedObject, FoundVersion, Tags};
use crate::vault::secrets::SecretRecord;
use crate::vault::{Kind, Version};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretBundle<'a> {
    #[serde(flatten)]
    deletion: Option<DeletionOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    id: String,
    attributes: AttributesOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_version: Option<&'a str>,
}

/// A secret with its value.
pub(super) fn bundle_with_value(
    request: &AuthorizedRequest,
    found: &FoundVersion<SecretRecord>,
    value: &str,
) -> Response {
    render(request, found, Some(value), None)
}

/// A secret without its value.
pub(super) fn bundle(request: &AuthorizedRequest, found: &FoundVersion<SecretRecord>) -> Response {
    render(request, found, None, None)
}

/// A deleted secret; it never shows its value.
pub(super) fn deleted_bundle(request: &AuthorizedRequest, deleted: &DeletedObject<SecretRecord>) -> Response {
    render(request, &deleted.found, None, DeletionOut::of(request, Kind::Secret, deleted))
}

fn render(
    request: &AuthorizedRequest,
    found: &FoundVersion<SecretRecord>,
    value: Option<&str>,
    deletion: Option<DeletionOut>,
) -> Response {
    let record = &*found.record;
    let recovery = request.call.vault.recovery();
    let previous = record.previous.as_ref().filter(|_| request.api_version >= ApiVersion::PREVIOUS_VERSION);
    let bundle = SecretBundle {
        deletion,
        value,
        content_type: record.content_type.as_deref(),
        id: request.id(Kind::Secret, &found.name, Some(&found.version)),
        attributes: AttributesOut::new(&record.attributes, recovery, request.api_version),
        tags: record.tags.as_ref(),
        previous_version: previous.map(Version::as_str),
    };
    body::json(StatusCode::OK, &bundle)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretItem {
    #[serde(flatten)]
    deletion: Option<DeletionOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    id: String,
    attributes: AttributesOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Tags>,
}

/// A secret in a list; with its version in a list of versions.
pub(super) fn item(request: &AuthorizedRequest, found: &FoundVersion<SecretRecord>, versioned: bool) -> SecretItem {
    listed(request, found, versioned, None)
}

/// A deleted secret in a list.
pub(super) fn deleted_item(request: &AuthorizedRequest, deleted: &DeletedObject<SecretRecord>) -> SecretItem {
    listed(request, &deleted.found, false, DeletionOut::of(request, Kind::Secret, deleted))
}

fn listed(
    request: &AuthorizedRequest,
    found: &FoundVersion<SecretRecord>,
    versioned: bool,
    deletion: Option<DeletionOut>,
) -> SecretItem {
    let recovery = request.call.vault.recovery();
    SecretItem {
        deletion,
        content_type: found.record.content_type.clone(),
        id: request.id(Kind::Secret, &found.name, versioned.then_some(&found.version)),
        attributes: AttributesOut::new(&found.record.attributes, recovery, request.api_version),
        tags: found.record.tags.clone(),
    }
}
