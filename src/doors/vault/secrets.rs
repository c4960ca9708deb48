//! Secrets on the wire: set and get.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::attributes::{self, AttributesIn, AttributesOut};
use super::exchange::Exchange;
use super::{VaultDoor, input, refusal};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::{Operation, Permission};
use crate::vault::Kind;
use crate::vault::object::{Found, Tags};
use crate::vault::secrets::{MAX_CONTENT_TYPE, MAX_VALUE, NewSecret, SecretRecord, SecretValue};

pub(super) static SET: Operation = Operation {
    name: "SecretSet",
    method: Method::PUT,
    path: "/secrets/{name}",
    permission: Permission::secrets("set", "secrets/setSecret/action"),
};

/// Makes a secret, or a new version of one; answers it with its value.
pub(super) async fn set(door: Arc<VaultDoor>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let new = input::object::<SetSecret>(body, &door.limits).await?.parse()?;
    let made = door.vaults.set_secret(&exchange.call, &name, &new).await;
    Ok(bundle(&exchange, &made.map_err(refusal::error)?, new.value.reveal()))
}

pub(super) static GET: Operation = Operation {
    name: "SecretGet",
    method: Method::GET,
    path: "/secrets/{name}/{version?}",
    permission: Permission::secrets("get", "secrets/getSecret/action"),
};

/// A version of a secret, with its value.
pub(super) async fn get(door: Arc<VaultDoor>, exchange: Exchange) -> Result<Response, ApiError> {
    let (name, version) = (exchange.name()?, exchange.version()?);
    let found = door.vaults.secret(&exchange.call, &name, version.as_ref()).await;
    let (found, value) = found.map_err(refusal::error)?;
    Ok(bundle(&exchange, &found, value.reveal()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetSecret {
    value: Option<SecretValue>,
    content_type: Option<String>,
    attributes: Option<AttributesIn>,
    tags: Option<Tags>,
}

impl SetSecret {
    fn parse(self) -> Result<NewSecret, ApiError> {
        let mut required = input::Required::default();
        required.check("value", self.value.as_ref());
        required.finish()?;
        let value = self.value.unwrap_or_default();
        if value.reveal().len() > MAX_VALUE {
            return Err(input::invalid(&format!("value: longer than {MAX_VALUE} bytes")));
        }
        if self.content_type.as_ref().is_some_and(|kind| kind.chars().count() > MAX_CONTENT_TYPE) {
            return Err(input::invalid(&format!("contentType: longer than {MAX_CONTENT_TYPE} characters")));
        }
        let attributes = self.attributes.unwrap_or_default().given();
        let tags = attributes::tags(self.tags, Kind::Secret)?;
        Ok(NewSecret { value, content_type: self.content_type, attributes, tags })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretBundle<'a> {
    value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    id: String,
    attributes: AttributesOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
}

fn bundle(exchange: &Exchange, found: &Found<SecretRecord>, value: &str) -> Response {
    let record = &*found.record;
    let recovery = exchange.call.vault.recovery();
    let bundle = SecretBundle {
        value,
        content_type: record.content_type.as_deref(),
        id: exchange.id(Kind::Secret, &found.name, Some(&found.version)),
        attributes: AttributesOut::new(&record.attributes, recovery, exchange.api_version),
        tags: record.tags.as_ref(),
    };
    body::json(StatusCode::OK, &bundle)
}
