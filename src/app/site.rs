//! The doors, each with what it needs, as the listeners serve them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use zeroize::Zeroizing;

use super::data::Data;
use super::names::Names;
use super::parts::{Applied, Parts};
use super::ready::{Addresses, Facts, Ready};
use super::{StartError, failed, hex};
use crate::directory::Chosen;
use crate::doors::{admin, entra, identity, vault};
use crate::http::Answer;
use crate::http::authority::Authority;
use crate::http::ca::Ca;
use crate::http::server::{Door, Stopping};
use crate::http::tls::{self, Leaves, Ours};
use crate::proxy::Proxy;
use crate::random;

/// One server, put together.
pub(super) struct Site {
    pub(super) parts: Parts,
    pub(super) applied: Applied,
    pub(super) names: Names,
    pub(super) identity_header: Zeroizing<String>,
    pub(super) ca_pem: String,
}

/// The takeover proxy, and the CA whose leaves it shows.
pub(super) struct Takeover {
    pub(super) answer: Answer,
    pub(super) ca_pem: String,
}

/// What App Service's form must send: random per start.
pub(super) fn identity_header() -> Zeroizing<String> {
    Zeroizing::new(hex(&random::secret::<16>()))
}

impl Site {
    /// TLS with leaves under the local CA, for this server's names.
    pub(super) fn tls(&self, ca: Ca) -> Result<Arc<ServerConfig>, StartError> {
        self.tls_for(ca, self.names.ours())
    }

    fn tls_for(&self, ca: Ca, ours: Ours) -> Result<Arc<ServerConfig>, StartError> {
        let kept = self.applied.limits.minted_leaves;
        let leaves = Leaves::new(ca, ours, self.names.unnamed(), kept, self.parts.system.clone());
        tls::config(Arc::new(leaves.map_err(failed)?)).map_err(failed)
    }

    /// The vaults, and the issuer's documents on their host name.
    pub(super) fn data_plane(&self) -> Answer {
        let parts = &self.parts;
        let door = vault::VaultDoor {
            vaults: parts.vaults.clone(),
            directory: parts.directory.clone(),
            hosts: vault::host::Hosts::new(self.applied.default_vault.clone(), self.names.of_default_vault()),
            clock: Arc::new(parts.clock.clone()),
            random: parts.random.clone(),
            limits: self.applied.limits.clone(),
        };
        let (vault, entra) = (Arc::new(vault::Open::new(door)), Arc::new(entra::Open::new(parts.directory.clone())));
        Arc::new(move |request, arrival| {
            let (vault, entra) = (vault.clone(), entra.clone());
            Box::pin(async move {
                match Authority::of(&request).filter(|authority| authority.host() == entra::HOST) {
                    Some(authority) => entra.answer(request, authority).await,
                    None => vault.answer(request, arrival).await,
                }
            })
        })
    }

    /// Managed-identity tokens.
    pub(super) fn identity_door(&self) -> Answer {
        let door = Arc::new(identity::Open::new(identity::IdentityDoor {
            directory: self.parts.directory.clone(),
            names: self.names.local(),
            identity_header: self.identity_header.clone(),
            ca_pem: self.ca_pem.clone(),
        }));
        Arc::new(move |request, arrival| {
            let door = door.clone();
            Box::pin(async move { door.answer(request, arrival).await })
        })
    }

    /// The admin API of a server that keeps things in `engine`.
    pub(super) fn admin_door(&self, engine: &'static str) -> Answer {
        let door = Arc::new(admin::Open::new(admin::AdminDoor {
            names: self.names.local(),
            vaults: self.parts.vaults.clone(),
            tenant: self.parts.directory.tenant(),
            store: engine,
            operations: vault::operations().collect(),
            clock: Arc::new(self.parts.clock.clone()),
            started: self.parts.system.now(),
        }));
        Arc::new(move |request, arrival| {
            let door = door.clone();
            Box::pin(async move { door.answer(request, arrival).await })
        })
    }

    /// The takeover, which leads cloud names to `data_plane`, with a CA of its own that lives as long as this start.
    pub(super) fn takeover(
        &self,
        data_plane: Answer,
        own: Vec<SocketAddr>,
        stopping: Stopping,
    ) -> Result<Takeover, StartError> {
        let domains: Vec<_> = vault::host::cloud_suffixes().map(str::to_owned).collect();
        let now = self.parts.system.now();
        let ca = Ca::new("Keyhaven takeover CA for one start", &domains, false, now).map_err(failed)?;
        let ca_pem = ca.pem().to_owned();
        let taken_over: Ours = Arc::new(|name| vault::host::named_in_cloud(name).is_some());
        let tls = self.tls_for(ca, taken_over.clone())?;
        let limits = self.applied.limits.clone();
        let door = Arc::new(Door { tls: Some(tls), answer: data_plane, limits });
        let proxy = Arc::new(Proxy { taken_over, door, own, stopping });
        let answer: Answer = Arc::new(move |request, arrival| Box::pin(proxy.clone().answer(request, arrival)));
        Ok(Takeover { answer, ca_pem })
    }

    /// What this server tells about itself.
    pub(super) async fn ready(&self, addresses: Addresses, data: &Data, ca: PathBuf) -> Result<Ready, StartError> {
        let directory = &self.parts.directory;
        let vaults = self.parts.vaults.all().await.map_err(failed)?;
        let default = directory.choose(&Chosen::Default).await.map_err(failed)?;
        Ok(Ready::new(Facts {
            addresses,
            admin_key: data.admin_key.clone(),
            ca,
            tenant: directory.tenant(),
            vaults: vaults.iter().map(|vault| vault.name.clone()).collect(),
            default_vault: self.applied.default_vault.clone(),
            default_client: default.map(|identity| identity.client_id),
            identity_header: self.identity_header.clone(),
        }))
    }
}
