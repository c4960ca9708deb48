//! Operations on a whole server for the admin API: reset, save a snapshot, load a snapshot.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::backend::Backend;
use super::client_files::ClientFiles;
use super::config_file_state::ConfigFileState;
use super::host_names::Aliases;
use super::ready_files::ReadyFiles;
use super::settings::Settings;
use crate::config::Config;
use crate::directory::{Directory, IdentitySelector, UnknownIdentities};
use crate::doors::admin::{ApplyMode, ControlError, FollowedFile, ServerControl};
use crate::events::Events;
use crate::http::BoxFuture;
use crate::http::tls::CertificateResolver;
use crate::management;
use crate::reconcile::Plan;
use crate::records::{NewGeneration, RecordError};
use crate::snapshot::{self, SnapshotError, SnapshotHeader};
use crate::store::Batch;
use crate::tasks::{self, position_key};

/// The parts of one running server that these operations need. Cheap to clone.
#[derive(Clone)]
pub(super) struct Control {
    pub(super) backend: Backend,
    pub(super) settings: Arc<Settings>,
    aliases: Aliases,
    leaves: Arc<CertificateResolver>,
    events: Arc<Events>,
    /// Held while a configuration is applied: two at once would each make what is missing.
    pub(super) applying: Arc<Mutex<()>>,
    pub(super) ready_files: ReadyFiles,
    pub(super) client_files: ClientFiles,
    pub(super) config_file_state: ConfigFileState,
}

impl ServerControl for Control {
    fn apply(&self, configuration: &str, mode: ApplyMode) -> BoxFuture<Result<Plan, ControlError>> {
        self.apply_text(configuration, mode)
    }

    fn reset(&self) -> BoxFuture<Result<(), ControlError>> {
        let control = self.clone();
        Box::pin(run_detached(control.reset_to_configuration()))
    }

    fn save(&self) -> BoxFuture<Result<Vec<u8>, ControlError>> {
        let control = self.clone();
        Box::pin(run_detached(control.save_snapshot()))
    }

    fn load(&self, file: Vec<u8>) -> BoxFuture<Result<(), ControlError>> {
        let control = self.clone();
        Box::pin(run_detached(control.load_snapshot(file)))
    }

    fn certificate_refusal(&self, alias: &str) -> Option<String> {
        let names = [alias.to_owned()];
        self.leaves.ca().check_permits(&names, self.settings.certs.as_deref()).err().map(|error| error.to_string())
    }

    fn followed_file(&self) -> Option<FollowedFile> {
        let file = self.settings.config_file.as_ref().filter(|_| self.settings.watch)?;
        Some(FollowedFile { path: file.path().to_owned(), refused: self.config_file_state.refusal() })
    }

    fn restore_client_files(&self) -> BoxFuture<Result<(), ControlError>> {
        let files = self.client_files.clone();
        Box::pin(blocking(move || files.restore().map_err(failed)))
    }

    fn vaults_changed(&self) -> BoxFuture<()> {
        let control = self.clone();
        Box::pin(async move { control.refresh_vaults().await })
    }
}

impl Control {
    pub(super) fn new(
        backend: &Backend,
        settings: &Arc<Settings>,
        aliases: Aliases,
        leaves: &Arc<CertificateResolver>,
        events: &Arc<Events>,
    ) -> Self {
        Self {
            backend: backend.clone(),
            settings: settings.clone(),
            aliases,
            leaves: leaves.clone(),
            events: events.clone(),
            applying: Arc::default(),
            ready_files: ReadyFiles::default(),
            client_files: ClientFiles::default(),
            config_file_state: ConfigFileState::default(),
        }
    }

    /// Brings up to date what depends on the list of vaults.
    pub(super) async fn refresh_vaults(&self) {
        self.refresh_aliases().await;
        self.spawn_sweep();
    }

