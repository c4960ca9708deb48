//! What a node does for the service: it asks for work and does it, says which credentials it has, and gets those of other nodes.

use std::sync::Arc;

use uuid::Uuid;

use crate::crypto::rsa::RsaKey;
use crate::node_protocol::{NodeDescription, Peer, Poll, Task, TaskKind, TaskResult, Work};

use super::calls::Calls;
use super::credentials::CredentialStore;
use super::error::NodeError;
use super::identity::Membership;
use super::jobs::Jobs;
use super::peers::Receiver;
use super::service::{Polled, Service};
use super::tokens::TokenKey;

/// One who does what the service asks for. Cheap to clone.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) service: Service,
    pub(super) membership: Membership,
    pub(super) store: CredentialStore,
    pub(super) tokens: TokenKey,
    /// The key that credentials are encrypted for.
    pub(super) key: Arc<RsaKey>,
    /// How activities reach others.
    pub(super) calls: Calls,
    /// The activities that are run.
    pub(super) jobs: Jobs,
}

impl Worker {
    /// Asks for work; says what the node is when it has just `started`.
    pub(super) async fn poll(&self, started: Option<NodeDescription>) -> Polled {
        let worker = self.clone();
        let polling = tokio::task::spawn_blocking(move || {
            let running = if started.is_some() { worker.jobs.ids() } else { vec![] };
            let poll = Poll { started, running, credentials: worker.store.digest().ok() };
            worker.service.poll(&worker.membership, &poll)
        });
        polling.await.unwrap_or_else(|error| Polled::Unavailable(error.to_string()))
    }

    /// Does the work; answers whether the node is to stop.
    pub(super) async fn done(&self, work: Work) -> bool {
        self.store.heard_of(work.round);
        if let Some(key) = &work.token_key {
            self.tokens.set(key);
        }
        for Task { id, kind } in work.tasks {
            let kind = match kind {
                TaskKind::Stop => return true,
                TaskKind::Call { call, at_server, listeners } => {
                    self.jobs.begin(id, *call, self.calls.of(at_server, listeners));
                    continue;
                }
                TaskKind::Cancel => {
                    self.jobs.cancel(id);
                    continue;
                }
                kind => kind,
            };
            let worker = self.clone();
            // A task that panicked is not answered: the service waits no longer than it does for a node that is gone.
            let _ = tokio::task::spawn_blocking(move || worker.run(id, kind)).await;
        }
        if !work.peers.is_empty() {
            tokio::spawn(self.clone().share(work.peers));
        }
        false
    }

    /// Says which credentials are here.
    pub(super) async fn announce(&self) {
        let worker = self.clone();
        let announcing = tokio::task::spawn_blocking(move || {
            if let Ok(digest) = worker.store.digest() {
                worker.service.announce(&worker.membership, digest);
            }
        });
        let _ = announcing.await;
    }

    /// Does a task, and says what became of it. Blocks.
    fn run(&self, id: Uuid, kind: TaskKind) {
        let done = match kind {
            TaskKind::Stop | TaskKind::Call { .. } | TaskKind::Cancel => return,
            TaskKind::Encrypt { credential, value } => logged(
                self.store.put(&credential, value),
                ("a credential was taken from the service", &credential),
                "a credential could not be kept",
            ),
            TaskKind::Overwrite { round } => logged(
                self.store.overwrite(round),
                ("the other nodes get the credentials of this one, and keep no others", ""),
                "the credentials could not be made the only ones",
            ),
        };
        let error = done.err().map(|error| error.to_string());
        let result = TaskResult { error, credentials: self.store.digest().ok(), ..TaskResult::of(id) };
        self.service.answer(&self.membership, &result);
    }

    /// Gets the credentials of each of `peers`. One that cannot be reached is named by the service again.
    async fn share(self, peers: Vec<Peer>) {
        for peer in peers {
            let name = peer.name.clone();
            match self.shared_by(peer).await {
                Ok(()) => tracing::info!(node = name, "the credentials of another node were taken"),
                Err(why) => tracing::warn!(node = name, why, "the credentials of another node could not be taken"),
            }
        }
    }

    async fn shared_by(&self, peer: Peer) -> Result<(), String> {
        let envelope = Receiver::ask(&peer).await?;
        let worker = self.clone();
        let keeping = tokio::task::spawn_blocking(move || {
            let Self { membership, key, store, .. } = &worker;
            Receiver { node: membership.node, key, store }.keep(&peer, &envelope)
        });
        keeping.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

fn logged(
    done: Result<(), NodeError>,
    (success, credential): (&'static str, &str),
    failure: &'static str,
) -> Result<(), NodeError> {
    match &done {
        Ok(()) => tracing::info!(credential, "{success}"),
        Err(error) => tracing::error!(%error, credential, "{failure}"),
    }
    done
}
