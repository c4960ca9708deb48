//! The composition root: picks store, clock and chance, builds the doors, listens, and stops. An embedder starts a
//! whole server here, in its own process.

mod admin_key;
mod backend;
mod ca;
mod check;
mod control;
mod copies;
mod credentials;
mod faulty;
mod full_disk;
mod host_names;
mod ready;
mod services;
mod sockets;
mod storage;
mod takeover;
mod tenant;
mod trust;
mod variables;
mod wget;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::Config;
use crate::crypto::backup_key::BackupKey;
use crate::crypto::pool::Pool;
use crate::directory::{Directory, UnknownIdentities};
use crate::events::{self, Events, RetryPolicy};
use crate::faults::Faults;
use crate::http::RequestHandler;
use crate::http::ca::Ca;
use crate::http::server::{Listener, ShutdownTrigger, shutdown_channel};
use crate::random::{OsRandom, Random, SeededRandom};
use crate::records::Records;
use crate::store::{MasterKey, Store};
use crate::tasks::{ClockChoice, Timekeeper, VaultClock};
use crate::vault::{Deps, Vaults};

pub use crate::proxy::{ParentProxy, TrafficCounter, TrafficReport};
pub use admin_key::{AdminKey, MalformedAdminKey};
pub use ca::CaCertificate;
pub use check::{CheckReport, check};
pub use credentials::{PlaceholderCredentials, variable_of};
pub use ready::ReadyFile;
pub use storage::{DataError, Storage};
pub use takeover::{CloudService, Takeover};
pub use trust::{TRUST_STORE_PASSWORD, bundle, ca_files_in, trust_store};
pub use variables::Variables;

use backend::{Backend, Settings};
use full_disk::skip_if_disk_full;
use host_names::HostNames;
use services::{Services, identity_answer};
use sockets::Sockets;
use storage::{LockedStorage, OpenStorage};

/// How long requests in flight may take after the server was told to stop.
const GRACE: Duration = Duration::from_secs(5);
/// The one directory that clients of Azure Arc take keys from on Linux.
const ARC_KEYS: &str = "/var/opt/azcmagent/tokens";
/// How long the issuer's key is left alone at the most, though none is due: machines sleep, and their timers with them.
const ISSUER_CHECK: Duration = Duration::from_secs(86_400);
/// The most parsed keys held in memory; a parsed RSA key is about 10 KB.
const PARSED_KEYS: usize = 1024;
/// The most tokens remembered whose signature was found good.
const CHECKED_TOKENS: usize = 4096;
/// The most private-key operations, and key generations, that wait for a thread.
const POOL_QUEUE: usize = 1024;

/// What a server is started with.
pub struct Options {
    /// Tenant, identities, vaults, bounds.
    pub config: Config,
    /// Where things are kept.
    pub storage: Storage,
    /// Where the local CA is kept; without it, it is made for this start alone.
    pub certs: Option<PathBuf>,
    /// The listeners.
    pub listen: Listen,
    /// Fixes ids for tests; never key material.
    pub seed: Option<u64>,
    /// Whether a vault that is asked for by a well-formed name and is not there is made, like the default one.
    pub create_vaults: bool,
    /// The machine's clock: tokens, certificates, and the vault clock when that is the machine's.
    pub system_clock: Arc<dyn Clock>,
    /// The vault clock.
    pub clock: ClockChoice,
    /// The admin key, when the user has set one.
    pub admin_key: Option<AdminKey>,
    /// The key that the data key is wrapped with, when the user has set one.
    pub seal_key: Option<MasterKey>,
    /// What backups and snapshots are sealed under, when the user has set it; it wins over the configuration's.
    pub backup_key: Option<BackupKey>,
    /// Whether only identities exist that somebody has made. Otherwise a server with a takeover makes those that programs
    /// on this machine sign in as.
    pub strict: bool,
    /// Where clients of Azure Arc look for keys.
    pub arc_keys: PathBuf,
    /// What requests in App Service's form must send, when the user has set it; random per start otherwise.
    pub identity_header: Option<Zeroizing<String>>,
    /// What the proxy takes over, when there is one.
    pub takeover: Takeover,
    /// When a webhook that did not take an event is tried again.
    pub delivery: RetryPolicy,
}

