//! Who may reach a vault from where: firewalls, private endpoints, virtual networks and perimeters in the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::error::{ConfigError, invalid};
use super::suggestion::did_you_mean;
use crate::access::network::{
    AddressRange, Bypass, DefaultAction, NetworkAcls, NetworkRules, Networks, Perimeter, PrivateEndpoint,
    PublicNetworkAccess,
};
use crate::authorization::{MAX_NAME_BYTES, MAX_NAMED, MAX_RANGES};
use crate::vault::{InitialVault, VaultName};

/// The most IP rules of a vault, as in the service.
const MAX_IP_RULES: usize = 1000;
/// The most virtual networks of a vault's rules, as in the service.
const MAX_VIRTUAL_NETWORK_RULES: usize = 200;

/// What a vault's entry says of its network.
#[derive(Default)]
pub(super) struct RulesEntry {
    /// `publicNetworkAccess`.
    pub(super) public_access: PublicNetworkAccess,
    /// `networkAcls`.
    pub(super) acls: AclsEntry,
    /// `privateEndpoints`.
    pub(super) private_endpoints: Vec<EndpointEntry>,
}

/// A vault's `networkAcls`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct AclsEntry {
    default_action: DefaultAction,
    bypass: Bypass,
    ip_rules: Vec<TextOr<IpRule>>,
    virtual_network_rules: Vec<TextOr<VirtualNetworkRule>>,
}

/// An IP rule in Resource Manager's form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IpRule {
    value: String,
}

/// A virtual network's rule in Resource Manager's form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VirtualNetworkRule {
    id: String,
    /// Networks have no service endpoints here.
    #[serde(rename = "ignoreMissingVnetServiceEndpoint")]
    _ignore_missing_endpoint: Option<bool>,
}

/// A private endpoint. In the entry of a vault or factory the ranges may be left out: they are those at the top of the file then.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EndpointEntry {
    name: String,
    ranges: Option<Vec<String>>,
}

/// A perimeter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PerimeterEntry {
    name: String,
    #[serde(default)]
    vaults: Vec<String>,
    #[serde(default)]
    ranges: Vec<String>,
}

/// The networks of a configuration.
pub(super) struct NetworkEntries {
    /// `virtualNetworks`: ids and ranges.
    pub(super) virtual_networks: BTreeMap<String, Vec<String>>,
    /// `perimeters`.
    pub(super) perimeters: Vec<PerimeterEntry>,
    /// `privateEndpoints`.
    pub(super) private_endpoints: Vec<EndpointEntry>,
}

/// A text alone, or the object that Resource Manager has in its place.
enum TextOr<T> {
    Text(String),
    Object(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm(PhantomData))
    }
}

