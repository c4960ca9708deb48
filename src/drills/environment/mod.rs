//! Where drills are played: a vault, who asks it, and the levers there are. Everything that is changed or made is put down, so
//! that it can be put back.

mod controls;
mod created_object;
mod identity;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::admin::{Admin, AdminDoor};
use super::capability::Lever;
use super::private_server::OwnServer;
use super::step::Wrong;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::factory::Reach;
use crate::random;
use crate::remote::{Agent, Credential, Trust, Vault, VaultUrl};

pub(super) use controls::Levers;
use created_object::Made;
use identity::Person;

/// A vault that drills are aimed at. It holds keys, so it has no `Debug`.
pub struct Aim {
    /// Its URL.
    pub vault: String,
    /// The admin API of its server, if drills may use it.
    pub admin: Option<AdminDoor>,
    /// Certificates, as PEM, that are trusted besides the system's.
    pub trusted: Vec<String>,
}

/// Where drills are played.
pub struct Ground {
    run: String,
    agent: Agent,
    vault: VaultUrl,
    place: String,
    levers: Option<Levers>,
    server: Option<Mutex<OwnServer>>,
    /// Vaults by who asks them, with their tokens.
    known: Mutex<BTreeMap<(Who, VaultUrl), Arc<Vault>>>,
    made: Mutex<Vec<Made>>,
}

/// Who asks a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Operator,
    Factory,
}

impl Ground {
    /// A server of the drill's own, with every lever.
    ///
    /// # Errors
    /// Why nothing can be played there.
    pub fn own(server: OwnServer) -> Result<Self, String> {
        let aim = Aim { vault: server.vault(), admin: Some(server.admin()), trusted: vec![server.ca()?] };
        let mut ground = Self::at(aim)?;
        "a private server, started for this run and gone after it".clone_into(&mut ground.place);
        ground.server = Some(Mutex::new(server));
        Ok(ground)
    }

    /// The vault that `aim` names.
    ///
    /// # Errors
    /// Why nothing can be played there, in a line that says what to do.
    pub fn at(aim: Aim) -> Result<Self, String> {
        let asked: VaultUrl = aim.vault.parse().map_err(|error| format!("--vault {}: {error}", aim.vault))?;
        let trust = aim.trusted.iter().try_fold(Trust::default(), |trust, pem| trust.and(pem));
        let agent = trust.map_err(|error| error.to_string())?.agent();
        let bytes: [u8; 4] = random::secret();
        let run = format!("drill-{:08x}", u32::from_be_bytes(bytes));
        let (known, made) = (Mutex::default(), Mutex::default());
        let Some(door) = aim.admin else {
            let place = "a vault without its admin API: only steps that need no lever are run".to_owned();
            return Ok(Self { run, agent, vault: asked, place, levers: None, server: None, known, made });
        };
        let levers = Levers::of(Admin::new(door), &asked, &run).map_err(|error| error.to_string())?;
        let (vault, place) = (levers.vault().clone(), levers.place());
        Ok(Self { run, agent, vault, place, levers: Some(levers), server: None, known, made })
    }

    /// The URL of the vault.
    pub fn vault(&self) -> String {
        self.vault.to_string()
    }

    /// Where that is, in words.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The client id of the identity that the factory is, where drills make one.
    pub(super) fn client_id(&self) -> Option<&str> {
        self.levers.as_ref().map(|levers| levers.factory().client_id.as_str())
    }

