//! Filters the user's `NO_PROXY`. Clients interpret the list differently, so an entry is kept only when no interpretation
//! matches a taken-over host.

use std::net::{IpAddr, Ipv6Addr};

/// The address of the metadata service, which is taken over too.
const METADATA: &str = "169.254.169.254";

/// The user's entries, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SortedEntries {
    /// Entries that match no taken-over host.
    pub(super) kept: Vec<String>,
    /// Entries that some client could match with a taken-over host.
    pub(super) dropped: Vec<String>,
}

/// Sorts the entries of `list`. Taken-over hosts are `domains` and names one label below them.
pub(super) fn sort(list: &str, domains: &[&str]) -> SortedEntries {
    let mut sorted = SortedEntries::default();
    for entry in list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()) {
        let (to, shown) = match without_brackets(entry) {
            // JavaScript clients do not understand brackets around an address.
            Some(plain) if plain.parse::<Ipv6Addr>().is_ok() && !could_match(plain, domains) => {
                (&mut sorted.kept, plain)
            }
            None if !could_match(entry, domains) => (&mut sorted.kept, entry),
            _ => (&mut sorted.dropped, entry),
        };
        if !to.iter().any(|known| known == shown) {
            to.push(shown.to_owned());
        }
    }
    sorted
}

/// The text between brackets, whatever port follows.
fn without_brackets(entry: &str) -> Option<&str> {
    entry.strip_prefix('[')?.split_once(']').map(|(plain, _)| plain)
}

/// Whether some client could match `entry` with a taken-over host.
fn could_match(entry: &str, domains: &[&str]) -> bool {
    let entry = entry.to_ascii_lowercase();
    if let Some(holds) = network_contains_metadata(&entry) {
        return holds;
    }
    if let Ok(address) = entry.parse::<IpAddr>() {
        return address.to_canonical().to_string() == METADATA;
    }
    // Some clients accept an empty port.
    let is_port = |(_, port): &(&str, &str)| port.is_empty() || port.parse::<u16>().is_ok();
    let name = entry.rsplit_once(':').filter(is_port).map_or(entry.as_str(), |(name, _)| name);
    let name = name.trim_start_matches(['*', '.']).trim_end_matches('.');
    // Clients disagree about a star in the middle.
    name.is_empty() || name.contains('*') || METADATA.starts_with(name) || ends_alike(name, domains)
}

/// Compares name ends without regard to labels, as the least strict clients do: `zure.net` matches `acme.vault.azure.net`.
fn ends_alike(name: &str, domains: &[&str]) -> bool {
    domains.iter().chain(&[METADATA]).any(|domain| domain.ends_with(name) || name.ends_with(domain))
}

/// Whether a network in CIDR form contains the metadata address; none when `entry` is not a network.
fn network_contains_metadata(entry: &str) -> Option<bool> {
    let (address, bits) = entry.split_once('/')?;
    let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
    let metadata: std::net::Ipv4Addr = METADATA.parse().ok()?;
    Some(match address {
        IpAddr::V4(network) => same_start(network.to_bits().into(), metadata.to_bits().into(), 32, bits),
        IpAddr::V6(network) => same_start(network.to_bits(), metadata.to_ipv6_mapped().to_bits(), 128, bits),
    })
}

/// Whether two addresses of `width` bits share their first `bits`.
fn same_start(one: u128, other: u128, width: u32, bits: u32) -> bool {
    let rest = width.saturating_sub(bits);
    one.checked_shr(rest).unwrap_or(0) == other.checked_shr(rest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAINS: [&str; 3] = ["vault.azure.net", "login.microsoftonline.com", "login.windows.net"];

    #[test]
    fn what_could_name_something_taken_over_is_dropped() {
        for entry in [
            "*",
            "*.azure.net",
            ".azure.net",
            "azure.net",
            "AZURE.NET",
            "net",
            ".net",
            "vault.azure.net",
            "*.vault.azure.net",
            "acme.vault.azure.net",
            "acme.vault.azure.net:443",
            "prod.vault.azure.net.",
            "login.*",
            "windows.net",
            "microsoftonline.com",
            "com",
            "t",
            "169.254.169.254",
            "169.254.0.0/16",
            "0.0.0.0/0",
            "169.254.169.254/32",
            "169.254.",
            "169.254.*",
            "::ffff:0:0/96",
            "::/0",
            "169.254.169.254:80",
            "*microsoft*",
            "acme.vault.azure.net:",
            "[acme.vault.azure.net]",
            "[acme.vault.azure.net]:443",
            "[169.254.169.254]",
            "[.azure.net]",
            "::ffff:a9fe:a9fe",
            "[::ffff:169.254.169.254]:80",
            "[10.1.2.3]",
        ] {
            let sorted = sort(entry, &DOMAINS);
            assert_eq!(sorted, SortedEntries { kept: vec![], dropped: vec![entry.to_owned()] }, "{entry}");
        }
    }

    #[test]
    fn what_cannot_stays() {
        let list = "localhost, .corp.example,10.0.0.0/8 db:5432,169.253.0.0/16,[::1],fd00::/8,blob.core.windows.net,10.1.2.3,10.1.2.3";
        let sorted = sort(list, &DOMAINS);
        assert_eq!(sorted.dropped, Vec::<String>::new());
        assert_eq!(
            sorted.kept,
            [
                "localhost",
                ".corp.example",
                "10.0.0.0/8",
                "db:5432",
                "169.253.0.0/16",
                "::1",
                "fd00::/8",
                "blob.core.windows.net",
                "10.1.2.3"
            ]
        );
    }
}
