//! The environment of drills: a vault, the identities that use it, and the controls of its server. It records everything that
//! drills create or change, and restores it afterwards.

mod begin;
mod controls;
mod created_object;
mod fault_rules;
mod identity;
mod left_behind;
mod managed;
mod vaults;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::admin::{AdminClient, AdminEndpoint};
use super::capability::Capability;
use super::managed_factory::ManagedFactory;
use super::private_server::PrivateServer;
use super::step::StepError;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::factory::VaultClients;
use crate::random;
use crate::remote::{Agent, Credential, TrustStore, VaultClient, VaultUrl, is_local};

pub(super) use controls::{Controls, Firewall};
use created_object::CreatedObject;
use identity::DrillIdentity;
use left_behind::LeftBehind;
pub(super) use managed::{NodePlace, PlannedFactory};
pub(super) use vaults::Mode;

/// The vault to run drills on. Deliberately no `Debug`: it holds a credential.
pub struct DrillTarget {
    /// Its URL; or its name, where its server is known.
    pub vault: String,
    /// The port of its server's vaults, if that is known.
    pub port: Option<u16>,
    /// The admin API of its server, if drills may use it.
    pub admin: Option<AdminEndpoint>,
    /// Certificates, in PEM, to trust besides the system's.
    pub trusted: Vec<String>,
    /// The file with certificates that was named, for texts.
    pub ca_file: Option<String>,
    /// The program, of which nodes are run.
    pub program: PathBuf,
}

/// A vault to run drills on, with all that they need there. Dropping it restores what they changed.
pub struct Environment {
    /// The prefix of all names of this run.
    run: String,
    agent: Agent,
    vault: VaultUrl,
    description: String,
    controls: Option<Controls>,
    /// Whether the server is on this machine, by the host of its admin API.
    is_local: bool,
    server: Option<Mutex<PrivateServer>>,
    /// Cached with their tokens.
    clients: Mutex<BTreeMap<(Caller, VaultUrl), Arc<VaultClient>>>,
    created: Mutex<Vec<CreatedObject>>,
    /// The data factory that the drill has made.
    factory: Mutex<Option<Arc<ManagedFactory>>>,
    /// The program, and the certificates, in PEM, that nodes of it trust.
    program: PathBuf,
    trusted: Vec<String>,
}

/// How to provide a second vault: it is made beside the first, at another name of the same server.
const BY_NAME: &str = "give the vault by its name, --vault NAME";

/// What remains where drills were run.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// What stays as it must, such as deleted keys that may not be purged.
    pub(super) notes: Vec<String>,
    /// What could not be put back, with what removes it.
    pub(super) left_behind: Vec<String>,
}

/// The identity that a vault is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    Operator,
    Factory,
}

