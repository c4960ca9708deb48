//! What concerns a server as a whole: everything put back, saved, loaded.

use std::sync::Arc;

use super::backend::{Parts, Plan};
use super::host_names::Aliases;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::doors::admin::{ControlError, ServerControl};
use crate::events::Events;
use crate::http::BoxFuture;
use crate::http::tls::Leaves;
use crate::records::Draft;
use crate::snapshot::{self, About, SnapshotError};
use crate::store::{Batch, StoreError};
use crate::tasks::{self, position_place};

/// One server as a whole. Cheap to clone.
#[derive(Clone)]
pub(super) struct Whole {
    pub(super) parts: Parts,
    pub(super) plan: Arc<Plan>,
    pub(super) aliases: Aliases,
    pub(super) leaves: Arc<Leaves>,
    pub(super) events: Arc<Events>,
}

impl ServerControl for Whole {
    fn reset(&self) -> BoxFuture<Result<(), ControlError>> {
        let whole = self.clone();
        Box::pin(to_its_end(whole.put_back()))
    }

    fn save(&self) -> BoxFuture<Result<Vec<u8>, ControlError>> {
        let whole = self.clone();
        Box::pin(to_its_end(whole.saved()))
    }

    fn load(&self, file: Vec<u8>) -> BoxFuture<Result<(), ControlError>> {
        let whole = self.clone();
        Box::pin(to_its_end(whole.loaded(file)))
    }

    fn certificate_refusal(&self, alias: &str) -> Option<String> {
        let names = [alias.to_owned()];
        self.leaves.ca().cover(&names, self.plan.certs.as_deref()).err().map(|error| error.to_string())
    }

    fn vaults_changed(&self) -> BoxFuture<()> {
        let whole = self.clone();
        Box::pin(async move {
            whole.follow_names().await;
            whole.sweep_later();
        })
    }
}

impl Whole {
    /// Replaces everything by what the configuration says. The vaults' clock is the machine's again, if that had fallen behind.
    async fn put_back(self) -> Result<(), ControlError> {
        let latest = self.parts.timekeeper.start_over();
        let replaced = self.replaced_by_configuration().await;
        if replaced.is_err() {
            self.parts.timekeeper.not_before(latest);
        }
        replaced?;
        self.replaced().await
    }

    /// Builds what the configuration says beside what is there, and puts it in its place. The issuer's key and a virtual clock
    /// go along: clients that are signed in stay so.
    async fn replaced_by_configuration(&self) -> Result<(), ControlError> {
        let Parts { records, vaults, directory, .. } = &self.parts;
        // A key that is still being made must be there to go along.
        directory.public_keys().await.map_err(failed)?;
        let draft = records.draft().await.map_err(failed)?;
        let (vaults, directory) =
            (vaults.over(draft.records().clone()), directory.with_records(draft.records().clone()));
        self.plan
            .apply(&vaults, &directory, self.parts.clock.now())
            .await
            .map_err(|error| ControlError::Failed(error.0))?;
        self.events.subscribe_to(draft.records(), &vaults).await.map_err(failed)?;
        let held = self.parts.timekeeper.hold().await;
        held.keep(false).await.map_err(failed)?;
        self.carry_over(&draft).await?;
        draft.publish().await.map_err(failed)
    }

    async fn carry_over(&self, draft: &Draft) -> Result<(), ControlError> {
        let view = self.parts.records.view().await.map_err(failed)?;
        let mut batch = Batch::default();
        for place in [Directory::issuer_store_key(), position_place()] {
            if let Some(entry) = view.get(&place).await.map_err(failed)? {
                batch = batch.put(place, entry.value);
            }
        }
        draft.fill(batch).await.map_err(failed)
    }

