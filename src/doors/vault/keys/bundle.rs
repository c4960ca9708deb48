//! Keys as they are answered: their public part alone.

use hyper::StatusCode;
use serde::Serialize;

use super::super::api_version::ApiVersion;
use super::super::attributes::AttributesOut;
use super::super::authorized_request::AuthorizedRequest;
use super::super::deletion::DeletionOut;
use crate::crypto::base64url;
use crate::http::{Response, body};
use crate::vault::Kind;
use crate::vault::keys::release::ReleasePolicy;
use crate::vault::keys::{KeyOperation, KeyRecord, PublicPart};
use crate::vault::object::{DeletedObject, FoundVersion, Tags};

#[derive(Serialize)]
struct KeyBundle<'a> {
    #[serde(flatten)]
    deletion: Option<DeletionOut>,
    key: Jwk<'a>,
    attributes: AttributesOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_policy: Option<ReleasePolicyOut<'a>>,
}

#[derive(Serialize)]
struct Jwk<'a> {
    kid: String,
    kty: &'static str,
    key_ops: &'a [KeyOperation],
    #[serde(flatten)]
    numbers: Numbers<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Rsa { n: &'a str, e: &'a str },
    Ec { crv: &'static str, x: &'a str, y: &'a str },
    Oct {},
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReleasePolicyOut<'a> {
    content_type: &'a str,
    data: String,
    immutable: bool,
}

/// A key.
pub(super) fn bundle(request: &AuthorizedRequest, found: &FoundVersion<KeyRecord>) -> Response {
    let policy = found.record.release_policy.as_ref().filter(|_| request.api_version >= ApiVersion::RELEASE);
    render(request, found, policy, None)
}

/// A deleted key. Its release policy is not shown (nine recorded answers of DELETE and of GET of a deleted key).
pub(super) fn deleted_bundle(request: &AuthorizedRequest, deleted: &DeletedObject<KeyRecord>) -> Response {
    render(request, &deleted.found, None, DeletionOut::of(request, Kind::Key, deleted))
}

fn render(
    request: &AuthorizedRequest,
    found: &FoundVersion<KeyRecord>,
    policy: Option<&ReleasePolicy>,
    deletion: Option<DeletionOut>,
) -> Response {
    let record = &*found.record;
    let version = request.api_version;
    let attributes = AttributesOut::new(&record.attributes, request.call.vault.recovery(), version);
    let key = Jwk {
        kid: request.id(Kind::Key, &found.name, Some(&found.version)),
        kty: record.kty.name(),
        key_ops: &record.key_ops,
        numbers: numbers(record),
    };
    let attributes = attributes.of_key(record, version);
    body::json(
        StatusCode::OK,
        &KeyBundle {
            deletion,
            key,
            attributes,
            tags: record.tags.as_ref(),
            release_policy: policy.map(ReleasePolicyOut::new),
        },
    )
}

fn numbers(record: &KeyRecord) -> Numbers<'_> {
    match &record.public {
        // HSM keys show the exponent 65537 in four bytes (golden 002).
        PublicPart::Rsa { n, e } if record.kty.is_hsm() && e == "AQAB" => Numbers::Rsa { n, e: "AAEAAQ" },
        PublicPart::Rsa { n, e } => Numbers::Rsa { n, e },
        PublicPart::Ec { crv, x, y } => Numbers::Ec { crv: crv.name(), x, y },
        PublicPart::Oct { .. } => Numbers::Oct {},
    }
}

impl<'a> ReleasePolicyOut<'a> {
    fn new(policy: &'a ReleasePolicy) -> Self {
        Self {
            content_type: &policy.content_type,
            data: base64url::encode(policy.document.as_bytes()),
            immutable: policy.immutable,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct KeyItem {
    #[serde(flatten)]
    deletion: Option<DeletionOut>,
    kid: String,
    attributes: AttributesOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Tags>,
}

/// A key in a list; with its version in a list of versions.
pub(super) fn item(request: &AuthorizedRequest, found: &FoundVersion<KeyRecord>, versioned: bool) -> KeyItem {
    listed(request, found, versioned, None)
}

/// A deleted key in a list.
pub(super) fn deleted_item(request: &AuthorizedRequest, deleted: &DeletedObject<KeyRecord>) -> KeyItem {
    listed(request, &deleted.found, false, DeletionOut::of(request, Kind::Key, deleted))
}

fn listed(
    request: &AuthorizedRequest,
    found: &FoundVersion<KeyRecord>,
    versioned: bool,
    deletion: Option<DeletionOut>,
) -> KeyItem {
    let recovery = request.call.vault.recovery();
    KeyItem {
        deletion,
        kid: request.id(Kind::Key, &found.name, versioned.then_some(&found.version)),
        attributes: AttributesOut::new(&found.record.attributes, recovery, request.api_version),
        tags: found.record.tags.clone(),
    }
}
