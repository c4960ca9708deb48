//! Vaults in the configuration file: settings, access policies, initial keys and secrets.

use serde::Deserialize;
use uuid::Uuid;

use super::Identities;
use super::authorization::AssignmentEntry;
use super::error::{ConfigError, invalid};
use super::hosts::hosts;
use super::network::{AclsEntry, EndpointEntry, RulesEntry};
use super::object_names::{first_duplicate, object_name};
use super::secrets::SecretEntries;
use super::suggestion::{did_you_mean, no_identity};
use crate::access::network::PublicNetworkAccess;
use crate::access::{AccessPolicy, Permissions, UnknownPermission};
use crate::clock::Period;
use crate::directory::IdentityRecord;
use crate::vault::keys::{KeySpec, KeySpecError, KeyType, NewKey};
use crate::vault::{InitialKey, InitialVault, Setting, Sku, VaultName};

/// The most aliases of a vault: one commit replaces all of them by others.
const MAX_ALIASES: usize = 50;
/// The longest name of a region, in bytes.
const MAX_LOCATION: usize = 90;
/// The most access policies of a vault, as in the service.
const MAX_ACCESS_POLICIES: usize = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VaultEntry {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default = "standard")]
    sku: Sku,
    soft_delete_retention_in_days: Option<u32>,
    #[serde(default = "yes")]
    enable_soft_delete: bool,
    #[serde(default)]
    enable_purge_protection: bool,
    deletion_delay: Option<String>,
    /// Left out, the default identity may do everything; an empty list lets no identity in.
    access_policies: Option<Vec<PolicyEntry>>,
    #[serde(default)]
    enable_rbac_authorization: bool,
    /// Left out, those of an existing vault stay.
    pub(super) role_assignments: Option<Vec<AssignmentEntry>>,
    #[serde(default)]
    public_network_access: PublicNetworkAccess,
    #[serde(default)]
    network_acls: AclsEntry,
    #[serde(default)]
    private_endpoints: Vec<EndpointEntry>,
    subscription_id: Option<Uuid>,
    resource_group: Option<String>,
    location: Option<String>,
    #[serde(default)]
    keys: Vec<KeyEntry>,
    #[serde(default)]
    secrets: SecretEntries,
}

const fn yes() -> bool {
    true
}