    /// Writes the ready files again, for the vaults and the default identity that there are now, and the first vault of `config`.
    pub(super) async fn update_ready_files(&self, config: Option<&Config>) {
        let Backend { vaults, directory, .. } = &self.backend;
        let default = directory.select(&IdentitySelector::Default, UnknownIdentities::Reject).await;
        let (Ok(vaults), Ok(default), files) = (vaults.all().await, default, self.ready_files.clone()) else { return };
        let (names, client) = (vaults.iter().map(|vault| vault.name.clone()).collect::<Vec<_>>(), default);
        let client = client.map(|identity| identity.client_id);
        let first = config.and_then(|config| config.vaults.first()).map(|vault| vault.name.clone());
        let written = tokio::task::spawn_blocking(move || files.update(&names, client, first.as_ref())).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "the ready file is still that of the former configuration");
        }
    }

    /// Replaces all data by that of the configuration. A vault clock that ran ahead of the machine's follows it again.
    async fn reset_to_configuration(self) -> Result<(), ControlError> {
        let _lock = self.applying.lock().await;
        let config = self.current_config().await?;
        let latest = self.backend.timekeeper.rewind_to_machine();
        let replaced = self.publish_configuration(&config).await;
        if replaced.is_err() {
            self.backend.timekeeper.not_before(latest);
        }
        replaced?;
        self.backend.directory.set_configured(&config.identities);
        self.reload_caches().await?;
        self.update_ready_files(Some(&config)).await;
        Ok(())
    }

    /// The configuration that a reset applies.
    async fn current_config(&self) -> Result<Arc<Config>, ControlError> {
        let unusable = |why| ControlError::Refused(format!("nothing was reset: {why}"));
        let settings = self.settings.clone();
        let config = blocking(move || settings.current_config().map_err(unusable)).await?;
        let mut aliases = config.vaults.iter().flat_map(|vault| &vault.aliases);
        match aliases.find_map(|alias| self.certificate_refusal(alias)) {
            Some(why) => Err(unusable(why)),
            None => Ok(config),
        }
    }

    /// Builds the configured data in a new generation and publishes it. Keeps the issuer's key, the sessions and the
    /// virtual clock, so that tokens stay valid, and those that do not count stay so.
    async fn publish_configuration(&self, config: &Config) -> Result<(), ControlError> {
        let Backend { records, vaults, directory, .. } = &self.backend;
        // Waits for an issuer's key that is still being generated, so that it is copied too.
        directory.public_keys().await.map_err(failed)?;
        let generation = records.begin_generation().await.map_err(failed)?;
        let (vaults, directory) =
            (vaults.with_records(generation.records().clone()), directory.with_records(generation.records().clone()));
        let next = Backend {
            records: generation.records().clone(),
            vaults: vaults.clone(),
            directory: directory.clone(),
            authorization: self.backend.authorization.with_records(generation.records().clone()),
            ..self.backend.clone()
        };
        Settings::apply(config, &next.data()).await.map_err(|error| ControlError::Failed(error.into_cause()))?;
        directory.continue_sessions(&self.backend.directory).await.map_err(failed)?;
        self.events.subscribe_in_generation(generation.records(), &vaults).await.map_err(failed)?;
        let held = self.backend.timekeeper.hold().await;
        held.save(false).await.map_err(failed)?;
        self.copy_issuer_and_clock(&generation).await?;
        generation.publish().await.map_err(failed)
    }

    async fn copy_issuer_and_clock(&self, generation: &NewGeneration) -> Result<(), ControlError> {
        let view = self.backend.records.view().await.map_err(failed)?;
        let mut batch = Batch::default();
        for place in [Directory::issuer_store_key(), position_key()] {
            if let Some(entry) = view.get(&place).await.map_err(failed)? {
                batch = batch.put(place, entry.value);
            }
        }
        generation.commit(batch).await.map_err(failed)
    }

    async fn save_snapshot(self) -> Result<Vec<u8>, ControlError> {
        // Waits for an issuer's key that is still being generated, so that the file holds it.
        self.backend.directory.public_keys().await.map_err(failed)?;
        // The file holds the clock stopped at the present moment.
        let held = self.backend.timekeeper.hold().await;
        held.save(true).await.map_err(failed)?;
        let view = self.backend.records.view().await;
        held.save(false).await.map_err(failed)?;
        drop(held);
        let view = view.map_err(failed)?;
        let all = snapshot::export(&view).await.map_err(failed)?;
        drop(view);
        let (tenant, created) = (self.backend.directory.tenant_id(), self.backend.system.now().to_string());
        let source = self.settings.backup_key.clone();
        blocking(move || {
            let key = source().map_err(|error| failed(RecordError::from(error)))?;
            let version = env!("CARGO_PKG_VERSION").to_owned();
            let header = SnapshotHeader { tenant, created, version, backup_key: key.id() };
            snapshot::seal(&all, &header, &key).map_err(failed)
        })
        .await
    }

    async fn load_snapshot(self, file: Vec<u8>) -> Result<(), ControlError> {
        let (tenant, source) = (self.backend.directory.tenant_id(), self.settings.backup_key.clone());
        let contents = blocking(move || {
            let key = source().map_err(|error| failed(RecordError::from(error)))?;
            snapshot::open(&file, tenant, &key).map_err(|error| match error {
                SnapshotError::Record(error) => failed(error),
                refused => ControlError::Refused(refused.to_string()),
            })
        })
        .await?;
        let generation = snapshot::stage(&self.backend.records, contents).await.map_err(failed)?;
        self.check_readable(&generation).await.map_err(|why| {
            let text = "the snapshot holds records that this version cannot read, and was not loaded";
            ControlError::Refused(format!("{text}: {why}"))
        })?;
        let vaults = self.backend.vaults.with_records(generation.records().clone());
        self.events.subscribe_in_generation(generation.records(), &vaults).await.map_err(failed)?;
        // The clock is locked: neither a task nor a request may see the new records at the old time.
        let held = self.backend.timekeeper.hold().await;
        let former = held.rewind_to(generation.records()).await.map_err(failed)?;
        if let Err(error) = generation.publish().await {
            held.set_to(former);
            return Err(failed(error));
        }
        held.reload().await.map_err(failed)?;
        drop(held);
        self.reload_caches().await?;
        self.update_ready_files(None).await;
        Ok(())
    }

    /// Whether this server could live on what a generation holds: who and what there is, resources, the issuer's key, the clock.
    async fn check_readable(&self, generation: &NewGeneration) -> Result<(), String> {
        let records = generation.records();
        self.backend.vaults.with_records(records.clone()).all().await.map_err(|error| error.to_string())?;
        let directory = self.backend.directory.with_records(records.clone());
        directory.identities().await.map_err(|error| error.to_string())?;
        directory.check_recorded_issuer().await.map_err(|error| error.to_string())?;
        management::check_readable(records).await.map_err(|error| error.to_string())?;
        tasks::saved_position(records).await.map(drop).map_err(|error| error.to_string())
    }

    /// Brings in-memory state up to date after all records were replaced.
    async fn reload_caches(&self) -> Result<(), ControlError> {
        let Backend { vaults, directory, pool, .. } = &self.backend;
        vaults.events_replaced();
        directory.reload_issuer(pool).await.map_err(failed)?;
        self.refresh_aliases().await;
        self.spawn_sweep();
        Ok(())
    }

    /// Removes unreachable records in the background.
    fn spawn_sweep(&self) {
        let tasks = self.backend.tasks.clone();
        tokio::spawn(async move { tasks.sweep().await });
    }

    async fn refresh_aliases(&self) {
        match self.aliases.refresh(&self.backend.vaults).await {
            Ok(aliases) => {
                for why in aliases.iter().filter_map(|alias| self.certificate_refusal(alias)) {
                    tracing::warn!(why, "a vault's alias cannot be reached");
                }
            }
            Err(error) => tracing::error!(?error, "the vaults' aliases could not be read"),
        }
    }
}

/// Runs `work` in a task of its own, so that it completes even if the request is cancelled half-way.
pub(super) async fn run_detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, ControlError>> + Send + 'static,
) -> Result<T, ControlError> {
    tokio::spawn(work).await.map_err(failed)?
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ControlError> + Send + 'static,
) -> Result<T, ControlError> {
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

pub(super) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ControlError {
    ControlError::Failed(Box::new(error))
}
