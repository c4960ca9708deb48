//! Secrets after their deletion: delete, see, recover, purge.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::super::exchange::Exchange;
use super::super::{State, paging, refusal};
use super::bundle::{bundle, deleted_bundle, deleted_item};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::{Operation, Permission};

pub(in super::super) static DELETE: Operation = Operation {
    name: "SecretDelete",
    method: Method::DELETE,
    path: "/secrets/{name}",
    permission: Permission::secrets("delete", "secrets/delete"),
};

/// Deletes a secret with all its versions.
pub(in super::super) async fn delete(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let removed = state.vaults.secrets(&exchange.call).delete(&name).await;
    Ok(deleted_bundle(&exchange, &removed.map_err(refusal::error)?))
}

pub(in super::super) static GET: Operation = Operation {
    name: "SecretGetDeleted",
    method: Method::GET,
    path: "/deletedsecrets/{name}",
    permission: Permission::secrets("get", "secrets/readMetadata/action"),
};

/// A deleted secret.
pub(in super::super) async fn get(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let removed = state.vaults.secrets(&exchange.call).get_deleted(&name).await;
    Ok(deleted_bundle(&exchange, &removed.map_err(refusal::error)?))
}

pub(in super::super) static LIST: Operation = Operation {
    name: "SecretListDeleted",
    method: Method::GET,
    path: "/deletedsecrets",
    permission: Permission::secrets("list", "secrets/readMetadata/action"),
};

/// The vault's deleted secrets, a page at a time.
pub(in super::super) async fn list(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let page = paging::page_request(&exchange.target.query)?;
    let listed = state.vaults.secrets(&exchange.call).list_deleted(&page).await.map_err(refusal::error)?;
    Ok(paging::answer(&exchange.target, "/deletedsecrets", &listed, |removed| deleted_item(&exchange, removed)))
}

pub(in super::super) static RECOVER: Operation = Operation {
    name: "SecretRecover",
    method: Method::POST,
    path: "/deletedsecrets/{name}/recover",
    permission: Permission::secrets("recover", "secrets/recover/action"),
};

/// Brings a deleted secret back.
pub(in super::super) async fn recover(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let found = state.vaults.secrets(&exchange.call).recover(&name).await;
    Ok(bundle(&exchange, &found.map_err(refusal::error)?))
}

pub(in super::super) static PURGE: Operation = Operation {
    name: "SecretPurge",
    method: Method::DELETE,
    path: "/deletedsecrets/{name}",
    permission: Permission::secrets("purge", "secrets/purge/action"),
};

/// Takes a deleted secret away for good.
pub(in super::super) async fn purge(state: Arc<State>, exchange: Exchange) -> Result<Response, ApiError> {
    let name = exchange.name()?;
    let purged = state.vaults.secrets(&exchange.call).purge(&name).await;
    purged.map_err(|refusal| refusal::in_vault(refusal, &exchange))?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}