/// Where a server listens. Port 0 takes a free one.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// The data plane, and the issuer's documents (HTTPS).
    pub vaults: SocketAddr,
    /// Managed-identity tokens, health (HTTP).
    pub identity: SocketAddr,
    /// The admin API (HTTP), if it is wanted.
    pub admin: Option<SocketAddr>,
    /// The takeover proxy (HTTP), if it is wanted.
    pub proxy: Option<SocketAddr>,
}

impl Listen {
    /// Free ports on loopback, without a proxy.
    pub fn on_free_ports() -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { vaults: free, identity: free, admin: Some(free), proxy: None }
    }
}

impl Default for Options {
    /// A server that keeps nothing, on free ports, with the default configuration.
    fn default() -> Self {
        Self {
            config: Config::default(),
            storage: Storage::Memory,
            certs: None,
            listen: Listen::on_free_ports(),
            seed: None,
            create_vaults: false,
            system_clock: Arc::new(SystemClock),
            clock: ClockChoice::Real,
            admin_key: None,
            seal_key: None,
            backup_key: None,
            strict: false,
            arc_keys: PathBuf::from(ARC_KEYS),
            identity_header: None,
            takeover: Takeover::default(),
            delivery: RetryPolicy::default(),
        }
    }
}

/// Why a server did not start: one line for the person who started it.
#[derive(Debug)]
pub struct StartError(pub(crate) String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

fn failed(error: impl std::fmt::Display) -> StartError {
    StartError(error.to_string())
}

/// A server that runs.
pub struct Running {
    /// Where and how it can be reached.
    pub ready: ReadyFile,
    /// The takeover's CA as PEM, when there is a proxy; it is kept in memory alone.
    pub takeover_ca: Option<String>,
    /// What went through the proxy, when there is one.
    pub traffic: Option<Arc<TrafficCounter>>,
    /// Whether a request came to the data plane without the proxy.
    pub direct_request_seen: Arc<AtomicBool>,
    /// The vault clock.
    pub clock: VaultClock,
    /// What moves it.
    pub timekeeper: Arc<Timekeeper>,
    vaults: Vaults,
    directory: Directory,
    credentials: PlaceholderCredentials,
    stopper: ShutdownTrigger,
    events: Arc<Events>,
    delivering: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
    store: Store,
    pool: Pool,
    data: OpenStorage,
}

/// Starts a server; when this returns, every listener answers.
///
/// # Errors
/// What stands in the way, in one line.
pub async fn start(options: Options) -> Result<Running, StartError> {
    let system = options.system_clock;
    let sockets = Sockets::bind(options.listen).await?;
    let storage = LockedStorage::lock(options.storage)?;
    let names = HostNames::of(&options.config);
    let certs = options.certs.or_else(|| storage.certs());
    let ca = tokio::task::spawn_blocking(load_or_create_ca(certs.clone(), names.certifiable_domains(), system.now()));
    let data = storage.open(options.seal_key.as_ref(), options.admin_key)?;
    let ca = ca.await.map_err(failed)??;
    let pool = Pool::start(std::thread::available_parallelism().map_or(2, usize::from), POOL_QUEUE);
    let random: Arc<dyn Random> = match options.seed {
        Some(seed) => Arc::new(SeededRandom::new(seed)),
        None => Arc::new(OsRandom),
    };
    let backup_key = match (options.backup_key, &options.config.backup_key_file) {
        (None, Some(path)) => Some(storage::read_backup_key(path)?),
        (given, _) => given,
    };
    let backup_key = data.backup_key(backup_key)?;
    let records = Records::new(data.store.clone());
    let clock = VaultClock::open(options.clock, &records, &system).await.map_err(failed)?;
    let means = Deps {
        records: records.clone(),
        pool: pool.clone(),
        random: random.clone(),
        backup_key: backup_key.clone(),
        parsed_keys: PARSED_KEYS,
    };
    let tenant = options.config.tenant_ids();
    let directory = Directory::new(tenant, records, system.clone(), CHECKED_TOKENS);
    let backend = Backend::new(means, directory, system, clock);
    let accept_url = sockets.addresses()?.admin.map(|admin| names.http_url(admin, "/admin/events/validate"));
    let events = Arc::new(Events::new(events::Deps {
        vaults: backend.vaults.clone(),
        records: backend.records.clone(),
        webhooks: options.config.webhooks.clone(),
        format: events::WireFormat { subscription: tenant.subscription },
        retry_policy: options.delivery,
        clock: backend.system.clone(),
        dead_letters: data.dead_letters(),
        accept_url,
    }));
    tenant::check(&backend.directory, &backend.vaults).await?;
    skip_if_disk_full(&backend.records, backend.timekeeper.save_running().await)?;
    let settings = Arc::new(Settings::new(options.config, options.create_vaults, certs.clone(), backup_key)?);
    let applied = settings.apply(&backend.vaults, &backend.directory, backend.clock.now()).await;
    skip_if_disk_full(&backend.records, applied)?;
    skip_if_disk_full(&backend.records, events.subscribe().await)?;
    skip_if_disk_full(&backend.records, backend.tasks.catch_up().await)?;
    names.aliases().refresh(&backend.vaults).await.map_err(failed)?;
    ca.check_permits(&names.certifiable_domains(), certs.as_deref()).map_err(failed)?;
    let (identity_header, ca_pem) =
        (options.identity_header.unwrap_or_else(services::new_identity_header), ca.pem().to_owned());
    let leaves = services::new_leaves(ca, &names, &settings, &backend)?;
    let faults = Arc::new(Faults::default());
    let unknown_identities = if options.strict || options.listen.proxy.is_none() {
        UnknownIdentities::Reject
    } else {
        UnknownIdentities::AutoCreate
    };
    if unknown_identities == UnknownIdentities::Reject {
        skip_if_disk_full(&backend.records, backend.directory.remove_auto_created().await)?;
    }
    let arc_keys = options.arc_keys;
    let credentials = PlaceholderCredentials::open(backend.directory.clone(), unknown_identities, &data.credentials())?;
    let services = Services {
        identity_header,
        ca_pem,
        leaves,
        faults,
        backend,
        settings,
        names,
        unknown_identities,
        credentials,
        arc_keys,
        events,
    };
    listen(services, data, sockets, options.takeover).await
}

/// Makes or loads the local CA, while the store is opened.
fn load_or_create_ca(
    certs: Option<PathBuf>,
    domains: Vec<String>,
    now: Timestamp,
) -> impl FnOnce() -> Result<Ca, StartError> + Send + 'static {
    move || trust::load_or_create_ca(certs.as_deref(), &domains, now)
}

