//! The doors, each with what it needs, as the listeners serve them.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use zeroize::Zeroizing;

use super::backend::{Backend, Settings};
use super::credentials::PlaceholderCredentials;
use super::host_names::HostNames;
use super::ready::{Addresses, ReadyFile, ServerDetails};
use super::storage::OpenStorage;
use super::{StartError, control, failed, faulty, hex};
use crate::directory::{IdentitySelector, TokenResources, UnknownIdentities};
use crate::doors::{admin, arm, entra, identity, vault};
use crate::events::Events;
use crate::faults::Faults;
use crate::http::authority::Authority;
use crate::http::budget::MemoryBudget;
use crate::http::ca::Ca;
use crate::http::tls::{self, CertificateResolver};
use crate::http::{ConnectionInfo, Request, RequestHandler, Response};
use crate::issuers::Issuers;
use crate::random;

/// One server, put together.
pub(super) struct Services {
    pub(super) backend: Backend,
    pub(super) settings: Arc<Settings>,
    pub(super) names: HostNames,
    pub(super) identity_header: Zeroizing<String>,
    pub(super) ca_pem: String,
    pub(super) leaves: Arc<CertificateResolver>,
    pub(super) faults: Arc<Faults>,
    pub(super) unknown_identities: UnknownIdentities,
    pub(super) credentials: PlaceholderCredentials,
    pub(super) arc_keys: PathBuf,
    pub(super) events: Arc<Events>,
}

/// The identity door as the plain listener serves it.
pub(super) fn identity_answer(door: Arc<identity::Service>) -> RequestHandler {
    Arc::new(move |request, connection| {
        let door = door.clone();
        Box::pin(async move { door.answer(request, connection).await })
    })
}

/// The doors that are told apart by the host that is asked.
struct Doors {
    vault: Arc<vault::Service>,
    entra: entra::Service,
    arm: arm::Service,
    identity: Arc<identity::Service>,
    faults: Arc<Faults>,
}

impl Doors {
    async fn answer(&self, request: Request, connection: ConnectionInfo) -> Response {
        let Some(authority) = Authority::of(&request) else {
            return faulty::answer(&self.faults, &self.vault, request, connection).await;
        };
        let host = authority.host();
        if host == entra::HOST || (connection.taken_over && entra::named_in_cloud(host)) {
            return self.entra.answer(request, authority, connection).await;
        }
        if host == arm::HOST || (connection.taken_over && arm::named_in_cloud(host)) {
            return self.arm.answer(request, authority).await;
        }
        match self.identity.answer_over_tls(&request, connection).await {
            Some(answer) => answer,
            None => faulty::answer(&self.faults, &self.vault, request, connection).await,
        }
    }
}

/// What App Service's form must send: random per start.
pub(super) fn new_identity_header() -> Zeroizing<String> {
    Zeroizing::new(hex(&random::secret::<16>()))
}

/// CertificateResolver under the local CA, for this server's names.
pub(super) fn new_leaves(
    ca: Ca,
    names: &HostNames,
    settings: &Settings,
    backend: &Backend,
) -> Result<Arc<CertificateResolver>, StartError> {
    let leaves = CertificateResolver::new(
        ca,
        names.is_served_name(),
        names.default_leaf_names(),
        settings.limits.minted_leaves,
        backend.system.clone(),
    );
    Ok(Arc::new(leaves.map_err(failed)?))
}

impl Services {
    /// TLS with leaves under the local CA.
    pub(super) fn tls(&self) -> Result<Arc<ServerConfig>, StartError> {
        tls::config(self.leaves.clone()).map_err(failed)
    }

    /// The vaults, Entra and the management plane, each on its host names; and Service Fabric's form of managed identity.
    pub(super) fn data_plane(&self, identity: Arc<identity::Service>) -> RequestHandler {
        let faults = self.faults.clone();
        let (vault, entra, arm) = (self.vault_door(), self.entra_door(), self.arm_door());
        let doors = Arc::new(Doors { vault, entra, arm, identity, faults });
        Arc::new(move |request, connection| {
            let doors = doors.clone();
            Box::pin(async move { doors.answer(request, connection).await })
        })
    }

