//! The objects of a vault, each with its latest version's attributes; never a value and never a key.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;

use super::request_body::{bad_request, number};
use super::vaults::{name, no_such_vault, refused};
use super::{State, with_admin_key};
use crate::clock::Timestamp;
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Response, body};
use crate::operation::Operation;
use crate::vault::Call;
use crate::vault::keys::{KeyRecord, PublicPart};
use crate::vault::object::{Attributes, FoundVersion, PageRequest};
use crate::vault::secrets::SecretRecord;

pub(super) static KEYS: Operation = with_admin_key("VaultKeyList", Method::GET, "/admin/vaults/{name}/keys");
pub(super) static SECRETS: Operation = with_admin_key("VaultSecretList", Method::GET, "/admin/vaults/{name}/secrets");

/// The number of objects in one answer by default, and the most.
const MAX_LIMIT: usize = 1000;

#[derive(Serialize)]
struct ObjectsBody<T> {
    value: Vec<T>,
    /// What to give as `after` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyOut {
    name: String,
    version: String,
    kty: &'static str,
    #[serde(rename = "key_size", skip_serializing_if = "Option::is_none")]
    size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    attributes: AttributesOut,
    /// When its policy has the next version.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotates: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretOut {
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    attributes: AttributesOut,
}

#[derive(Serialize)]
struct AttributesOut {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<Timestamp>,
    created: Timestamp,
    updated: Timestamp,
}

/// Answers the keys of a vault, ordered by upper-cased name.
pub(super) async fn keys(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let (call, page) = (state.call(&params).await?, page(&params)?);
    let keys = state.vaults.keys(&call);
    let found = keys.list(&page).await.map_err(refused)?;
    let mut value = Vec::with_capacity(found.items.len());
    for key in &found.items {
        value.push(KeyOut::new(key, keys.rotates_at(key).await.map_err(refused)?));
    }
    Ok(body::json(StatusCode::OK, &ObjectsBody { value, next: found.next }))
}

/// Answers the secrets of a vault, ordered by upper-cased name.
pub(super) async fn secrets(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let (call, page) = (state.call(&params).await?, page(&params)?);
    let found = state.vaults.secrets(&call).list(&page).await.map_err(refused)?;
    let value = found.items.iter().map(SecretOut::new).collect();
    Ok(body::json(StatusCode::OK, &ObjectsBody { value, next: found.next }))
}

impl State {
    /// A call in the vault that the path names.
    async fn call(&self, params: &Params) -> Result<Call, ApiError> {
        let name = name(&params.get("name"), "name")?;
        let vault = self.vaults.find(&name).await.map_err(refused)?.ok_or_else(|| no_such_vault(&name))?;
        Ok(Call::by_server(vault, self.clock.now()))
    }
}

fn page(params: &Params) -> Result<PageRequest, ApiError> {
    let mut page = PageRequest { after: None, limit: MAX_LIMIT };
    for (name, value) in params.query() {
        match &*name {
            "after" => page.after = Some(value.into_owned()),
            "limit" => page.limit = number(&name, &value)?,
            _ => return Err(bad_request(format!("{name}: there are after and limit"))),
        }
    }
    match (1..=MAX_LIMIT).contains(&page.limit) {
        true => Ok(page),
        false => Err(bad_request(format!("limit: must be 1 to {MAX_LIMIT}"))),
    }
}

impl KeyOut {
    fn new(found: &FoundVersion<KeyRecord>, rotates: Option<Timestamp>) -> Self {
        let KeyRecord { kty, public, attributes, .. } = &*found.record;
        let crv = if let PublicPart::Ec { crv, .. } = public { Some(crv.name()) } else { None };
        Self {
            name: found.name.to_string(),
            version: found.version.to_string(),
            kty: kty.name(),
            size: public.size(),
            crv,
            attributes: AttributesOut::from(attributes),
            rotates,
        }
    }
}

impl SecretOut {
    fn new(found: &FoundVersion<SecretRecord>) -> Self {
        Self {
            name: found.name.to_string(),
            version: found.version.to_string(),
            content_type: found.record.content_type.clone(),
            attributes: AttributesOut::from(&found.record.attributes),
        }
    }
}

impl From<&Attributes> for AttributesOut {
    fn from(from: &Attributes) -> Self {
        let Attributes { enabled, nbf, exp, created, updated } = *from;
        Self { enabled, nbf, exp, created, updated }
    }
}