    async fn saved(self) -> Result<Vec<u8>, ControlError> {
        // A key that is still being made must be in the file too.
        self.parts.directory.public_keys().await.map_err(failed)?;
        // In the file the clock stands where it stands now, and has not run since.
        let held = self.parts.timekeeper.hold().await;
        held.keep(true).await.map_err(failed)?;
        let view = self.parts.records.view().await;
        held.keep(false).await.map_err(failed)?;
        drop(held);
        let view = view.map_err(failed)?;
        let all = snapshot::gather(&view).await.map_err(failed)?;
        drop(view);
        let (tenant, made) = (self.parts.directory.tenant_id(), self.parts.system.now().to_string());
        let source = self.plan.backup_key.clone();
        blocking(move || {
            let key = source().map_err(keyless)?;
            let version = env!("CARGO_PKG_VERSION").to_owned();
            let about = About { tenant, made, version, backup_key: key.id() };
            snapshot::seal(&all, &about, &key).map_err(failed)
        })
        .await
    }

    async fn loaded(self, file: Vec<u8>) -> Result<(), ControlError> {
        let (tenant, source) = (self.parts.directory.tenant_id(), self.plan.backup_key.clone());
        let batches = blocking(move || {
            let key = source().map_err(keyless)?;
            snapshot::open(&file, tenant, &key).map_err(|error| match error {
                SnapshotError::Record(error) => failed(error),
                refused => ControlError::Refused(refused.to_string()),
            })
        })
        .await?;
        let draft = snapshot::lay_out(&self.parts.records, batches).await.map_err(failed)?;
        self.understood(&draft).await.map_err(|why| {
            let text = "the snapshot holds records that this version cannot read, and was not loaded";
            ControlError::Refused(format!("{text}: {why}"))
        })?;
        let vaults = self.parts.vaults.over(draft.records().clone());
        self.events.subscribe_to(draft.records(), &vaults).await.map_err(failed)?;
        // Nobody may see the new records by the old clock: neither a task nor who moves the clock.
        let held = self.parts.timekeeper.hold().await;
        let stood = held.back_to(draft.records()).await.map_err(failed)?;
        if let Err(error) = draft.publish().await {
            held.put(stood);
            return Err(failed(error));
        }
        held.follow().await.map_err(failed)?;
        drop(held);
        self.replaced().await
    }

    /// Whether this server could live on what a draft holds: who and what there is, the issuer's key, the clock.
    async fn understood(&self, draft: &Draft) -> Result<(), String> {
        let records = draft.records();
        self.parts.vaults.over(records.clone()).all().await.map_err(|error| error.to_string())?;
        let directory = self.parts.directory.with_records(records.clone());
        directory.identities().await.map_err(|error| error.to_string())?;
        directory.check_recorded_issuer().await.map_err(|error| error.to_string())?;
        tasks::kept(records).await.map(drop).map_err(|error| error.to_string())
    }

    /// Everything was replaced: what is held in memory follows.
    async fn replaced(self) -> Result<(), ControlError> {
        let Parts { vaults, directory, pool, .. } = &self.parts;
        vaults.events_replaced();
        directory.reload_issuer(pool).await.map_err(failed)?;
        self.follow_names().await;
        self.sweep_later();
        Ok(())
    }

    /// Nobody waits until what is no more has been taken away.
    fn sweep_later(&self) {
        let tasks = self.parts.tasks.clone();
        tokio::spawn(async move { tasks.sweep().await });
    }

    async fn follow_names(&self) {
        match self.aliases.follow(&self.parts.vaults).await {
            Ok(aliases) => {
                for why in aliases.iter().filter_map(|alias| self.certificate_refusal(alias)) {
                    tracing::warn!(why, "a vault's alias cannot be reached");
                }
            }
            Err(error) => tracing::error!(?error, "the vaults' aliases could not be read"),
        }
    }
}

/// Does `work` to its end, whatever becomes of who asked for it: half of it would be worse than none.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ControlError>> + Send + 'static,
) -> Result<T, ControlError> {
    tokio::spawn(work).await.map_err(failed)?
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ControlError> + Send + 'static,
) -> Result<T, ControlError> {
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// Why there is no backup key.
fn keyless(error: StoreError) -> ControlError {
    if error.is_full() { ControlError::DiskFull } else { failed(error) }
}

fn failed(error: impl std::fmt::Display) -> ControlError {
    ControlError::Failed(error.to_string())
}
