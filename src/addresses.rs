//! Addresses that no program is to be sent to, in every form: IPv4 addresses are embedded in IPv6 addresses too. A translator or a tunnel on the route turns them into IPv4 again, so a rule for
//! an IPv4 address applies to every form that embeds it. A network's own prefix for NAT64 or 6rd cannot be known here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where RFC 6052 (section 2.2) puts the four bytes after a prefix of 48, 56, 64 and 96 bits; byte 8 is left out.
const TRANSLATED: [[usize; 4]; 4] = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]];

/// `address` itself, and every IPv4 address that it can embed: mapped (RFC 4291), compatible (RFC 4291), SIIT (RFC 2765),
/// NAT64 with the well-known and the local prefix (RFC 6052, RFC 8215), 6to4 (RFC 3056), ISATAP (RFC 5214), and Teredo's
/// server and client (RFC 4380). Four zero bytes are no embedded address.
pub(crate) fn with_embedded_ipv4(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let carried = match address.to_canonical() {
        IpAddr::V4(_) => Vec::new(),
        IpAddr::V6(address) => embedded_ipv4(address),
    };
    let carried = carried.into_iter().filter(|address| !address.is_unspecified());
    std::iter::once(address.to_canonical()).chain(carried.map(IpAddr::V4))
}

fn embedded_ipv4(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bytes = address.octets();
    let at = |indices: [usize; 4]| Ipv4Addr::from(indices.map(|index| bytes[index]));
    let last = at([12, 13, 14, 15]);
    let mut carried = match address.segments() {
        [0, 0, 0, 0, 0 | 0xffff, 0, ..] => vec![last],
        [0x64, 0xff9b, 1, ..] => TRANSLATED.map(at).to_vec(),
        [0x64, 0xff9b, ..] => vec![last],
        [0x2002, ..] => vec![at([2, 3, 4, 5])],
        [0x2001, 0, ..] => vec![at([4, 5, 6, 7]), Ipv4Addr::from(!last.to_bits())],
        _ => Vec::new(),
    };
    if is_isatap(address) {
        carried.push(last);
    }
    carried
}

/// Whether the interface identifier is ISATAP's, behind any prefix; the two lowest bits of its first byte say whether it is
/// universal and for a group.
const fn is_isatap(address: Ipv6Addr) -> bool {
    let [_, _, _, _, universal, identifier, _, _] = address.segments();
    universal & !0x0300 == 0 && identifier == 0x5efe
}

/// Whether `address` is link-local in any form. The address of Azure's WireServer counts too: virtual machines reach their
/// host by it, as by the metadata address.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    with_embedded_ipv4(address).any(|address| match address {
        IpAddr::V4(address) => address.is_link_local() || address == Ipv4Addr::new(168, 63, 129, 16),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    })
}

/// Whether `address` is loopback or unspecified, in any form.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    with_embedded_ipv4(address).any(|address| address.is_loopback() || address.is_unspecified())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every IPv6 address that embeds `address`, with `rest` for the bits that are free.
    pub(crate) fn every_form(address: Ipv4Addr, rest: u128) -> Vec<Ipv6Addr> {
        let v4 = u128::from(address.to_bits());
        let (free, [a, b, c, d]) = (rest & ((1 << 32) - 1), address.octets().map(u128::from));
        let isatap = |identifier: u128| rest >> 64 << 64 | identifier << 32 | v4;
        let local = 0x0064_ff9b_0001_u128 << 80;
        [
            0xffff << 32 | v4,
            v4,
            0xffff << 48 | v4,
            0x0064_ff9b << 96 | v4,
            // RFC 8215: the local prefix, divided as RFC 6052 (section 2.2) divides it.
            local | a << 72 | b << 64 | c << 48 | d << 40 | free,
            local | a << 64 | b << 48 | c << 40 | d << 32 | free,
            local | a << 48 | b << 40 | c << 32 | d << 24 | (free & 0xff_ffff),
            local | free << 32 | v4,
            0x2002 << 112 | v4 << 80 | rest & ((1 << 80) - 1),
            isatap(0x0000_5efe),
            isatap(0x0200_5efe),
            isatap(0x0100_5efe),
            isatap(0x0300_5efe),
            // Teredo: the server, then the client.
            0x2001_0000 << 96 | v4 << 64 | rest & u128::from(u64::MAX),
            0x2001_0000 << 96 | rest & u128::from(u64::MAX) << 32 | u128::from(!address.to_bits()),
        ]
        .map(Ipv6Addr::from_bits)
        .to_vec()
    }

    #[test]
    fn link_local_is_recognized_in_every_form() {
        for text in [
            "169.254.1.1",
            "168.63.129.16",
            "fe80::1",
            "::ffff:169.254.1.1",
            "::169.254.1.1",
            "::ffff:0:a9fe:a9fe",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "2002:a9fe:a9fe::",
            "2001:db8::5efe:a9fe:a9fe",
            "2001:db8::200:5efe:169.254.169.254",
            "2002:808:808::5efe:a9fe:a9fe",
            "2001:0:808:808:200:5efe:a9fe:a9fe",
            "2001:0:a9fe:a9fe::1",
            "2001:0:808:808:0:f000:5601:5601",
            "::ffff:0:168.63.129.16",
        ] {
            assert!(is_link_local(text.parse().unwrap()), "{text}");
        }
        for text in [
            "127.0.0.1",
            "::1",
            "8.8.8.8",
            "2001:db8::a9fe:a9fe",
            "2001:db8::400:5efe:a9fe:a9fe",
            "2001:0:808:808:0:f000:a9fe:a9fe",
            "::ffff:0:808:808",
        ] {
            assert!(!is_link_local(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn loopback_is_recognized_in_every_form() {
        for text in
            ["127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:0.0.0.0", "::127.0.0.1", "::ffff:0:7f00:1", "64:ff9b::7f00:1"]
        {
            assert!(is_loopback(text.parse().unwrap()), "{text}");
        }
        for text in ["8.8.8.8", "64:ff9b:1::808:808", "2002::1", "2001:db8::5efe:0:0", "64:ff9b::"] {
            assert!(!is_loopback(text.parse().unwrap()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_form_of_a_link_local_address_is_link_local(low: u16, wire_server: bool, rest: u128) {
            let host = if wire_server { [168, 63, 129, 16] } else { [169, 254, low.to_be_bytes()[0], low.to_be_bytes()[1]] };
            for form in every_form(host.into(), rest) {
                prop_assert!(is_link_local(form.into()), "{form}");
            }
        }

        #[test]
        fn every_form_embeds_its_address(bits in 1_u32.., rest: u128) {
            let address = Ipv4Addr::from_bits(bits);
            for form in every_form(address, rest) {
                prop_assert!(with_embedded_ipv4(form.into()).any(|form| form == IpAddr::V4(address)), "{form}");
            }
        }
    }
}
