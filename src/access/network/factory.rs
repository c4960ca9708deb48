//! Whether a data factory serves a node that comes from an address. Its public access and its private endpoints decide for nodes alone:
//! requests to Resource Manager come from everywhere.

use std::net::IpAddr;

use super::{Networks, PrivateEndpoint};

/// What decides which nodes a factory serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeRules {
    /// Whether nodes are served by private endpoints alone: `publicNetworkAccess` is `Disabled`.
    pub is_private: bool,
    /// The private endpoints of its approved connections.
    pub private_endpoints: Vec<PrivateEndpoint>,
}

impl NodeRules {
    /// Whether a node that comes from `address` is served.
    pub(crate) fn serve(&self, address: IpAddr, networks: &Networks) -> bool {
        let address = address.to_canonical();
        !self.is_private || self.private_endpoints.iter().any(|endpoint| endpoint.contains(address, networks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::network::AddressRange;

    #[test]
    fn with_public_access_disabled_a_node_is_served_from_the_addresses_of_its_private_endpoints_alone() {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<AddressRange>>();
        let endpoint =
            |name: &str, own: Option<&[&str]>| PrivateEndpoint { name: name.to_owned(), ranges: own.map(ranges) };
        let mut networks = Networks::default();
        networks.private_endpoints.insert("shared".to_owned(), ranges(&["10.9.0.0/16", "fd00:9::/32"]));
        let own = || endpoint("pe", Some(&["10.2.0.0/24", "fd00:2::/64"]));
        let closed = |private_endpoints: Vec<PrivateEndpoint>| NodeRules { is_private: true, private_endpoints };
        let open = NodeRules { is_private: false, private_endpoints: vec![] };
        for (rules, address, expected) in [
            (&open, "203.0.113.7", true),
            (&open, "2001:db8::7", true),
            (&closed(vec![]), "203.0.113.7", false),
            (&closed(vec![]), "127.0.0.1", false),
            (&closed(vec![own()]), "10.2.0.7", true),
            (&closed(vec![own()]), "::ffff:10.2.0.7", true),
            (&closed(vec![own()]), "10.2.1.7", false),
            (&closed(vec![own()]), "fd00:2::7", true),
            (&closed(vec![own()]), "fd00:3::7", false),
            (&closed(vec![endpoint("SHARED", None)]), "10.9.1.2", true),
            (&closed(vec![endpoint("SHARED", None)]), "fd00:9::1", true),
            (&closed(vec![endpoint("SHARED", None)]), "10.2.0.7", false),
            (&closed(vec![endpoint("unknown", None)]), "10.9.1.2", false),
            (&closed(vec![endpoint("shared", Some(&[]))]), "10.9.1.2", false),
            (&closed(vec![endpoint("unknown", None), own()]), "10.2.0.7", true),
        ] {
            assert_eq!(rules.serve(address.parse().unwrap(), &networks), expected, "{rules:?} {address}");
        }
    }
}
