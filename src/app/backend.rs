//! What all API endpoints share: vaults, tenant, tasks, clocks, randomness and threads.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::by_clock;
use super::foundations::Foundations;
use super::settings::Settings;
use crate::authorization::Authorization;
use crate::clock::{Clock, Timestamp};
use crate::crypto::pool::Pool;
use crate::directory::Directory;
use crate::management::{ConnectedNodes, Management, Outside, Runs, VaultAccess};
use crate::random::Random;
use crate::reconcile::Data;
use crate::records::Records;
use crate::tasks::{Tasks, Timekeeper, VaultClock};
use crate::trail::RecentTrails;
use crate::vault::{Deps, Vaults};

/// The most parsed keys held in memory; a parsed RSA key is about 10 KB.
const PARSED_KEYS: usize = 1024;
/// The most tokens remembered whose signature was verified.
const CHECKED_TOKENS: usize = 4096;
/// The longest pause between two looks at the issuer's key: a timer until it is due would be late after the machine slept.
const ISSUER_CHECK: Duration = Duration::from_secs(86_400);
/// The pause after the issuer's key could not be loaded or created: a full disk may have room by then.
const ISSUER_RETRY: Duration = Duration::from_secs(10);

/// The services that the doors share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Backend {
    pub(super) records: Records,
    pub(super) vaults: Vaults,
    pub(super) directory: Directory,
    pub(super) authorization: Authorization,
    pub(super) random: Arc<dyn Random>,
    /// The system clock: tokens and certificates.
    pub(super) system: Arc<dyn Clock>,
    /// The vault clock.
    pub(super) clock: VaultClock,
    pub(super) pool: Pool,
    pub(super) tasks: Arc<Tasks>,
    pub(super) timekeeper: Arc<Timekeeper>,
    /// The nodes of integration runtimes that are connected.
    pub(super) nodes: ConnectedNodes,
}

impl Backend {
    /// Builds the backend over the store; what vaults do by their clock is added to `recent`.
    pub(super) fn new(foundations: &Foundations, settings: &Settings, recent: &Arc<RecentTrails>) -> Self {
        let Foundations { records, pool, random, system, clock, .. } = foundations;
        let vaults = Vaults::new(Deps {
            records: records.clone(),
            pool: pool.clone(),
            random: random.clone(),
            backup_key: settings.backup_key.clone(),
            parsed_keys: PARSED_KEYS,
            observer: by_clock::observer(recent.clone(), system.clone(), settings.tenant),
        });
        let directory = Directory::new(settings.tenant, records.clone(), system.clone(), CHECKED_TOKENS);
        let tasks = Arc::new(Tasks::new(vaults.clone(), Arc::new(clock.clone())));
        let timekeeper = Timekeeper::new(records.clone(), clock.clone(), system.clone(), tasks.clone());
        Self {
            records: records.clone(),
            vaults,
            directory,
            authorization: Authorization::new(records.clone()),
            random: random.clone(),
            system: system.clone(),
            clock: clock.clone(),
            pool: pool.clone(),
            tasks,
            timekeeper: Arc::new(timekeeper),
            nodes: ConnectedNodes::default(),
        }
    }

    /// The data that a configuration is compared with.
    pub(super) fn data(&self) -> Data<'_> {
        let (authorization, vaults) = (self.authorization.clone(), self.vaults.clone());
        let chance = (Arc::new(self.clock.clone()) as Arc<dyn Clock>, self.random.clone());
        let management =
            Management::alone((self.directory.clone(), self.records.clone()), authorization, vaults, chance);
        let Self { vaults, directory, authorization, .. } = self;
        Data { vaults, directory, authorization, management, now: self.clock.now() }
    }

    /// What the management plane keeps; its resources reach vaults by `access`, and runs send by `outside`.
    pub(super) fn management(&self, access: VaultAccess, outside: Arc<dyn Outside>) -> Management {
        let runs = Runs::new(outside, (Arc::new(self.clock.clone()), self.system.clone()), self.random.clone());
        let (authorization, vaults) = (self.authorization.clone(), self.vaults.clone());
        let parts = (self.directory.clone(), self.records.clone());
        Management::new(parts, authorization, vaults, (access, runs)).with_nodes(self.nodes.clone())
    }

    /// Loads or creates the issuer's key in the background, and renews it in time. A first start does not wait for the key;
    /// token requests do.
    pub(super) fn spawn_issuer_renewal(&self) -> JoinHandle<()> {
        let (directory, pool, system) = (self.directory.clone(), self.pool.clone(), self.system.clone());
        tokio::spawn(async move {
            let mut logged = None;
            loop {
                let pause = match directory.prepare_issuer(&pool).await {
                    Ok(due) => {
                        logged = None;
                        delay_until(due, system.now()).min(ISSUER_CHECK)
                    }
                    Err(error) => {
                        let why = error.to_string();
                        if logged.as_ref() != Some(&why) {
                            tracing::error!(why, "no tokens can be issued; this is tried again");
                        }
                        logged = Some(why);
                        ISSUER_RETRY
                    }
                };
                tokio::time::sleep(pause).await;
            }
        })
    }
}

/// The time from `now` to `due` (Unix seconds), at least a second.
fn delay_until(due: i64, now: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(due - now.unix()).unwrap_or_default().max(1))
}
