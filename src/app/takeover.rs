//! Configuration of the takeover: which cloud hosts are answered here, which are refused, which are tunnelled.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::doors::{arm, entra, nodes, vault};
use crate::http::authority::Authority;
use crate::proxy::{HostClass, ParentProxy};

/// The port on which cloud names are taken over.
pub(super) const HTTPS: u16 = 443;

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

/// Why a text is no name of a vault.
pub(crate) const NO_VAULT_NAME: &str = "not a vault's name: 3 to 24 letters, digits and single hyphens";

/// A cloud service that can be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudService {
    /// Vaults, in every cloud.
    Vault,
    /// Sign-in, and the metadata address that issues tokens.
    Entra,
    /// The management plane.
    Arm,
    /// What nodes of integration runtimes reach at the host of their factory.
    Factory,
}

impl FromStr for CloudService {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "vault" => Ok(Self::Vault),
            "entra" => Ok(Self::Entra),
            "arm" => Ok(Self::Arm),
            "factory" => Ok(Self::Factory),
            _ => Err("use vault, entra, arm, factory, or several of them with commas"),
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
        } else if nodes::is_host(host) {
            Some(Self::Factory)
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
            Self::Factory => vec![nodes::domain()],
        }
    }
}

/// The name of the vault that `host` (lower case) belongs to, locally or in a cloud.
pub(crate) fn vault_of_host(host: &str) -> Option<String> {
    vault::host::vault_name(host).map(|name| name.to_string())
}

/// Options of the takeover proxy.
#[derive(Clone, Debug)]
pub struct Takeover {
    /// The services that are taken over.
    pub services: Vec<CloudService>,
    /// Whether all other hosts are refused, but for [`Takeover::allowed_hosts`].
    pub offline: bool,
    /// Hosts that are tunnelled in any case: `HOST` on every port, `HOST:PORT` on that one. Names are in lower case.
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
            services: vec![CloudService::Vault, CloudService::Entra, CloudService::Arm, CloudService::Factory],
            offline: false,
            allowed_hosts: vec![],
            parent_proxy: ParentProxy::default(),
            ca_files: vec![],
        }
    }
}

