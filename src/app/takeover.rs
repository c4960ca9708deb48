//! Configuration of the takeover: which cloud hosts are answered here, which are refused, which are tunnelled.

use std::str::FromStr;

use crate::doors::{arm, entra, vault};
use crate::http::authority::Authority;
use crate::proxy::{HostClass, ParentProxy};

/// The cloud's domains: hosts below them that are not emulated are refused unless allowed. The last receives the telemetry
/// of `az` and other tools.
const CLOUD: [&str; 8] = [
    "azure.com",
    "azure.net",
    "windows.net",
    "azure.cn",
    "chinacloudapi.cn",
    "azure.us",
    "usgovcloudapi.net",
    "services.visualstudio.com",
];

/// A cloud service that can be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudService {
    /// Vaults, in every cloud.
    Vault,
    /// Sign-in, and the metadata address that issues tokens.
    Entra,
    /// The management plane.
    Arm,
}

impl FromStr for CloudService {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "vault" => Ok(Self::Vault),
            "entra" => Ok(Self::Entra),
            "arm" => Ok(Self::Arm),
            _ => Err("use vault, entra, arm, or several of them with commas"),
        }
    }
}

impl CloudService {
    /// The service that the host name (lower case) belongs to.
    fn of(host: &str) -> Option<Self> {
        if vault::host::cloud_vault_name(host).is_some() {
            Some(Self::Vault)
        } else if entra::named_in_cloud(host) {
            Some(Self::Entra)
        } else {
            arm::named_in_cloud(host).then_some(Self::Arm)
        }
    }

    /// The domains whose hosts belong to the service.
    fn domains(self) -> Vec<&'static str> {
        match self {
            Self::Vault => vault::host::cloud_suffixes().collect(),
            Self::Entra => entra::cloud_hosts().collect(),
            Self::Arm => arm::cloud_hosts().collect(),
        }
    }
}

/// Options of the takeover proxy.
#[derive(Clone, Debug)]
pub struct Takeover {
    /// The services that are taken over.
    pub services: Vec<CloudService>,
    /// Whether all other hosts are refused.
    pub offline: bool,
    /// Cloud hosts that are tunnelled though they are not emulated.
    pub allowed_hosts: Vec<String>,
    /// The proxy through which other hosts are reached.
    pub parent_proxy: ParentProxy,
    /// PEM files with CAs trusted besides the system's, for clients that leave TLS to other hosts to their proxy.
    pub ca_files: Vec<String>,
}

impl Default for Takeover {
    /// Takes over every service; reaches all other hosts directly.
    fn default() -> Self {
        Self {
            services: vec![CloudService::Vault, CloudService::Entra, CloudService::Arm],
            offline: false,
            allowed_hosts: vec![],
            parent_proxy: ParentProxy::default(),
            ca_files: vec![],
        }
    }
}

impl Takeover {
    /// The domains of taken-over hosts: a host is one of them, or one label below.
    pub fn domains(&self) -> Vec<&'static str> {
        self.services.iter().flat_map(|service| service.domains()).collect()
    }

    /// Whether sign-in is taken over, and with it the metadata address.
    pub fn has_entra(&self) -> bool {
        self.services.contains(&CloudService::Entra)
    }

    /// Adds cloud hosts that are tunnelled.
    ///
    /// # Errors
    /// The first entry that is not a host name, or is taken over.
    pub fn allowing(self, hosts: &[String]) -> Result<Self, String> {
        let host = |text: &String| {
            let whole = Authority::parse(text).filter(|host| host.port().is_none() && !text.contains('*'));
            let host = whole.filter(|host| host.address().is_none());
            let host =
                host.ok_or_else(|| format!("{text}: not a host name; write it whole, without https:// and port"))?;
            match self.classify(host.host()) {
                HostClass::TakenOver => Err(format!("{text}: this server stands in for it; narrow --takeover instead")),
                HostClass::NotEmulated | HostClass::External => Ok(host.host().to_owned()),
            }
        };
        let allowed_hosts = hosts.iter().map(host).collect::<Result<_, _>>()?;
        Ok(Self { allowed_hosts, ..self })
    }

    /// What a host name (lower case) means to the proxy.
    pub(super) fn classify(&self, host: &str) -> HostClass {
        match CloudService::of(host) {
            Some(service) if self.services.contains(&service) => HostClass::TakenOver,
            // A service that is not taken over is reached in the real cloud.
            Some(_) => HostClass::External,
            None if is_cloud(host) && !self.allowed_hosts.iter().any(|allowed| allowed == host) => {
                HostClass::NotEmulated
            }
            None => HostClass::External,
        }
    }
}

fn is_cloud(host: &str) -> bool {
    CLOUD.iter().any(|domain| below(host, domain).is_some()) || host.contains(".microsoftonline.")
}

fn below<'h>(host: &'h str, domain: &str) -> Option<&'h str> {
    host.strip_suffix(domain)?.strip_suffix('.').filter(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_meaning() {
        let all = Takeover { allowed_hosts: vec!["acme.blob.core.windows.net".to_owned()], ..Takeover::default() };
        for host in [
            "acme.vault.azure.net",
            "acme.vault.azure.cn",
            "login.microsoftonline.com",
            "eastus.login.microsoft.com",
            "login.microsoftonline.us",
            "management.azure.com",
            "graph.microsoft.com",
        ] {
            assert_eq!(all.classify(host), HostClass::TakenOver, "{host}");
        }
        for host in [
            "vault.azure.net",
            "a.b.vault.azure.net",
            "dev.azure.com",
            "dc.services.visualstudio.com",
            "other.blob.core.windows.net",
            "device.login.microsoftonline.com",
        ] {
            assert_eq!(all.classify(host), HostClass::NotEmulated, "{host}");
        }
        for host in [
            "example.com",
            "acme.blob.core.windows.net",
            "acme.vault.azure.net.example",
            "myazure.com",
            "a.b.login.microsoft.com",
        ] {
            assert_eq!(all.classify(host), HostClass::External, "{host}");
        }
    }

    #[test]
    fn only_other_host_names_can_be_allowed() {
        let allowed = |host: &str| Takeover::default().allowing(&[host.to_owned()]);
        assert_eq!(allowed("Dev.Azure.com").unwrap().allowed_hosts, ["dev.azure.com"]);
        for host in ["https://dev.azure.com", "dev.azure.com:443", "10.0.0.1", "", "acme.vault.azure.net"] {
            assert!(allowed(host).is_err(), "{host}");
        }
    }

    #[test]
    fn what_is_not_taken_over_on_purpose_goes_to_the_cloud() {
        let vaults = Takeover { services: vec![CloudService::Vault], ..Takeover::default() };
        assert_eq!(vaults.classify("login.microsoftonline.com"), HostClass::External);
        assert_eq!(vaults.classify("management.azure.com"), HostClass::External);
        assert_eq!(vaults.classify("acme.vault.azure.net"), HostClass::TakenOver);
        assert!(!vaults.domains().contains(&"login.microsoftonline.com") && !vaults.has_entra());
    }
}
