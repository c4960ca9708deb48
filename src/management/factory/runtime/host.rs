//! The host names of factories, at which nodes find the service.

/// The domain below which all of them are.
pub(crate) const NODE_DOMAIN: &str = "datafactory.azure.net";

/// The host of a factory: `FACTORY.REGION.datafactory.azure.net`, or `FACTORY.REGION.privatelink.datafactory.azure.net`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FactoryHost {
    /// The factory's name, in lower case.
    pub factory: String,
    /// The region.
    pub region: String,
}

impl FactoryHost {
    /// The factory that `host` (lower case) is of.
    pub(crate) fn parse(host: &str) -> Option<Self> {
        let name = host.strip_suffix(NODE_DOMAIN)?.strip_suffix('.')?;
        let name = name.strip_suffix(".privatelink").unwrap_or(name);
        let (factory, region) = name.split_once('.')?;
        let is_label = |text: &str| {
            let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (1..=63).contains(&text.len())
                && text.bytes().all(is_fine)
                && !text.starts_with('-')
                && !text.ends_with('-')
        };
        let valid = is_label(factory) && is_label(region) && region != "privatelink";
        valid.then(|| Self { factory: factory.to_owned(), region: region.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factory_has_two_hosts() {
        let acme = Some(FactoryHost { factory: "acme".to_owned(), region: "eastus".to_owned() });
        for host in ["acme.eastus.datafactory.azure.net", "acme.eastus.privatelink.datafactory.azure.net"] {
            assert_eq!(FactoryHost::parse(host), acme, "{host}");
        }
        for host in [
            "datafactory.azure.net",
            "acme.datafactory.azure.net",
            "acme.privatelink.datafactory.azure.net",
            "a.b.eastus.datafactory.azure.net",
            "acme.eastus.datafactory.azure.net.example",
            "acme.eastusdatafactory.azure.net",
            ".eastus.datafactory.azure.net",
            "-a.eastus.datafactory.azure.net",
            "a_b.eastus.datafactory.azure.net",
        ] {
            assert_eq!(FactoryHost::parse(host), None, "{host}");
        }
    }
}
