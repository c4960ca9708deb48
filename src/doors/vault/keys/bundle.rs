//! Keys as they are answered: their public part alone.

use hyper::StatusCode;
use serde::Serialize;

use super::super::api_version::ApiVersion;
use super::super::attributes::AttributesOut;
use super::super::deletion::DeletionOut;
use super::super::exchange::Exchange;
use crate::crypto::base64url;
use crate::http::{Response, body};
use crate::vault::Kind;
use crate::vault::keys::release::ReleasePolicy;
use crate::vault::keys::{KeyOperation, KeyRecord, PublicPart};
use crate::vault::object::{DeletedObject, Found, Tags};

#[derive(Serialize)]
struct KeyBundle<'a> {
    #[serde(flatten)]
    deletion: Option<DeletionOut>,
    key: Jwk<'a>,
    attributes: AttributesOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_policy: Option<Policy<'a>>,
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
struct Policy<'a> {
    content_type: &'a str,
    data: String,
    immutable: bool,
}

/// A key.
pub(super) fn bundle(exchange: &Exchange, found: &Found<KeyRecord>) -> Response {
    let policy = found.record.release_policy.as_ref().filter(|_| exchange.api_version >= ApiVersion::RELEASE);
    render(exchange, found, policy, None)
}

/// A deleted key. Its release policy is not shown (nine recorded answers of DELETE and of GET of a deleted key).
pub(super) fn deleted_bundle(exchange: &Exchange, deleted: &DeletedObject<KeyRecord>) -> Response {
    render(exchange, &deleted.found, None, DeletionOut::of(exchange, Kind::Key, deleted))
}

fn render(
    exchange: &Exchange,
    found: &Found<KeyRecord>,
    policy: Option<&ReleasePolicy>,
    deletion: Option<DeletionOut>,
) -> Response {
    let record = &*found.record;
    let version = exchange.api_version;
    let attributes = AttributesOut::new(&record.attributes, exchange.call.vault.recovery(), version);
    let key = Jwk {
        kid: exchange.id(Kind::Key, &found.name, Some(&found.version)),
        kty: record.kty.name(),
        key_ops: &record.key_ops,
        numbers: numbers(record),
    };
    let attributes = attributes.of_key(record, version);
    body::json(
        StatusCode::OK,
        &KeyBundle { deletion, key, attributes, tags: record.tags.as_ref(), release_policy: policy.map(Policy::new) },
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

impl<'a> Policy<'a> {
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
pub(super) fn item(exchange: &Exchange, found: &Found<KeyRecord>, versioned: bool) -> KeyItem {
    listed(exchange, found, versioned, None)
}

/// A deleted key in a list.
pub(super) fn deleted_item(exchange: &Exchange, deleted: &DeletedObject<KeyRecord>) -> KeyItem {
    listed(exchange, &deleted.found, false, DeletionOut::of(exchange, Kind::Key, deleted))
}

fn listed(exchange: &Exchange, found: &Found<KeyRecord>, versioned: bool, deletion: Option<DeletionOut>) -> KeyItem {
    let recovery = exchange.call.vault.recovery();
    KeyItem {
        deletion,
        kid: exchange.id(Kind::Key, &found.name, versioned.then_some(&found.version)),
        attributes: AttributesOut::new(&found.record.attributes, recovery, exchange.api_version),
        tags: found.record.tags.clone(),
    }
}