impl Environment {
    /// A private server, which has every capability.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn private(server: PrivateServer) -> Result<Self, String> {
        let (admin, trusted) = (Some(server.admin()), vec![server.ca()?]);
        let program = server.program().to_owned();
        let target = DrillTarget { vault: server.vault(), port: None, admin, trusted, ca_file: None, program };
        let mut environment = Self::at(target)?;
        "a private server, started for this run and gone after it".clone_into(&mut environment.description);
        environment.server = Some(Mutex::new(server));
        Ok(environment)
    }

    /// The vault that `target` names.
    ///
    /// # Errors
    /// When drills cannot run there; one line that says what to do.
    pub fn at(target: DrillTarget) -> Result<Self, String> {
        let DrillTarget { vault, port, admin, trusted, ca_file, program } = target;
        let admin = admin.map(AdminClient::new);
        let found = admin.as_ref().map(AdminClient::find_port).transpose().map_err(|error| error.to_string())?;
        let port = found.flatten().or(port);
        let asked = begin::vault_url(&vault, port)?;
        let trust = trusted.iter().try_fold(TrustStore::default(), |trust, pem| trust.with_pem(pem));
        let agent = begin::agent(trust.map_err(|error| error.to_string())?, admin.as_ref());
        let environment = Self::new(agent, asked.clone(), admin, (program, trusted))?;
        match begin::ask(&environment.operator(), &environment.credential(Caller::Operator)) {
            Ok(()) => Ok(environment),
            Err(error) => {
                let why = error.explain(&begin::Known { asked, port, ca_file });
                Err(left_behind::in_one_line(why, &environment.restore().left_behind))
            }
        }
    }

    fn new(
        agent: Agent,
        asked: VaultUrl,
        admin: Option<AdminClient>,
        (program, trusted): (PathBuf, Vec<String>),
    ) -> Result<Self, String> {
        let bytes: [u8; 4] = random::secret();
        let run = format!("drill-{:08x}", u32::from_be_bytes(bytes));
        let is_local = admin.as_ref().and_then(AdminClient::host).is_some_and(|host| is_local(&host));
        let controls = admin.map(|admin| Controls::take(admin, &asked, &run)).transpose();
        let controls = controls.map_err(|error| error.to_string())?;
        let without = "a vault without its admin API: steps that need more than a vault are not run";
        Ok(Self {
            vault: controls.as_ref().map_or(asked, |controls| controls.vault().clone()),
            description: controls.as_ref().map_or_else(|| without.to_owned(), Controls::description),
            run,
            agent,
            controls,
            is_local,
            server: None,
            clients: Mutex::default(),
            created: Mutex::default(),
            factory: Mutex::default(),
            program,
            trusted,
        })
    }

    /// The URL of the vault.
    pub fn vault(&self) -> String {
        self.vault.to_string()
    }

    /// Describes where the vault is, for reports.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The client id of the factory's identity, if the drills created one.
    pub(super) fn client_id(&self) -> Option<&str> {
        self.controls.as_ref().map(|controls| controls.factory().client_id.as_str())
    }

    /// A name for an object that no other run uses.
    pub(super) fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.run)
    }

    /// How to provide `capability`, if it is missing here.
    pub(super) fn missing(&self, capability: Capability) -> Option<String> {
        let is_virtual = self.controls.as_ref().map(Controls::is_virtual);
        let has_second = self.controls.as_ref().is_some_and(|controls| controls.second().is_some());
        let has = |mode| self.controls.as_ref().is_some_and(|controls| controls.has_mode(mode));
        let how = match capability {
            Capability::Process if self.server.is_some() => return None,
            Capability::Process => "only a private server is; leave out --vault",
            _ if is_virtual.is_none() => "give --admin URL",
            Capability::Node if !self.is_local => "run the drill on the machine of the server",
            Capability::Clock if is_virtual == Some(false) => "start the server with --clock virtual",
            Capability::SecondVault if !has_second => BY_NAME,
            Capability::Policy if !has(Mode::Policies) => BY_NAME,
            Capability::Roles if !has(Mode::Roles) => BY_NAME,
            _ => return None,
        };
        Some(how.to_owned())
    }

    /// The controls of the admin API.
    ///
    /// # Errors
    /// When there is no admin API. A step that needs it declares so and is not run then.
    pub(super) fn controls(&self) -> Result<&Controls, StepError> {
        self.controls.as_ref().ok_or_else(|| StepError::NotRunnable(Capability::Policy.missing("give --admin URL")))
    }

    /// The vault with the operator's credential, which has every permission if there is an admin API.
    pub(super) fn operator(&self) -> Arc<VaultClient> {
        self.client(Caller::Operator, &self.vault)
    }

    /// Another vault with the operator's credential.
    pub(super) fn operator_at(&self, vault: &VaultUrl) -> Arc<VaultClient> {
        self.client(Caller::Operator, vault)
    }

    /// A vault with the factory's credential.
    pub(super) fn as_factory(&self, vault: &VaultUrl) -> Arc<VaultClient> {
        self.client(Caller::Factory, vault)
    }

    fn client(&self, caller: Caller, vault: &VaultUrl) -> Arc<VaultClient> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(VaultClient::at(self.agent.clone(), vault.clone(), self.credential(caller)));
        clients.entry((caller, vault.clone())).or_insert_with(new).clone()
    }

    /// The clients that a factory uses vaults by.
    pub(super) fn vault_clients(&self) -> VaultClients {
        VaultClients::new(self.agent.clone(), self.credential(Caller::Factory))
    }

    /// The credential of an identity of this run, if there is an admin API; else the one of the environment.
    fn credential(&self, caller: Caller) -> Credential {
        let identity = self.controls.as_ref().map(|controls| match caller {
            Caller::Operator => controls.operator(),
            Caller::Factory => controls.factory(),
        });
        identity.map_or_else(Credential::from_env, DrillIdentity::credential)
    }

    /// The second vault of the same tenant.
    ///
    /// # Errors
    /// When there is none. A step that needs it declares so and is not run then.
    pub(super) fn second(&self) -> Result<&VaultUrl, StepError> {
        let second = self.controls()?.second();
        second.ok_or_else(|| StepError::NotRunnable(Capability::SecondVault.missing(BY_NAME)))
    }

    /// The time of the vault clock; without an admin API, the time of this machine.
    pub(super) fn now(&self) -> Result<Timestamp, StepError> {
        self.controls.as_ref().map_or_else(|| Ok(SystemClock.now()), |controls| Ok(controls.now()?))
    }

    /// The private server's process.
    ///
    /// # Errors
    /// When the server is not a private one. A step that needs it declares so and is not run then.
    pub(super) fn server(&self) -> Result<MutexGuard<'_, PrivateServer>, StepError> {
        let server = self
            .server
            .as_ref()
            .ok_or_else(|| StepError::NotRunnable(Capability::Process.missing("leave out --vault")))?;
        Ok(server.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records a key, to be deleted after the drill.
    pub(super) fn record_key(&self, vault: &VaultUrl, name: &str) {
        self.created().push(CreatedObject::key(vault.clone(), name));
    }

    /// Records a secret, to be deleted after the drill.
    pub(super) fn record_secret(&self, name: &str) {
        self.created().push(CreatedObject::secret(self.vault.clone(), name));
    }

    /// Deletes the objects of the drill that has ended, and purges them if the vault allows it. Left alone, its keys would rotate
    /// when the next drill moves the clock. Those that could not be deleted are tried again at the end.
    pub(super) fn delete_created(&self) -> Remains {
        let (mut remains, mut left) = (Remains::default(), LeftBehind::default());
        self.delete_factory(&mut left);
        let created = std::mem::take(&mut *self.created());
        for object in created {
            match object.remove(&self.operator_at(object.vault())) {
                Ok(note) => remains.notes.extend(note.filter(|_| self.is_lasting(&object))),
                Err(failure) if self.is_lasting(&object) => {
                    left.add(
                        failure.to_string(),
                        object.how_to_remove(self.controls.as_ref().map(Controls::vault_name)),
                    );
                    self.created().push(object);
                }
                Err(_) => {}
            }
        }
        remains.left_behind = left.into_notes();
        remains
    }

    /// Whether the vault of `object` is there after the run. A private server's is removed with its data, and others that were
    /// made for the run are deleted with all that they hold.
    fn is_lasting(&self, object: &CreatedObject) -> bool {
        let is_temporary = |controls: &Controls| controls.created_vaults().contains(object.vault());
        self.server.is_none() && !self.controls.as_ref().is_some_and(is_temporary)
    }

    /// Restores everything to the state before.
    pub(super) fn restore(&self) -> Remains {
        let mut remains = self.delete_created();
        self.created().clear();
        *self.planned() = None;
        let controls = self.controls.iter().filter(|_| self.server.is_none());
        remains.left_behind.extend(controls.flat_map(Controls::restore));
        remains
    }

    fn created(&self) -> MutexGuard<'_, Vec<CreatedObject>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Environment {
    /// Also restores when the drills end early.
    fn drop(&mut self) {
        self.restore();
    }
}
