//! May this caller reach the vault at all, from the address that it has? May this node reach the factory? Pure decisions over values, by the rules that the service
//! documents ("Configure network security for Azure Key Vault").

mod factory;
mod range;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::slice;

use serde::{Deserialize, Serialize};

pub(crate) use factory::NodeRules;
pub(crate) use range::AddressRange;

/// The network rules of a vault. The default ones let every address in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NetworkRules {
    /// Whether the firewall decides, or closes the vault to all but private addresses.
    pub public_access: PublicNetworkAccess,
    /// The firewall.
    pub acls: NetworkAcls,
    /// The private endpoints that the vault is connected to.
    pub private_endpoints: Vec<PrivateEndpoint>,
}

/// A vault's `publicNetworkAccess`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PublicNetworkAccess {
    /// The firewall decides.
    #[default]
    Enabled,
    /// Only private addresses and trusted services get in, whatever the firewall's rules are.
    Disabled,
    /// The vault's perimeters decide, and trusted services are none.
    SecuredByPerimeter,
}

/// A vault's `networkAcls`: its firewall.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NetworkAcls {
    /// What happens to an address that no rule names.
    pub default_action: DefaultAction,
    /// Who passes without a rule.
    pub bypass: Bypass,
    /// The addresses that get in.
    pub ip_rules: Vec<AddressRange>,
    /// The ids, in lower case, of the virtual networks whose addresses get in.
    pub virtual_network_rules: Vec<String>,
}

/// What a firewall does with an address that no rule names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DefaultAction {
    /// Lets it in: no rule counts.
    #[default]
    Allow,
    /// Keeps it out.
    Deny,
}

/// Who passes a firewall without a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Bypass {
    /// The identities that are trusted services.
    #[default]
    AzureServices,
    /// None.
    None,
}

/// A private endpoint that a vault or a factory is connected to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrivateEndpoint {
    /// Its name.
    pub name: String,
    /// Its addresses; those of the tenant's endpoint of this name when they are not said here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ranges: Option<Vec<AddressRange>>,
}

/// The addresses that vaults' rules refer to by name, of the whole tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Networks {
    /// The addresses of each virtual network or subnet, by its id in lower case.
    pub virtual_networks: BTreeMap<String, Vec<AddressRange>>,
    /// The network security perimeters, by name.
    pub perimeters: BTreeMap<String, Perimeter>,
    /// The addresses of private endpoints, by their names in lower case.
    pub private_endpoints: BTreeMap<String, Vec<AddressRange>>,
}

/// A network security perimeter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Perimeter {
    /// The names of the vaults in it, in lower case.
    pub vaults: Vec<String>,
    /// The addresses that its rules let in.
    pub ranges: Vec<AddressRange>,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// The address that the request came from.
    pub seen: IpAddr,
    /// The addresses that the identity is said to have. If there are any they count instead, and each must pass.
    pub own: &'a [IpAddr],
    /// Whether the identity is a trusted service.
    pub is_trusted: bool,
}

/// The outcome of a decision about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkDecision {
    /// It gets in.
    Allowed,
    /// The firewall has no rule for this address.
    Firewall(IpAddr),
    /// The vault is closed to this address, because it is public, or outside of the perimeter.
    Connection(IpAddr),
}

impl NetworkRules {
    /// Whether every address gets in, so that there is nothing to decide.
    pub(crate) fn is_open(&self) -> bool {
        self.public_access == PublicNetworkAccess::Enabled && self.acls.default_action == DefaultAction::Allow
    }

    /// Whether they are the default ones, which no record has to hold.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Decides about a request to the vault called `vault`, which has these rules.
    pub(crate) fn decide(&self, vault: &str, networks: &Networks, origin: Origin<'_>) -> NetworkDecision {
        if self.is_open() || (origin.is_trusted && self.trusts_services()) {
            return NetworkDecision::Allowed;
        }
        let admits = |address| self.is_private(address, networks) || self.admits_public(address, vault, networks);
        let refused = origin.addresses().iter().map(IpAddr::to_canonical).find(|address| !admits(*address));
        refused.map_or(NetworkDecision::Allowed, |address| self.refusing(address))
    }

    /// Decides about a request of a service of the cloud, seen from `seen`: that is no address of a customer, so no rule lets it in,
    /// but the bypass does.
    pub(crate) fn decide_service(&self, seen: IpAddr) -> NetworkDecision {
        match self.is_open() || self.trusts_services() {
            true => NetworkDecision::Allowed,
            false => self.refusing(seen),
        }
    }

    const fn refusing(&self, address: IpAddr) -> NetworkDecision {
        match self.public_access {
            PublicNetworkAccess::Enabled => NetworkDecision::Firewall(address),
            PublicNetworkAccess::Disabled | PublicNetworkAccess::SecuredByPerimeter => {
                NetworkDecision::Connection(address)
            }
        }
    }

    /// Whether trusted services pass. A perimeter overrides the bypass, closing the vault to public addresses does not.
    fn trusts_services(&self) -> bool {
        self.acls.bypass == Bypass::AzureServices && self.public_access != PublicNetworkAccess::SecuredByPerimeter
    }

    fn is_private(&self, address: IpAddr, networks: &Networks) -> bool {
        self.private_endpoints.iter().any(|endpoint| endpoint.contains(address, networks))
    }

    fn admits_public(&self, address: IpAddr, vault: &str, networks: &Networks) -> bool {
        match self.public_access {
            PublicNetworkAccess::Enabled => self.acls.admit(address, networks),
            PublicNetworkAccess::Disabled => false,
            PublicNetworkAccess::SecuredByPerimeter => networks.perimeters.values().any(|perimeter| {
                perimeter.vaults.iter().any(|name| name == vault) && contains(&perimeter.ranges, address)
            }),
        }
    }
}

impl PrivateEndpoint {
    /// Its addresses: its own ranges, else those of the tenant's endpoint of its name.
    pub(crate) fn addresses<'a>(&'a self, networks: &'a Networks) -> &'a [AddressRange] {
        let of_tenant = || networks.private_endpoints.get(&self.name.to_lowercase());
        self.ranges.as_ref().or_else(of_tenant).map_or(&[], Vec::as_slice)
    }

    /// Whether it has this address.
    fn contains(&self, address: IpAddr, networks: &Networks) -> bool {
        contains(self.addresses(networks), address)
    }
}

impl NetworkAcls {
    fn admit(&self, address: IpAddr, networks: &Networks) -> bool {
        let of_network = |id: &String| networks.virtual_networks.get(id).is_some_and(|all| contains(all, address));
        self.default_action == DefaultAction::Allow
            || contains(&self.ip_rules, address)
            || self.virtual_network_rules.iter().any(of_network)
    }
}

impl PublicNetworkAccess {
    /// Its name in the service.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::SecuredByPerimeter => "SecuredByPerimeter",
        }
    }
}

impl Origin<'_> {
    /// The addresses that count: one at least.
    fn addresses(&self) -> &[IpAddr] {
        match self.own {
            [] => slice::from_ref(&self.seen),
            own => own,
        }
    }
}

fn contains(ranges: &[AddressRange], address: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(address))
}

#[cfg(test)]
mod tests;
