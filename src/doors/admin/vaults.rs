//! Vaults: listed, created, copied, changed, deleted.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::request_body::{self, bad_request};
use super::{State, conflict, internal_error, role_assignments, with_admin_key};
use crate::access::roles::{RoleAssignment, Scope};
use crate::config::entry::{self, ParseContext, WantedVault};
use crate::config::{self, ConfigError, Identities};
use crate::directory::{IdentitySelector, UnknownIdentities};
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;
use crate::vault::{ObjectCount, Refusal, Vault, VaultName};

pub(super) static LIST: Operation = with_admin_key("VaultList", Method::GET, "/admin/vaults");
pub(super) static SHOW: Operation = with_admin_key("VaultShow", Method::GET, "/admin/vaults/{name}");
pub(super) static PUT: Operation = with_admin_key("VaultPut", Method::PUT, "/admin/vaults/{name}");
pub(super) static DELETE: Operation = with_admin_key("VaultDelete", Method::DELETE, "/admin/vaults/{name}");

/// Attempts to copy a vault whose source is written to at the same time.
const COPY_ATTEMPTS: usize = 10;

#[derive(Serialize)]
struct VaultListBody {
    vaults: Vec<Map<String, Value>>,
}

/// Answers every vault as an entry of the configuration file's `vaults`, without its objects.
pub(super) async fn list(state: Arc<State>) -> Result<Response, ApiError> {
    let all = state.vaults.all().await.map_err(refused)?;
    Ok(body::json(StatusCode::OK, &VaultListBody { vaults: all.iter().map(|vault| entry::of_vault(vault)).collect() }))
}

/// Answers a vault as an entry of the configuration file's `vaults`, and how many objects it holds.
pub(super) async fn show(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let name = name(&params.get("name"), "name")?;
    let vault = state.vaults.find(&name).await.map_err(refused)?.ok_or_else(|| no_such_vault(&name))?;
    let counts = state.vaults.count_objects(&vault).await.map_err(refused)?;
    let count = |count: &ObjectCount| json!({"live": count.live, "deleted": count.deleted});
    let objects = counts.iter().map(|one| (one.kind.collection().to_owned(), count(one)));
    let mut entry = entry::of_vault(&vault);
    entry.insert("id".to_owned(), vault.resource_id(state.directory.tenant().subscription).to_string().into());
    entry.insert("objects".to_owned(), objects.collect());
    Ok(body::json(StatusCode::OK, &entry))
}

/// The body that creates or changes a vault: an entry of the configuration file's `vaults`, and for a copy its source.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VaultRequest {
    copy_of: Option<String>,
    #[serde(flatten)]
    entry: Map<String, Value>,
}

