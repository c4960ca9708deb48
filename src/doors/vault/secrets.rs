//! Secrets on the wire: set, get, list, update, back up and restore.

mod bundle;
pub(super) mod deleted;
mod request;

use std::sync::Arc;

use hyper::Method;

use super::exchange::Exchange;
use super::{State, backup, input, paging, refusal};
use crate::http::error::ApiError;
use crate::http::{Incoming, Response};
use crate::operation::{Operation, Permission};

use bundle::{bundle, bundle_with_value, item};
use request::{SetSecret, UpdateSecret};

pub(super) static SET: Operation = Operation {
    name: "SecretSet",
    method: Method::PUT,
    path: "/secrets/{name}",
    permission: Permission::secrets("set", "secrets/setSecret/action"),
};

/// Makes a secret, or a new version of one; answers it with its value.
pub(super) async fn set(state: Arc<State>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let new = input::object::<SetSecret>(body, &state.limits).await?.parse()?;
    let created = state.vaults.secrets(&exchange.call).set(&name, &new).await;
    Ok(bundle_with_value(&exchange, &created.map_err(refusal::error)?, new.value.reveal()))
}

pub(super) static GET: Operation = Operation {
    name: "SecretGet",
    method: Method::GET,
    path: "/secrets/{name}/{version?}",
    permission: Permission::secrets("get", "secrets/getSecret/action"),
};

/// A version of a secret, with its value.
pub(super) async fn get(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let (name, version) = (exchange.name()?, exchange.version()?);
    request::check_out_content_type(&exchange)?;
    let found = state.vaults.secrets(&exchange.call).get_value(&name, version.as_ref()).await;
    let (found, value) = found.map_err(refusal::error)?;
    Ok(bundle_with_value(&exchange, &found, value.reveal()))
}

pub(super) static UPDATE: Operation = Operation {
    name: "SecretUpdate",
    method: Method::PATCH,
    path: "/secrets/{name}/{version?}",
    permission: Permission::secrets("set", "secrets/update/action"),
};

/// Changes what is said of a version of a secret; its value stays, and is not answered.
pub(super) async fn update(state: Arc<State>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let (name, version) = (exchange.name()?, exchange.version()?);
    let change = input::object::<UpdateSecret>(body, &state.limits).await?.parse()?;
    let changed = state.vaults.secrets(&exchange.call).update(&name, version.as_ref(), &change).await;
    Ok(bundle(&exchange, &changed.map_err(refusal::error)?))
}

pub(super) static LIST: Operation = Operation {
    name: "SecretList",
    method: Method::GET,
    path: "/secrets",
    permission: Permission::secrets("list", "secrets/readMetadata/action"),
};

/// The vault's secrets, a page at a time, without their values.
pub(super) async fn list(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let page = paging::page_request(&exchange.target.query)?;
    let listed = state.vaults.secrets(&exchange.call).list(&page).await.map_err(refusal::error)?;
    Ok(paging::answer(&exchange.target, "/secrets", &listed, |found| item(&exchange, found, false)))
}

pub(super) static LIST_VERSIONS: Operation = Operation {
    name: "SecretListVersions",
    method: Method::GET,
    path: "/secrets/{name}/versions",
    permission: Permission::secrets("list", "secrets/readMetadata/action"),
};

/// A secret's versions, a page at a time, without their values.
pub(super) async fn list_versions(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let page = paging::page_request(&exchange.target.query)?;
    let listed = state.vaults.secrets(&exchange.call).list_versions(&name, &page).await;
    let listed = listed.map_err(refusal::error)?;
    let path = format!("/secrets/{name}/versions");
    Ok(paging::answer(&exchange.target, &path, &listed, |found| item(&exchange, found, true)))
}

pub(super) static BACKUP: Operation = Operation {
    name: "SecretBackup",
    method: Method::POST,
    path: "/secrets/{name}/backup",
    permission: Permission::secrets("backup", "secrets/backup/action"),
};

/// A secret with all its versions, sealed.
pub(super) async fn back_up(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let blob = state.vaults.secrets(&exchange.call).backup(&name).await.map_err(refusal::error)?;
    Ok(backup::answer(&blob))
}

pub(super) static RESTORE: Operation = Operation {
    name: "SecretRestore",
    method: Method::POST,
    path: "/secrets/restore",
    permission: Permission::secrets("restore", "secrets/restore/action"),
};

/// Puts a secret back from its backup; answers it without its value.
pub(super) async fn restore(state: Arc<State>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let blob = backup::read(body, &state.limits).await?;
    let found = state.vaults.secrets(&exchange.call).restore(blob).await;
    Ok(bundle(&exchange, &found.map_err(|refusal| refusal::in_vault(refusal, &exchange))?))
}
