//! Keys after their deletion: delete, see, recover, purge.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::super::exchange::Exchange;
use super::super::{State, paging, refusal};
use super::bundle::{bundle, deleted_bundle, deleted_item};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::{Operation, Permission};

pub(in super::super) static DELETE: Operation = Operation {
    name: "KeyDelete",
    method: Method::DELETE,
    path: "/keys/{name}",
    permission: Permission::keys("delete", "keys/delete"),
};

/// Deletes a key with all its versions.
pub(in super::super) async fn delete(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let removed = state.vaults.keys(&exchange.call).delete(&name).await;
    Ok(deleted_bundle(&exchange, &removed.map_err(refusal::error)?))
}

pub(in super::super) static GET: Operation = Operation {
    name: "KeyGetDeleted",
    method: Method::GET,
    path: "/deletedkeys/{name}",
    permission: Permission::keys("get", "keys/read"),
};

/// A deleted key.
pub(in super::super) async fn get(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let removed = state.vaults.keys(&exchange.call).get_deleted(&name).await;
    Ok(deleted_bundle(&exchange, &removed.map_err(refusal::error)?))
}

pub(in super::super) static LIST: Operation = Operation {
    name: "KeyListDeleted",
    method: Method::GET,
    path: "/deletedkeys",
    permission: Permission::keys("list", "keys/read"),
};

/// The vault's deleted keys, a page at a time.
pub(in super::super) async fn list(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let page = paging::page_request(&exchange.target.query)?;
    let listed = state.vaults.keys(&exchange.call).list_deleted(&page).await.map_err(refusal::error)?;
    Ok(paging::answer(&exchange.target, "/deletedkeys", &listed, |removed| deleted_item(&exchange, removed)))
}

pub(in super::super) static RECOVER: Operation = Operation {
    name: "KeyRecover",
    method: Method::POST,
    path: "/deletedkeys/{name}/recover",
    permission: Permission::keys("recover", "keys/recover/action"),
};

/// Brings a deleted key back.
pub(in super::super) async fn recover(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let found = state.vaults.keys(&exchange.call).recover(&name).await;
    Ok(bundle(&exchange, &found.map_err(refusal::error)?))
}

pub(in super::super) static PURGE: Operation = Operation {
    name: "KeyPurge",
    method: Method::DELETE,
    path: "/deletedkeys/{name}",
    permission: Permission::keys("purge", "keys/purge/action"),
};

/// Takes a deleted key away for good.
pub(in super::super) async fn purge(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let purged = state.vaults.keys(&exchange.call).purge(&name).await;
    purged.map_err(|refusal| refusal::in_vault(refusal, &exchange))?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}
