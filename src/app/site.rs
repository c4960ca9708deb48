//! The doors, each with what it needs, as the listeners serve them.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use zeroize::Zeroizing;

use super::data::Data;
use super::names::Names;
use super::parts::{Parts, Plan};
use super::ready::{Addresses, Facts, Ready};
use super::{StartError, failed, faulty, hex, levers};
use crate::directory::Chosen;
use crate::doors::{admin, entra, identity, vault};
use crate::faults::Faults;
use crate::http::Answer;
use crate::http::authority::Authority;
use crate::http::ca::Ca;
use crate::http::tls::{self, Leaves};
use crate::random;

/// One server, put together.
pub(super) struct Site {
    pub(super) parts: Parts,
    pub(super) plan: Arc<Plan>,
    pub(super) names: Names,
    pub(super) identity_header: Zeroizing<String>,
    pub(super) ca_pem: String,
    pub(super) leaves: Arc<Leaves>,
    pub(super) faults: Arc<Faults>,
}

/// What App Service's form must send: random per start.
pub(super) fn identity_header() -> Zeroizing<String> {
    Zeroizing::new(hex(&random::secret::<16>()))
}

/// Leaves under the local CA, for this server's names.
pub(super) fn leaves(ca: Ca, names: &Names, plan: &Plan, parts: &Parts) -> Result<Arc<Leaves>, StartError> {
    let leaves = Leaves::new(ca, names.ours(), names.unnamed(), plan.limits.minted_leaves, parts.system.clone());
    Ok(Arc::new(leaves.map_err(failed)?))
}

impl Site {
    /// TLS with leaves under the local CA.
    pub(super) fn tls(&self) -> Result<Arc<ServerConfig>, StartError> {
        tls::config(self.leaves.clone()).map_err(failed)
    }

    /// The vaults, and the issuer's documents on their host name.
    pub(super) fn data_plane(&self) -> Answer {
        let parts = &self.parts;
        let door = vault::VaultDoor {
            vaults: parts.vaults.clone(),
            directory: parts.directory.clone(),
            hosts: vault::host::Hosts::new(self.plan.default_vault.clone(), self.names.of_default_vault()),
            clock: Arc::new(parts.clock.clone()),
            random: parts.random.clone(),
            limits: self.plan.limits.clone(),
        };
        let (vault, entra) = (Arc::new(vault::Open::new(door)), Arc::new(entra::Open::new(parts.directory.clone())));
        let faults = self.faults.clone();
        Arc::new(move |request, arrival| {
            let (vault, entra, faults) = (vault.clone(), entra.clone(), faults.clone());
            Box::pin(async move {
                match Authority::of(&request).filter(|authority| authority.host() == entra::HOST) {
                    Some(authority) => entra.answer(request, authority).await,
                    None => faulty::answer(&faults, &vault, request, arrival).await,
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

    /// The admin API of a server that keeps things in `data`.
    pub(super) fn admin_door(&self, data: &Data) -> Answer {
        let levers = levers::Whole {
            parts: self.parts.clone(),
            plan: self.plan.clone(),
            aliases: self.names.aliases().clone(),
            leaves: self.leaves.clone(),
        };
        let door = Arc::new(admin::Open::new(admin::AdminDoor {
            names: self.names.local(),
            vaults: self.parts.vaults.clone(),
            admin_key: data.admin_key.clone(),
            directory: self.parts.directory.clone(),
            store: data.engine,
            timekeeper: self.parts.timekeeper.clone(),
            faults: self.faults.clone(),
            levers: Arc::new(levers),
            limits: self.plan.limits.clone(),
            operations: vault::operations().collect(),
            clock: Arc::new(self.parts.clock.clone()),
            started: self.parts.system.now(),
        }));
        Arc::new(move |request, arrival| {
            let door = door.clone();
            Box::pin(async move { door.answer(request, arrival).await })
        })
    }

    /// What this server tells about itself.
    pub(super) async fn ready(
        &self,
        addresses: Addresses,
        data: &Data,
        ca: PathBuf,
        takes_over_entra: bool,
    ) -> Result<Ready, StartError> {
        let directory = &self.parts.directory;
        let vaults = self.parts.vaults.all().await.map_err(failed)?;
        let default = directory.choose(&Chosen::Default).await.map_err(failed)?;
        Ok(Ready::new(Facts {
            addresses,
            admin_key: data.admin_key.clone(),
            ca,
            tenant: directory.tenant(),
            vaults: vaults.iter().map(|vault| vault.name.clone()).collect(),
            default_vault: self.plan.default_vault.clone(),
            default_client: default.map(|identity| identity.client_id),
            identity_header: self.identity_header.clone(),
            takes_over_entra,
        }))
    }
}
