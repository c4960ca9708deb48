//! The whole table: firewall, bypass, private addresses, public access. The expectations are typed from the service's documentation.

use super::*;

const SUBNET: &str = "/subscriptions/5/resourcegroups/n/providers/microsoft.network/virtualnetworks/v/subnets/s";
/// An address of each sort: of a rule, of a virtual network, of the vault's own endpoint, of an endpoint of the tenant, of the vault's
/// perimeter, of another vault's perimeter, of none.
const ADDRESSES: [&str; 7] =
    ["203.0.113.7", "10.1.0.7", "10.2.0.7", "10.3.0.7", "198.51.100.7", "198.51.101.7", "192.0.2.7"];

fn ranges(texts: &[&str]) -> Vec<AddressRange> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn networks() -> Networks {
    let perimeter = |vault: &str, range: &str| Perimeter { vaults: vec![vault.to_owned()], ranges: ranges(&[range]) };
    Networks {
        virtual_networks: [(SUBNET.to_owned(), ranges(&["10.1.0.0/16"]))].into(),
        perimeters: [
            ("own".to_owned(), perimeter("acme", "198.51.100.0/24")),
            ("other".to_owned(), perimeter("other", "198.51.101.0/24")),
        ]
        .into(),
        private_endpoints: [("shared".to_owned(), ranges(&["10.3.0.0/16"]))].into(),
    }
}

fn rules(public_access: PublicNetworkAccess, default_action: DefaultAction, bypass: Bypass) -> NetworkRules {
    let acls = NetworkAcls {
        default_action,
        bypass,
        ip_rules: ranges(&["203.0.113.0/24", "2001:db8::/32"]),
        virtual_network_rules: vec![SUBNET.to_owned(), "/unknown".to_owned()],
    };
    let endpoint = |name: &str, ranges| PrivateEndpoint { name: name.to_owned(), ranges };
    let private_endpoints = vec![
        endpoint("own", Some(ranges(&["10.2.0.0/16"]))),
        endpoint("Shared", None),
        endpoint("nowhere", None),
        endpoint("shared", Some(vec![])),
    ];
    NetworkRules { public_access, acls, private_endpoints }
}

fn decide(rules: &NetworkRules, seen: &str, own: &[&str], is_trusted: bool) -> NetworkDecision {
    let own: Vec<IpAddr> = own.iter().map(|address| address.parse().unwrap()).collect();
    rules.decide("acme", &networks(), Origin { seen: seen.parse().unwrap(), own: &own, is_trusted })
}

#[test]
fn the_table_of_firewall_bypass_private_addresses_and_public_access() {
    use Bypass::{AzureServices, None as Never};
    use DefaultAction::{Allow, Deny};
    use PublicNetworkAccess::{Disabled, Enabled, SecuredByPerimeter};
    // For each address of ADDRESSES: a, allowed; f, ForbiddenByFirewall; c, ForbiddenByConnection.
    for (public_access, action, bypass, of_others, of_trusted) in [
        (Enabled, Allow, AzureServices, "aaaaaaa", "aaaaaaa"),
        (Enabled, Allow, Never, "aaaaaaa", "aaaaaaa"),
        (Enabled, Deny, AzureServices, "aaaafff", "aaaaaaa"),
        (Enabled, Deny, Never, "aaaafff", "aaaafff"),
        (Disabled, Allow, AzureServices, "ccaaccc", "aaaaaaa"),
        (Disabled, Allow, Never, "ccaaccc", "ccaaccc"),
        (Disabled, Deny, AzureServices, "ccaaccc", "aaaaaaa"),
        (Disabled, Deny, Never, "ccaaccc", "ccaaccc"),
        (SecuredByPerimeter, Allow, AzureServices, "ccaaacc", "ccaaacc"),
        (SecuredByPerimeter, Allow, Never, "ccaaacc", "ccaaacc"),
        (SecuredByPerimeter, Deny, AzureServices, "ccaaacc", "ccaaacc"),
        (SecuredByPerimeter, Deny, Never, "ccaaacc", "ccaaacc"),
    ] {
        let rules = rules(public_access, action, bypass);
        for (is_trusted, expected) in [(false, of_others), (true, of_trusted)] {
            for (address, letter) in ADDRESSES.into_iter().zip(expected.chars()) {
                let expected = match letter {
                    'a' => NetworkDecision::Allowed,
                    'f' => NetworkDecision::Firewall(address.parse().unwrap()),
                    _ => NetworkDecision::Connection(address.parse().unwrap()),
                };
                let mapped = format!("::ffff:{address}");
                for form in [address, &mapped] {
                    let seen = decide(&rules, form, &[], is_trusted);
                    assert_eq!(seen, expected, "{form}, trusted {is_trusted}: {rules:?}");
                    let own = decide(&rules, "192.0.2.9", &[form], is_trusted);
                    assert_eq!(own, expected, "its own {form}, trusted {is_trusted}: {rules:?}");
                }
            }
        }
    }
}

