//! Data factories in the configuration file.

use serde::Deserialize;
use uuid::Uuid;

use super::derived;
use super::error::{ConfigError, invalid};
use super::network::{EndpointEntry, check_endpoints, endpoints};
use super::vault::{location, resource_group};
use crate::access::network::Networks;
use crate::directory::{IdentityRecord, Tenant};
use crate::management::{ConfiguredFactory, FactoryId, GroupId, NetworkId, NewIdentity};
use crate::resource_id::DEFAULT_RESOURCE_GROUP;
use crate::vault::DEFAULT_LOCATION;

/// The most factories of a configuration: each is a commit of the start (Azure Data Factory limits: 800 in a subscription).
const MAX_FACTORIES: usize = 800;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FactoryEntry {
    name: String,
    subscription_id: Option<Uuid>,
    resource_group: Option<String>,
    location: Option<String>,
    #[serde(default)]
    public_network_access: PublicAccess,
    #[serde(default)]
    private_endpoints: Vec<EndpointEntry>,
}

/// A factory's `publicNetworkAccess`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum PublicAccess {
    /// Nodes are served from everywhere.
    #[default]
    Enabled,
    /// Nodes are served by private endpoints alone.
    Disabled,
}

/// Where a factory is that does not say so.
pub(super) struct Places<'a> {
    /// Its tenant, and the subscription.
    pub(super) tenant: Tenant,
    /// The resource group, if the file names one.
    pub(super) group: Option<&'a String>,
    /// The location, if the file names one.
    pub(super) location: Option<&'a String>,
}

/// Parses the `factories` of a configuration; none has the own identity of one among `identities`.
pub(super) fn factories(
    given: Vec<FactoryEntry>,
    places: &Places<'_>,
    identities: &[IdentityRecord],
) -> Result<Vec<ConfiguredFactory>, ConfigError> {
    if given.len() > MAX_FACTORIES {
        return Err(invalid("factories", format!("must be at most {MAX_FACTORIES}")));
    }
    let mut known: Vec<ConfiguredFactory> = Vec::new();
    for (index, entry) in given.into_iter().enumerate() {
        let path = format!("factories[{index}]");
        let factory = entry.factory(&path, places)?;
        let name = factory.id.name();
        if known.iter().any(|other| other.id.name().eq_ignore_ascii_case(name)) {
            return Err(invalid(path, format!("there are two factories called '{name}', whose case does not count")));
        }
        let own = factory.own_identity();
        if let Some(twin) = identities.iter().find(|other| other.shares_with(&own)) {
            let why =
                format!("its own identity, '{}', shares its name or an id with the identity '{}'", own.name, twin.name);
            return Err(invalid(path, why));
        }
        known.push(factory);
    }
    Ok(known)
}

/// `identities` and those that factories have of their own, which policies and roles may name alike.
pub(super) fn with_own_identities(
    identities: &[IdentityRecord],
    factories: &[ConfiguredFactory],
) -> Vec<IdentityRecord> {
    identities.iter().cloned().chain(factories.iter().map(ConfiguredFactory::own_identity)).collect()
}

/// Checks that the private endpoints that factories name are those of the file.
pub(super) fn check_references(factories: &[ConfiguredFactory], networks: &Networks) -> Result<(), ConfigError> {
    let check = |(index, factory): (usize, &ConfiguredFactory)| {
        check_endpoints(&format!("factories[{index}]"), &factory.private_endpoints, networks)
    };
    factories.iter().enumerate().try_for_each(check)
}

impl FactoryEntry {
    fn factory(self, path: &str, places: &Places<'_>) -> Result<ConfiguredFactory, ConfigError> {
        let subscription = self.subscription_id.unwrap_or(places.tenant.subscription.0);
        let group = resource_group(path, self.resource_group)?.or_else(|| places.group.cloned());
        let group = group.unwrap_or_else(|| DEFAULT_RESOURCE_GROUP.to_owned());
        let group = GroupId::parse(subscription, &group)
            .map_err(|_| invalid(format!("{path}.resourceGroup"), "must be the name of a resource group"))?;
        let rule = "must be 3 to 63 letters, digits and single hyphens, a letter or digit first and last";
        let id = FactoryId::parse(group, &self.name).map_err(|_| invalid(format!("{path}.name"), rule))?;
        let location = location(path, self.location)?.or_else(|| places.location.cloned());
        let private_endpoints = endpoints(path, self.private_endpoints)?;
        check_names(path, &id, private_endpoints.iter().map(|endpoint| endpoint.name.as_str()))?;
        let name = id.name().to_ascii_lowercase();
        let identity = NewIdentity {
            object_id: derived(places.tenant.id, "factoryObject", &name),
            client_id: derived(places.tenant.id, "factoryClient", &name),
        };
        Ok(ConfiguredFactory {
            id,
            location: location.unwrap_or_else(|| DEFAULT_LOCATION.to_owned()),
            is_private: self.public_network_access == PublicAccess::Disabled,
            private_endpoints,
            identity,
        })
    }
}