impl Takeover {
    /// The domains of taken-over hosts: a host is one of them, or below.
    pub fn domains(&self) -> Vec<&'static str> {
        self.services.iter().flat_map(|service| service.domains()).collect()
    }

    /// Whether sign-in is taken over, and with it the metadata address.
    pub fn has_entra(&self) -> bool {
        self.services.contains(&CloudService::Entra)
    }

    /// Adds hosts that are tunnelled: `HOST` or `HOST:PORT`.
    ///
    /// # Errors
    /// The first entry that is neither, or is taken over.
    pub fn allowing(self, hosts: &[String]) -> Result<Self, String> {
        let host = |text: &String| {
            if text.contains('*') {
                return Err(format!("{text}: wildcards are not taken; name each HOST or HOST:PORT"));
            }
            let host = Authority::parse(text);
            let host = host.ok_or_else(|| format!("{text}: not a host; write HOST or HOST:PORT, without https://"))?;
            if self.takes_over(host.host()) {
                return Err(format!("{text}: this server takes it over; narrow --takeover instead"));
            }
            let (name, address) = (host.host(), host.address().map(|address| address.to_canonical()));
            Ok(match (address, host.port()) {
                (Some(address), Some(port)) => SocketAddr::new(address, port).to_string(),
                (Some(address), None) => address.to_string(),
                (None, Some(port)) => format!("{name}:{port}"),
                (None, None) => name.to_owned(),
            })
        };
        let allowed_hosts = hosts.iter().map(host).collect::<Result<_, _>>()?;
        Ok(Self { allowed_hosts, ..self })
    }

    /// Whether a host name (lower case) is one of a service that is taken over.
    pub fn takes_over(&self, host: &str) -> bool {
        CloudService::of(host).is_some_and(|service| self.services.contains(&service))
    }

    /// What a host (a name in lower case, or an address) and a port mean to the proxy.
    pub(super) fn classify(&self, host: &str, port: u16) -> HostClass {
        if self.takes_over(host) {
            HostClass::TakenOver
        } else if self.is_allowed(host, port) {
            HostClass::Allowed
        } else if self.services.contains(&CloudService::Vault) && vault::host::is_below_cloud_suffix(host) {
            HostClass::Misnamed(NO_VAULT_NAME)
        } else if CloudService::of(host).is_none() && is_cloud(host) {
            HostClass::NotEmulated
        } else {
            // A service that is not taken over is reached in the real cloud.
            HostClass::External
        }
    }

    fn is_allowed(&self, host: &str, port: u16) -> bool {
        if self.allowed_hosts.is_empty() {
            return false;
        }
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let (host, whole) = match address {
            Some(address) => (address.to_string(), SocketAddr::new(address, port).to_string()),
            None => (host.to_owned(), format!("{host}:{port}")),
        };
        self.allowed_hosts.iter().any(|allowed| *allowed == host || *allowed == whole)
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
            "acme.eastus.datafactory.azure.net",
            "acme.eastus.privatelink.datafactory.azure.net",
        ] {
            assert_eq!(all.classify(host, HTTPS), HostClass::TakenOver, "{host}");
        }
        for host in [
            "vault.azure.net",
            "datafactory.azure.net",
            "acme.vaults.azure.net",
            "dev.azure.com",
            "dc.services.visualstudio.com",
            "other.blob.core.windows.net",
            "device.login.microsoftonline.com",
        ] {
            assert_eq!(all.classify(host, HTTPS), HostClass::NotEmulated, "{host}");
        }
        for host in ["a.b.vault.azure.net", "acme_x.vault.azure.net", "a.vault.azure.cn"] {
            assert_eq!(all.classify(host, HTTPS), HostClass::Misnamed(NO_VAULT_NAME), "{host}");
        }
        for host in ["example.com", "acme.vault.azure.net.example", "myazure.com", "a.b.login.microsoft.com"] {
            assert_eq!(all.classify(host, HTTPS), HostClass::External, "{host}");
        }
        assert_eq!(all.classify("acme.blob.core.windows.net", 80), HostClass::Allowed);
    }

    fn allowed(host: &str) -> Result<Takeover, String> {
        Takeover::default().allowing(&[host.to_owned()])
    }

    #[test]
    fn hosts_that_are_taken_over_or_are_none_cannot_be_allowed() {
        for host in ["https://dev.azure.com", "*.azure.com", "", "acme.vault.azure.net", "acme.vault.azure.net:8443"] {
            assert!(allowed(host).is_err(), "{host}");
        }
    }

    #[test]
    fn a_host_is_allowed_on_every_port_or_on_the_one_that_is_given() {
        let class = |allowed: &Takeover, host: &str, port| allowed.classify(host, port) == HostClass::Allowed;
        for (text, host) in [("Dev.Azure.com", "dev.azure.com"), ("10.0.0.1", "10.0.0.1"), ("[::1]", "::1")] {
            let all = allowed(text).unwrap();
            assert!(class(&all, host, 443) && class(&all, host, 5432), "{text}");
            let one = allowed(&format!("{text}:5432")).unwrap();
            assert!(class(&one, host, 5432) && !class(&one, host, 443), "{text}");
        }
        assert!(class(&allowed("10.0.0.1:80").unwrap(), "::ffff:10.0.0.1", 80));
        assert!(!class(&allowed("a.example:80").unwrap(), "b.a.example", 80));
    }

    #[test]
    fn what_is_not_taken_over_on_purpose_goes_to_the_cloud() {
        let vaults = Takeover { services: vec![CloudService::Vault], ..Takeover::default() };
        assert_eq!(vaults.classify("login.microsoftonline.com", HTTPS), HostClass::External);
        assert_eq!(vaults.classify("management.azure.com", HTTPS), HostClass::External);
        assert_eq!(vaults.classify("acme.vault.azure.net", HTTPS), HostClass::TakenOver);
        assert!(!vaults.domains().contains(&"login.microsoftonline.com") && !vaults.has_entra());
    }
}