/// The default tier, as in the service's own tools.
const fn standard() -> Sku {
    Sku::Standard
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicyEntry {
    identity: Option<String>,
    object_id: Option<Uuid>,
    tenant_id: Option<Uuid>,
    application_id: Option<Uuid>,
    #[serde(default)]
    permissions: PermissionsEntry,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PermissionsEntry {
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    certificates: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: String,
    kty: Option<String>,
    key_size: Option<u32>,
    crv: Option<String>,
}

pub(super) fn vaults(
    given: Vec<VaultEntry>,
    tenant: Uuid,
    identities: Identities<'_>,
) -> Result<Vec<InitialVault>, ConfigError> {
    if given.is_empty() {
        return Err(invalid("vaults", "at least one vault is needed"));
    }
    let mut known: Vec<InitialVault> = Vec::new();
    for (index, vault) in given.into_iter().enumerate() {
        let path = format!("vaults[{index}]");
        let vault = InitialVault { configured: true, ..vault.initial(&path, tenant, identities)? };
        if known.iter().any(|other| other.name == vault.name) {
            return Err(invalid(path, format!("there are two vaults called '{}'", vault.name)));
        }
        if let Some(alias) = vault.aliases.iter().find(|alias| known.iter().any(|other| other.aliases.contains(alias)))
        {
            return Err(invalid(path, format!("the alias '{alias}' belongs to another vault")));
        }
        known.push(vault);
    }
    Ok(known)
}

/// The member of the configuration for a vault's setting.
pub(crate) const fn setting_member(setting: Setting) -> &'static str {
    match setting {
        Setting::Aliases => "aliases",
        Setting::Sku => "sku",
        Setting::RetentionDays => "softDeleteRetentionInDays",
        Setting::SoftDelete => "enableSoftDelete",
        Setting::DeletionDelay => "deletionDelay",
        Setting::PurgeProtection => "enablePurgeProtection",
        Setting::AccessPolicies => "accessPolicies",
        Setting::RoleBased => "enableRbacAuthorization",
        Setting::PublicNetworkAccess => "publicNetworkAccess",
        Setting::NetworkAcls => "networkAcls",
        Setting::PrivateEndpoints => "privateEndpoints",
        Setting::Subscription => "subscriptionId",
        Setting::ResourceGroup => "resourceGroup",
        Setting::Location => "location",
    }
}

/// Why a vault cannot get another value of `setting`.
pub(crate) fn fixed_setting(setting: Setting) -> String {
    let why = match setting {
        Setting::RetentionDays | Setting::Subscription | Setting::ResourceGroup | Setting::Location => {
            "is said when the vault is made, and stays"
        }
        _ => "can be switched on, and never off again",
    };
    format!("{} {why}", setting_member(setting))
}

impl VaultEntry {
    pub(super) fn initial(
        self,
        path: &str,
        tenant: Uuid,
        identities: Identities<'_>,
    ) -> Result<InitialVault, ConfigError> {
        let rule = "must be 3 to 24 letters, digits and single hyphens, a letter first, no hyphen last";
        let name = VaultName::parse(&self.name).ok_or_else(|| invalid(format!("{path}.name"), rule))?;
        let retention_days = self.soft_delete_retention_in_days.unwrap_or(90);
        if !(7..=90).contains(&retention_days) {
            return Err(invalid(format!("{path}.softDeleteRetentionInDays"), "must be 7 to 90"));
        }
        at_most(MAX_ALIASES, "aliases", path, &self.aliases)?;
        at_most(MAX_ACCESS_POLICIES, "accessPolicies", path, self.access_policies.as_deref().unwrap_or_default())?;
        if self.enable_purge_protection && !self.enable_soft_delete {
            return Err(invalid(format!("{path}.enablePurgeProtection"), "needs enableSoftDelete"));
        }
        let network = RulesEntry {
            public_access: self.public_network_access,
            acls: self.network_acls,
            private_endpoints: self.private_endpoints,
        };
        Ok(InitialVault {
            name,
            aliases: aliases(&format!("{path}.aliases"), &self.aliases)?,
            sku: self.sku,
            retention_days,
            soft_delete: self.enable_soft_delete,
            purge_protection: self.enable_purge_protection,
            deletion_delay: delay(&format!("{path}.deletionDelay"), self.deletion_delay.as_deref())?,
            access_policies: policies(
                path,
                self.access_policies,
                tenant,
                identities.unless(self.enable_rbac_authorization),
            )?,
            role_based: self.enable_rbac_authorization,
            network: network.rules(path)?,
            subscription: self.subscription_id,
            resource_group: resource_group(path, self.resource_group)?,
            location: location(path, self.location)?,
            configured: false,
            keys: keys(path, self.keys, self.sku)?,
            secrets: self.secrets.initial(&format!("{path}.secrets"))?,
        })
    }
}

/// Parses the name of a resource group: as Resource Manager allows it.
pub(super) fn resource_group(path: &str, given: Option<String>) -> Result<Option<String>, ConfigError> {
    let is_good = |name: &String| {
        let fits = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
        (1..=90).contains(&name.chars().count()) && name.chars().all(fits) && !name.ends_with('.')
    };
    match given {
        Some(name) if !is_good(&name) => {
            let path = if path.is_empty() { "resourceGroup".to_owned() } else { format!("{path}.resourceGroup") };
            Err(invalid(path, "must be 1 to 90 letters, digits and -_.(), without a dot at its end"))
        }
        given => Ok(given),
    }
}

/// Parses the name of a region, in Azure's two spellings: `West Europe`, `westeurope`. It is kept in the second.
pub(super) fn location(path: &str, given: Option<String>) -> Result<Option<String>, ConfigError> {
    let Some(given) = given else { return Ok(None) };
    let name: String = given.chars().filter(|c| *c != ' ').collect::<String>().to_ascii_lowercase();
    if (1..=MAX_LOCATION).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Ok(Some(name));
    }
    let path = if path.is_empty() { "location".to_owned() } else { format!("{path}.location") };
    Err(invalid(
        path,
        format!("must be the name of a region, such as westeurope: at most {MAX_LOCATION} letters, digits and -"),
    ))
}

fn at_most<T>(limit: usize, field: &str, path: &str, given: &[T]) -> Result<(), ConfigError> {
    if given.len() <= limit {
        Ok(())
    } else {
        Err(invalid(format!("{path}.{field}"), format!("must be at most {limit}")))
    }
}

/// Parses a period on the vault clock: whole seconds, at most a day.
pub(super) fn delay(path: &str, text: Option<&str>) -> Result<u32, ConfigError> {
    let Some(text) = text else { return Ok(0) };
    let seconds = text.parse::<Period>().ok().and_then(|period| period.seconds()).filter(|seconds| *seconds <= 86_400);
    let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| invalid(path, "must be whole seconds up to a day, such as PT5S"))
}

