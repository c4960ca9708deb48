//! Builds each door with what it needs, and sends each request of the TLS listener to the door of its host.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use hyper::StatusCode;

use super::outside::ServiceRuntime;
use super::request_log::RequestLog;
use super::services::Services;
use crate::directory::{TokenResources, UnknownIdentities};
use crate::doors::{admin, arm, entra, identity, nodes, vault};
use crate::http::authority::Authority;
use crate::http::budget::MemoryBudget;
use crate::http::{ConnectionInfo, Request, RequestHandler, Response, body};
use crate::issuers::Issuers;
use crate::management::{Management, VaultAccess};
use crate::trail::Answered;

/// The identity door for its plain-HTTP listener and the takeover's metadata address.
pub(super) fn identity_handler(door: Arc<identity::Door>, log: RequestLog) -> RequestHandler {
    Arc::new(move |request, connection| {
        let (door, log) = (door.clone(), log.clone());
        Box::pin(async move {
            let measurement = log.start(&request, connection);
            measurement.finish(door.answer(request, connection).await)
        })
    })
}

/// The vaults alone, for what this server asks them itself.
fn vault_handler(door: Arc<vault::Door>, log: RequestLog) -> RequestHandler {
    Arc::new(move |request, connection| {
        let (door, log) = (door.clone(), log.clone());
        Box::pin(async move {
            let measurement = log.start(&request, connection);
            measurement.finish(door.answer(request, connection).await)
        })
    })
}

/// The doors of the TLS listener; the request's host selects one.
struct Doors {
    vault: Arc<vault::Door>,
    entra: entra::Door,
    arm: arm::Door,
    nodes: nodes::Door,
    identity: Arc<identity::Door>,
    log: RequestLog,
}

/// Answers by doors that may be gone: the server stops then.
fn weak_handler(doors: Weak<Doors>) -> RequestHandler {
    Arc::new(move |request, connection| {
        let doors = doors.upgrade();
        Box::pin(async move {
            match doors {
                Some(doors) => doors.answer_logged(request, connection).await,
                None => body::empty(StatusCode::SERVICE_UNAVAILABLE),
            }
        })
    })
}

impl Doors {
    async fn answer_logged(self: Arc<Self>, request: Request, connection: ConnectionInfo) -> Response {
        let measurement = self.log.start(&request, connection);
        measurement.finish(self.answer(request, connection).await)
    }

    async fn answer(&self, request: Request, connection: ConnectionInfo) -> Answered {
        let Some(authority) = Authority::of(&request) else {
            return self.vault.answer(request, connection).await;
        };
        let host = authority.host();
        if host == entra::HOST || entra::named_in_cloud(host) {
            return self.entra.answer(request, authority, connection).await;
        }
        if host == arm::HOST || arm::named_in_cloud(host) {
            // Boxed because a vault is asked far more often: the future of every request is smaller for it.
            return Box::pin(self.arm.answer(request, authority)).await;
        }
        if nodes::is_host(host) {
            return Box::pin(self.nodes.answer(request, authority, connection)).await;
        }
        match self.identity.answer_over_tls(&request, connection).await {
            Some(answer) => answer,
            None => self.vault.answer(request, connection).await,
        }
    }
}

impl Services {
    /// Vaults, Entra, the management plane and the endpoints of factories by host, and Service Fabric's form of managed identity by path.
    /// What runs of pipelines ask of the cloud is answered by `runtime`, which has these doors from now on.
    pub(super) fn data_plane(
        &self,
        identity: Arc<identity::Door>,
        vault: Arc<vault::Door>,
        management: Management,
        runtime: &ServiceRuntime,
    ) -> RequestHandler {
        let log = self.request_log();
        let (entra, arm, nodes) = (self.entra_door(), self.arm_door(management.clone()), self.nodes_door(management));
        let doors = Arc::new(Doors { vault, entra, arm, nodes, identity, log });
        // Weak, as the doors have the runs that send by it.
        runtime.serve_by(weak_handler(Arc::downgrade(&doors)));
        Arc::new(move |request, connection| Box::pin(doors.clone().answer_logged(request, connection)))
    }

    /// What the management plane keeps, whose resources reach vaults by `vault`, and whose runs send by `runtime`.
    pub(super) fn management(&self, vault: &Arc<vault::Door>, runtime: ServiceRuntime) -> Management {
        let own = self.own_vault_clients(vault_handler(vault.clone(), self.request_log()));
        self.backend.management(VaultAccess::new(own), Arc::new(runtime))
    }

