//! Keys on the wire: create, get, list, update.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::attributes::{self, AttributesIn, AttributesOut};
use super::exchange::Exchange;
use super::{VaultDoor, input, paging, refusal};
use crate::crypto::rsa::RsaSize;
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::{Operation, Permission};
use crate::vault::Kind;
use crate::vault::keys::{KeyChange, KeyOperation, KeyRecord, KeyType, NewKey};
use crate::vault::object::{Found, Tags};

pub(super) static CREATE: Operation = Operation {
    name: "KeyCreate",
    method: Method::POST,
    path: "/keys/{name}/create",
    permission: Permission::keys("create", "keys/create/action"),
};

/// Makes a key, or a new version of one.
pub(super) async fn create(door: Arc<VaultDoor>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let new = input::object::<CreateKey>(body, &door.limits).await?.parse()?;
    let made = door.vaults.create_key(&exchange.call, &name, new).await;
    Ok(bundle(&exchange, &made.map_err(refusal::error)?))
}

pub(super) static GET: Operation = Operation {
    name: "KeyGet",
    method: Method::GET,
    path: "/keys/{name}/{version?}",
    permission: Permission::keys("get", "keys/read"),
};

/// A version of a key; its public part.
pub(super) async fn get(door: Arc<VaultDoor>, exchange: Exchange) -> Result<Response, ApiError> {
    let (name, version) = (exchange.name()?, exchange.version()?);
    let found = door.vaults.key(&exchange.call, &name, version.as_ref()).await;
    Ok(bundle(&exchange, &found.map_err(refusal::error)?))
}

pub(super) static UPDATE: Operation = Operation {
    name: "KeyUpdate",
    method: Method::PATCH,
    path: "/keys/{name}/{version?}",
    permission: Permission::keys("update", "keys/update/action"),
};

/// Changes what may be done with a version of a key.
pub(super) async fn update(door: Arc<VaultDoor>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let (name, version) = (exchange.name()?, exchange.version()?);
    let change = input::object::<UpdateKey>(body, &door.limits).await?.parse()?;
    let changed = door.vaults.update_key(&exchange.call, &name, version.as_ref(), &change).await;
    Ok(bundle(&exchange, &changed.map_err(refusal::error)?))
}

pub(super) static LIST: Operation = Operation {
    name: "KeyList",
    method: Method::GET,
    path: "/keys",
    permission: Permission::keys("list", "keys/read"),
};

/// The vault's keys, a page at a time.
pub(super) async fn list(door: Arc<VaultDoor>, exchange: Exchange) -> Result<Response, ApiError> {
    let page = paging::wanted(&exchange.asked.query)?;
    let listed = door.vaults.list_keys(&exchange.call, &page).await.map_err(refusal::error)?;
    Ok(paging::answer(&exchange.asked, "/keys", &listed, |found| item(&exchange, found, false)))
}

pub(super) static LIST_VERSIONS: Operation = Operation {
    name: "KeyListVersions",
    method: Method::GET,
    path: "/keys/{name}/versions",
    permission: Permission::keys("list", "keys/read"),
};

/// A key's versions, a page at a time.
pub(super) async fn list_versions(door: Arc<VaultDoor>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let page = paging::wanted(&exchange.asked.query)?;
    let listed = door.vaults.list_key_versions(&exchange.call, &name, &page).await;
    let listed = listed.map_err(refusal::error)?;
    let path = format!("/keys/{name}/versions");
    Ok(paging::answer(&exchange.asked, &path, &listed, |found| item(&exchange, found, true)))
}

#[derive(Debug, Deserialize)]
struct CreateKey {
    kty: Option<String>,
    key_size: Option<u32>,
    public_exponent: Option<u64>,
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesIn>,
    tags: Option<Tags>,
    release_policy: Option<serde_json::Value>,
}

impl CreateKey {
    fn parse(self) -> Result<NewKey, ApiError> {
        let mut required = input::Required::default();
        required.check("kty", self.kty.as_ref());
        required.finish()?;
        let kty = key_type(self.kty.as_deref().unwrap_or_default())?;
        let attributes = self.attributes.unwrap_or_default();
        not_released(attributes.exportable, self.release_policy.as_ref())?;
        Ok(NewKey {
            kty,
            size: rsa_size(self.key_size)?,
            key_ops: key_ops_of(self.key_ops, self.public_exponent)?,
            attributes: attributes.given(),
            tags: attributes::tags(self.tags, Kind::Key)?,
        })
    }
}

#[derive(Debug, Deserialize)]
struct UpdateKey {
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesIn>,
    tags: Option<Tags>,
    release_policy: Option<serde_json::Value>,
}

