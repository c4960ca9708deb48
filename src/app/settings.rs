//! What a server was started with, as the doors need it: limits, defaults, and the data that the configuration describes.

use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::error::StartError;
use super::foundations::Foundations;
use super::key_files::read_backup_key;
use super::options::Options;
use super::random_hex::random_hex;

use super::takeover::Takeover;
use crate::clock::Timestamp;
use crate::config::{self, Config};
use crate::crypto::backup_key::BackupKey;
use crate::directory::{Directory, IdentityRecord, Tenant, UnknownIdentities};
use crate::events::{RetryPolicy, Webhook};
use crate::http::budget::MemoryBudget;
use crate::http::limits::Limits;
use crate::http::tls::TlsVersion;
use crate::vault::{BackupKeySource, Difference, InitialVault, OnDemand, VaultName, Vaults};

/// The settings of one server; they do not change while it runs.
pub(super) struct Settings {
    pub(super) tenant: Tenant,
    pub(super) default_vault: VaultName,
    pub(super) limits: Arc<Limits>,
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
    pub(super) webhooks: Vec<Webhook>,
    /// The retry schedule of webhooks.
    pub(super) delivery: RetryPolicy,
    identities: Vec<IdentityRecord>,
    vaults: Vec<InitialVault>,
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
            certs: foundations.certs.clone(),
            backup_key: foundations.storage.backup_key(backup_key)?,
            unknown_identities,
            identity_header: options.identity_header.unwrap_or_else(random_hex::<16>),
            arc_keys: options.arc_keys,
            issuer_key: options.issuer_key,
            tls: options.tls,
            takeover: options.takeover,
            webhooks: config.webhooks,
            delivery: options.delivery,
            identities: config.identities,
            vaults: config.vaults,
        })
    }

    /// Creates configured identities and vaults that are missing; logs differences of existing ones and leaves them alone.
    pub(super) async fn apply(&self, vaults: &Vaults, directory: &Directory, now: Timestamp) -> Result<(), StartError> {
        for name in directory.ensure(&self.identities).await.map_err(StartError::new)? {
            warn_differs(&format!("identity {name}"));
        }
        for vault in &self.vaults {
            let inapplicable = |refusal| StartError::new(format!("the configuration cannot be applied: {refusal}"));
            if vault.access_policies.is_empty() {
                tracing::warn!(vault = %vault.name, "the configuration's accessPolicies of this vault are empty: it lets no identity in");
            }
            let applied = vaults.apply(vault.clone(), now).await.map_err(inapplicable)?;
            for made in applied.created {
                tracing::debug!(made, "made from the configuration");
            }
            applied.differs.iter().for_each(|difference| warn_differs(&in_words(difference)));
        }
        Ok(())
    }
}

/// The backup key that the user gave: as an option, else in the configuration's file.
fn given_backup_key(option: Option<BackupKey>, config: &Config) -> Result<Option<BackupKey>, StartError> {
    match (option, &config.backup_key_file) {
        (None, Some(path)) => Ok(Some(read_backup_key(path)?)),
        (option, _) => Ok(option),
    }
}

fn in_words(difference: &Difference) -> String {
    match difference {
        Difference::Vault { name, settings } => {
            let members: Vec<_> = settings.iter().map(|setting| config::setting_member(*setting)).collect();
            format!("vault {name} ({})", members.join(", "))
        }
        Difference::Object(object) => object.to_string(),
        Difference::DeletedObject(object) => format!("{object} (it is deleted, and can be recovered)"),
    }
}

fn warn_differs(what: &str) {
    tracing::warn!(
        what,
        "differs from the configuration and was left as it is; a new --data starts from the configuration"
    );
}
