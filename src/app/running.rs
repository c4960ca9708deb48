//! A running server: what the command line, embedders and tests can ask of it, and its orderly stop.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::credentials::PlaceholderCredentials;
use super::ready::ReadyFile;
use super::ready_files::ReadyFiles;
use super::storage::OpenStorage;
use super::usage::CollectedUsage;
use crate::audit::Follower;
use crate::authorization::Authorization;
use crate::clock::{Period, Timestamp};
use crate::crypto::pool::Pool;
use crate::directory::Directory;
use crate::events::Events;
use crate::http::server::ShutdownTrigger;
use crate::management::ConnectedNodes;
use crate::proxy::TrafficCounter;
use crate::tasks::{ClockError, ClockReport, Timekeeper, VaultClock};
use crate::vault::Vaults;

/// How long requests in flight may take after the server was asked to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A running server. Dropping it does not stop it cleanly; [`Running::stop`] does.
pub struct Running {
    /// The content of the ready file.
    pub ready: ReadyFile,
    /// Where that was written: another configuration writes it again.
    pub ready_files: ReadyFiles,
    /// The takeover's CA as PEM, when there is a proxy.
    pub takeover_ca: Option<String>,
    /// What went through the proxy, when there is one.
    pub traffic: Option<Arc<TrafficCounter>>,
    /// Whether a request reached the data plane without the proxy.
    pub(crate) direct_request_seen: Arc<AtomicBool>,
    /// The vault clock.
    pub clock: VaultClock,
    /// Moves the vault clock and runs what falls due.
    pub(crate) timekeeper: Arc<Timekeeper>,
    pub(super) vaults: Vaults,
    pub(super) directory: Directory,
    pub(super) authorization: Authorization,
    pub(super) credentials: PlaceholderCredentials,
    pub(super) stopper: ShutdownTrigger,
    /// The nodes that wait for work.
    pub(super) nodes: ConnectedNodes,
    pub(super) events: Arc<Events>,
    pub(super) delivering: JoinHandle<()>,
    pub(super) tasks: Vec<JoinHandle<()>>,
    pub(super) pool: Pool,
    pub(super) storage: OpenStorage,
    /// What writes the audit.
    pub(super) audit: Option<Follower>,
    /// What collects what clients used.
    pub(super) collector: Option<Follower>,
    /// What clients used, if it is collected; whole when the server has stopped, or known to be incomplete.
    pub(crate) usage: CollectedUsage,
}

impl Running {
    /// The placeholder credentials.
    pub const fn credentials(&self) -> &PlaceholderCredentials {
        &self.credentials
    }

    /// The directory of identities.
    pub(crate) fn directory(&self) -> Directory {
        self.directory.clone()
    }

    /// The present time of the vault clock.
    pub fn now(&self) -> Timestamp {
        self.timekeeper.report(0).now
    }

    /// Moves the vault clock forward. Tasks that fall due have run when this returns.
    ///
    /// # Errors
    /// When the vault clock is the machine's, or the date is out of range.
    pub async fn advance(&self, period: &Period) -> Result<ClockReport, ClockError> {
        self.timekeeper.advance(period).await
    }

    /// Lets the application `client_id` sign in with any secret or certificate.
    pub fn accept_any_credential_of(&self, client_id: Uuid) {
        self.directory.accept_any_credential_of(client_id);
    }

    /// The private directory of this start; it is removed when the server stops.
    pub(crate) fn private_dir(&self) -> &Path {
        self.storage.private_dir()
    }

    /// Stops accepting, closes idle connections, lets requests in flight finish (5 s at the most), and flushes.
    pub async fn stop(self) {
        self.nodes.stop();
        self.stopper.stop(GRACE).await;
        self.events.stop();
        let _ = tokio::time::timeout(GRACE, self.delivering).await;
        for task in self.tasks {
            task.abort();
        }
        if let Err(error) = self.timekeeper.save_stopped().await {
            tracing::warn!(%error, "the position of the clock could not be saved");
        }
        if let Some(audit) = self.audit {
            finish(audit).await;
        }
        self.usage.complete(self.collector, GRACE).await;
        self.storage.store.close().await;
        self.pool.stop();
        drop(self.storage);
    }
}

/// Lets the audit write what there still is.
async fn finish(audit: Follower) {
    if !audit.finish(GRACE).await {
        tracing::warn!("the audit's last records could not be written");
    }
}
