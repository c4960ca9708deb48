//! Resolves host names to vaults.

use crate::clock::Timestamp;
use crate::http::authority::Authority;
use crate::vault::{Guarded, OnDemand, Refusal, Vault, VaultName, Vaults};

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

/// The most letters of a suffix that may be wrong for it to be one of a vault: `vault.azure.com` has three, `batch.azure.net` four.
const MOST_WRONG: usize = 3;

/// The resolver: which host names belong to which vault.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    default_vault: VaultName,
    default_hosts: Vec<String>,
    on_demand: Option<OnDemand>,
}

/// The vault that a host name resolves to.
#[derive(Debug)]
pub(super) enum Resolved {
    /// One that exists.
    Existing(Guarded<Vault>),
    /// One that does not exist yet, as it would be created for the first request that is allowed in it.
    OnDemand(Box<Vault>),
}

impl Resolved {
    /// The vault whose policies decide about the request.
    pub(super) fn vault(&self) -> &Vault {
        match self {
            Self::Existing(vault) => vault,
            Self::OnDemand(vault) => vault,
        }
    }
}

impl Hosts {
    /// `localhost`, loopback addresses and `default_hosts` (lower case; the machine's own name among them) resolve to
    /// `default_vault`. With `on_demand`, a name without a vault resolves to one that is created on demand.
    pub(crate) fn new(default_vault: VaultName, default_hosts: Vec<String>, on_demand: Option<OnDemand>) -> Self {
        Self { default_vault, default_hosts, on_demand }
    }

    /// Resolves `authority`; none when it names no vault.
    pub(super) async fn resolve(&self, vaults: &Vaults, authority: &Authority) -> Result<Option<Resolved>, Refusal> {
        if let Some(vault) = self.find(vaults, authority).await? {
            return Ok(Some(Resolved::Existing(vault)));
        }
        let name = vault_name(authority.host());
        let preview = name.zip(self.on_demand.as_ref()).map(|(name, on_demand)| on_demand.preview(&name));
        Ok(preview.map(|vault| Resolved::OnDemand(Box::new(vault))))
    }

    /// The vault that was `resolved`, created if it does not exist.
    pub(super) async fn create_if_absent(
        &self,
        vaults: &Vaults,
        resolved: Resolved,
        now: Timestamp,
    ) -> Result<Guarded<Vault>, Refusal> {
        match (resolved, &self.on_demand) {
            (Resolved::Existing(vault), _) => Ok(vault),
            (Resolved::OnDemand(vault), Some(on_demand)) => vaults.find_or_create(&vault.name, on_demand, now).await,
            (Resolved::OnDemand(_), None) => Err(Refusal::Busy),
        }
    }

    /// The existing vault that answers on `authority`.
    pub(super) async fn find(&self, vaults: &Vaults, authority: &Authority) -> Result<Option<Guarded<Vault>>, Refusal> {
        if let Some(name) = vault_name(authority.host())
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
pub(crate) fn vault_name(host: &str) -> Option<VaultName> {
    SUFFIXES.iter().find_map(|suffix| label_below(host, suffix)).and_then(VaultName::parse)
}

/// The vault name in a host name that belongs to a cloud: what the takeover takes over.
pub(crate) fn cloud_vault_name(host: &str) -> Option<VaultName> {
    cloud_suffixes().find_map(|suffix| label_below(host, suffix)).and_then(VaultName::parse)
}

/// The clouds' suffixes.
pub(crate) fn cloud_suffixes() -> impl Iterator<Item = &'static str> {
    SUFFIXES.into_iter().filter(|suffix| *suffix != "vault.localhost")
}

/// Whether `host` (lower case) is below a cloud's suffix, also where its name can be no vault's.
pub(crate) fn is_below_cloud_suffix(host: &str) -> bool {
    cloud_suffixes().any(|suffix| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')))
}

/// The host of a vault in a cloud that `host` (lower case) is like: its suffix has a letter or a few that are wrong. The public cloud
/// is the likeliest.
pub(crate) fn cloud_host_like(host: &str) -> Option<String> {
    let (name, given) = host.split_once('.').filter(|(name, _)| VaultName::parse(name).is_some())?;
    let like = cloud_suffixes().find(|suffix| strsim::osa_distance(given, suffix) <= MOST_WRONG)?;
    Some(format!("{name}.{like}"))
}

/// Whether `host` (lower case) is the parent domain of vaults, locally or in a cloud: what challenges name.
pub(crate) fn is_parent(host: &str) -> bool {
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
            assert_eq!(vault_name(host).unwrap().as_str(), "acme", "{host}");
        }
        for host in ["vault.azure.net", "a.b.vault.azure.net", "acme.vault.azure.net.evil.example", "acme.localhost"] {
            assert!(vault_name(host).is_none(), "{host}");
        }
    }

    #[test]
    fn a_suffix_with_wrong_letters_is_like_the_right_one() {
        for host in ["acme.vaults.azure.net", "acme.vault.azure.com", "acme.valut.azure.net", "acme.keyvault.azure.net"]
        {
            assert_eq!(cloud_host_like(host).as_deref(), Some("acme.vault.azure.net"), "{host}");
        }
        for host in
            ["acme.batch.azure.net", "acme.blob.core.windows.net", "dev.azure.com", "a_b.vaults.azure.net", "acme"]
        {
            assert_eq!(cloud_host_like(host), None, "{host}");
        }
        assert!(is_below_cloud_suffix("a_b.vault.azure.net") && is_below_cloud_suffix("a.b.vault.azure.net"));
        assert!(!is_below_cloud_suffix("vault.azure.net") && !is_below_cloud_suffix("myvault.azure.net"));
    }

    #[test]
    fn only_the_clouds_names_are_taken_over() {
        assert!(cloud_vault_name("acme.vault.azure.net").is_some());
        assert!(cloud_vault_name("acme.vault.localhost").is_none());
    }
}