/// Creates a vault (201), or changes one (200); members that are left out stay, and role assignments, like access
/// policies, are replaced by those given. With `copyOf` it creates a copy (201), which
/// takes members that are left out from the source.
pub(super) async fn put(state: Arc<State>, params: Params, body: Incoming) -> Result<Response, ApiError> {
    let VaultRequest { copy_of, entry } = request_body::json(&state, body, r#"{"copyOf": "NAME"}"#).await?;
    let name = name(&params.get("name"), "name")?;
    let existing = state.vaults.find(&name).await.map_err(refused)?;
    let had_aliases = existing.as_ref().is_some_and(|vault| !vault.aliases.is_empty());
    let made = match copy_of {
        Some(source) => state.copy(&source, &name, &entry).await?,
        None => state.put(existing.as_deref(), &name, &entry).await?,
    };
    if had_aliases || !made.aliases.is_empty() {
        state.control.vaults_changed().await;
    }
    let status = if existing.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(body::json(status, &entry::of_vault(&made)))
}

impl State {
    async fn put(
        &self,
        existing: Option<&Vault>,
        name: &VaultName,
        entry: &Map<String, Value>,
    ) -> Result<Arc<Vault>, ApiError> {
        let wanted = self.parse(entry, |entry, context| entry::vault(name, existing, entry, context));
        let WantedVault { vault, assignments } = wanted.await?;
        let (vault, _) = self.vaults.put_vault(vault, existing, self.clock.now()).await.map_err(refused)?;
        self.assign(&vault, assignments).await?;
        Ok(vault)
    }

    async fn copy(&self, source: &str, name: &VaultName, entry: &Map<String, Value>) -> Result<Arc<Vault>, ApiError> {
        let source = self::name(source, "copyOf")?;
        for _ in 1..COPY_ATTEMPTS {
            match self.copy_once(&source, name, entry).await? {
                Err(Refusal::Busy) => {}
                made => return made.map_err(refused),
            }
        }
        self.copy_once(&source, name, entry).await?.map_err(refused)
    }

    async fn copy_once(
        &self,
        source: &VaultName,
        name: &VaultName,
        entry: &Map<String, Value>,
    ) -> Result<Result<Arc<Vault>, Refusal>, ApiError> {
        let existing = self.vaults.find(source).await.map_err(refused)?;
        let source = existing.ok_or_else(|| no_such_vault(source))?;
        let wanted = self.parse(entry, |entry, context| entry::copy(name, &source, entry, context));
        let WantedVault { vault, assignments } = wanted.await?;
        let copied = self.vaults.copy_vault(&source, vault, self.clock.now()).await.map(|(vault, _)| vault);
        if let Ok(copy) = &copied {
            self.copy_roles(&source, copy).await?;
            self.assign(copy, assignments).await?;
        }
        Ok(copied)
    }

    /// Makes `assignments`, where an entry gives them, the only ones of `vault` and of what it holds.
    async fn assign(&self, vault: &Vault, assignments: Option<Vec<RoleAssignment>>) -> Result<(), ApiError> {
        let Some(assignments) = assignments else { return Ok(()) };
        let assignments: Vec<_> = assignments.into_iter().map(|one| self.effective_after_delay(one)).collect();
        let replaced = self.authorization.replace_below(&self.scope(vault), &assignments).await;
        replaced.map_err(role_assignments::refused)
    }

    async fn copy_roles(&self, source: &Vault, copy: &Vault) -> Result<(), ApiError> {
        let copied = self.authorization.copy_scope(&self.scope(source), &self.scope(copy)).await;
        copied.map_err(|error| internal_error(&error))
    }

    fn scope(&self, vault: &Vault) -> Scope {
        vault.scope(self.directory.tenant().subscription)
    }

    /// Parses `entry` by `read`, which gets the identities and roles, and checks that certificates can name the aliases.
    async fn parse(
        &self,
        entry: &Map<String, Value>,
        read: impl FnOnce(&[u8], ParseContext<'_>) -> Result<WantedVault, ConfigError>,
    ) -> Result<WantedVault, ApiError> {
        let all = self.directory.identities().await.map_err(|error| internal_error(&error))?;
        let identities: Vec<_> = all.iter().map(|identity| identity.as_ref().clone()).collect();
        let default = self.directory.select(&IdentitySelector::Default, UnknownIdentities::Reject).await;
        let default = default.map_err(|error| internal_error(&error))?;
        let current = self.authorization.current().await.map_err(|error| internal_error(&error))?;
        let context = ParseContext {
            tenant: self.directory.tenant(),
            identities: Identities { all: &identities, default: default.as_deref() },
            roles: &current.access.content().definitions,
        };
        let text = Zeroizing::new(serde_json::to_vec(entry).map_err(|error| internal_error(&error))?);
        let wanted = read(&text, context).map_err(|error| bad_request(error.to_string()))?;
        match wanted.vault.aliases.iter().find_map(|alias| self.control.certificate_refusal(alias)) {
            Some(why) => Err(conflict(why)),
            None => Ok(wanted),
        }
    }
}

/// Deletes a vault with all that it holds.
pub(super) async fn delete(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let name = name(&params.get("name"), "name")?;
    let vault = state.vaults.find(&name).await.map_err(refused)?.ok_or_else(|| no_such_vault(&name))?;
    // As the service's do, role assignments end with the vault: one of the same name later begins without. They go first, so that
    // a deletion that is broken off leaves a vault without them, and never them without the vault.
    state.authorization.remove_below(&state.scope(&vault)).await.map_err(|error| internal_error(&error))?;
    if !state.vaults.delete_vault(&name).await.map_err(refused)? {
        return Err(no_such_vault(&name));
    }
    state.control.vaults_changed().await;
    Ok(body::empty(StatusCode::NO_CONTENT))
}

pub(super) fn name(text: &str, member: &str) -> Result<VaultName, ApiError> {
    let rule = "must be 3 to 24 letters, digits and single hyphens, a letter first, no hyphen last";
    VaultName::parse(text).ok_or_else(|| bad_request(format!("{member}: {rule}")))
}

pub(super) fn no_such_vault(name: &VaultName) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NotFound", format!("No vault is called '{name}'."))
}

pub(super) fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::FixedSetting(setting) => conflict(config::fixed_setting(setting)),
        Refusal::AliasTaken { .. } | Refusal::VaultTaken { .. } | Refusal::DeletedButRecoverable { .. } => {
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
        other => internal_error(&other),
    }
}
