//! The configuration file: JSON whose unknown fields and values are refused with their path.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Config, TENANT, default_identities, default_vault, derived, resource_id};
use crate::access::{AccessPolicy, Permissions};
use crate::clock::Period;
use crate::directory::{ClientSecret, IdentityRecord};
use crate::http::authority::Authority;
use crate::http::limits::Limits;
use crate::vault::keys::{KeySpec, KeyType, NewKey, SpecFault};
use crate::vault::object::GivenAttributes;
use crate::vault::secrets::{MAX_CONTENT_TYPE, MAX_VALUE, NewSecret, SecretValue};
use crate::vault::{InitialKey, InitialSecret, InitialVault, ObjectName, Sku, VaultName};

/// What is wrong with a configuration, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    why: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.why)
    }
}

impl std::error::Error for ConfigError {}

/// Something wrong at `path`; the path of an entry that stands alone begins with its member.
pub(super) fn wrong(path: impl Into<String>, why: impl Into<String>) -> ConfigError {
    ConfigError { path: path.into().trim_start_matches('.').to_owned(), why: why.into() }
}

/// The configuration in `text`.
pub(super) fn parse(text: &str) -> Result<Config, ConfigError> {
    read::<File>(text.as_bytes())?.config()
}

/// The JSON `text` as a `T`.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, ConfigError> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| at(&error.path().to_string(), without_value(&error.inner().to_string())))?;
    reader.end().map_err(|error| at(".", error.to_string()))?;
    Ok(value)
}

fn at(path: &str, why: String) -> ConfigError {
    ConfigError { path: path.to_owned(), why }
}

