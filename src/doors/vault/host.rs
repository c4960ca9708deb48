//! Which host names mean which vault.

use std::sync::Arc;

use crate::http::authority::Authority;
use crate::vault::{OnDemand, Refusal, Vault, VaultName, Vaults};

/// The local suffix and those of the clouds, each with its `privatelink` form where the service has one.
const SUFFIXES: [&str; 9] = [
    "vault.localhost",
    "vault.azure.net",
    "privatelink.vaultcore.azure.net",
    "vault.azure.cn",
    "privatelink.vaultcore.azure.cn",
    "vault.usgovcloudapi.net",
    "privatelink.vaultcore.usgovcloudapi.net",
    "managedhsm.azure.net",
    "privatelink.managedhsm.azure.net",
];
/// What the service's `privatelink` names are aliases of: their suffix, and the host of the resource that its challenge names on
/// them, which is the cloud's own and not the parent domain.
const PRIVATE_LINKS: [(&str, &str); 4] = [
    ("privatelink.vaultcore.azure.net", "vault.azure.net"),
    ("privatelink.vaultcore.azure.cn", "vault.azure.cn"),
    ("privatelink.vaultcore.usgovcloudapi.net", "vault.usgovcloudapi.net"),
    ("privatelink.managedhsm.azure.net", "managedhsm.azure.net"),
];

/// How host names are read.
#[derive(Clone, Debug)]
pub struct Hosts {
    default_vault: VaultName,
    default_hosts: Vec<String>,
    on_demand: Option<OnDemand>,
}

/// The vault that a host name means.
#[derive(Debug)]
pub(super) enum Meant {
    /// One that is there.
    There(Arc<Vault>),
    /// One that would be made for a request that is allowed in it: what it would be.
    Wanted(Vault),
}

impl Meant {
    /// The vault, as requests are judged by it.
    pub(super) fn vault(&self) -> &Vault {
        match self {
            Self::There(vault) => vault,
            Self::Wanted(vault) => vault,
        }
    }
}

impl Hosts {
    /// `localhost`, addresses and `default_hosts` (lower case; the machine's own name among them) mean
    /// `default_vault`. Vaults that are asked for by their name and are not there are made as `on_demand` says, if it
    /// says so.
    pub fn new(default_vault: VaultName, default_hosts: Vec<String>, on_demand: Option<OnDemand>) -> Self {
        Self { default_vault, default_hosts, on_demand }
    }

    /// The vault that `authority` means, if it means one.
    pub(super) async fn meant(&self, vaults: &Vaults, authority: &Authority) -> Result<Option<Meant>, Refusal> {
        if let Some(vault) = self.find(vaults, authority).await? {
            return Ok(Some(Meant::There(vault)));
        }
        let name = named(authority.host());
        let wanted = name.zip(self.on_demand.as_ref()).map(|(name, on_demand)| on_demand.preview(&name));
        Ok(wanted.map(Meant::Wanted))
    }

    /// The vault that was `meant`, made if it was not there.
    pub(super) async fn made(&self, vaults: &Vaults, meant: Meant) -> Result<Arc<Vault>, Refusal> {
        match (meant, &self.on_demand) {
            (Meant::There(vault), _) => Ok(vault),
            (Meant::Wanted(vault), Some(on_demand)) => vaults.find_or_make(&vault.name, on_demand).await,
            (Meant::Wanted(_), None) => Err(Refusal::Busy),
        }
    }

    /// The vault that answers on `authority`, if there is one.
    pub(super) async fn find(&self, vaults: &Vaults, authority: &Authority) -> Result<Option<Arc<Vault>>, Refusal> {
        if let Some(name) = named(authority.host())
            && let Some(vault) = vaults.find(&name).await?
        {
            return Ok(Some(vault));
        }
        if self.is_default(authority) {
            return vaults.find(&self.default_vault).await;
        }
        vaults.find_alias(authority.host()).await
    }

    fn is_default(&self, authority: &Authority) -> bool {
        let loopback = authority.address().is_some_and(|address| address.is_loopback());
        loopback || authority.host() == "localhost" || self.default_hosts.iter().any(|host| host == authority.host())
    }
}

/// The vault name in a host name of the local suffix or a cloud's.
pub fn named(host: &str) -> Option<VaultName> {
    SUFFIXES.iter().find_map(|suffix| label_below(host, suffix)).and_then(VaultName::parse)
}

/// The vault name in a host name that belongs to a cloud: what the takeover takes over.
pub fn named_in_cloud(host: &str) -> Option<VaultName> {
    cloud_suffixes().find_map(|suffix| label_below(host, suffix)).and_then(VaultName::parse)
}

/// The clouds' suffixes.
pub fn cloud_suffixes() -> impl Iterator<Item = &'static str> {
    SUFFIXES.into_iter().filter(|suffix| *suffix != "vault.localhost")
}

/// Whether `host` (lower case) is the parent domain of vaults, locally or in a cloud: what challenges name.
pub fn is_parent(host: &str) -> bool {
    SUFFIXES.iter().any(|suffix| *suffix == host && !suffix.starts_with("privatelink."))
}

/// The host of the resource that the challenge names on `host`, when that is a `privatelink` name.
pub(super) fn private_link(host: &str) -> Option<&'static str> {
    PRIVATE_LINKS.iter().find(|(suffix, _)| label_below(host, suffix).is_some()).map(|(_, resource)| *resource)
}

fn label_below<'h>(host: &'h str, suffix: &str) -> Option<&'h str> {
    host.strip_suffix(suffix)?.strip_suffix('.').filter(|label| !label.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vault_names_are_read_from_their_suffixes() {
        for host in [
            "acme.vault.localhost",
            "acme.vault.azure.net",
            "acme.privatelink.vaultcore.azure.net",
            "acme.vault.usgovcloudapi.net",
            "acme.managedhsm.azure.net",
        ] {
            assert_eq!(named(host).unwrap().as_str(), "acme", "{host}");
        }
        for host in ["vault.azure.net", "a.b.vault.azure.net", "acme.vault.azure.net.evil.example", "acme.localhost"] {
            assert!(named(host).is_none(), "{host}");
        }
    }

    #[test]
    fn only_the_clouds_names_are_taken_over() {
        assert!(named_in_cloud("acme.vault.azure.net").is_some());
        assert!(named_in_cloud("acme.vault.localhost").is_none());
    }
}
