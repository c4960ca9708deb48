//! The host names a server goes by, and what follows from them: what its CA may certify, which leaves it mints, who
//! may ask its plain listeners.

use std::sync::Arc;

use super::{StartError, failed};
use crate::config::Config;
use crate::doors;
use crate::http::authority::Authority;
use crate::http::local::LocalNames;
use crate::http::tls::Ours;
use crate::vault::Vaults;

/// Host names in lower case.
pub(super) struct Names {
    machine: Option<String>,
    default_hosts: Vec<String>,
    aliases: Vec<String>,
}

impl Names {
    /// The machine's own name, and those that `config` gives.
    pub(super) fn of(config: &Config) -> Self {
        let aliases = config.vaults.iter().flat_map(|vault| vault.aliases.clone()).collect();
        Self { machine: machine_name(), default_hosts: config.default_hosts.clone(), aliases }
    }

    /// Adds the aliases of the vaults that are there.
    pub(super) async fn add_aliases_of(&mut self, vaults: &Vaults) -> Result<(), StartError> {
        let there = vaults.all().await.map_err(failed)?;
        self.aliases.extend(there.iter().flat_map(|vault| vault.aliases.clone()));
        self.aliases.sort();
        self.aliases.dedup();
        Ok(())
    }

    /// The names that mean the default vault, besides `localhost` and addresses.
    pub(super) fn of_default_vault(&self) -> Vec<String> {
        self.default_hosts.iter().chain(&self.machine).cloned().collect()
    }

    /// The domains that the local CA may certify.
    pub(super) fn certified(&self) -> Vec<String> {
        let localhost = ["localhost".to_owned()];
        localhost.into_iter().chain(self.aliases.iter().cloned()).chain(self.of_default_vault()).collect()
    }

    /// What the certificate of a client that names no server is for.
    pub(super) fn unnamed(&self) -> Vec<String> {
        let always = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        always.into_iter().chain(self.machine.clone()).collect()
    }

    /// The names by which the plain listeners may be asked.
    pub(super) fn local(&self) -> LocalNames {
        LocalNames::new(self.certified())
    }

    /// Says which names leaves are minted for: vaults', the login host, and those above.
    pub(super) fn ours(&self) -> Ours {
        let others: Vec<_> = self.aliases.iter().cloned().chain(self.of_default_vault()).collect();
        Arc::new(move |name| {
            doors::vault::host::named(name).is_some()
                || [doors::entra::HOST, "localhost"].contains(&name)
                || others.iter().any(|other| other == name)
        })
    }
}

/// The machine's own name, when it can stand in a certificate.
fn machine_name() -> Option<String> {
    let name = gethostname::gethostname().into_string().ok()?.to_ascii_lowercase();
    Authority::parse(&name).filter(|host| host.port().is_none() && host.address().is_none()).map(|_| name)
}
