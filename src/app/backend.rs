//! What the doors are built of.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::{ISSUER_CHECK, StartError, failed};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::crypto::pool::Pool;
use crate::directory::{Directory, IdentityRecord};
use crate::http::budget::MemoryBudget;
use crate::http::limits::Limits;
use crate::random::Random;
use crate::records::Records;
use crate::tasks::{Tasks, Timekeeper, VaultClock};
use crate::vault::{BackupKeySource, Deps, InitialVault, OnDemand, VaultName, Vaults};

/// How long after the issuer's key could not be had it is tried again: a disk that was full may have room by then.
const ISSUER_RETRY: Duration = Duration::from_secs(10);

/// The domain, the tenant, and where time, chance and threads come from. Cheap to clone.
#[derive(Clone)]
pub(super) struct Backend {
    pub(super) records: Records,
    pub(super) vaults: Vaults,
    pub(super) directory: Directory,
    pub(super) random: Arc<dyn Random>,
    /// The system clock: tokens and certificates.
    pub(super) system: Arc<dyn Clock>,
    /// The vault clock.
    pub(super) clock: VaultClock,
    pub(super) pool: Pool,
    pub(super) tasks: Arc<Tasks>,
    pub(super) timekeeper: Arc<Timekeeper>,
}

/// What the configuration asks for: at the start, and again whenever everything is put back.
pub(super) struct Settings {
    pub(super) default_vault: VaultName,
    pub(super) limits: Arc<Limits>,
    /// Memory for request bodies, of all listeners together.
    pub(super) bodies: Arc<MemoryBudget>,
    /// Where certificates are kept.
    pub(super) certs: Option<PathBuf>,
    /// What snapshots are sealed under.
    pub(super) backup_key: BackupKeySource,
    /// What vaults are like that are made when they are asked for, if they are.
    pub(super) on_demand: Option<OnDemand>,
    identities: Vec<IdentityRecord>,
    vaults: Vec<InitialVault>,
}

impl Settings {
    pub(super) fn new(
        config: Config,
        create_vaults: bool,
        certs: Option<PathBuf>,
        backup_key: BackupKeySource,
    ) -> Result<Self, StartError> {
        let default_vault = config.vaults.first().ok_or_else(|| failed("the configuration has no vault"))?;
        Ok(Self {
            default_vault: default_vault.name.clone(),
            on_demand: create_vaults.then(|| OnDemand::like(default_vault)),
            bodies: Arc::new(MemoryBudget::new(config.limits.bodies_in_flight_bytes)),
            limits: Arc::new(config.limits),
            certs,
            backup_key,
            identities: config.identities,
            vaults: config.vaults,
        })
    }

    /// Makes what is asked for and is not there; says what differs and was left alone.
    pub(super) async fn apply(&self, vaults: &Vaults, directory: &Directory, now: Timestamp) -> Result<(), StartError> {
        for name in directory.ensure(&self.identities).await.map_err(failed)? {
            warn_differs(&format!("identity {name}"));
        }
        for vault in &self.vaults {
            let wrong = |refusal| failed(format!("the configuration cannot be applied: {refusal}"));
            if vault.access_policies.is_empty() {
                tracing::warn!(vault = %vault.name, "the configuration gives this vault no accessPolicies: it lets nobody in");
            }
            let applied = vaults.apply(vault.clone(), now).await.map_err(wrong)?;
            for made in applied.created {
                tracing::debug!(made, "made from the configuration");
            }
            applied.differs.iter().for_each(|what| warn_differs(what));
        }
        Ok(())
    }
}

impl Backend {
    /// The backend that are built of `means`.
    pub(super) fn new(means: Deps, directory: Directory, system: Arc<dyn Clock>, clock: VaultClock) -> Self {
        let (records, random, pool) = (means.records.clone(), means.random.clone(), means.pool.clone());
        let vaults = Vaults::new(means);
        let tasks = Arc::new(Tasks::new(vaults.clone(), Arc::new(clock.clone())));
        let timekeeper = Arc::new(Timekeeper::new(records.clone(), clock.clone(), system.clone(), tasks.clone()));
        Self { records, vaults, directory, random, system, clock, pool, tasks, timekeeper }
    }

    /// Loads or makes the issuer's key in the background, and a new one when it is time: a first start need not wait for it,
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

/// From `now` to `due` (Unix seconds), a second at the least.
fn delay_until(due: i64, now: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(due - now.unix()).unwrap_or_default().max(1))
}

fn warn_differs(what: &str) {
    tracing::warn!(
        what,
        "differs from the configuration and was left as it is; a new --data starts from the configuration"
    );
}