/// Opens the doors behind the sockets.
async fn listen(
    services: Services,
    data: OpenStorage,
    sockets: Sockets,
    takeover: Takeover,
) -> Result<Running, StartError> {
    let ca_path = data.publish_ca(services.settings.certs.as_deref(), &services.ca_pem)?;
    let tls = services.tls()?;

    let addresses = sockets.addresses()?;
    let (stopper, stopping) = shutdown_channel();
    let spawn = |socket, tls, answer| {
        let (limits, bodies) = (services.settings.limits.clone(), services.settings.bodies.clone());
        tokio::spawn(Listener { tcp: socket, tls, answer, limits, bodies }.serve(stopping.clone()))
    };
    let identity = services.identity_door();
    let (data_plane, identity) = (services.data_plane(identity.clone()), identity_answer(identity));
    let (direct_request_seen, flagged) = flag_requests(data_plane.clone());
    let mut tasks = vec![spawn(sockets.vaults, Some(tls), flagged), spawn(sockets.identity, None, identity.clone())];
    tasks.extend(sockets.admin.map(|socket| spawn(socket, None, services.admin_door(&data))));
    let (mut proxy, takes_over_entra) = (None, takeover.has_entra());
    if let Some(tcp) = sockets.proxy {
        let made = services.takeover_proxy(takeover, (data_plane, identity), addresses.all(), stopping.clone())?;
        let (limits, bodies) = (services.settings.limits.clone(), services.settings.bodies.clone());
        let listener = Listener { tcp, tls: None, answer: made.answer.clone(), limits, bodies };
        tasks.push(tokio::spawn(listener.serve_reporting(Some(made.on_malformed.clone()), stopping.clone())));
        proxy = Some(made);
    }
    tasks.push(services.backend.spawn_issuer_renewal());
    tasks.push(tokio::spawn(services.credentials.clone().run_renewal()));
    tasks.push(tokio::spawn(services.backend.tasks.clone().keep_running()));
    let delivering = tokio::spawn(services.events.clone().keep_running());
    let ready = services.ready(addresses, &data, ca_path, takes_over_entra).await?;
    let (credentials, events) = (services.credentials, services.events);
    let Backend { pool, clock, timekeeper, vaults, directory, .. } = services.backend;
    Ok(Running {
        ready,
        takeover_ca: proxy.as_ref().map(|proxy| proxy.ca_pem.clone()),
        direct_request_seen,
        traffic: proxy.map(|proxy| proxy.traffic),
        clock,
        timekeeper,
        vaults,
        directory,
        credentials,
        stopper,
        events,
        delivering,
        tasks,
        store: data.store.clone(),
        pool,
        data,
    })
}