    /// The layer around all doors.
    pub(super) fn request_log(&self) -> RequestLog {
        RequestLog::new(self.backend.system.clone(), self.recent.clone())
    }

    /// The vaults.
    pub(super) fn vault_door(&self) -> Arc<vault::Door> {
        let backend = &self.backend;
        let default_hosts = self.names.default_vault_hosts();
        let on_demand = self.settings.on_demand.clone();
        Arc::new(vault::Door::new(vault::State {
            vaults: backend.vaults.clone(),
            directory: backend.directory.clone(),
            authorization: backend.authorization.clone(),
            hosts: vault::host::Hosts::new(self.settings.default_vault.clone(), default_hosts, on_demand),
            faults: self.faults.clone(),
            clock: Arc::new(backend.clock.clone()),
            random: backend.random.clone(),
            client_address: self.settings.client_address,
            limits: self.settings.limits.clone(),
        }))
    }

    fn entra_door(&self) -> entra::Door {
        let backend = &self.backend;
        entra::Door::new(entra::State {
            directory: backend.directory.clone(),
            issuers: Arc::new(Issuers::new(backend.system.clone())),
            resources: TokenResources::new(self.names.is_challenged_resource()),
            unknown_identities: self.settings.unknown_identities,
            random: backend.random.clone(),
            clock: backend.system.clone(),
            limits: self.settings.limits.clone(),
        })
    }

    fn arm_door(&self, management: Management) -> arm::Door {
        let backend = &self.backend;
        arm::Door::new(arm::State {
            directory: backend.directory.clone(),
            authorization: backend.authorization.clone(),
            management,
            clock: Arc::new(backend.clock.clone()),
            system: backend.system.clone(),
            random: backend.random.clone(),
            limits: self.settings.limits.clone(),
        })
    }

    fn nodes_door(&self, management: Management) -> nodes::Door {
        let backend = &self.backend;
        nodes::Door::new(nodes::State {
            management,
            connected: backend.nodes.clone(),
            clock: backend.system.clone(),
            random: backend.random.clone(),
            client_address: self.settings.client_address,
            limits: self.settings.limits.clone(),
        })
    }

    /// Managed-identity tokens.
    pub(super) fn identity_door(&self) -> Arc<identity::Door> {
        Arc::new(identity::Door::new(identity::State {
            directory: self.backend.directory.clone(),
            resources: TokenResources::new(self.names.is_challenged_resource()),
            unknown_identities: self.settings.unknown_identities,
            names: self.names.local_names(),
            identity_header: self.settings.identity_header.clone(),
            random: self.backend.random.clone(),
            ca_pem: self.leaves.ca().pem().to_owned(),
            arc_keys: self.settings.arc_keys.clone(),
        }))
    }

    /// The admin API; `listen` is the address of the vaults' listener.
    pub(super) fn admin_door(&self, listen: SocketAddr, management: Management) -> RequestHandler {
        let door = Arc::new(admin::Door::new(admin::State {
            names: self.names.local_names(),
            vaults: self.backend.vaults.clone(),
            admin_key: self.admin_key.text().to_owned().into(),
            directory: self.backend.directory.clone(),
            authorization: self.backend.authorization.clone(),
            management,
            random: self.backend.random.clone(),
            role_assignment_delay: self.settings.config.role_assignment_delay,
            store: self.engine,
            timekeeper: self.backend.timekeeper.clone(),
            faults: self.faults.clone(),
            creates_vaults: self.settings.on_demand.is_some(),
            configuration: self.settings.config_path(),
            events: self.events.clone(),
            credentials: Arc::new(self.credentials.clone()),
            control: Arc::new(self.control.clone()),
            limits: self.settings.limits.clone(),
            snapshots: Arc::new(MemoryBudget::new(self.settings.limits.snapshot_bytes)),
            operations: vault::operations().collect(),
            clock: Arc::new(self.backend.clock.clone()),
            started: self.backend.system.now(),
            recent: self.recent.clone(),
            data: self.data.clone(),
            listen,
            on_demand: admin::OnDemand {
                vaults: self.settings.on_demand.is_some(),
                identities: self.settings.unknown_identities == UnknownIdentities::AutoCreate,
            },
            proxy_off: self.proxy_off.clone(),
        }));
        let log = self.request_log();
        Arc::new(move |request, connection| {
            let (door, log) = (door.clone(), log.clone());
            Box::pin(async move {
                let measurement = log.start(&request, connection);
                measurement.finish(door.answer(request, connection).await)
            })
        })
    }
}