/// Reads both forms.
struct EitherForm<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EitherForm<T> {
    type Value = TextOr<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<TextOr<T>, E> {
        Ok(TextOr::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<TextOr<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(TextOr::Object)
    }
}

impl<T> TextOr<T> {
    fn text(self, of: impl Fn(T) -> String) -> String {
        match self {
            Self::Text(text) => text,
            Self::Object(object) => of(object),
        }
    }
}

impl RulesEntry {
    /// The rules of the vault at `path`.
    pub(super) fn rules(self, path: &str) -> Result<NetworkRules, ConfigError> {
        let Self { public_access, acls, private_endpoints } = self;
        let private_endpoints = endpoints(path, private_endpoints)?;
        Ok(NetworkRules { public_access, acls: acls.acls(&format!("{path}.networkAcls"))?, private_endpoints })
    }
}

/// The `privateEndpoints` of the vault or factory at `path`.
pub(super) fn endpoints(path: &str, given: Vec<EndpointEntry>) -> Result<Vec<PrivateEndpoint>, ConfigError> {
    at_most(MAX_NAMED, given.len(), &format!("{path}.privateEndpoints"))?;
    let endpoint = |(index, endpoint): (usize, EndpointEntry)| {
        let path = format!("{path}.privateEndpoints[{index}]");
        let of = |given: &Vec<String>| ranges(&format!("{path}.ranges"), given);
        let name = name(&format!("{path}.name"), &endpoint.name)?;
        Ok(PrivateEndpoint { name, ranges: endpoint.ranges.as_ref().map(of).transpose()? })
    };
    given.into_iter().enumerate().map(endpoint).collect()
}

impl AclsEntry {
    fn acls(self, path: &str) -> Result<NetworkAcls, ConfigError> {
        at_most(MAX_IP_RULES, self.ip_rules.len(), &format!("{path}.ipRules"))?;
        let networks_path = format!("{path}.virtualNetworkRules");
        at_most(MAX_VIRTUAL_NETWORK_RULES, self.virtual_network_rules.len(), &networks_path)?;
        let texts: Vec<_> = self.ip_rules.into_iter().map(|rule| rule.text(|rule| rule.value)).collect();
        let ids = self.virtual_network_rules.into_iter().map(|rule| rule.text(|rule| rule.id)).enumerate();
        let ids = ids.map(|(index, id)| Ok(name(&format!("{networks_path}[{index}]"), &id)?.to_lowercase()));
        Ok(NetworkAcls {
            default_action: self.default_action,
            bypass: self.bypass,
            ip_rules: ranges(&format!("{path}.ipRules"), &texts)?,
            virtual_network_rules: ids.collect::<Result<_, _>>()?,
        })
    }
}

impl NetworkEntries {
    /// The networks; `vaults` are those of the same configuration, whose rules may refer to no others.
    pub(super) fn networks(self, vaults: &[InitialVault]) -> Result<Networks, ConfigError> {
        let networks = Networks {
            virtual_networks: virtual_networks(self.virtual_networks)?,
            perimeters: perimeters(self.perimeters)?,
            private_endpoints: private_endpoints(self.private_endpoints)?,
        };
        let networks_with_ranges = networks.virtual_networks.values().chain(networks.private_endpoints.values());
        let count = networks_with_ranges.map(Vec::len).sum::<usize>()
            + networks
                .perimeters
                .values()
                .map(|perimeter| perimeter.ranges.len() + perimeter.vaults.len())
                .sum::<usize>();
        if count > MAX_RANGES {
            let why = format!("must have at most {MAX_RANGES} ranges and vaults, with privateEndpoints and perimeters");
            return Err(invalid("virtualNetworks", why));
        }
        vaults.iter().enumerate().try_for_each(|(index, vault)| check_references(index, vault, &networks))?;
        Ok(networks)
    }
}

fn virtual_networks(given: BTreeMap<String, Vec<String>>) -> Result<BTreeMap<String, Vec<AddressRange>>, ConfigError> {
    at_most(MAX_NAMED, given.len(), "virtualNetworks")?;
    let mut networks = BTreeMap::new();
    for (id, given) in given {
        let path = format!("virtualNetworks.{id}");
        let (name, ranges) = (name(&path, &id)?.to_lowercase(), ranges(&path, &given)?);
        if networks.insert(name, ranges).is_some() {
            return Err(invalid(path, "there is a virtual network of this id, whose case does not count"));
        }
    }
    Ok(networks)
}

fn perimeters(given: Vec<PerimeterEntry>) -> Result<BTreeMap<String, Perimeter>, ConfigError> {
    at_most(MAX_NAMED, given.len(), "perimeters")?;
    let mut perimeters = BTreeMap::new();
    for (index, entry) in given.into_iter().enumerate() {
        let path = format!("perimeters[{index}]");
        at_most(MAX_NAMED, entry.vaults.len(), &format!("{path}.vaults"))?;
        let vault = |(position, text): (usize, &String)| {
            let parsed = VaultName::parse(text).map(|name| name.to_string());
            parsed.ok_or_else(|| invalid(format!("{path}.vaults[{position}]"), "must be the name of a vault"))
        };
        let vaults = entry.vaults.iter().enumerate().map(vault).collect::<Result<_, _>>()?;
        let perimeter = Perimeter { vaults, ranges: ranges(&format!("{path}.ranges"), &entry.ranges)? };
        let name = name(&format!("{path}.name"), &entry.name)?;
        if perimeters.insert(name, perimeter).is_some() {
            return Err(invalid(format!("{path}.name"), "there is a perimeter of this name before it"));
        }
    }
    Ok(perimeters)
}

fn private_endpoints(given: Vec<EndpointEntry>) -> Result<BTreeMap<String, Vec<AddressRange>>, ConfigError> {
    at_most(MAX_NAMED, given.len(), "privateEndpoints")?;
    let mut endpoints = BTreeMap::new();
    for (index, entry) in given.into_iter().enumerate() {
        let path = format!("privateEndpoints[{index}]");
        let ranges = ranges(&format!("{path}.ranges"), &entry.ranges.unwrap_or_default())?;
        let name = name(&format!("{path}.name"), &entry.name)?.to_lowercase();
        if endpoints.insert(name, ranges).is_some() {
            return Err(invalid(format!("{path}.name"), "there is a private endpoint of this name before it"));
        }
    }
    Ok(endpoints)
}

/// Checks that the networks and endpoints that a vault of the file names are in it too: what is misspelt lets nothing in.
fn check_references(index: usize, vault: &InitialVault, networks: &Networks) -> Result<(), ConfigError> {
    for (position, id) in vault.network.acls.virtual_network_rules.iter().enumerate() {
        if !networks.virtual_networks.contains_key(id) {
            let path = format!("vaults[{index}].networkAcls.virtualNetworkRules[{position}]");
            return Err(unknown(path, id, "virtualNetworks", networks.virtual_networks.keys()));
        }
    }
    check_endpoints(&format!("vaults[{index}]"), &vault.network.private_endpoints, networks)
}

/// Checks that those of `endpoints`, which the vault or factory at `path` names without ranges, are at the top of the file.
pub(super) fn check_endpoints(
    path: &str,
    endpoints: &[PrivateEndpoint],
    networks: &Networks,
) -> Result<(), ConfigError> {
    for (position, endpoint) in endpoints.iter().enumerate() {
        if endpoint.ranges.is_none() && !networks.private_endpoints.contains_key(&endpoint.name.to_lowercase()) {
            let path = format!("{path}.privateEndpoints[{position}]");
            return Err(unknown(path, &endpoint.name, "privateEndpoints", networks.private_endpoints.keys()));
        }
    }
    Ok(())
}

fn unknown<'k>(path: String, name: &str, of: &str, known: impl Iterator<Item = &'k String>) -> ConfigError {
    let guess = did_you_mean(name, known.map(String::as_str));
    invalid(path, format!("'{of}' at the top does not name '{name}'{guess}"))
}

