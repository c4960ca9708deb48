//! The configuration: tenant, identities, vaults, webhooks and limits. Parsed once at the start, then immutable. This room
//! parses and validates; it applies nothing.

mod audit;
mod authorization;
pub(crate) mod entry;
mod error;
mod events;
mod factory;
mod file;
mod groups;
mod hosts;
mod identity;
mod json;
mod network;
mod object_names;
mod objects;
pub(crate) mod schema;
mod secrets;
mod source;
mod start_only;
mod suggestion;
mod vault;

use std::path::PathBuf;

use uuid::Uuid;

use crate::access::network::Networks;
use crate::access::roles::Content;
use crate::directory::{ClientSecret, IdentityRecord, Tenant};
use crate::events::Webhook;
use crate::http::limits::Limits;
use crate::management::ConfiguredFactory;
use crate::resource_id::SubscriptionId;
use crate::vault::{InitialVault, Sku, VaultName};

use audit::AuditSettings;
use identity::CertificateFiles;

pub use error::ConfigError;
pub(crate) use identity::identity_member;
pub(crate) use json::read;
pub use source::ConfigFile;
pub(crate) use source::FileStamp;
pub(crate) use suggestion::{did_you_mean, listed};
pub(crate) use vault::{fixed_setting, setting_member};

/// The default tenant.
const TENANT: Uuid = Uuid::from_u128(0x6b9e7c1a_0000_4000_8000_000000000001);
/// The default subscription.
const SUBSCRIPTION: SubscriptionId = SubscriptionId(Uuid::from_u128(0x6b9e7c1a_0000_4000_8000_000000000002));

/// A parsed configuration.
#[derive(Debug)]
pub struct Config {
    /// The tenant's id.
    pub tenant: Uuid,
    /// The id of the tenant's one subscription.
    pub(crate) subscription: SubscriptionId,
    /// Further host names (lower case) of the default vault.
    pub(crate) default_hosts: Vec<String>,
    /// The identities, in order.
    pub(crate) identities: Vec<IdentityRecord>,
    /// Whether these are the default ones, because no file names any.
    pub(crate) has_default_identities: bool,
    /// Who has which role, as far as the configuration says.
    pub(crate) access: Content,
    /// What the network rules of vaults refer to.
    pub(crate) networks: Networks,
    /// Seconds until a new role assignment counts.
    pub(crate) role_assignment_delay: u32,
    /// The vaults, in order; the first is the default vault.
    pub(crate) vaults: Vec<InitialVault>,
    /// The data factories, in order.
    pub(crate) factories: Vec<ConfiguredFactory>,
    /// The file with the key that backups and snapshots are sealed under.
    pub(crate) backup_key_file: Option<PathBuf>,
    /// The receivers of events.
    pub(crate) webhooks: Vec<Webhook>,
    /// Where audit records are written.
    pub(crate) audit: AuditSettings,
    /// Limits on requests, connections and memory.
    pub(crate) limits: Limits,
}

impl Default for Config {
    /// The configuration without a file: one premium vault `local`, the identity `default` with every permission on it, and
    /// the identity `nobody` with none, for testing refusals.
    fn default() -> Self {
        Self::of_tenant(TENANT)
    }
}

impl Config {
    /// The default configuration, for this tenant.
    pub fn of_tenant(tenant: Uuid) -> Self {
        let identities = default_identities();
        let vaults = vec![default_vault(tenant, &identities)];
        let ids = Tenant { id: tenant, subscription: SUBSCRIPTION };
        let principals = authorization::Principals { tenant: ids, identities: &identities };
        Self {
            tenant,
            subscription: SUBSCRIPTION,
            default_hosts: vec![],
            // The default identity is one of these.
            access: authorization::default_access(principals, &vaults).unwrap_or_default(),
            vaults,
            factories: vec![],
            identities,
            has_default_identities: true,
            networks: Networks::default(),
            role_assignment_delay: 0,
            backup_key_file: None,
            webhooks: vec![],
            audit: AuditSettings::default(),
            limits: Limits::default(),
        }
    }