/// `answer`, and whether it was ever asked.
fn flag_requests(answer: RequestHandler) -> (Arc<AtomicBool>, RequestHandler) {
    let asked = Arc::new(AtomicBool::new(false));
    let notice = asked.clone();
    let flagged: RequestHandler = Arc::new(move |request, connection| {
        notice.store(true, Ordering::Relaxed);
        answer(request, connection)
    });
    (asked, flagged)
}

impl Running {
    /// The tenant.
    pub fn directory(&self) -> Directory {
        self.directory.clone()
    }

    /// The directory of this start alone: private, and gone when the server stops.
    pub fn private_dir(&self) -> &Path {
        self.data.private_dir()
    }

    /// Writes the certificate authorities that clients are to trust (those that were in force, and own) in the forms
    /// that they read, and names them in the environment of [`ReadyFile`].
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn add_trust(&mut self) -> Result<(), StartError> {
        let own = [std::fs::read_to_string(&self.ready.ca).map(Some).map_err(failed)?, self.takeover_ca.clone()];
        let (dir, existing) = (self.private_dir().to_owned(), trust::configured_ca_files());
        let written = tokio::task::spawn_blocking(move || {
            let own: Vec<&str> = own.iter().flatten().map(String::as_str).collect();
            let mut named = Variables::new();
            let published = trust::write(&dir, &existing, &own)?;
            wget::write(&dir, published.bundle(), |name| std::env::var_os(name), &mut named)?;
            Ok::<_, StartError>((published, named))
        });
        let (published, named) = written.await.map_err(failed)??;
        trust::set_variables(&published, &mut self.ready.env);
        self.ready.env.extend(named);
        Ok(())
    }

    /// Stops accepting, closes idle connections, lets requests in flight finish (5 s at the most), and flushes.
    pub async fn stop(self) {
        self.stopper.stop(GRACE).await;
        self.events.stop();
        let _ = tokio::time::timeout(GRACE, self.delivering).await;
        for task in self.tasks {
            task.abort();
        }
        if let Err(error) = self.timekeeper.save_stopped().await {
            tracing::warn!(%error, "where the clock stands could not be kept");
        }
        self.store.close().await;
        self.pool.stop();
        drop(self.data);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