/// What a parser says is wrong, without the value that it shows: that may be a secret in the wrong form.
fn without_value(why: &str) -> String {
    let shown = why.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "));
    match shown {
        Some((given, expected)) => {
            let kind = given.split(['`', '"']).next().unwrap_or_default().trim_end();
            format!("invalid type: {kind}, expected {expected}")
        }
        None => why.to_owned(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    tenant_id: Option<Uuid>,
    #[serde(default)]
    default_hosts: Vec<String>,
    identities: Option<Vec<FileIdentity>>,
    vaults: Option<Vec<FileVault>>,
    backup_key: Option<FileKeyFile>,
    #[serde(default)]
    limits: FileLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKeyFile {
    file: std::path::PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FileIdentity {
    name: String,
    client_id: Option<Uuid>,
    object_id: Option<Uuid>,
    resource_id: Option<String>,
    #[serde(default)]
    system_assigned: bool,
    client_secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FileVault {
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
    #[serde(default)]
    access_policies: Vec<FilePolicy>,
    #[serde(default)]
    keys: Vec<FileKey>,
    #[serde(default)]
    secrets: Vec<FileSecret>,
}

const fn yes() -> bool {
    true
}

/// The tier that the service's own tools choose when none is named.
const fn standard() -> Sku {
    Sku::Standard
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FilePolicy {
    identity: Option<String>,
    object_id: Option<Uuid>,
    tenant_id: Option<Uuid>,
    application_id: Option<Uuid>,
    #[serde(default)]
    permissions: FilePermissions,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePermissions {
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    certificates: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    name: String,
    kty: Option<String>,
    key_size: Option<u32>,
    crv: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileSecret {
    name: String,
    value: SecretValue,
    content_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileLimits {
    body_bytes: Option<usize>,
    restore_bytes: Option<usize>,
    snapshot_bytes: Option<usize>,
    header_bytes: Option<usize>,
    headers: Option<usize>,
    connections: Option<usize>,
    streams: Option<u32>,
    header_timeout_seconds: Option<u64>,
    idle_timeout_seconds: Option<u64>,
    minted_leaves: Option<usize>,
}

impl File {
    fn config(self) -> Result<Config, ConfigError> {
        let tenant = self.tenant_id.unwrap_or(TENANT);
        let identities = match self.identities {
            Some(given) => identities(given, tenant)?,
            None => default_identities(),
        };
        let vaults = match self.vaults {
            Some(given) => vaults(given, tenant, &identities)?,
            None => vec![default_vault(tenant, &identities)],
        };
        let default_hosts = hosts("defaultHosts", &self.default_hosts)?;
        let backup_key_file = self.backup_key.map(|key| key.file);
        Ok(Config { tenant, default_hosts, identities, vaults, backup_key_file, limits: self.limits.limits()? })
    }
}

fn identities(given: Vec<FileIdentity>, tenant: Uuid) -> Result<Vec<IdentityRecord>, ConfigError> {
    let mut known: Vec<IdentityRecord> = Vec::new();
    for (order, identity) in given.into_iter().enumerate() {
        let path = format!("identities[{order}]");
        let identity = identity.record(&path, tenant, order)?;
        let twin = known.iter().find(|other| {
            other.name == identity.name
                || other.client_id == identity.client_id
                || other.object_id == identity.object_id
        });
        if let Some(twin) = twin {
            return Err(wrong(path, format!("shares its name or an id with the identity '{}'", twin.name)));
        }
        known.push(identity);
    }
    Ok(known)
}

impl FileIdentity {
    pub(super) fn record(self, path: &str, tenant: Uuid, order: usize) -> Result<IdentityRecord, ConfigError> {
        let name = self.name;
        if name.is_empty() || name.chars().any(char::is_whitespace) {
            return Err(wrong(format!("{path}.name"), "must not be empty or hold blanks"));
        }
        Ok(IdentityRecord {
            client_id: self.client_id.unwrap_or_else(|| derived(tenant, "client", &name)),
            object_id: self.object_id.unwrap_or_else(|| derived(tenant, "object", &name)),
            resource_id: self.resource_id.unwrap_or_else(|| resource_id(&name)),
            system_assigned: self.system_assigned,
            client_secret: self.client_secret.map(ClientSecret::new),
            name,
            order,
        })
    }
}

fn vaults(
    given: Vec<FileVault>,
    tenant: Uuid,
    identities: &[IdentityRecord],
) -> Result<Vec<InitialVault>, ConfigError> {
    if given.is_empty() {
        return Err(wrong("vaults", "at least one vault is needed"));
    }
    let mut known: Vec<InitialVault> = Vec::new();
    for (index, vault) in given.into_iter().enumerate() {
        let path = format!("vaults[{index}]");
        let vault = vault.initial(&path, tenant, identities)?;
        if known.iter().any(|other| other.name == vault.name) {
            return Err(wrong(path, format!("there are two vaults called '{}'", vault.name)));
        }
        if let Some(alias) = vault.aliases.iter().find(|alias| known.iter().any(|other| other.aliases.contains(alias)))
        {
            return Err(wrong(path, format!("the alias '{alias}' belongs to another vault")));
        }
        known.push(vault);
    }
    Ok(known)
}

impl FileVault {
    pub(super) fn initial(
        self,
        path: &str,
        tenant: Uuid,
        identities: &[IdentityRecord],
    ) -> Result<InitialVault, ConfigError> {
        let rule = "must be 3 to 24 letters, digits and single hyphens, a letter first, no hyphen last";
        let name = VaultName::parse(&self.name).ok_or_else(|| wrong(format!("{path}.name"), rule))?;
        let retention_days = self.soft_delete_retention_in_days.unwrap_or(90);
        if !(7..=90).contains(&retention_days) {
            return Err(wrong(format!("{path}.softDeleteRetentionInDays"), "must be 7 to 90"));
        }
        if self.enable_purge_protection && !self.enable_soft_delete {
            return Err(wrong(format!("{path}.enablePurgeProtection"), "needs enableSoftDelete"));
        }
        Ok(InitialVault {
            name,
            aliases: hosts(&format!("{path}.aliases"), &self.aliases)?,
            sku: self.sku,
            retention_days,
            soft_delete: self.enable_soft_delete,
            purge_protection: self.enable_purge_protection,
            deletion_delay: deletion_delay(path, self.deletion_delay.as_deref())?,
            access_policies: each(path, "accessPolicies", self.access_policies, |path, policy| {
                policy.policy(path, tenant, identities)
            })?,
            keys: each(path, "keys", self.keys, |path, key| key.initial(path, self.sku))?,
            secrets: each(path, "secrets", self.secrets, |path, secret| secret.initial(path))?,
        })
    }
}

/// Whole seconds, at most a day: the time that clients are made to wait.
fn deletion_delay(path: &str, text: Option<&str>) -> Result<u32, ConfigError> {
    let Some(text) = text else { return Ok(0) };
    let seconds = text.parse::<Period>().ok().and_then(|period| period.seconds()).filter(|seconds| *seconds <= 86_400);
    let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| wrong(format!("{path}.deletionDelay"), "must be whole seconds up to a day, such as PT5S"))
}

fn each<G, T>(
    path: &str,
    field: &str,
    given: Vec<G>,
    parse: impl Fn(&str, G) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    given.into_iter().enumerate().map(|(index, one)| parse(&format!("{path}.{field}[{index}]"), one)).collect()
}

impl FilePolicy {
    fn policy(self, path: &str, tenant: Uuid, identities: &[IdentityRecord]) -> Result<AccessPolicy, ConfigError> {
        let object_id = match (&self.identity, self.object_id) {
            (Some(name), None) => {
                let known = identities.iter().find(|identity| identity.name == *name);
                let why = || wrong(format!("{path}.identity"), format!("no identity is called '{name}'"));
                known.ok_or_else(why)?.object_id
            }
            (None, Some(object_id)) => object_id,
            _ => return Err(wrong(path, "give either 'identity' or 'objectId'")),
        };
        let FilePermissions { keys, secrets, certificates } = self.permissions;
        let permissions = Permissions::parse(&keys, &secrets, &certificates);
        Ok(AccessPolicy {
            tenant_id: self.tenant_id.unwrap_or(tenant),
            object_id,
            application_id: self.application_id,
            permissions: permissions.map_err(|error| wrong(path, error.to_string()))?,
        })
    }
}

impl FileKey {
    fn initial(self, path: &str, sku: Sku) -> Result<InitialKey, ConfigError> {
        let kty = self.kty.as_deref().unwrap_or("RSA");
        let known = "must be RSA, RSA-HSM, EC, EC-HSM or oct-HSM";
        let kty = KeyType::parse(kty).ok_or_else(|| wrong(format!("{path}.kty"), known))?;
        if kty.is_hsm() && sku == Sku::Standard {
            return Err(wrong(format!("{path}.kty"), "HSM keys need a vault whose 'sku' is premium"));
        }
        let spec = KeySpec::new(kty, self.key_size, self.crv.as_deref(), None);
        let spec = spec.map_err(|fault| match fault {
            SpecFault::Size { known, .. } => wrong(format!("{path}.key_size"), format!("must be one of {known:?}")),
            SpecFault::Curve => {
                wrong(format!("{path}.crv"), "must be P-256, P-384, P-521 or P-256K, of the key's size")
            }
            SpecFault::Exponent => wrong(path, "has an impossible exponent"),
        })?;
        Ok(InitialKey { name: object_name(path, &self.name)?, new: NewKey::of(kty), spec })
    }
}

impl FileSecret {
    fn initial(self, path: &str) -> Result<InitialSecret, ConfigError> {
        if self.value.reveal().len() > MAX_VALUE {
            return Err(wrong(format!("{path}.value"), format!("must be at most {MAX_VALUE} bytes")));
        }
        if self.content_type.as_ref().is_some_and(|kind| kind.chars().count() > MAX_CONTENT_TYPE) {
            return Err(wrong(format!("{path}.contentType"), format!("must be at most {MAX_CONTENT_TYPE} characters")));
        }
        let name = object_name(path, &self.name)?;
        let attributes = GivenAttributes::default();
        let new = NewSecret { value: self.value, content_type: self.content_type, attributes, tags: None };
        Ok(InitialSecret { name, new })
    }
}

fn object_name(path: &str, name: &str) -> Result<ObjectName, ConfigError> {
    let rule = "must be 1 to 127 letters, digits and hyphens";
    ObjectName::parse(name).ok_or_else(|| wrong(format!("{path}.name"), rule))
}

/// Host names in lower case, without port.
fn hosts(path: &str, given: &[String]) -> Result<Vec<String>, ConfigError> {
    let host = |text: &String| Authority::parse(text).filter(|host| host.port().is_none() && host.address().is_none());
    let parse = |(index, text)| {
        let host = host(text).ok_or_else(|| wrong(format!("{path}[{index}]"), "must be a host name without a port"))?;
        Ok(host.host().to_owned())
    };
    given.iter().enumerate().map(parse).collect()
}

impl FileLimits {
    fn limits(self) -> Result<Limits, ConfigError> {
        let known = Limits::default();
        let seconds = std::time::Duration::from_secs;
        let limits = Limits {
            body_bytes: self.body_bytes.unwrap_or(known.body_bytes),
            restore_bytes: self.restore_bytes.unwrap_or(known.restore_bytes),
            snapshot_bytes: self.snapshot_bytes.unwrap_or(known.snapshot_bytes),
            header_bytes: self.header_bytes.unwrap_or(known.header_bytes),
            headers: self.headers.unwrap_or(known.headers),
            connections: self.connections.unwrap_or(known.connections),
            streams: self.streams.unwrap_or(known.streams),
            header_timeout: self.header_timeout_seconds.map_or(known.header_timeout, seconds),
            idle_timeout: self.idle_timeout_seconds.map_or(known.idle_timeout, seconds),
            minted_leaves: self.minted_leaves.unwrap_or(known.minted_leaves),
        };
        for (name, value, least, most) in [
            ("bodyBytes", limits.body_bytes as u64, 1, 64 << 20),
            ("restoreBytes", limits.restore_bytes as u64, 1, 1 << 30),
            ("snapshotBytes", limits.snapshot_bytes as u64, 1, 64 << 30),
            ("headerBytes", limits.header_bytes as u64, 8192, 1 << 20),
            ("headers", limits.headers as u64, 1, 10_000),
            ("connections", limits.connections as u64, 1, 1_000_000),
            ("streams", u64::from(limits.streams), 1, 65_536),
            ("headerTimeoutSeconds", limits.header_timeout.as_secs(), 1, 86_400),
            ("idleTimeoutSeconds", limits.idle_timeout.as_secs(), 1, 86_400),
            ("mintedLeaves", limits.minted_leaves as u64, 1, 100_000),
        ] {
            if !(least..=most).contains(&value) {
                return Err(wrong(format!("limits.{name}"), format!("must be {least} to {most}")));
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_name_is_enough_and_ids_are_derived_alike_each_time() {
        let text = r#"{"identities":[{"name":"factory"}],"vaults":[{"name":"Acme","accessPolicies":[{"identity":"factory"}]}]}"#;
        let (one, other) = (parse(text).unwrap(), parse(text).unwrap());
        assert_eq!(one.identities, other.identities);
        assert_eq!(one.vaults[0].access_policies[0].object_id, one.identities[0].object_id);
        assert_eq!((one.vaults[0].sku, one.vaults[0].retention_days), (Sku::Standard, 90));
    }

    #[test]
    fn what_is_not_built_is_refused_with_its_path() {
        let text = r#"{"vaults":[{"name":"acme"},{"name":"other","enableRbacAuthorization":true}]}"#;
        assert!(refused(text).starts_with("vaults[1].enableRbacAuthorization: unknown field"), "{}", refused(text));
        assert!(refused(r#"{"events":{}}"#).starts_with("events: unknown field"));
    }

    #[test]
    fn wrong_values_are_refused_with_their_path() {
        let vault = |rest: &str| format!(r#"{{"vaults":[{{"name":"acme",{rest}}}]}}"#);
        for (text, expected) in [
            (vault(r#""softDeleteRetentionInDays":6"#), "vaults[0].softDeleteRetentionInDays: must be 7 to 90"),
            (vault(r#""keys":[{"name":"a_b"}]"#), "vaults[0].keys[0].name: must be 1 to 127"),
            (vault(r#""keys":[{"name":"a","kty":"RSA-HSM"}]"#), "vaults[0].keys[0].kty: HSM keys need"),
            (vault(r#""accessPolicies":[{"identity":"x"}]"#), "vaults[0].accessPolicies[0].identity: no identity"),
            (
                vault(r#""accessPolicies":[{"identity":"default","permissions":{"keys":["wrap"]}}]"#),
                "vaults[0].accessPolicies[0]: permissions.keys: unknown permission 'wrap'",
            ),
            (vault(r#""aliases":["a:1"]"#), "vaults[0].aliases[0]: must be a host name"),
            (r#"{"vaults":[{"name":"a"}]}"#.to_owned(), "vaults[0].name: must be 3 to 24"),
            (r#"{"vaults":[]}"#.to_owned(), "vaults: at least one"),
            (r#"{"tenantId":"x"}"#.to_owned(), "tenantId: "),
            (r#"{"limits":{"headerBytes":1}}"#.to_owned(), "limits.headerBytes: must be 8192 to 1048576"),
            (
                r#"{"limits":{"connections":2305843009213693952}}"#.to_owned(),
                "limits.connections: must be 1 to 1000000",
            ),
            (r#"{"limits":{"headers":1099511627776}}"#.to_owned(), "limits.headers: must be 1 to 10000"),
            (r#"{"limits":{"idleTimeoutSeconds":18446744073709551615}}"#.to_owned(), "limits.idleTimeoutSeconds: must"),
            (r#"{"limits":{"streams":0}}"#.to_owned(), "limits.streams: must be 1 to 65536"),
        ] {
            assert!(refused(&text).starts_with(expected), "{}", refused(&text));
        }
    }

    #[test]
    fn a_secret_in_the_wrong_form_is_not_shown() {
        let identity = r#"{"identities":[{"name":"a","clientSecret":123456789}]}"#;
        let vault = r#"{"vaults":[{"name":"acme","secrets":[{"name":"s","value":123456789.5}]}]}"#;
        let list = r#"{"identities":"123456789"}"#;
        for text in [identity, vault, list] {
            let why = refused(text);
            assert!(why.contains("invalid type: ") && why.contains(", expected "), "{why}");
            assert!(!why.contains("123456789"), "{why}");
        }
    }

    #[test]
    fn a_secret_is_not_shown_by_an_error_or_by_debug() {
        let text = r#"{"identities":[{"name":"a","clientSecret":"hush"}],
            "vaults":[{"name":"acme","secrets":[{"name":"s","value":"hush"}]}]}"#;
        assert!(!format!("{:?}", parse(text).unwrap()).contains("hush"));
    }
}
