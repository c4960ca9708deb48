//! What a server was started with, as the doors need it: limits, defaults, and the data that the configuration describes.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::error::StartError;
use super::foundations::Foundations;
use super::identity_header;
use super::key_files::read_backup_key;
use super::options::Options;
use super::takeover::Takeover;
use crate::audit::{AuditFile, AuditTarget, Schema};
use crate::clock::Clock;
use crate::config::{Config, ConfigFile};
use crate::crypto::backup_key::BackupKey;
use crate::directory::{Tenant, UnknownIdentities};
use crate::events::RetryPolicy;
use crate::http::budget::MemoryBudget;
use crate::http::limits::Limits;
use crate::http::tls::TlsVersion;
use crate::reconcile::Data;
use crate::trail::RecentTrails;
use crate::vault::{BackupKeySource, OnDemand, VaultName};

/// The settings of one server; they do not change while it runs.
pub(super) struct Settings {
    pub(super) tenant: Tenant,
    pub(super) default_vault: VaultName,
    pub(super) limits: Arc<Limits>,
    /// The address that every request counts as coming from, if not the connection's.
    pub(super) client_address: Option<IpAddr>,
    /// Memory for request bodies, of all listeners together.
    pub(super) bodies: Arc<MemoryBudget>,
    /// The directory of certificates, if they outlive this start.
    pub(super) certs: Option<PathBuf>,
    /// The key that backups and snapshots are sealed under.
    pub(super) backup_key: BackupKeySource,
    /// The template of vaults that are created on demand, if they are.
    pub(super) on_demand: Option<OnDemand>,
    pub(super) unknown_identities: UnknownIdentities,
    /// The header value of App Service's token requests.
    pub(super) identity_header: Zeroizing<String>,
    /// The directory in which clients of Azure Arc look for keys.
    pub(super) arc_keys: PathBuf,
    /// The first key that signs tokens, if it is not to be generated.
    pub(super) issuer_key: Option<Zeroizing<Vec<u8>>>,
    /// The one version of TLS that is served, if not all are.
    pub(super) tls: Option<TlsVersion>,
    pub(super) takeover: Takeover,
    /// Where audit records are written, if they are.
    pub(super) audit: Option<AuditTarget>,
    /// Whether what clients use is collected.
    pub(super) collects_usage: bool,
    /// The retry schedule of webhooks.
    pub(super) delivery: RetryPolicy,
    /// The configuration of the start.
    pub(super) config: Arc<Config>,
    /// Where it was read from.
    pub(super) config_file: Option<ConfigFile>,
    /// Whether the file is applied each time it has changed.
    pub(super) watch: bool,
}

impl Settings {
    /// The settings of a server with these options.
    pub(super) fn new(options: Options, foundations: &Foundations) -> Result<Self, StartError> {
        let unknown_identities = options.unknown_identities(foundations.sockets.proxy.is_some());
        let config = options.config;
        let backup_key = given_backup_key(options.backup_key, &config)?;
        let default_vault = config.vaults.first().ok_or_else(|| StartError::new("the configuration has no vault"))?;
        Ok(Self {
            tenant: config.tenant_ids(),
            default_vault: default_vault.name.clone(),
            on_demand: options.create_vaults.then(|| OnDemand::like(default_vault)),
            bodies: Arc::new(MemoryBudget::new(config.limits.bodies_in_flight_bytes)),
            limits: Arc::new(config.limits),
            client_address: options.client_address,
            certs: foundations.certs.clone(),
            backup_key: foundations.storage.backup_key(backup_key)?,
            unknown_identities,
            identity_header: match options.identity_header {
                Some(given) => given,
                None => identity_header::read_or_create(foundations.storage.environment())?,
            },
            arc_keys: options.arc_keys,
            issuer_key: options.issuer_key,
            tls: options.tls,
            takeover: options.takeover,
            delivery: options.delivery,
            collects_usage: options.collects_usage,
            audit: options.audit.or_else(|| config.audit.file.clone().map(AuditTarget::File)),
            config_file: options.config_file,
            watch: options.watch,
            config: Arc::new(config),
        })
    }

    /// Opens the audit file, if records are to be written into one; `clock` is the system's.
    pub(super) fn open_audit(&self, clock: &Arc<dyn Clock>) -> Result<Option<AuditFile>, StartError> {
        let (max_bytes, schema) = (self.config.audit.max_bytes, self.audit_schema());
        let open = |target| AuditFile::open(target, max_bytes, schema, clock.clone());
        self.audit.as_ref().map(open).transpose().map_err(StartError::new)
    }

    /// Room for the trails of the last requests; more where something follows them.
    pub(super) fn recent_trails(&self) -> RecentTrails {
        match self.audit.is_some() || self.collects_usage {
            true => RecentTrails::followed(),
            false => RecentTrails::default(),
        }
    }

    /// Where the resources of audit records are.
    pub(super) const fn audit_schema(&self) -> Schema {
        Schema { tenant: self.tenant.id, subscription: self.tenant.subscription }
    }

    /// Creates what `config` names and is missing; logs differences of what exists and leaves it alone.
    pub(super) async fn apply(config: &Config, data: &Data<'_>) -> Result<(), StartError> {
        for vault in config.vaults.iter().filter(|vault| vault.access_policies.is_empty() && !vault.role_based) {
            let why = "the configuration's accessPolicies of this vault are empty: it lets no identity in";
            tracing::warn!(vault = %vault.name, "{why}");
        }
        let inapplicable = |refusal| StartError::new(format!("the configuration cannot be applied: {refusal}"));
        for what in data.create_missing(config).await.map_err(inapplicable)? {
            let hint = "differs from the configuration and was left as it is; `keyhaven apply FILE` changes it, and \
                        `serve --watch` when the file changes";
            tracing::warn!(what, "{hint}");
        }
        Ok(())
    }

    /// The absolute path of the configuration's file, if there is one.
    pub(super) fn config_path(&self) -> Option<PathBuf> {
        let path = self.config_file.as_ref()?.path();
        Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
    }

    /// The configuration as its file has it now; without a file the one of the start.
    ///
    /// # Errors
    /// Why the file cannot be read, or not by this server.
    pub(super) fn current_config(&self) -> Result<Arc<Config>, String> {
        let Some(file) = &self.config_file else { return Ok(self.config.clone()) };
        let config = file.read()?;
        match config.tenant_ids() == self.tenant {
            true => Ok(Arc::new(config)),
            false => Err("the file's tenantId or subscriptionId is not this server's: restart it".to_owned()),
        }
    }
}

/// The backup key that the user gave: as an option, else in the configuration's file.
fn given_backup_key(option: Option<BackupKey>, config: &Config) -> Result<Option<BackupKey>, StartError> {
    match (option, &config.backup_key_file) {
        (None, Some(path)) => Ok(Some(read_backup_key(path)?)),
        (option, _) => Ok(option),
    }
}