#[test]
fn each_address_of_an_identity_must_pass_and_the_connections_own_counts_no_more() {
    let rules = rules(PublicNetworkAccess::Enabled, DefaultAction::Deny, Bypass::AzureServices);
    let [good, bad] = ["203.0.113.7", "192.0.2.7"];
    let refused = NetworkDecision::Firewall(bad.parse().unwrap());
    assert_eq!(decide(&rules, bad, &[], false), refused);
    assert_eq!(decide(&rules, bad, &[good], false), NetworkDecision::Allowed);
    assert_eq!(decide(&rules, good, &[bad], false), refused);
    assert_eq!(decide(&rules, good, &[good, "10.1.0.7"], false), NetworkDecision::Allowed);
    assert_eq!(decide(&rules, good, &[good, "10.1.0.7", bad], false), refused, "the one that does not pass is named");
    assert_eq!(decide(&rules, good, &[good, bad], true), NetworkDecision::Allowed);
}

#[test]
fn the_bounds_of_a_rule_are_in_it_and_addresses_beside_them_are_not() {
    let mut rules = rules(PublicNetworkAccess::Enabled, DefaultAction::Deny, Bypass::None);
    let passes = |rules: &NetworkRules, address: &str| decide(rules, address, &[], false) == NetworkDecision::Allowed;
    assert!(passes(&rules, "203.0.113.0") && passes(&rules, "203.0.113.255"));
    assert!(!passes(&rules, "203.0.112.255") && !passes(&rules, "203.0.114.0"));
    assert!(passes(&rules, "2001:db8::") && passes(&rules, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert!(!passes(&rules, "2001:db7:ffff::") && !passes(&rules, "2001:db9::"));
    rules.acls.ip_rules = ranges(&["0.0.0.0/0"]);
    assert!(passes(&rules, "0.0.0.0") && passes(&rules, "255.255.255.255") && !passes(&rules, "2001:db8::"));
}

#[test]
fn only_the_default_rules_and_those_like_them_are_open() {
    assert!(NetworkRules::default().is_open());
    let is_open = |public_access, action| rules(public_access, action, Bypass::None).is_open();
    assert!(is_open(PublicNetworkAccess::Enabled, DefaultAction::Allow));
    assert!(!is_open(PublicNetworkAccess::Enabled, DefaultAction::Deny));
    assert!(!is_open(PublicNetworkAccess::Disabled, DefaultAction::Allow));
    assert!(!is_open(PublicNetworkAccess::SecuredByPerimeter, DefaultAction::Allow));
}

#[test]
fn no_rule_lets_a_service_of_the_cloud_in_but_the_bypass_does() {
    use Bypass::{AzureServices, None as Never};
    use DefaultAction::{Allow, Deny};
    use PublicNetworkAccess::{Disabled, Enabled, SecuredByPerimeter};
    let seen: IpAddr = "203.0.113.7".parse().unwrap();
    let (firewall, connection) = (NetworkDecision::Firewall(seen), NetworkDecision::Connection(seen));
    for (public_access, action, bypass, expected) in [
        (Enabled, Allow, AzureServices, NetworkDecision::Allowed),
        (Enabled, Allow, Never, NetworkDecision::Allowed),
        (Enabled, Deny, AzureServices, NetworkDecision::Allowed),
        (Enabled, Deny, Never, firewall),
        (Disabled, Allow, AzureServices, NetworkDecision::Allowed),
        (Disabled, Allow, Never, connection),
        (SecuredByPerimeter, Allow, AzureServices, connection),
    ] {
        let decided = rules(public_access, action, bypass).decide_service(seen);
        assert_eq!(decided, expected, "{public_access:?} {action:?} {bypass:?}");
    }
}
