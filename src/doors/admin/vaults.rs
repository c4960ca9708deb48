//! Vaults: shown, made, changed, taken away.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use super::input::{self, bad};
use super::{AdminDoor, conflict, failed, guarded};
use crate::config::entry;
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Response, body};
use crate::operation::Operation;
use crate::vault::{Refusal, VaultName};

pub(super) static LIST: Operation = guarded("VaultList", Method::GET, "/admin/vaults");
pub(super) static PUT: Operation = guarded("VaultPut", Method::PUT, "/admin/vaults/{name}");
pub(super) static DELETE: Operation = guarded("VaultDelete", Method::DELETE, "/admin/vaults/{name}");

#[derive(Serialize)]
struct Listed {
    vaults: Vec<Map<String, Value>>,
}

/// Every vault, as an entry of the file's `vaults`, without what it holds.
pub(super) async fn list(door: Arc<AdminDoor>) -> Result<Response, ApiError> {
    let all = door.vaults.all().await.map_err(refused)?;
    Ok(body::json(StatusCode::OK, &Listed { vaults: all.iter().map(|vault| entry::shown(vault)).collect() }))
}

/// Makes a vault (201), or changes what may change of one (200); what is left out stays.
pub(super) async fn put(door: Arc<AdminDoor>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let bytes = input::read(body, &door.limits).await?;
    let name = name(&params)?;
    let there = door.vaults.find(&name).await.map_err(refused)?;
    let all = door.directory.identities().await.map_err(|error| failed(&error.to_string()))?;
    let identities: Vec<_> = all.iter().map(|identity| identity.as_ref().clone()).collect();
    let wanted = entry::vault(&name, there.as_deref(), &bytes, door.tenant(), &identities);
    let wanted = wanted.map_err(|error| bad(error.to_string()))?;
    if let Some(why) = wanted.aliases.iter().find_map(|alias| door.levers.uncertified(alias)) {
        return Err(conflict(why));
    }
    let (vault, _) = door.vaults.put_vault(wanted, there.as_deref(), door.clock.now()).await.map_err(refused)?;
    door.levers.vaults_changed().await;
    let status = if there.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(body::json(status, &entry::shown(&vault)))
}

/// Takes a vault away with all that it holds.
pub(super) async fn delete(door: Arc<AdminDoor>, params: Params) -> Result<Response, ApiError> {
    let name = name(&params)?;
    if !door.vaults.delete_vault(&name).await.map_err(refused)? {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "NotFound", format!("No vault is called '{name}'.")));
    }
    door.levers.vaults_changed().await;
    Ok(body::empty(StatusCode::NO_CONTENT))
}

fn name(params: &Params) -> Result<VaultName, ApiError> {
    let rule = "must be 3 to 24 letters, digits and single hyphens, a letter first, no hyphen last";
    VaultName::parse(params.get("name")).ok_or_else(|| bad(format!("name: {rule}")))
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Fixed { .. } | Refusal::AliasTaken { .. } => conflict(refusal.to_string()),
        Refusal::Busy => conflict("somebody else changed it at the same moment; ask again"),
        Refusal::NeedsPremium { .. } => bad(refusal.to_string()),
        other => failed(&other.to_string()),
    }
}
