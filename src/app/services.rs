//! What the doors of one server are built from.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::admin_key::AdminKey;
use super::backend::Backend;
use super::control::Control;
use super::credentials::PlaceholderCredentials;
use super::error::StartError;
use super::host_names::HostNames;
use super::ready::ReadyFile;
use super::server_details::{Addresses, ServerDetails};
use super::settings::Settings;
use super::watch;
use crate::audit::AuditFile;
use crate::directory::{IdentitySelector, UnknownIdentities};
use crate::events::Events;
use crate::faults::Faults;
use crate::http::RequestHandler;
use crate::http::server::Listener;
use crate::http::tls::CertificateResolver;
use crate::trail::RecentTrails;

/// Backend, settings and everything else that doors share.
pub(super) struct Services {
    pub(super) backend: Backend,
    pub(super) settings: Arc<Settings>,
    pub(super) names: HostNames,
    /// Leaf certificates under the local CA.
    pub(super) leaves: Arc<CertificateResolver>,
    /// Leaf certificates for taken-over names, when there is a proxy.
    pub(super) takeover_leaves: Option<Arc<CertificateResolver>>,
    pub(super) faults: Arc<Faults>,
    pub(super) credentials: PlaceholderCredentials,
    pub(super) events: Arc<Events>,
    /// Operations on the whole server.
    pub(super) control: Control,
    pub(super) admin_key: AdminKey,
    /// The store's engine, by name.
    pub(super) engine: &'static str,
    /// The data directory, if there is one.
    pub(super) data: Option<PathBuf>,
    /// Why there is no takeover proxy although there is one by default.
    pub(super) proxy_off: Option<String>,
    /// The trails of the last requests.
    pub(super) recent: Arc<RecentTrails>,
    /// What writes audit records, if they are written.
    pub(super) audit: Option<AuditFile>,
}

impl Services {
    /// Follows the configuration's file, if that was asked for.
    pub(super) fn spawn_watch(&self) -> Option<JoinHandle<()>> {
        let file = self.settings.config_file.clone().filter(|_| self.settings.watch)?;
        Some(tokio::spawn(watch::follow(self.control.clone(), file)))
    }

    /// A listener on the socket `tcp`; plain HTTP without `tls`.
    pub(super) fn listener<B>(
        &self,
        tcp: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        answer: RequestHandler<B>,
    ) -> Listener<B> {
        let (limits, bodies) = (self.settings.limits.clone(), self.settings.bodies.clone());
        Listener { tcp, tls, answer, limits, bodies, acknowledges_at_once: false }
    }

    /// The ready file of a server on these addresses; `ca` is the path of the CA's certificate.
    pub(super) async fn ready_file(&self, addresses: Addresses, ca: PathBuf) -> Result<ReadyFile, StartError> {
        let directory = &self.backend.directory;
        let vaults = self.backend.vaults.all().await?;
        let default =
            directory.select(&IdentitySelector::Default, UnknownIdentities::Reject).await.map_err(StartError::new)?;
        Ok(ReadyFile::new(ServerDetails {
            addresses,
            admin_key: self.admin_key.text().to_owned().into(),
            ca,
            tenant: directory.tenant_id(),
            vaults: vaults.iter().map(|vault| vault.name.clone()).collect(),
            default_vault: self.settings.default_vault.clone(),
            default_client: default.map(|identity| identity.client_id),
            identity_header: self.settings.identity_header.clone(),
            takes_over_entra: self.settings.takeover.has_entra(),
        }))
    }
}