impl UpdateKey {
    fn parse(self) -> Result<KeyChange, ApiError> {
        let attributes = self.attributes.unwrap_or_default();
        not_released(attributes.exportable, self.release_policy.as_ref())?;
        Ok(KeyChange {
            key_ops: self.key_ops.map(|names| key_ops(&names)).transpose()?,
            attributes: attributes.given(),
            tags: attributes::tags(self.tags, Kind::Key)?,
        })
    }
}

/// The type called `name`. Types the service has and this server does not (yet) are refused like those that the
/// service refuses in a vault (`Invalid kty value: oct`, recorded); a word that is no type at all gets golden 065.
fn key_type(name: &str) -> Result<KeyType, ApiError> {
    match name {
        "EC" | "EC-HSM" | "oct" => {
            let error = ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", format!("Invalid kty value: {name}"));
            let detail = format!("kty: keys of type {name} are not supported; use RSA or RSA-HSM");
            Err(error.inner("KeyTypeNotSupported").header("x-keyhaven-detail", detail))
        }
        name => KeyType::parse(name).ok_or_else(|| input::invalid("kty: use RSA or RSA-HSM")),
    }
}

fn rsa_size(bits: Option<u32>) -> Result<RsaSize, ApiError> {
    let bits = bits.unwrap_or(2048);
    RsaSize::from_bits(bits).ok_or_else(|| {
        let text = format!("Unsupported key size ({bits}). Supported sizes are [2048, 3072, 4096]");
        ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", text).inner("KeySizeNotSupported")
    })
}

/// The operations asked for; none for the default. The Java SDK sends the exponent 0 for "not said".
fn key_ops_of(names: Option<Vec<String>>, exponent: Option<u64>) -> Result<Option<Vec<KeyOperation>>, ApiError> {
    if !matches!(exponent, None | Some(0 | 65537)) {
        return Err(input::invalid("public_exponent: only 65537 is supported"));
    }
    let operations = names.map(|names| key_ops(&names)).transpose()?;
    Ok(operations.filter(|operations| !operations.is_empty()))
}

fn key_ops(names: &[String]) -> Result<Vec<KeyOperation>, ApiError> {
    let mut operations = Vec::new();
    for name in names {
        let operation = KeyOperation::parse(name).ok_or_else(|| input::invalid("key_ops: not an operation of keys"))?;
        if !operations.contains(&operation) {
            operations.push(operation);
        }
    }
    Ok(operations)
}

fn not_released(exportable: Option<bool>, policy: Option<&serde_json::Value>) -> Result<(), ApiError> {
    if exportable == Some(true) || policy.is_some() {
        let text = "Exportable keys and release policies are not supported by this server.";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "NotSupported", text));
    }
    Ok(())
}

#[derive(Serialize)]
struct KeyBundle<'a> {
    key: Jwk<'a>,
    attributes: AttributesOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
}

#[derive(Serialize)]
struct Jwk<'a> {
    kid: String,
    kty: &'static str,
    key_ops: &'a [KeyOperation],
    n: &'a str,
    e: &'a str,
}

/// A key as it is answered: its public part alone.
fn bundle(exchange: &Exchange, found: &Found<KeyRecord>) -> Response {
    let record = &*found.record;
    let attributes = AttributesOut::new(&record.attributes, exchange.call.vault.recovery(), exchange.api_version);
    let key = Jwk {
        kid: exchange.id(Kind::Key, &found.name, Some(&found.version)),
        kty: record.kty.name(),
        key_ops: &record.key_ops,
        n: &record.n,
        e: exponent(record),
    };
    let attributes = attributes.of_key(record.kty.is_hsm(), exchange.api_version);
    body::json(StatusCode::OK, &KeyBundle { key, attributes, tags: record.tags.as_ref() })
}

/// HSM keys show the exponent 65537 in four bytes (golden 002).
fn exponent(record: &KeyRecord) -> &str {
    if record.kty.is_hsm() && record.e == "AQAB" { "AAEAAQ" } else { &record.e }
}

#[derive(Serialize)]
struct KeyItem {
    kid: String,
    attributes: AttributesOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Tags>,
}

fn item(exchange: &Exchange, found: &Found<KeyRecord>, versioned: bool) -> impl Serialize + use<> {
    let recovery = exchange.call.vault.recovery();
    KeyItem {
        kid: exchange.id(Kind::Key, &found.name, versioned.then_some(&found.version)),
        attributes: AttributesOut::new(&found.record.attributes, recovery, exchange.api_version),
        tags: found.record.tags.clone(),
    }
}
