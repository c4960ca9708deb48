//! Keys on the wire: create, import, get, list, update.

mod bundle;
pub(super) mod deleted;
mod import;
mod request;
pub(super) mod rotation;

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::exchange::Exchange;
use super::{State, backup, input, paging, refusal};
use crate::http::error::ApiError;
use crate::http::{Incoming, Response};
use crate::operation::{Operation, Permission};

use bundle::{bundle, item};
use import::ImportKey;
use request::{CreateKey, UpdateKey};

pub(super) use import::invalid_material;
pub(super) use request::unsupported_operations;

pub(super) static CREATE: Operation = Operation {
    name: "KeyCreate",
    method: Method::POST,
    path: "/keys/{name}/create",
    permission: Permission::keys("create", "keys/create/action"),
};

/// Makes a key, or a new version of one.
pub(super) async fn create(state: Arc<State>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let (new, spec) = input::object::<CreateKey>(body, &state.limits).await?.parse(exchange.api_version)?;
    let created = state.vaults.keys(&exchange.call).create(&name, new, spec).await;
    Ok(bundle(&exchange, &created.map_err(refusal::error)?))
}

pub(super) static IMPORT: Operation = Operation {
    name: "KeyImport",
    method: Method::PUT,
    path: "/keys/{name}",
    permission: Permission::keys("import", "keys/import/action"),
};

/// Takes in a key that was made elsewhere.
pub(super) async fn import(state: Arc<State>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let request = input::object::<ImportKey>(body, &state.limits).await?;
    let (new, from) = request.parse(&state, &exchange).await?;
    let created = state.vaults.keys(&exchange.call).import(&name, new, from).await;
    Ok(bundle(&exchange, &created.map_err(refusal::error)?))
}

pub(super) static GET: Operation = Operation {
    name: "KeyGet",
    method: Method::GET,
    path: "/keys/{name}/{version?}",
    permission: Permission::keys("get", "keys/read"),
};

/// A version of a key; its public part.
pub(super) async fn get(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let (name, version) = (exchange.name()?, exchange.version()?);
    let found = state.vaults.keys(&exchange.call).get(&name, version.as_ref()).await;
    Ok(bundle(&exchange, &found.map_err(refusal::error)?))
}

pub(super) static UPDATE: Operation = Operation {
    name: "KeyUpdate",
    method: Method::PATCH,
    path: "/keys/{name}/{version?}",
    permission: Permission::keys("update", "keys/update/action"),
};

/// Changes what may be done with a version of a key.
pub(super) async fn update(state: Arc<State>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let (name, version) = (exchange.name()?, exchange.version()?);
    let change = input::object::<UpdateKey>(body, &state.limits).await?.parse()?;
    let changed = state.vaults.keys(&exchange.call).update(&name, version.as_ref(), &change).await;
    Ok(bundle(&exchange, &changed.map_err(refusal::error)?))
}

pub(super) static LIST: Operation = Operation {
    name: "KeyList",
    method: Method::GET,
    path: "/keys",
    permission: Permission::keys("list", "keys/read"),
};

/// The vault's keys, a page at a time.
pub(super) async fn list(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let page = paging::page_request(&exchange.target.query)?;
    let listed = state.vaults.keys(&exchange.call).list(&page).await.map_err(refusal::error)?;
    Ok(paging::answer(&exchange.target, "/keys", &listed, |found| item(&exchange, found, false)))
}

pub(super) static LIST_VERSIONS: Operation = Operation {
    name: "KeyListVersions",
    method: Method::GET,
    path: "/keys/{name}/versions",
    permission: Permission::keys("list", "keys/read"),
};

/// A key's versions, a page at a time.
pub(super) async fn list_versions(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let page = paging::page_request(&exchange.target.query)?;
    let listed = state.vaults.keys(&exchange.call).list_versions(&name, &page).await;
    let listed = listed.map_err(refusal::error)?;
    let path = format!("/keys/{name}/versions");
    Ok(paging::answer(&exchange.target, &path, &listed, |found| item(&exchange, found, true)))
}

pub(super) static BACKUP: Operation = Operation {
    name: "KeyBackup",
    method: Method::POST,
    path: "/keys/{name}/backup",
    permission: Permission::keys("backup", "keys/backup/action"),
};

/// A key with all its versions, sealed.
pub(super) async fn back_up(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let blob = state.vaults.keys(&exchange.call).backup(&name).await.map_err(refusal::error)?;
    Ok(backup::answer(&blob))
}

pub(super) static RESTORE: Operation = Operation {
    name: "KeyRestore",
    method: Method::POST,
    path: "/keys/restore",
    permission: Permission::keys("restore", "keys/restore/action"),
};

/// Puts a key back from its backup.
pub(super) async fn restore(state: Arc<State>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let blob = backup::read(body, &state.limits).await?;
    let found = state.vaults.keys(&exchange.call).restore(blob).await;
    Ok(bundle(&exchange, &found.map_err(|refusal| refusal::in_vault(refusal, &exchange))?))
}

pub(super) static RELEASE: Operation = Operation {
    name: "KeyRelease",
    method: Method::POST,
    path: "/keys/{name}/{version?}/release",
    permission: Permission::keys("release", "keys/release/action"),
};

/// Handing a key out, which this server cannot do: there is nobody here whose attestation it could check.
pub(super) async fn release(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let (name, version) = (exchange.name()?, exchange.version()?);
    state.vaults.keys(&exchange.call).get(&name, version.as_ref()).await.map_err(refusal::error)?;
    let text = "This server keeps release policies but does not release keys.";
    Err(ApiError::new(StatusCode::BAD_REQUEST, "NotSupported", text))
}