    /// A name that no other run uses.
    pub(super) fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.run)
    }

    /// Why a lever cannot be pulled here, and how that is changed; none when it can.
    pub(super) fn missing(&self, lever: Lever) -> Option<String> {
        let is_virtual = self.levers.as_ref().map(Levers::is_virtual);
        let has_second = self.levers.as_ref().is_some_and(|levers| levers.second().is_some());
        let how = match lever {
            Lever::Process if self.server.is_some() => return None,
            Lever::Process => "only a private server is killed; leave out --vault",
            _ if is_virtual.is_none() => "give --admin URL",
            Lever::Clock if is_virtual == Some(false) => "start the server with --clock virtual",
            Lever::SecondVault if !has_second => "give the vault's own URL, https://NAME.vault.localhost:PORT",
            _ => return None,
        };
        Some(how.to_owned())
    }

    /// The levers of the admin API.
    ///
    /// # Errors
    /// When there are none: a step that pulls one says so before.
    pub(super) fn levers(&self) -> Result<&Levers, Wrong> {
        self.levers.as_ref().ok_or_else(|| Wrong::Missing(Lever::Policy.missing("give --admin URL")))
    }

    /// The vault as who runs it sees it: with every permission, where there is an admin API.
    pub(super) fn operator(&self) -> Arc<Vault> {
        self.known(Who::Operator, &self.vault)
    }

    /// Another vault, as who runs it sees it.
    pub(super) fn operator_at(&self, vault: &VaultUrl) -> Arc<Vault> {
        self.known(Who::Operator, vault)
    }

    /// A vault as the factory's identity sees it.
    pub(super) fn as_factory(&self, vault: &VaultUrl) -> Arc<Vault> {
        self.known(Who::Factory, vault)
    }

    fn known(&self, who: Who, vault: &VaultUrl) -> Arc<Vault> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Vault::at(self.agent.clone(), vault.clone(), self.credential(who)));
        known.entry((who, vault.clone())).or_insert_with(new).clone()
    }

    /// How a factory reaches vaults.
    pub(super) fn reach(&self) -> Reach {
        Reach::new(self.agent.clone(), self.credential(Who::Factory))
    }

    /// An identity of the run's own, where there is an admin API; else who the environment says.
    fn credential(&self, who: Who) -> Credential {
        let person = self.levers.as_ref().map(|levers| match who {
            Who::Operator => levers.operator(),
            Who::Factory => levers.factory(),
        });
        person.map_or_else(Credential::from_env, Person::credential)
    }

    /// The other vault of the same tenant.
    ///
    /// # Errors
    /// When there is none: a step that needs it says so before.
    pub(super) fn second(&self) -> Result<&VaultUrl, Wrong> {
        let second = self.levers()?.second();
        second.ok_or_else(|| Wrong::Missing(Lever::SecondVault.missing("give the vault's own URL")))
    }

    /// What the vault's clock shows; where that cannot be asked, it is the machine's.
    pub(super) fn now(&self) -> Result<Timestamp, Wrong> {
        self.levers.as_ref().map_or_else(|| Ok(SystemClock.now()), |levers| Ok(levers.now()?))
    }

    /// The server's process.
    ///
    /// # Errors
    /// When it is not the drill's own: a step that needs it says so before.
    pub(super) fn server(&self) -> Result<MutexGuard<'_, OwnServer>, Wrong> {
        let server = self.server.as_ref().ok_or_else(|| Wrong::Missing(Lever::Process.missing("leave out --vault")))?;
        Ok(server.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts down that a key was made, so that it goes when the drills are over.
    pub(super) fn made_key(&self, vault: &VaultUrl, name: &str) {
        self.made().push(Made::key(vault.clone(), name));
    }

    /// Puts down that a secret was made.
    pub(super) fn made_secret(&self, name: &str) {
        self.made().push(Made::secret(self.vault.clone(), name));
    }

    /// Takes away what the drill that was played has made, as far as the vault allows; tells what stays. Keys that nobody needs
    /// any more would rotate on when the next drill moves the clock.
    pub(super) fn tidy(&self) -> Vec<String> {
        let made = std::mem::take(&mut *self.made());
        let notes: Vec<_> = made.into_iter().filter_map(|one| self.removed(&one)).collect();
        // Of a private server nothing stays.
        if self.server.is_some() { Vec::new() } else { notes }
    }

    /// What there is to tell of something that was taken away; nothing when its vault goes with all that it holds.
    fn removed(&self, one: &Made) -> Option<String> {
        let goes = self.levers.as_ref().is_some_and(|levers| levers.made_vaults().contains(one.vault()));
        one.removed(&self.operator_at(one.vault())).filter(|_| !goes)
    }

    /// Puts everything back as it was found; tells what could not be.
    pub(super) fn put_back(&self) -> Vec<String> {
        let notes = self.tidy();
        let levers = self.levers.iter().filter(|_| self.server.is_none());
        notes.into_iter().chain(levers.flat_map(Levers::put_back)).collect()
    }

    fn made(&self) -> MutexGuard<'_, Vec<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ground {
    /// Whatever ended the drills early.
    fn drop(&mut self) {
        self.put_back();
    }
}
