//! The first step of a start: everything that a server opens before it builds anything of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::error::StartError;
use super::host_names::HostNames;
use super::options::Options;
use super::sockets::Sockets;
use super::storage::{LockedStorage, OpenStorage};
use super::{takeover_ca, trust};
use crate::clock::{Clock, Timestamp};
use crate::crypto::pool::Pool;
use crate::http::ca::Ca;
use crate::random::{OsRandom, Random, SeededRandom};
use crate::records::Records;
use crate::tasks::VaultClock;

/// The most private-key operations, and key generations, that wait for a thread.
const POOL_QUEUE: usize = 1024;

/// Bound sockets, the open data directory, the CAs, both clocks, and the sources of randomness and threads.
pub(super) struct Foundations {
    pub(super) sockets: Sockets,
    pub(super) storage: OpenStorage,
    pub(super) records: Records,
    pub(super) names: HostNames,
    /// The directory of certificates, if they outlive this start.
    pub(super) certs: Option<PathBuf>,
    pub(super) ca: Ca,
    /// The takeover's CA, when there is a proxy.
    pub(super) takeover_ca: Option<Ca>,
    /// The system clock: tokens and certificates.
    pub(super) system: Arc<dyn Clock>,
    /// The vault clock.
    pub(super) clock: VaultClock,
    pub(super) random: Arc<dyn Random>,
    pub(super) pool: Pool,
}

impl Foundations {
    /// Binds and locks first, so that a start beside a running server fails before it touches anything. The CAs are loaded
    /// while the store is opened.
    pub(super) async fn open(options: &Options) -> Result<Self, StartError> {
        let sockets = Sockets::bind(options.listen).await?;
        let locked = LockedStorage::lock(options.storage.clone(), options.keeps_environment)?;
        let system = options.system_clock.clone();
        let names = HostNames::of(&options.config);
        let certs = options.certs.clone().or_else(|| locked.certs());
        let ca = spawn_loading_ca(certs.clone(), names.certifiable_domains(), system.now());
        let takeover_ca = sockets.proxy.is_some().then(|| spawn_loading_takeover_ca(&locked, options));
        let storage = locked.open(options.seal_key.as_ref(), options.admin_key.clone())?;
        let ca = ca.await.map_err(StartError::new)??;
        let takeover_ca = match takeover_ca {
            Some(loading) => Some(loading.await.map_err(StartError::new)??),
            None => None,
        };
        let pool = Pool::start(std::thread::available_parallelism().map_or(2, usize::from), POOL_QUEUE);
        let records = Records::new(storage.store.clone());
        let clock = VaultClock::open(options.clock, &records, &system).await.map_err(StartError::new)?;
        let random = random(options.seed);
        Ok(Self { sockets, storage, records, names, certs, ca, takeover_ca, system, clock, random, pool })
    }
}

/// Loads or creates the local CA on a thread that may block.
fn spawn_loading_ca(
    certs: Option<PathBuf>,
    domains: Vec<String>,
    now: Timestamp,
) -> JoinHandle<Result<Ca, StartError>> {
    tokio::task::spawn_blocking(move || trust::load_or_create_ca(certs.as_deref(), &domains, now))
}

/// Loads or creates the takeover's CA on a thread that may block.
fn spawn_loading_takeover_ca(locked: &LockedStorage, options: &Options) -> JoinHandle<Result<Ca, StartError>> {
    let (data, now) = (locked.environment().map(Path::to_owned), options.system_clock.now());
    let domains: Vec<_> = options.takeover.domains().into_iter().map(str::to_owned).collect();
    tokio::task::spawn_blocking(move || takeover_ca::load_or_create(data.as_deref(), &domains, now))
}

/// The source of ids: the system's generator, or a seeded one.
fn random(seed: Option<u64>) -> Arc<dyn Random> {
    match seed {
        Some(seed) => Arc::new(SeededRandom::new(seed)),
        None => Arc::new(OsRandom),
    }
}
