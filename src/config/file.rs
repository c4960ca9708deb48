//! Parser of the configuration file: JSON with comments; unknown members and invalid values are refused with their path.
//! The `expecting` text of each type is what the errors of serde say of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use uuid::Uuid;

use super::audit::AuditEntry;
use super::authorization::{
    AssignmentEntry, AuthorizationEntries, DefinitionEntry, DenialEntry, ManagementGroupEntry, Principals,
};
use super::error::{ConfigError, invalid};
use super::events::EventsEntry;
use super::factory::{self, FactoryEntry, Places};
use super::groups::{self, GroupEntry};
use super::hosts::hosts;
use super::identity::{CertificateFiles, IdentityEntry, identities};
use super::json::read_file;
use super::network::{EndpointEntry, NetworkEntries, PerimeterEntry};
use super::vault::{VaultEntry, delay, location, resource_group, vaults};
use super::{Config, Identities, default_identities, default_vault};
use crate::directory::Tenant;
use crate::http::limits::Limits;
use crate::resource_id::SubscriptionId;
use crate::vault::InitialVault;

/// Parses a configuration; `tenant` and `subscription` apply when it names none.
pub(super) fn parse(
    text: &str,
    tenant: Uuid,
    subscription: SubscriptionId,
    certificates: CertificateFiles,
) -> Result<Config, ConfigError> {
    read_file::<File>(text)?.config(tenant, subscription, certificates)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    /// The schema that an editor completes the file by.
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    tenant_id: Option<Uuid>,
    subscription_id: Option<Uuid>,
    #[serde(default)]
    default_hosts: Vec<String>,
    identities: Option<Vec<IdentityEntry>>,
    vaults: Option<Vec<VaultEntry>>,
    #[serde(default)]
    factories: Vec<FactoryEntry>,
    resource_group: Option<String>,
    location: Option<String>,
    #[serde(default)]
    groups: Vec<GroupEntry>,
    owners: Option<Vec<String>>,
    #[serde(default)]
    role_assignments: Vec<AssignmentEntry>,
    #[serde(default)]
    role_definitions: Vec<DefinitionEntry>,
    #[serde(default)]
    deny_assignments: Vec<DenialEntry>,
    #[serde(default)]
    management_groups: Vec<ManagementGroupEntry>,
    role_assignment_delay: Option<String>,
    #[serde(default)]
    virtual_networks: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    perimeters: Vec<PerimeterEntry>,
    #[serde(default)]
    private_endpoints: Vec<EndpointEntry>,
    backup_key: Option<BackupKeyEntry>,
    #[serde(default)]
    events: EventsEntry,
    #[serde(default)]
    audit: AuditEntry,
    #[serde(default)]
    limits: LimitsEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupKeyEntry {
    file: std::path::PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LimitsEntry {
    body_bytes: Option<usize>,
    restore_bytes: Option<usize>,
    snapshot_bytes: Option<usize>,
    bodies_in_flight_bytes: Option<usize>,
    header_bytes: Option<usize>,
    headers: Option<usize>,
    connections: Option<usize>,
    streams: Option<u32>,
    header_timeout_seconds: Option<u64>,
    idle_timeout_seconds: Option<u64>,
    minted_leaves: Option<usize>,
    tunnels: Option<usize>,
    connect_timeout_seconds: Option<u64>,
    tunnel_idle_seconds: Option<u64>,
}

impl File {
    fn config(
        mut self,
        default_tenant: Uuid,
        default_subscription: SubscriptionId,
        certificates: CertificateFiles,
    ) -> Result<Config, ConfigError> {
        let tenant = self.tenant_id.unwrap_or(default_tenant);
        let subscription = self.subscription_id.map_or(default_subscription, SubscriptionId);
        let has_default_identities = self.identities.as_ref().is_none_or(Vec::is_empty);
        let authorization = self.take_authorization();
        let mut identities = match self.identities {
            Some(given) => identities(given, Tenant { id: tenant, subscription }, certificates)?,
            None => default_identities(),
        };
        groups::join(&mut identities, self.groups, tenant)?;
        let group = resource_group("", self.resource_group)?;
        let location = location("", self.location)?;
        let ids = Tenant { id: tenant, subscription };
        let places = Places { tenant: ids, group: group.as_ref(), location: location.as_ref() };
        let factories = factory::factories(self.factories, &places, &identities)?;
        let nameable = factory::with_own_identities(&identities, &factories);
        let vaults = match self.vaults {
            Some(given) => vaults(given, tenant, Identities::of(&nameable))?,
            None => vec![default_vault(tenant, &identities)],
        };
        let placed = |vault: InitialVault| vault.placed(subscription, group.as_ref(), location.as_ref());
        let vaults: Vec<_> = vaults.into_iter().map(placed).collect();
        let access = authorization.content(Principals { tenant: ids, identities: &nameable }, &vaults, &factories)?;
        let role_assignment_delay = delay("roleAssignmentDelay", self.role_assignment_delay.as_deref())?;
        let networks = NetworkEntries {
            virtual_networks: self.virtual_networks,
            perimeters: self.perimeters,
            private_endpoints: self.private_endpoints,
        };
        let networks = networks.networks(&vaults)?;
        factory::check_references(&factories, &networks)?;
        let default_hosts = hosts("defaultHosts", &self.default_hosts)?;
        let backup_key_file = self.backup_key.map(|key| key.file);
        let webhooks = self.events.webhooks()?;
        let audit = self.audit.settings()?;
        let limits = self.limits.limits()?;
        Ok(Config {
            tenant,
            subscription,
            default_hosts,
            identities,
            has_default_identities,
            access,
            networks,
            role_assignment_delay,
            vaults,
            factories,
            backup_key_file,
            webhooks,
            audit,
            limits,
        })
    }
}

impl File {
    /// Takes out what says who may do what.
    fn take_authorization(&mut self) -> AuthorizationEntries {
        let take = std::mem::take::<Vec<AssignmentEntry>>;
        AuthorizationEntries {
            assignments: take(&mut self.role_assignments),
            of_identities: self.identities.iter_mut().flatten().map(|one| take(&mut one.role_assignments)).collect(),
            of_vaults: self
                .vaults
                .iter_mut()
                .flatten()
                .map(|one| one.role_assignments.take().unwrap_or_default())
                .collect(),
            definitions: std::mem::take(&mut self.role_definitions),
            denials: std::mem::take(&mut self.deny_assignments),
            management_groups: std::mem::take(&mut self.management_groups),
            owners: self.owners.take(),
        }
    }
}

impl LimitsEntry {
    fn limits(self) -> Result<Limits, ConfigError> {
        let known = Limits::default();
        let seconds = std::time::Duration::from_secs;
        let body_bytes = self.body_bytes.unwrap_or(known.body_bytes);
        let restore_bytes = self.restore_bytes.unwrap_or(known.restore_bytes);
        // The largest allowed body must fit.
        let largest = body_bytes.max(restore_bytes);
        let limits = Limits {
            body_bytes,
            restore_bytes,
            snapshot_bytes: self.snapshot_bytes.unwrap_or(known.snapshot_bytes),
            bodies_in_flight_bytes: self.bodies_in_flight_bytes.unwrap_or(known.bodies_in_flight_bytes.max(largest)),
            header_bytes: self.header_bytes.unwrap_or(known.header_bytes),
            headers: self.headers.unwrap_or(known.headers),
            connections: self.connections.unwrap_or(known.connections),
            streams: self.streams.unwrap_or(known.streams),
            header_timeout: self.header_timeout_seconds.map_or(known.header_timeout, seconds),
            idle_timeout: self.idle_timeout_seconds.map_or(known.idle_timeout, seconds),
            minted_leaves: self.minted_leaves.unwrap_or(known.minted_leaves),
            tunnels: self.tunnels.unwrap_or(known.tunnels),
            connect_timeout: self.connect_timeout_seconds.map_or(known.connect_timeout, seconds),
            tunnel_idle: self.tunnel_idle_seconds.map_or(known.tunnel_idle, seconds),
        };
        check_bounds(&limits)?;
        Ok(limits)
    }
}

/// Checks each limit against the least and the most that it may be.
fn check_bounds(limits: &Limits) -> Result<(), ConfigError> {
    // The largest allowed body must fit.
    let largest = limits.body_bytes.max(limits.restore_bytes);
    for (name, value, least, most) in [
        ("bodyBytes", limits.body_bytes as u64, 1, 64 << 20),
        ("restoreBytes", limits.restore_bytes as u64, 1, 1 << 30),
        ("snapshotBytes", limits.snapshot_bytes as u64, 1, 64 << 30),
        ("bodiesInFlightBytes", limits.bodies_in_flight_bytes as u64, largest as u64, 64 << 30),
        ("headerBytes", limits.header_bytes as u64, 8192, 1 << 20),
        ("headers", limits.headers as u64, 1, 10_000),
        ("connections", limits.connections as u64, 1, 1_000_000),
        ("streams", u64::from(limits.streams), 1, 65_536),
        ("headerTimeoutSeconds", limits.header_timeout.as_secs(), 1, 86_400),
        ("idleTimeoutSeconds", limits.idle_timeout.as_secs(), 1, 86_400),
        ("mintedLeaves", limits.minted_leaves as u64, 1, 100_000),
        ("tunnels", limits.tunnels as u64, 1, 1_000_000),
        ("connectTimeoutSeconds", limits.connect_timeout.as_secs(), 1, 86_400),
        ("tunnelIdleSeconds", limits.tunnel_idle.as_secs(), 1, 86_400),
    ] {
        if !(least..=most).contains(&value) {
            return Err(invalid(format!("limits.{name}"), format!("must be {least} to {most}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Sku;

    fn parse(text: &str, tenant: Option<Uuid>) -> Result<Config, ConfigError> {
        Config::parse_with(text, tenant)
    }

    fn refused(text: &str) -> String {
        parse(text, None).unwrap_err().to_string()
    }

    #[test]
    fn a_name_is_enough_and_ids_are_derived_alike_each_time() {
        let text = r#"{"identities":[{"name":"factory"}],"vaults":[{"name":"Acme","accessPolicies":[{"identity":"factory"}]}]}"#;
        let (one, other) = (parse(text, None).unwrap(), parse(text, None).unwrap());
        assert_eq!(one.identities, other.identities);
        assert_eq!(one.vaults[0].access_policies[0].object_id, one.identities[0].object_id);
        assert_eq!((one.vaults[0].sku, one.vaults[0].retention_days), (Sku::Standard, 90));
    }

    #[test]
    fn a_vault_without_policies_lets_the_default_identity_in_and_one_with_an_empty_list_none() {
        let object_ids = |identities: &str, vault: &str| {
            let text = format!(r#"{{"identities":[{identities}],"vaults":[{{"name":"acme"{vault}}}]}}"#);
            let config = parse(&text, None).unwrap();
            let names = config.vaults[0].access_policies.iter().map(|policy| {
                assert_eq!(policy.permissions, crate::access::Permissions::everything());
                config.identities.iter().find(|identity| identity.object_id == policy.object_id).unwrap().name.clone()
            });
            names.collect::<Vec<_>>()
        };
        assert_eq!(object_ids(r#"{"name":"a"},{"name":"b"}"#, ""), ["a"], "the first");
        assert_eq!(object_ids(r#"{"name":"a"},{"name":"b","systemAssigned":true}"#, ""), ["b"]);
        assert_eq!(object_ids(r#"{"name":"a"}"#, r#","accessPolicies":[]"#), [""; 0]);
        assert_eq!(object_ids("", ""), [""; 0], "without identities there is none to let in");
        let without_identities = parse(r#"{"vaults":[{"name":"acme"}]}"#, None).unwrap();
        assert_eq!(without_identities.vaults[0].access_policies, Config::default().vaults[0].access_policies);
    }

    #[test]
    fn a_vault_is_in_its_own_location_else_in_that_of_the_file_in_one_spelling() {
        let text = r#"{"location":"West Europe","vaults":[{"name":"acme"},{"name":"other","location":"eastus"}]}"#;
        let locations: Vec<_> = parse(text, None).unwrap().vaults.into_iter().map(|vault| vault.location).collect();
        assert_eq!(locations, [Some("westeurope".to_owned()), Some("eastus".to_owned())]);
        let region = "must be the name of a region, such as westeurope: at most 90 letters, digits and -";
        assert_eq!(refused(r#"{"location":""}"#), format!("location: {region}"));
        assert_eq!(
            refused(r#"{"vaults":[{"name":"acme","location":"a/b"}]}"#),
            format!("vaults[0].location: {region}")
        );
    }

    #[test]
    fn a_tenant_that_was_asked_for_holds_where_the_file_names_none() {
        let asked = Uuid::from_u128(7);
        let of = |text: &str| parse(text, Some(asked)).unwrap();
        let vaults = of("{}");
        assert_eq!((vaults.tenant, vaults.vaults[0].access_policies[0].tenant_id), (asked, asked));
        assert_eq!(of(r#"{"tenantId":"6b9e7c1a-0000-4000-8000-000000000009"}"#).tenant.as_u128() & 0xff, 9);
    }

    #[test]
    fn what_is_not_built_is_refused_with_its_path() {
        let text = r#"{"vaults":[{"name":"acme"},{"name":"other","tags":{}}]}"#;
        assert!(refused(text).starts_with("vaults[1].tags: unknown field"), "{}", refused(text));
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
                "vaults[0].accessPolicies[0]: permissions.keys: unknown permission 'wrap'; keys take all, encrypt, decrypt, wrapKey, ",
            ),
            (
                vault(r#""accessPolicies":[{"identity":"defualt"}]"#),
                "vaults[0].accessPolicies[0].identity: no identity is called 'defualt'; there are default, nobody (did you mean 'default'?)",
            ),
            (
                r#"{"$schema":"./keyhaven.schema.json","valuts":[]}"#.to_owned(),
                "valuts: unknown field `valuts` (did you mean 'vaults'?), expected one of ",
            ),
            (
                vault(r#""sku":"premuim""#),
                "vaults[0].sku: unknown variant `premuim` (did you mean 'premium'?), expected ",
            ),
            (
                vault(r#""keys":[{"name":"a"},{"name":"A"}]"#),
                "vaults[0].keys[1].name: there is a key of this name before",
            ),
            (vault(r#""aliases":["a:1"]"#), "vaults[0].aliases[0]: must be a host name"),
            (vault(r#""aliases":["kv","login.localhost"]"#), "vaults[0].aliases[1]: must not be localhost"),
            (
                format!(r#"{{"identities":[{{"name":"{}"}}]}}"#, "x".repeat(129)),
                "identities[0].name: must be at most 128 bytes",
            ),
            (vault(r#""deletionDelay":"PT0.5S""#), "vaults[0].deletionDelay: must be whole seconds"),
            (
                vault(r#""enableSoftDelete":false,"enablePurgeProtection":true"#),
                "vaults[0].enablePurgeProtection: needs enableSoftDelete",
            ),
            (r#"{"vaults":[{"name":"a"}]}"#.to_owned(), "vaults[0].name: must be 3 to 24"),
            (r#"{"vaults":[]}"#.to_owned(), "vaults: at least one"),
            (r#"{"tenantId":"x"}"#.to_owned(), "tenantId: "),
            (r#"{"audit":{"maxBytes":1}}"#.to_owned(), "audit.maxBytes: must be 4096 to 1099511627776"),
            (r#"{"limits":{"headerBytes":1}}"#.to_owned(), "limits.headerBytes: must be 8192 to 1048576"),
            (
                r#"{"limits":{"connections":2305843009213693952}}"#.to_owned(),
                "limits.connections: must be 1 to 1000000",
            ),
            (
                r#"{"limits":{"bodiesInFlightBytes":1048576}}"#.to_owned(),
                "limits.bodiesInFlightBytes: must be 33554432 to 68719476736",
            ),
            (r#"{"limits":{"headers":1099511627776}}"#.to_owned(), "limits.headers: must be 1 to 10000"),
            (r#"{"limits":{"idleTimeoutSeconds":18446744073709551615}}"#.to_owned(), "limits.idleTimeoutSeconds: must"),
            (r#"{"limits":{"streams":0}}"#.to_owned(), "limits.streams: must be 1 to 65536"),
            (r#"{"limits":{"tunnels":0}}"#.to_owned(), "limits.tunnels: must be 1 to 1000000"),
            (
                r#"{"limits":{"connectTimeoutSeconds":0}}"#.to_owned(),
                "limits.connectTimeoutSeconds: must be 1 to 86400",
            ),
            (r#"{"limits":{"tunnelIdleSeconds":0}}"#.to_owned(), "limits.tunnelIdleSeconds: must be 1 to 86400"),
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
        assert!(!format!("{:?}", parse(text, None).unwrap()).contains("hush"));
    }
}
