//! Ranges of addresses, as CIDR writes them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The bits before the IPv4 address in an IPv6 address that is one.
const MAPPED_BITS: u8 = 96;

/// A range of addresses: `203.0.113.0/24`, `fd00::/8`. One address is a range too. An IPv4 address within IPv6 is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct AddressRange {
    /// The first address.
    first: IpAddr,
    /// The number of leading bits that all addresses have in common.
    prefix: u8,
}

/// A text that is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRange {
    /// It has no such form.
    Malformed,
    /// It is an IPv4 address within IPv6 with so few bits that the range would hold no IPv4 address.
    Ipv4WithinIpv6,
}

impl fmt::Display for NoRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => {
                "must be an address or a range of addresses, such as 203.0.113.7, 203.0.113.0/24 or fd00::/8"
            }
            Self::Ipv4WithinIpv6 => {
                "must be written as a range of IPv4 addresses, such as 203.0.113.0/24: an IPv4 address within IPv6 begins with 96 bits \
                 more"
            }
        })
    }
}

impl AddressRange {
    /// Whether `address` lies within.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && first_of(address, self.prefix) == self.first
    }

    /// Whether every address of `other` lies within.
    pub(crate) fn covers(&self, other: Self) -> bool {
        other.prefix >= self.prefix && self.contains(other.first)
    }

    /// The range of all addresses that have the first `prefix` bits of `address`; what it has beyond them is left out.
    fn new(address: IpAddr, prefix: u8) -> Self {
        let mapped = match address {
            IpAddr::V6(address) if prefix >= MAPPED_BITS => address.to_ipv4_mapped(),
            _ => None,
        };
        let (address, prefix) = mapped.map_or((address, prefix), |inner| (inner.into(), prefix - MAPPED_BITS));
        Self { first: first_of(address, prefix), prefix }
    }
}

impl From<IpAddr> for AddressRange {
    fn from(address: IpAddr) -> Self {
        Self::new(address, bits(address))
    }
}

impl FromStr for AddressRange {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| NoRange::Malformed)?;
        let Some(prefix) = prefix else { return Ok(address.into()) };
        let is_number = prefix.bytes().all(|digit| digit.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|prefix| is_number && *prefix <= bits(address));
        let prefix = prefix.ok_or(NoRange::Malformed)?;
        let is_mapped = address.is_ipv6() && address.to_canonical().is_ipv4();
        match is_mapped && prefix < MAPPED_BITS {
            true => Err(NoRange::Ipv4WithinIpv6),
            false => Ok(Self::new(address, prefix)),
        }
    }
}

impl fmt::Display for AddressRange {
    /// `203.0.113.7/32`: with the number of bits always, as Resource Manager shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl TryFrom<String> for AddressRange {
    type Error = NoRange;

    fn try_from(text: String) -> Result<Self, NoRange> {
        text.parse()
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> Self {
        range.to_string()
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// `address` with zeros after its first `prefix` bits.
fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    let dropped = u32::from(bits(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(address) => {
            Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(dropped).unwrap_or_default()).into()
        }
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(dropped).unwrap_or_default()).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_first_and_last_address_and_none_beyond() {
        for (range, within, beyond) in [
            ("10.1.2.0/23", &["10.1.2.0", "10.1.3.255"][..], &["10.1.1.255", "10.1.4.0"][..]),
            ("203.0.113.7", &["203.0.113.7"], &["203.0.113.6", "203.0.113.8"]),
            ("203.0.113.7/32", &["203.0.113.7"], &["203.0.113.6", "203.0.113.8"]),
            ("203.0.113.6/31", &["203.0.113.6", "203.0.113.7"], &["203.0.113.5", "203.0.113.8"]),
            ("128.0.0.0/1", &["128.0.0.0", "255.255.255.255"], &["127.255.255.255"]),
            ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::", "::1", "fd00::1"]),
            ("fd00::/8", &["fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"], &["fcff::", "fe00::", "10.0.0.1"]),
            ("2001:db8::7/128", &["2001:db8::7"], &["2001:db8::6", "2001:db8::8"]),
            ("2001:db8::/127", &["2001:db8::", "2001:db8::1"], &["2001:db8::2"]),
            ("::/0", &["::", "ffff::", "::1"], &["10.0.0.1", "::ffff:10.0.0.1"]),
        ] {
            let parsed: AddressRange = range.parse().unwrap();
            for address in within {
                assert!(parsed.contains(address.parse().unwrap()), "{address} in {range}");
            }
            for address in beyond {
                assert!(!parsed.contains(address.parse().unwrap()), "{address} in {range}");
            }
        }
    }

    #[test]
    fn an_ipv4_address_within_ipv6_is_ipv4() {
        let contains = |range: &str, address: &str| {
            let range: AddressRange = range.parse().unwrap();
            range.contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "::ffff:10.255.255.255") && !contains("10.0.0.0/8", "::ffff:11.0.0.0"));
        assert!(contains("::ffff:10.0.0.0/104", "10.255.255.255") && !contains("::ffff:10.0.0.0/104", "11.0.0.0"));
        assert!(contains("::ffff:0:0/96", "255.255.255.255"));
        assert_eq!("::ffff:10.0.0.7".parse::<AddressRange>().unwrap().to_string(), "10.0.0.7/32");
    }

    #[test]
    fn a_range_covers_itself_and_smaller_ones_within() {
        let covers = |one: &str, other: &str| one.parse::<AddressRange>().unwrap().covers(other.parse().unwrap());
        assert!(covers("10.0.0.0/8", "10.0.0.0/8") && covers("10.0.0.0/8", "10.1.0.0/16"));
        assert!(!covers("10.1.0.0/16", "10.0.0.0/8") && !covers("10.0.0.0/8", "11.0.0.0/16"));
        assert!(!covers("0.0.0.0/0", "fd00::/8") && !covers("::/0", "10.0.0.0/8"));
    }

    #[test]
    fn a_range_is_shown_by_its_first_address_and_reads_back() {
        for (given, shown) in [
            ("1.2.3.4", "1.2.3.4/32"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("FD00::7", "fd00::7/128"),
            ("fd00::7/64", "fd00::/64"),
        ] {
            let range: AddressRange = given.parse().unwrap();
            assert_eq!(range.to_string(), shown);
            assert_eq!(serde_json::from_value::<AddressRange>(shown.into()).unwrap(), range);
        }
        for text in ["", "x", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0/8", "/8"]
        {
            assert_eq!(text.parse::<AddressRange>(), Err(NoRange::Malformed), "{text}");
        }
        for text in ["::ffff:127.0.0.0/24", "::ffff:127.0.0.0/0", "::ffff:0:0/95"] {
            assert_eq!(text.parse::<AddressRange>(), Err(NoRange::Ipv4WithinIpv6), "{text}");
        }
    }
}