    fn vault_door(&self) -> Arc<vault::Service> {
        let backend = &self.backend;
        let default_hosts = self.names.default_vault_hosts();
        let on_demand = self.settings.on_demand.clone();
        Arc::new(vault::Service::new(vault::State {
            vaults: backend.vaults.clone(),
            directory: backend.directory.clone(),
            hosts: vault::host::Hosts::new(self.settings.default_vault.clone(), default_hosts, on_demand),
            clock: Arc::new(backend.clock.clone()),
            random: backend.random.clone(),
            limits: self.settings.limits.clone(),
        }))
    }

    fn entra_door(&self) -> entra::Service {
        let backend = &self.backend;
        entra::Service::new(entra::State {
            directory: backend.directory.clone(),
            issuers: Arc::new(Issuers::new(backend.system.clone())),
            resources: TokenResources::new(self.names.is_challenged_resource()),
            unknown_identities: self.unknown_identities,
            random: backend.random.clone(),
            clock: backend.system.clone(),
            limits: self.settings.limits.clone(),
        })
    }

    fn arm_door(&self) -> arm::Service {
        let (directory, random) = (self.backend.directory.clone(), self.backend.random.clone());
        arm::Service::new(arm::State { directory, random })
    }

    /// Managed-identity tokens.
    pub(super) fn identity_door(&self) -> Arc<identity::Service> {
        Arc::new(identity::Service::new(identity::State {
            directory: self.backend.directory.clone(),
            resources: TokenResources::new(self.names.is_challenged_resource()),
            unknown_identities: self.unknown_identities,
            names: self.names.local_names(),
            identity_header: self.identity_header.clone(),
            random: self.backend.random.clone(),
            ca_pem: self.ca_pem.clone(),
            arc_keys: self.arc_keys.clone(),
        }))
    }

    /// The admin API of a server that keeps things in `data`.
    pub(super) fn admin_door(&self, data: &OpenStorage) -> RequestHandler {
        let control = control::Control {
            backend: self.backend.clone(),
            settings: self.settings.clone(),
            aliases: self.names.aliases().clone(),
            leaves: self.leaves.clone(),
            events: self.events.clone(),
        };
        let door = Arc::new(admin::Service::new(admin::State {
            names: self.names.local_names(),
            vaults: self.backend.vaults.clone(),
            admin_key: data.admin_key.text().to_owned().into(),
            directory: self.backend.directory.clone(),
            store: data.engine,
            timekeeper: self.backend.timekeeper.clone(),
            faults: self.faults.clone(),
            events: self.events.clone(),
            credentials: Arc::new(self.credentials.clone()),
            control: Arc::new(control),
            limits: self.settings.limits.clone(),
            snapshots: Arc::new(MemoryBudget::new(self.settings.limits.snapshot_bytes)),
            operations: vault::operations().collect(),
            clock: Arc::new(self.backend.clock.clone()),
            started: self.backend.system.now(),
        }));
        Arc::new(move |request, connection| {
            let door = door.clone();
            Box::pin(async move { door.answer(request, connection).await })
        })
    }

    /// What this server tells about itself.
    pub(super) async fn ready(
        &self,
        addresses: Addresses,
        data: &OpenStorage,
        ca: PathBuf,
        takes_over_entra: bool,
    ) -> Result<ReadyFile, StartError> {
        let directory = &self.backend.directory;
        let vaults = self.backend.vaults.all().await.map_err(failed)?;
        let default = directory.select(&IdentitySelector::Default, UnknownIdentities::Reject).await.map_err(failed)?;
        Ok(ReadyFile::new(ServerDetails {
            addresses,
            admin_key: data.admin_key.text().to_owned().into(),
            ca,
            tenant: directory.tenant_id(),
            vaults: vaults.iter().map(|vault| vault.name.clone()).collect(),
            default_vault: self.settings.default_vault.clone(),
            default_client: default.map(|identity| identity.client_id),
            identity_header: self.identity_header.clone(),
            takes_over_entra,
        }))
    }
}
