//! The host names of a server, and what depends on them: what its CA may certify, which leaf certificates are issued, which
//! `Host` values the plain-HTTP listeners accept.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::config::Config;
use crate::directory::IsChallengeResource;
use crate::doors;
use crate::http::allowed_hosts::AllowedHosts;
use crate::http::authority::Authority;
use crate::http::tls::IsServedName;
use crate::vault::{Refusal, Vaults};

/// The server's host names, in lower case.
pub(super) struct HostNames {
    machine: Option<String>,
    default_hosts: Vec<String>,
    aliases: Aliases,
}

/// The current aliases of all vaults. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Aliases(Arc<RwLock<Vec<String>>>);

impl Aliases {
    /// Reloads the aliases from the vaults and returns them.
    pub(super) async fn refresh(&self, vaults: &Vaults) -> Result<Vec<String>, Refusal> {
        let aliases = vaults.aliases().await?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).clone_from(&aliases);
        Ok(aliases)
    }

    fn all(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().any(|alias| alias == name)
    }
}

impl HostNames {
    /// The machine's name and the names in `config`.
    pub(super) fn of(config: &Config) -> Self {
        let aliases = config.vaults.iter().flat_map(|vault| vault.aliases.clone()).collect();
        let aliases = Aliases(Arc::new(RwLock::new(aliases)));
        Self { machine: machine_name(), default_hosts: config.default_hosts.clone(), aliases }
    }

    /// The aliases of vaults.
    pub(super) const fn aliases(&self) -> &Aliases {
        &self.aliases
    }

    /// The hosts of the default vault, besides `localhost` and IP addresses.
    pub(super) fn default_vault_hosts(&self) -> Vec<String> {
        self.default_hosts.iter().chain(&self.machine).cloned().collect()
    }

    /// The domains that the local CA may certify.
    pub(super) fn certifiable_domains(&self) -> Vec<String> {
        let localhost = ["localhost".to_owned()];
        localhost.into_iter().chain(self.aliases.all()).chain(self.default_vault_hosts()).collect()
    }

    /// The subject names of the leaf for clients that send no SNI.
    pub(super) fn default_leaf_names(&self) -> Vec<String> {
        let always = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        always.into_iter().chain(self.machine.clone()).collect()
    }

    /// The `Host` values that the plain-HTTP listeners accept.
    pub(super) fn local_names(&self) -> AllowedHosts {
        AllowedHosts::new(self.certifiable_domains())
    }

    /// The URL of `path` on the plain-HTTP listener at `address`. An unspecified address becomes the machine's name.
    pub(super) fn http_url(&self, address: SocketAddr, path: &str) -> String {
        match &self.machine {
            Some(name) if address.ip().is_unspecified() => format!("http://{name}:{}{path}", address.port()),
            _ if address.ip().is_unspecified() => format!("http://localhost:{}{path}", address.port()),
            _ => format!("http://{address}{path}"),
        }
    }

    /// Predicate: whether this server's challenges can name a resource. They name the parent domain of a vault's host, with any
    /// port; the management plane's own host counts too, because clients are configured with it.
    pub(super) fn is_challenged_resource(&self) -> IsChallengeResource {
        let (aliases, others) = (self.aliases.clone(), self.default_vault_hosts());
        Arc::new(move |resource| {
            let Some(authority) = resource.strip_prefix("https://") else { return false };
            let Some(authority) = Authority::parse(authority.trim_end_matches('/')) else { return false };
            let asked = authority.host();
            ["localhost", doors::arm::HOST].contains(&asked)
                || doors::vault::host::is_parent(asked)
                || others.iter().chain(&aliases.all()).any(|host| is_parent(asked, host))
        })
    }

    /// Predicate: whether a leaf certificate is issued for a name: vaults, the login host, the management host, aliases.
    pub(super) fn is_served_name(&self) -> IsServedName {
        let (aliases, others) = (self.aliases.clone(), self.default_vault_hosts());
        Arc::new(move |name| {
            doors::vault::host::vault_name(name).is_some()
                || [doors::entra::HOST, doors::arm::HOST, "localhost"].contains(&name)
                || others.iter().any(|other| other == name)
                || aliases.has(name)
        })
    }
}

/// Whether `asked` is `host` without its first label.
fn is_parent(asked: &str, host: &str) -> bool {
    Authority::parse(host).and_then(|host| host.parent()).is_some_and(|parent| parent.host() == asked)
}

/// The machine's name, if it is a valid DNS name.
fn machine_name() -> Option<String> {
    let name = gethostname::gethostname().into_string().ok()?.to_ascii_lowercase();
    Authority::parse(&name).filter(|host| host.port().is_none() && host.address().is_none()).map(|_| name)
}