fn each<G, T>(
    path: &str,
    field: &str,
    given: Vec<G>,
    parse: impl Fn(&str, G) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    given.into_iter().enumerate().map(|(index, one)| parse(&format!("{path}.{field}[{index}]"), one)).collect()
}

/// The access policies of a vault; without any the default identity may do everything.
fn policies(
    path: &str,
    given: Option<Vec<PolicyEntry>>,
    tenant: Uuid,
    identities: Identities<'_>,
) -> Result<Vec<AccessPolicy>, ConfigError> {
    match given {
        Some(given) => each(path, "accessPolicies", given, |path, policy| policy.policy(path, tenant, identities)),
        None => Ok(everything(tenant, identities.default)),
    }
}

/// The policy that grants `identity` every permission.
pub(super) fn everything(tenant: Uuid, identity: Option<&IdentityRecord>) -> Vec<AccessPolicy> {
    let policy = |identity: &IdentityRecord| AccessPolicy {
        tenant_id: tenant,
        object_id: identity.object_id,
        application_id: None,
        permissions: Permissions::everything(),
    };
    identity.map(policy).into_iter().collect()
}

fn keys(path: &str, given: Vec<KeyEntry>, sku: Sku) -> Result<Vec<InitialKey>, ConfigError> {
    let keys = each(path, "keys", given, |path, key| key.initial(path, sku))?;
    match first_duplicate(keys.iter().map(|key| &key.name)) {
        Some(index) => Err(invalid(format!("{path}.keys[{index}].name"), "there is a key of this name before it")),
        None => Ok(keys),
    }
}

impl PolicyEntry {
    fn policy(self, path: &str, tenant: Uuid, identities: Identities<'_>) -> Result<AccessPolicy, ConfigError> {
        let object_id = match (&self.identity, self.object_id) {
            (Some(name), None) => {
                let known = identities.all.iter().find(|identity| identity.name == *name);
                known.ok_or_else(|| invalid(format!("{path}.identity"), no_identity(name, identities.all)))?.object_id
            }
            (None, Some(object_id)) => object_id,
            _ => return Err(invalid(path, "give either 'identity' or 'objectId'")),
        };
        let PermissionsEntry { keys, secrets, certificates } = self.permissions;
        let permissions = Permissions::parse(&keys, &secrets, &certificates);
        Ok(AccessPolicy {
            tenant_id: self.tenant_id.unwrap_or(tenant),
            object_id,
            application_id: self.application_id,
            permissions: permissions.map_err(|error| invalid(path, unknown_permission(&error)))?,
        })
    }
}

fn unknown_permission(error: &UnknownPermission) -> String {
    let known = error.known().iter().copied();
    format!(
        "{error}; {} take {}{}",
        error.collection,
        known.clone().collect::<Vec<_>>().join(", "),
        did_you_mean(&error.name, known)
    )
}

impl KeyEntry {
    fn initial(self, path: &str, sku: Sku) -> Result<InitialKey, ConfigError> {
        let kty = self.kty.as_deref().unwrap_or("RSA");
        let known = "must be RSA, RSA-HSM, EC, EC-HSM or oct-HSM";
        let kty = KeyType::parse(kty).ok_or_else(|| invalid(format!("{path}.kty"), known))?;
        if kty.is_hsm() && sku == Sku::Standard {
            return Err(invalid(format!("{path}.kty"), "HSM keys need a vault whose 'sku' is premium"));
        }
        let spec = KeySpec::new(kty, self.key_size, self.crv.as_deref(), None);
        let spec = spec.map_err(|fault| match fault {
            KeySpecError::Size { known, .. } => {
                invalid(format!("{path}.key_size"), format!("must be one of {known:?}"))
            }
            KeySpecError::Curve => {
                invalid(format!("{path}.crv"), "must be P-256, P-384, P-521 or P-256K, of the key's size")
            }
            KeySpecError::Exponent => invalid(path, "has an impossible exponent"),
        })?;
        Ok(InitialKey { name: object_name(format!("{path}.name"), &self.name)?, new: NewKey::of(kty), spec })
    }
}

/// Parses aliases. `localhost` and names below it are refused: the server uses them itself.
fn aliases(path: &str, given: &[String]) -> Result<Vec<String>, ConfigError> {
    let aliases = hosts(path, given)?;
    match aliases.iter().position(|alias| alias == "localhost" || alias.ends_with(".localhost")) {
        Some(index) => {
            Err(invalid(format!("{path}[{index}]"), "must not be localhost or below it: those names are taken"))
        }
        None => Ok(aliases),
    }
}
