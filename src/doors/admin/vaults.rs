//! Vaults: shown, made, copied, changed, taken away.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::request_body::{self, bad_request};
use super::{State, conflict, internal_error, with_admin_key};
use crate::config::{ConfigError, entry};
use crate::directory::IdentityRecord;
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;
use crate::vault::{InitialVault, Refusal, Vault, VaultName};

pub(super) static LIST: Operation = with_admin_key("VaultList", Method::GET, "/admin/vaults");
pub(super) static PUT: Operation = with_admin_key("VaultPut", Method::PUT, "/admin/vaults/{name}");
pub(super) static DELETE: Operation = with_admin_key("VaultDelete", Method::DELETE, "/admin/vaults/{name}");

/// How often a copy is tried whose source is written to at the same moment.
const COPIES_TRIED: usize = 10;

#[derive(Serialize)]
struct Listed {
    vaults: Vec<Map<String, Value>>,
}

/// Every vault, as an entry of the file's `vaults`, without what it holds.
pub(super) async fn list(state: Arc<State>) -> Result<Response, ApiError> {
    let all = state.vaults.all().await.map_err(refused)?;
    Ok(body::json(StatusCode::OK, &Listed { vaults: all.iter().map(|vault| entry::of_vault(vault)).collect() }))
}

/// What is sent to make or to change a vault: an entry of the file's `vaults`, and perhaps which vault it copies.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    copy_of: Option<String>,
    #[serde(flatten)]
    entry: Map<String, Value>,
}

/// Makes a vault (201), or changes what may change of one (200); what is left out stays. With `copyOf` it makes a copy
/// (201), where what is left out is as in the source.
pub(super) async fn put(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let Given { copy_of, entry } = request_body::json(&state, body).await?;
    let name = name(&params.get("name"), "name")?;
    let there = state.vaults.find(&name).await.map_err(refused)?;
    let had_aliases = there.as_ref().is_some_and(|vault| !vault.aliases.is_empty());
    let made = match copy_of {
        Some(source) => state.copied(&source, &name, &entry).await?,
        None => state.put(there.as_deref(), &name, &entry).await?,
    };
    if had_aliases || !made.aliases.is_empty() {
        state.control.vaults_changed().await;
    }
    let status = if there.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(body::json(status, &entry::of_vault(&made)))
}

impl State {
    async fn put(
        &self,
        there: Option<&Vault>,
        name: &VaultName,
        given: &Map<String, Value>,
    ) -> Result<Arc<Vault>, ApiError> {
        let wanted =
            self.wanted(given, |given, identities| entry::vault(name, there, given, self.tenant(), identities));
        let wanted = wanted.await?;
        let (vault, _) = self.vaults.put_vault(wanted, there, self.clock.now()).await.map_err(refused)?;
        Ok(vault)
    }

    async fn copied(&self, source: &str, name: &VaultName, given: &Map<String, Value>) -> Result<Arc<Vault>, ApiError> {
        let source = self::name(source, "copyOf")?;
        for _ in 1..COPIES_TRIED {
            match self.copied_once(&source, name, given).await? {
                Err(Refusal::Busy) => {}
                made => return made.map_err(refused),
            }
        }
        self.copied_once(&source, name, given).await?.map_err(refused)
    }

    async fn copied_once(
        &self,
        source: &VaultName,
        name: &VaultName,
        given: &Map<String, Value>,
    ) -> Result<Result<Arc<Vault>, Refusal>, ApiError> {
        let there = self.vaults.find(source).await.map_err(refused)?;
        let source = there.ok_or_else(|| no_such_vault(source))?;
        let wanted =
            self.wanted(given, |given, identities| entry::copy(name, &source, given, self.tenant(), identities));
        let wanted = wanted.await?;
        Ok(self.vaults.copy_vault(&source, wanted, self.clock.now()).await.map(|(vault, _)| vault))
    }

    /// The vault that `read` makes of what is `given` of it and the identities there are.
    async fn wanted(
        &self,
        given: &Map<String, Value>,
        read: impl FnOnce(&[u8], &[IdentityRecord]) -> Result<InitialVault, ConfigError>,
    ) -> Result<InitialVault, ApiError> {
        let all = self.directory.identities().await.map_err(|error| internal_error(&error.to_string()))?;
        let identities: Vec<_> = all.iter().map(|identity| identity.as_ref().clone()).collect();
        let text = Zeroizing::new(serde_json::to_vec(given).map_err(|error| internal_error(&error.to_string()))?);
        let wanted = read(&text, &identities).map_err(|error| bad_request(error.to_string()))?;
        match wanted.aliases.iter().find_map(|alias| self.control.certificate_refusal(alias)) {
            Some(why) => Err(conflict(why)),
            None => Ok(wanted),
        }
    }
}

/// Takes a vault away with all that it holds.
pub(super) async fn delete(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let name = name(&params.get("name"), "name")?;
    if !state.vaults.delete_vault(&name).await.map_err(refused)? {
        return Err(no_such_vault(&name));
    }
    state.control.vaults_changed().await;
    Ok(body::empty(StatusCode::NO_CONTENT))
}

fn name(text: &str, member: &str) -> Result<VaultName, ApiError> {
    let rule = "must be 3 to 24 letters, digits and single hyphens, a letter first, no hyphen last";
    VaultName::parse(text).ok_or_else(|| bad_request(format!("{member}: {rule}")))
}

fn no_such_vault(name: &VaultName) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NotFound", format!("No vault is called '{name}'."))
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Fixed { .. } | Refusal::AliasTaken { .. } | Refusal::VaultTaken { .. } => {
            conflict(refusal.to_string())
        }
        Refusal::NoSuchVault { name } => no_such_vault(&name),
        Refusal::Busy => conflict("somebody else changed it at the same moment; ask again"),
        Refusal::NeedsPremium { .. } => bad_request(refusal.to_string()),
        // The holder of the admin key may read which record it is.
        Refusal::OrphanedLayer { .. } | Refusal::WritesStopped { .. } => {
            tracing::error!(%refusal, "a request to the admin API failed");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", refusal.to_string())
        }
        other => internal_error(&other.to_string()),
    }
}
