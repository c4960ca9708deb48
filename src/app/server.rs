//! The second step of a start: a server whose doors are built on its [`Foundations`] and whose data is up to date, but that
//! does not listen yet.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::backend::Backend;
use super::client_files;
use super::control::Control;
use super::credentials::PlaceholderCredentials;
use super::error::StartError;
use super::foundations::Foundations;
use super::full_disk::skip_if_disk_full;
use super::host_names::HostNames;
use super::listeners::{Listeners, Served};
use super::options::Options;
use super::ready::ReadyFile;
use super::running::Running;
use super::services::Services;
use super::settings::Settings;
use super::storage::OpenStorage;
use super::takeover_proxy::takeover_leaves;
use super::tenant;
use super::usage::{CollectedUsage, UsageSink, data_plane_operations};
use super::variables::Variables;
use crate::audit::{Follower, Sink};
use crate::directory::UnknownIdentities;
use crate::events::{self, Events};
use crate::http::ca::Ca;
use crate::http::server::{ShutdownTrigger, shutdown_channel};
use crate::http::tls::CertificateResolver;
use crate::trail::RecentTrails;

/// A server that is complete but accepts no connection. What connects waits until it [listens](BuiltServer::listen), so that
/// programs which wait for an answer find everything that is written before.
pub(crate) struct BuiltServer {
    services: Services,
    storage: OpenStorage,
    listeners: Listeners,
    stopper: ShutdownTrigger,
    ready: ReadyFile,
}

impl BuiltServer {
    /// Brings the data up to date with the configuration and the clock, and builds the doors over it.
    pub(super) async fn build(foundations: Foundations, options: Options) -> Result<Self, StartError> {
        let settings = Arc::new(Settings::new(options, &foundations)?);
        let recent = Arc::new(settings.recent_trails());
        let backend = Backend::new(&foundations, &settings, &recent);
        let events = Arc::new(new_events(&foundations, &backend, &settings)?);
        update_data(&backend, &settings, &events).await?;
        foundations.names.aliases().refresh(&backend.vaults).await?;
        let Foundations { sockets, storage, names, ca, takeover_ca, .. } = foundations;
        let audit = settings.open_audit(&backend.system)?;
        let ca_path = storage.publish_ca(settings.certs.as_deref(), ca.pem())?;
        let leaves = new_leaves(ca, &names, &settings, &backend)?;
        let aliases = names.aliases().clone();
        let services = Services {
            control: Control::new(&backend, &settings, aliases, &leaves, &events),
            leaves,
            takeover_leaves: takeover_ca.map(|ca| takeover_leaves(ca, &settings, &backend)).transpose()?,
            credentials: placeholder_credentials(&backend, &settings, &storage)?,
            faults: Arc::default(),
            admin_key: storage.admin_key.clone(),
            engine: storage.engine,
            data: storage.data_dir().map(Path::to_owned),
            recent,
            audit,
            proxy_off: sockets.proxy_off.clone(),
            names,
            events,
            settings,
            backend,
        };
        let ready = services.ready_file(sockets.addresses()?, ca_path).await?;
        let (stopper, stopping) = shutdown_channel();
        let listeners = Listeners::new(&services, sockets, stopping)?;
        Ok(Self { services, storage, listeners, stopper, ready })
    }

    /// The content of the ready file.
    pub(crate) const fn ready(&self) -> &ReadyFile {
        &self.ready
    }

