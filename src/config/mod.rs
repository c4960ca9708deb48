//! The configuration: what tenant, identities and vaults there shall be, and within which bounds. Read once, then
//! never changed.

pub mod entry;
mod events;
mod file;
mod identity;
mod vault;

use std::path::PathBuf;

use uuid::Uuid;

use crate::access::{AccessPolicy, Permissions};
use crate::directory::{ClientSecret, IdentityRecord, Tenant};
use crate::events::Webhook;
use crate::http::limits::Limits;
use crate::vault::{InitialVault, Sku, VaultName};

pub use file::{ConfigError, read};

/// The tenant when none is configured.
const TENANT: Uuid = Uuid::from_u128(0x6b9e7c1a_0000_4000_8000_000000000001);
/// The subscription that derived resource ids name.
const SUBSCRIPTION: Uuid = Uuid::from_u128(0x6b9e7c1a_0000_4000_8000_000000000002);

/// What a server is to hold when it starts.
#[derive(Debug)]
pub struct Config {
    /// The tenant.
    pub tenant: Uuid,
    /// The tenant's one subscription.
    pub subscription: Uuid,
    /// Further host names (lower case) that mean the default vault.
    pub default_hosts: Vec<String>,
    /// The identities, in order.
    pub identities: Vec<IdentityRecord>,
    /// The vaults, in order; the first is the default vault.
    pub vaults: Vec<InitialVault>,
    /// Where the key lies that backups and snapshots are sealed under.
    pub backup_key_file: Option<PathBuf>,
    /// Who hears of events.
    pub webhooks: Vec<Webhook>,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Config {
    /// Without a file: one premium vault `local`; the identity `default` with every permission on it; and the
    /// identity `nobody` with none, so that a program can see itself refused.
    fn default() -> Self {
        Self::of_tenant(TENANT)
    }
}

impl Config {
    /// The configuration without a file, for this tenant.
    pub fn of_tenant(tenant: Uuid) -> Self {
        let identities = default_identities();
        Self {
            tenant,
            subscription: SUBSCRIPTION,
            default_hosts: vec![],
            vaults: vec![default_vault(tenant, &identities)],
            identities,
            backup_key_file: None,
            webhooks: vec![],
            limits: Limits::default(),
        }
    }

    /// The configuration that the JSON `text` describes.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::parse_with(text, None)
    }

    /// The configuration that the JSON `text` describes, of the tenant `default_tenant` where it names none itself.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path.
    pub fn parse_with(text: &str, default_tenant: Option<Uuid>) -> Result<Self, ConfigError> {
        file::parse(text, default_tenant)
    }

    /// What the tenant is called.
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
        resource_id: tenant.resource_id(name),
        order,
        ..IdentityRecord::default()
    };
    let default =
        identity("default", 0x6b9e7c1a_0000_4000_8000_00000000c11e, 0x6b9e7c1a_0000_4000_8000_0000000000b1, 0);
    let default = IdentityRecord { client_secret: Some(ClientSecret::new("keyhaven".to_owned())), ..default };
    let nobody = identity("nobody", 0x6b9e7c1a_0000_4000_8000_00000000c11f, 0x6b9e7c1a_0000_4000_8000_0000000000b2, 1);
    vec![default, nobody]
}

/// The vault `local`, where the first of `identities` may do everything.
fn default_vault(tenant: Uuid, identities: &[IdentityRecord]) -> InitialVault {
    let everything = |identity: &IdentityRecord| AccessPolicy {
        tenant_id: tenant,
        object_id: identity.object_id,
        application_id: None,
        permissions: Permissions::everything(),
    };
    InitialVault {
        access_policies: identities.first().map(everything).into_iter().collect(),
        ..InitialVault::named(VaultName::local(), Sku::Premium)
    }
}

/// The client id of an identity called `name` for which none was said.
pub fn derived_client_id(tenant: Uuid, name: &str) -> Uuid {
    derived(tenant, "client", name)
}

/// An id derived from a name: the same in every run.
fn derived(tenant: Uuid, what: &str, name: &str) -> Uuid {
    Uuid::new_v5(&tenant, format!("{what}:{name}").as_bytes())
}