/// Checks that connections can be called as the private endpoints are, each once.
fn check_names<'a>(path: &str, id: &FactoryId, names: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
    let mut known: Vec<String> = Vec::new();
    for (index, name) in names.enumerate() {
        let path = format!("{path}.privateEndpoints[{index}].name");
        if NetworkId::connection(id.clone(), name).is_err() {
            let rule = "must be 1 to 127 letters, digits, '-', '_' and '.', a letter, a digit or '_' first and last";
            return Err(invalid(path, rule));
        }
        if known.contains(&name.to_ascii_lowercase()) {
            return Err(invalid(path, "there is a private endpoint of this name before it"));
        }
        known.push(name.to_ascii_lowercase());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::config::Config;

    fn refused(file: Value) -> String {
        Config::parse(&file.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_is_as_the_file_has_it_for_all_and_ids_follow_from_the_name() {
        let of = |file: Value| Config::parse(&file.to_string()).unwrap().factories.remove(0);
        let least = of(json!({"factories": [{"name": "Shop"}]}));
        let id = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven/providers/Microsoft.DataFactory/factories/Shop";
        assert_eq!((least.id.to_string(), &*least.location, least.is_private), (id.to_owned(), "local", false));
        let placed = of(json!({"location": "West Europe", "resourceGroup": "all", "factories": [{"name": "shop"}]}));
        assert!(placed.id.to_string().contains("/resourceGroups/all/"), "{}", placed.id);
        assert_eq!((&*placed.location, placed.identity.object_id), ("westeurope", least.identity.object_id));
        assert_ne!(least.identity.object_id, least.identity.client_id);
        assert_eq!(placed.own_identity().name, "datafactory-shop");
    }

    #[test]
    fn wrong_members_are_refused_with_their_path() {
        let one = |members: Value| {
            let mut entry = json!({"name": "acme"});
            entry.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            json!({"factories": [entry]})
        };
        let twins = |name: &str| json!({"factories": [{"name": "acme"}, {"name": name}]});
        for (file, expected) in [
            (one(json!({"name": "a--b"})), "factories[0].name: must be 3 to 63 letters, digits and single hyphens"),
            (one(json!({"resourceGroup": "x."})), "factories[0].resourceGroup: must be 1 to 90 letters"),
            (one(json!({"location": "a/b"})), "factories[0].location: must be the name of a region"),
            (
                one(json!({"publicNetworkAccess": "SecuredByPerimeter"})),
                "factories[0].publicNetworkAccess: unknown variant",
            ),
            (one(json!({"encryption": {}})), "factories[0].encryption: unknown field `encryption`"),
            (
                one(json!({"privateEndpoints": [{"name": "-x"}]})),
                "factories[0].privateEndpoints[0].name: must be 1 to 127 letters",
            ),
            (
                one(json!({"privateEndpoints": [{"name": "pe", "ranges": []}, {"name": "PE", "ranges": []}]})),
                "factories[0].privateEndpoints[1].name: there is a private endpoint of this name before it",
            ),
            (
                one(json!({"privateEndpoints": [{"name": "pe"}]})),
                "factories[0].privateEndpoints[0]: 'privateEndpoints' at the top does not name 'pe'",
            ),
            (twins("ACME"), "factories[1]: there are two factories called 'ACME', whose case does not count"),
            (
                json!({"identities": [{"name": "datafactory-acme"}], "factories": [{"name": "acme"}]}),
                "factories[0]: its own identity, 'datafactory-acme', shares its name or an id with the identity",
            ),
        ] {
            assert!(refused(file.clone()).starts_with(expected), "{}", refused(file));
        }
        let many: Vec<_> = (0..=super::MAX_FACTORIES).map(|number| json!({"name": format!("f-{number}")})).collect();
        assert_eq!(refused(json!({"factories": many})), "factories: must be at most 800");
    }

    #[test]
    fn policies_and_roles_may_name_the_own_identity_which_is_never_the_default_one() {
        let grants = json!({"identities": [], "factories": [{"name": "acme"}],
            "vaults": [{"name": "acme", "accessPolicies": [{"identity": "datafactory-acme", "permissions": {"secrets": ["get"]}}],
                        "roleAssignments": [{"identity": "datafactory-acme", "role": "Key Vault Secrets User"}]}, {"name": "other"}]});
        let config = Config::parse(&grants.to_string()).unwrap();
        let own = config.factories[0].identity.object_id;
        assert_eq!(config.vaults[0].access_policies[0].object_id, own);
        assert_eq!(
            config.access.assignments.iter().map(|one| one.principal).collect::<Vec<_>>(),
            [own],
            "it owns nothing"
        );
        assert!(config.vaults[1].access_policies.is_empty() && config.identities.is_empty());
    }
}