fn ranges(path: &str, given: &[String]) -> Result<Vec<AddressRange>, ConfigError> {
    at_most(MAX_IP_RULES, given.len(), path)?;
    let parse = |(index, text): (usize, &String)| {
        text.parse::<AddressRange>().map_err(|why| invalid(format!("{path}[{index}]"), why.to_string()))
    };
    given.iter().enumerate().map(parse).collect()
}

fn name(path: &str, given: &str) -> Result<String, ConfigError> {
    match (1..=MAX_NAME_BYTES).contains(&given.len()) {
        true => Ok(given.to_owned()),
        false => Err(invalid(path, format!("must have 1 to {MAX_NAME_BYTES} bytes"))),
    }
}

fn at_most(limit: usize, count: usize, path: &str) -> Result<(), ConfigError> {
    if count <= limit { Ok(()) } else { Err(invalid(path, format!("must be at most {limit}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const SUBNET: &str = "/subscriptions/5/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v/subnets/s";

    fn refused(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn rules_are_texts_or_the_objects_of_resource_manager() {
        let parse = |rules: &str, networks: &str| {
            let text = format!(
                r#"{{"virtualNetworks":{{"{SUBNET}":["10.1.0.0/16"]}},"vaults":[{{"name":"acme","networkAcls":
                    {{"defaultAction":"Deny","bypass":"None","ipRules":{rules},"virtualNetworkRules":{networks}}}}}]}}"#
            );
            Config::parse(&text).unwrap().vaults[0].network.clone()
        };
        let texts = parse(r#"["203.0.113.7","10.0.0.0/8"]"#, &format!(r#"["{SUBNET}"]"#));
        let objects = parse(
            r#"[{"value":"203.0.113.7/32"},{"value":"10.0.0.0/8"}]"#,
            &format!(r#"[{{"id":"{}","ignoreMissingVnetServiceEndpoint":false}}]"#, SUBNET.to_uppercase()),
        );
        assert_eq!(texts, objects);
        assert_eq!(texts.acls.ip_rules[0].to_string(), "203.0.113.7/32");
        assert_eq!(texts.acls.virtual_network_rules, [SUBNET.to_lowercase()]);
        assert_eq!((texts.acls.default_action, texts.acls.bypass), (DefaultAction::Deny, Bypass::None));
    }

    #[test]
    fn what_is_left_out_is_as_the_service_has_it() {
        let of = |vault: &str| Config::parse(&format!(r#"{{"vaults":[{{"name":"acme"{vault}}}]}}"#)).unwrap();
        assert!(of("").vaults[0].network.is_default());
        assert!(of(r#","networkAcls":{}"#).vaults[0].network.is_default());
        let denying = &of(r#","networkAcls":{"defaultAction":"Deny"}"#).vaults[0].network;
        assert_eq!((denying.is_open(), denying.acls.bypass), (false, Bypass::AzureServices));
    }

    #[test]
    fn wrong_members_are_refused_with_their_path() {
        let vault = |rest: &str| format!(r#"{{"vaults":[{{"name":"acme",{rest}}}]}}"#);
        let rules = |count: usize| vec![r#""10.0.0.1""#; count].join(",");
        let range = "must be an address or a range of addresses, such as ";
        for (text, expected) in [
            (
                vault(r#""networkAcls":{"ipRules":["10.0.0.0/33"]}"#),
                format!("vaults[0].networkAcls.ipRules[0]: {range}"),
            ),
            (
                vault(r#""networkAcls":{"ipRules":[7]}"#),
                "vaults[0].networkAcls.ipRules[0]: invalid type: integer, expected a string".to_owned(),
            ),
            (
                vault(r#""networkAcls":{"ipRules":[{"id":"x"}]}"#),
                "vaults[0].networkAcls.ipRules[0].id: unknown field".to_owned(),
            ),
            (
                vault(&format!(r#""networkAcls":{{"ipRules":[{}]}}"#, rules(1001))),
                "vaults[0].networkAcls.ipRules: must be at most 1000".to_owned(),
            ),
            (
                vault(&format!(r#""networkAcls":{{"virtualNetworkRules":[{}]}}"#, rules(201))),
                "vaults[0].networkAcls.virtualNetworkRules: must be at most 200".to_owned(),
            ),
            (
                vault(r#""networkAcls":{"virtualNetworkRules":["/x"]}"#),
                "vaults[0].networkAcls.virtualNetworkRules[0]: 'virtualNetworks' at the top does not name '/x'"
                    .to_owned(),
            ),
            (
                vault(r#""privateEndpoints":[{"name":"pe"}]"#),
                "vaults[0].privateEndpoints[0]: 'privateEndpoints' at the top does not name 'pe'".to_owned(),
            ),
            (
                vault(r#""privateEndpoints":[{"name":"pe","ranges":["x"]}]"#),
                format!("vaults[0].privateEndpoints[0].ranges[0]: {range}"),
            ),
            (
                vault(r#""publicNetworkAccess":"disabled""#),
                "vaults[0].publicNetworkAccess: unknown variant `disabled` (did you mean 'Disabled'?), expected "
                    .to_owned(),
            ),
            (r#"{"virtualNetworks":{"/x":["10.0.0.0/-1"]}}"#.to_owned(), format!("virtualNetworks./x[0]: {range}")),
            (
                r#"{"virtualNetworks":{"/V":["10.0.0.0/8"],"/v":["10.1.0.0/16"]}}"#.to_owned(),
                "virtualNetworks./v: there is a virtual network of this id, whose case does not count".to_owned(),
            ),
            (
                r#"{"perimeters":[{"name":"p","vaults":["a"]}]}"#.to_owned(),
                "perimeters[0].vaults[0]: must be the name of a vault".to_owned(),
            ),
            (
                r#"{"perimeters":[{"name":"p"},{"name":"p"}]}"#.to_owned(),
                "perimeters[1].name: there is a perimeter".to_owned(),
            ),
            (
                r#"{"privateEndpoints":[{"name":"P"},{"name":"p"}]}"#.to_owned(),
                "privateEndpoints[1].name: there is a private endpoint".to_owned(),
            ),
            (
                r#"{"identities":[{"name":"a","addresses":["10.0.0.0/8"]}]}"#.to_owned(),
                "identities[0].addresses[0]: must be an address, such as ".to_owned(),
            ),
        ] {
            assert!(refused(&text).starts_with(&expected), "{}", refused(&text));
        }
        assert!(Config::parse(&vault(&format!(r#""networkAcls":{{"ipRules":[{}]}}"#, rules(1000)))).is_ok());
    }
}
