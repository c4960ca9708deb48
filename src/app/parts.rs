//! What the doors are built of.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::{StartError, failed};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::pool::Pool;
use crate::directory::Directory;
use crate::http::limits::Limits;
use crate::random::Random;
use crate::tasks::{Tasks, Timekeeper, VaultClock};
use crate::vault::{InitialVault, Means, VaultName, Vaults};

/// The domain, the tenant, and where time, chance and threads come from.
pub(super) struct Parts {
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

/// What is left of the configuration once it has been applied.
pub(super) struct Applied {
    pub(super) default_vault: VaultName,
    pub(super) limits: Arc<Limits>,
}

impl Parts {
    /// The parts that are built of `means`.
    pub(super) fn new(means: Means, directory: Directory, system: Arc<dyn Clock>, clock: VaultClock) -> Self {
        let (records, random, pool) = (means.records.clone(), means.random.clone(), means.pool.clone());
        let vaults = Vaults::new(means);
        let tasks = Arc::new(Tasks::new(vaults.clone(), Arc::new(clock.clone())));
        let timekeeper = Arc::new(Timekeeper::new(records, clock.clone(), system.clone(), tasks.clone()));
        Self { vaults, directory, random, system, clock, pool, tasks, timekeeper }
    }

    /// Makes what the configuration wants and is not there; says what differs and was left alone.
    pub(super) async fn apply(&self, config: Config) -> Result<Applied, StartError> {
        for name in self.directory.ensure(&config.identities).await.map_err(failed)? {
            differs(&format!("identity {name}"));
        }
        let default_vault = config.vaults.first().map(|vault| vault.name.clone());
        let default_vault = default_vault.ok_or_else(|| failed("the configuration has no vault"))?;
        for vault in config.vaults {
            self.apply_vault(vault).await?;
        }
        Ok(Applied { default_vault, limits: Arc::new(config.limits) })
    }

    async fn apply_vault(&self, vault: InitialVault) -> Result<(), StartError> {
        let wrong = |refusal| failed(format!("the configuration cannot be applied: {refusal}"));
        let applied = self.vaults.apply(vault, self.clock.now()).await.map_err(wrong)?;
        for made in applied.made {
            tracing::debug!(made, "made from the configuration");
        }
        applied.differs.iter().for_each(|what| differs(what));
        Ok(())
    }

    /// Loads or makes the issuer's key in the background: a first start need not wait for it, token requests do.
    pub(super) fn prepare_issuer(&self) -> JoinHandle<()> {
        let (directory, pool) = (self.directory.clone(), self.pool.clone());
        tokio::spawn(async move {
            if let Err(error) = directory.prepare_issuer(&pool).await {
                tracing::error!(%error, "no tokens can be issued");
            }
        })
    }
}

fn differs(what: &str) {
    tracing::warn!(
        what,
        "differs from the configuration and was left as it is; a new --data starts from the configuration"
    );
}