    /// Parses the JSON `text`.
    ///
    /// # Errors
    /// The first invalid member, with its path.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::parse_with(text, None)
    }

    /// Parses the JSON `text`; `default_tenant` applies when it names no tenant.
    ///
    /// # Errors
    /// The first invalid member, with its path.
    pub fn parse_with(text: &str, default_tenant: Option<Uuid>) -> Result<Self, ConfigError> {
        file::parse(text, default_tenant.unwrap_or(TENANT), SUBSCRIPTION, CertificateFiles::Allow)
    }

    /// Parses the JSON `text` that a client of the server of this `tenant` sends: no certificate is a file's name.
    ///
    /// # Errors
    /// The first invalid member, with its path.
    pub(crate) fn parse_for(text: &str, tenant: Tenant) -> Result<Self, ConfigError> {
        file::parse(text, tenant.id, tenant.subscription, CertificateFiles::Reject)
    }

    /// The identity that programs are which name none: the system-assigned one, else the first.
    pub(crate) fn default_identity(&self) -> Option<&IdentityRecord> {
        Identities::of(&self.identities).default
    }

    /// The ids of tenant and subscription.
    pub const fn tenant_ids(&self) -> Tenant {
        Tenant { id: self.tenant, subscription: self.subscription }
    }
}

fn default_identities() -> Vec<IdentityRecord> {
    let tenant = Tenant { id: TENANT, subscription: SUBSCRIPTION };
    let identity = |name: &str, client: u128, object: u128, order| IdentityRecord {
        name: name.to_owned(),
        client_id: Uuid::from_u128(client),
        object_id: Uuid::from_u128(object),
        resource_id: tenant.identity_id(name).to_string(),
        order,
        ..IdentityRecord::default()
    };
    let default =
        identity("default", 0x6b9e7c1a_0000_4000_8000_00000000c11e, 0x6b9e7c1a_0000_4000_8000_0000000000b1, 0);
    let client_secret = Some(ClientSecret::new("keyhaven".to_owned()));
    let default = IdentityRecord { client_secret, system_assigned: true, ..default };
    let nobody = identity("nobody", 0x6b9e7c1a_0000_4000_8000_00000000c11f, 0x6b9e7c1a_0000_4000_8000_0000000000b2, 1);
    vec![default, nobody]
}

/// The vault `local`; the default identity has every permission on it.
fn default_vault(tenant: Uuid, identities: &[IdentityRecord]) -> InitialVault {
    InitialVault {
        access_policies: vault::everything(tenant, Identities::of(identities).default),
        ..InitialVault::named(VaultName::local(), Sku::Premium)
    }
}

/// The identities that vaults are read with.
#[derive(Clone, Copy)]
pub(crate) struct Identities<'a> {
    /// Those that access policies may name.
    pub all: &'a [IdentityRecord],
    /// The one that a vault without access policies lets in.
    pub default: Option<&'a IdentityRecord>,
}

impl<'a> Identities<'a> {
    /// None lets itself in without a policy where roles decide.
    fn unless(self, role_based: bool) -> Self {
        Self { default: self.default.filter(|_| !role_based), ..self }
    }

    /// Those of a configuration. The default one is the system-assigned one, else the first; none that a factory has of its own.
    fn of(all: &'a [IdentityRecord]) -> Self {
        let mut lasting = all.iter().filter(|identity| !identity.of_resource);
        Self { all, default: lasting.clone().find(|identity| identity.system_assigned).or(lasting.next()) }
    }
}

/// The default client id of an identity called `name`.
pub(crate) fn derived_client_id(tenant: Uuid, name: &str) -> Uuid {
    derived(tenant, "client", name)
}

/// A stable id, derived from tenant, purpose and name (UUID version 5).
fn derived(tenant: Uuid, what: &str, name: &str) -> Uuid {
    Uuid::new_v5(&tenant, format!("{what}:{name}").as_bytes())
}