    /// Writes CA bundles for clients (the system's CAs, those that `user_variables` name, and this server's) with the data,
    /// or, where their paths are not kept, into the private directory, and names them in the environment of [`ReadyFile`].
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) async fn add_trust(&mut self, user_variables: &Variables) -> Result<(), StartError> {
        let (kept, private) = (self.storage.client_files(), self.storage.private_dir().to_owned());
        let (local, takeover) = (self.ready.ca.clone(), self.listeners.takeover_ca().map(str::to_owned));
        let (user_variables, files) = (user_variables.clone(), self.services.control.client_files.clone());
        let writing = tokio::task::spawn_blocking(move || {
            let cas: Vec<_> = [std::fs::read_to_string(local)?].into_iter().chain(takeover).collect();
            let dir = client_files::ensure_kept(kept, private, &user_variables, cas.clone())?;
            files.keep(dir.clone(), user_variables, cas);
            io::Result::Ok(dir)
        });
        let dir = writing.await.map_err(StartError::new)?.map_err(StartError::new)?;
        client_files::set_variables(&dir, &mut self.ready.env);
        Ok(())
    }

    /// Serves every listener, and starts the background tasks.
    pub(crate) fn listen(self) -> Running {
        let Self { services, storage, listeners, stopper, ready } = self;
        let takeover_ca = listeners.takeover_ca().map(str::to_owned);
        let Served { mut tasks, direct_request_seen, traffic } = listeners.serve();
        let watching = services.spawn_watch();
        let Services { backend, credentials, events, control, recent, audit, settings, .. } = services;
        let audit = audit.and_then(|audit| follow(&recent, audit, "the audit is not written"));
        let usage = CollectedUsage::default();
        let collector = settings.collects_usage.then(|| {
            let (schema, operations) = (settings.audit_schema(), data_plane_operations());
            UsageSink { usage: usage.clone(), schema, operations }
        });
        let collector = collector.and_then(|sink| follow(&recent, sink, "what is used is not collected"));
        tasks.extend(watching);
        tasks.push(backend.spawn_issuer_renewal());
        tasks.push(tokio::spawn(credentials.clone().run_renewal()));
        tasks.push(tokio::spawn(backend.tasks.clone().keep_running()));
        let delivering = tokio::spawn(events.clone().keep_running());
        let Backend { pool, clock, timekeeper, vaults, directory, authorization, nodes, .. } = backend;
        Running {
            ready,
            ready_files: control.ready_files,
            takeover_ca,
            traffic,
            direct_request_seen,
            clock,
            timekeeper,
            vaults,
            directory,
            authorization,
            credentials,
            stopper,
            nodes,
            events,
            delivering,
            tasks,
            pool,
            storage,
            audit,
            collector,
            usage,
        }
    }
}

/// Starts a thread that follows the requests. Without one the server serves all the same, and says what is `missing`.
fn follow(recent: &Arc<RecentTrails>, sink: impl Sink, missing: &str) -> Option<Follower> {
    let started = Follower::start(recent.clone(), sink);
    started.inspect_err(|error| tracing::error!(%error, "a thread cannot be started: {missing}")).ok()
}

/// The events of the vaults and their webhooks.
fn new_events(foundations: &Foundations, backend: &Backend, settings: &Settings) -> Result<Events, StartError> {
    let admin = foundations.sockets.addresses()?.admin;
    Ok(Events::new(events::Deps {
        vaults: backend.vaults.clone(),
        records: backend.records.clone(),
        webhooks: settings.config.webhooks.clone(),
        format: events::WireFormat { subscription: settings.tenant.subscription },
        retry_policy: settings.delivery.clone(),
        clock: backend.system.clone(),
        dead_letters: foundations.storage.dead_letters(),
        accept_url: admin.map(|admin| foundations.names.http_url(admin, "/admin/events/validate")),
    }))
}

/// Applies the configuration, and runs what fell due while no server ran.
async fn update_data(backend: &Backend, settings: &Settings, events: &Events) -> Result<(), StartError> {
    let Backend { records, vaults, directory, .. } = backend;
    tenant::check(directory, vaults).await?;
    if let Some(key) = &settings.issuer_key {
        directory.import_issuer_key(key).await.map_err(StartError::new)?;
    }
    skip_if_disk_full(records, backend.timekeeper.save_running().await)?;
    skip_if_disk_full(records, Settings::apply(&settings.config, &backend.data()).await)?;
    skip_if_disk_full(records, events.subscribe().await)?;
    skip_if_disk_full(records, backend.tasks.catch_up().await)?;
    if settings.unknown_identities == UnknownIdentities::Reject {
        skip_if_disk_full(records, directory.remove_auto_created().await)?;
    }
    Ok(())
}

/// Leaf certificates under the local CA, which must permit every name of the server.
fn new_leaves(
    ca: Ca,
    names: &HostNames,
    settings: &Settings,
    backend: &Backend,
) -> Result<Arc<CertificateResolver>, StartError> {
    ca.check_permits(&names.certifiable_domains(), settings.certs.as_deref()).map_err(StartError::new)?;
    let (served, unnamed) = (names.is_served_name(), names.default_leaf_names());
    let leaves = CertificateResolver::new(ca, served, unnamed, settings.limits.minted_leaves, backend.system.clone());
    leaves.map(Arc::new).map_err(StartError::new)
}

fn placeholder_credentials(
    backend: &Backend,
    settings: &Settings,
    storage: &OpenStorage,
) -> Result<PlaceholderCredentials, StartError> {
    PlaceholderCredentials::open(backend.directory.clone(), settings.unknown_identities, &storage.credentials())
}
