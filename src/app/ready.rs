//! The ready file of a running server: addresses, admin key, vault URLs and environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::server_details::ServerDetails;
use super::variables::{Variables, cloud_url, of_vault, variables};
use crate::files;
use crate::vault::VaultName;

/// The content of the ready file. It holds the admin key: deliberately no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadyFile {
    /// The server's process id.
    pub pid: u32,
    /// `HOST:PORT` of the data plane.
    pub listen: String,
    /// `HOST:PORT` of managed-identity tokens.
    pub identity: String,
    /// `HOST:PORT` of the admin API.
    pub admin: Option<String>,
    /// The admin API's key.
    pub admin_key: String,
    /// `HOST:PORT` of the takeover proxy.
    pub proxy: Option<String>,
    /// The absolute path of the CA's certificate.
    pub ca: PathBuf,
    /// The tenant's id.
    pub tenant: Uuid,
    /// The local URL of each vault, by name.
    pub vaults: BTreeMap<String, String>,
    /// The environment of programs that use the server.
    pub env: Variables,
}

impl ReadyFile {
    pub(super) fn new(details: ServerDetails) -> Self {
        let local = |name: &VaultName| local_url(name, &details.addresses.vaults.to_string());
        let vaults = details.vaults.iter().map(|name| (name.to_string(), local(name))).collect();
        Self {
            pid: std::process::id(),
            listen: details.addresses.vaults.to_string(),
            identity: details.addresses.identity.to_string(),
            admin: details.addresses.admin.map(|address| address.to_string()),
            admin_key: details.admin_key.to_string(),
            proxy: details.addresses.proxy.map(|address| address.to_string()),
            ca: details.ca.clone(),
            tenant: details.tenant,
            vaults,
            env: variables(&details, &local(&details.default_vault)),
        }
    }

    /// Makes it that of a server with these vaults, whose default identity has this client id; programs use the vault `first`.
    pub(super) fn update(&mut self, vaults: &[VaultName], client: Option<Uuid>, first: Option<&VaultName>) {
        if let Some(first) = first {
            let name = first.to_string();
            let url = if self.proxy.is_some() { cloud_url(&name) } else { local_url(first, &self.listen) };
            self.env.extend(of_vault(&name, &url));
        }
        self.vaults = vaults.iter().map(|name| (name.to_string(), local_url(name, &self.listen))).collect();
        match client {
            Some(client) => drop(self.env.insert("AZURE_CLIENT_ID".to_owned(), client.to_string())),
            None => drop(self.env.remove("AZURE_CLIENT_ID")),
        }
    }

    /// Writes the file atomically, with mode 0600.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        files::write_unsynced(path, &serde_json::to_vec_pretty(self)?)
    }
}

/// The URL of a vault at the data plane `listen` (`HOST:PORT`).
fn local_url(name: &VaultName, listen: &str) -> String {
    let port = listen.rsplit_once(':').map_or("", |(_, port)| port);
    format!("https://{name}.vault.localhost:{port}")
}
