//! Credentials that the nodes of a runtime share: which node is to get those of which other, and that all get those of one.

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::connected::ConnectedNodes;
use super::connection::damaged;
use super::node::Node;
use super::nodes::KnownNode;
use super::refusal::RuntimeRefusal;
use super::status::RuntimeStatus;
use crate::clock::Timestamp;
use crate::management::Guard;
use crate::management::factory::Management;
use crate::management::factory::id::ChildId;
use crate::management::refusal::Refusal;
use crate::node_protocol::{Peer, Reader, ServiceToken, Task, TaskKind};
use crate::records::{Change, View};

/// How long the token is good by which a node gets the credentials of another, in seconds (ours).
const TOKEN_SECONDS: i64 = 120;
/// How long a change waits for the other nodes to have it. Those that are not reached have it later.
const PATIENCE: Duration = Duration::from_secs(5);

impl ConnectedNodes {
    /// Notes which credentials `node` has; when they have changed, wakes `others`, which may lack them.
    pub(super) fn holds(&self, node: Uuid, digest: String, others: &[Node]) {
        let mut state = self.state();
        if !state.holdings.note(node, digest) {
            return;
        }
        state.wake(others);
        state.moved.notify_waiters();
    }

    /// Whether both nodes have said which credentials they have, and these differ.
    pub(super) fn differ(&self, one: Uuid, other: Uuid) -> bool {
        self.state().holdings.differ(one, other)
    }

    /// Waits until all of `nodes` have the same credentials, no longer than `limit`.
    pub(super) async fn in_step(&self, nodes: &[Uuid], limit: Duration) {
        let waiting = async {
            loop {
                let moved = self.state().moved.clone();
                let mut moved = std::pin::pin!(moved.notified());
                moved.as_mut().enable();
                if nodes.windows(2).all(|pair| !self.differ(pair[0], pair[1])) {
                    return;
                }
                moved.await;
            }
        };
        // Those that are not reached in time have them later.
        let _ = timeout(limit, waiting).await;
    }
}

impl Management {
    /// Notes which credentials a node has, as it says.
    pub(crate) fn note_credentials(&self, known: &KnownNode, digest: Option<String>) {
        if let Some(digest) = digest {
            self.connected.holds(known.node.id, digest, &known.others);
        }
    }

    /// The nodes whose credentials `known` is to get at `now`, on the system clock, each with a token for `known` alone.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn peers(&self, known: &KnownNode, now: Timestamp) -> Result<Vec<Peer>, Refusal> {
        let is_named = |other: &&Node| {
            other.description.remote_access
                && self.connected.is_connected(other.id, now)
                && self.connected.state().holdings.name(known.node.id, other.id, now)
        };
        let named: Vec<&Node> = known.others.iter().filter(is_named).collect();
        if named.is_empty() {
            return Ok(vec![]);
        }
        let view = self.records.view().await?;
        let (secrets, _) = self.runtime_secrets(&view, &known.runtime).await?;
        let reader = Reader { node: known.node.id, public_key: known.node.description.public_key.clone() };
        let peer = |other: &Node| {
            let expires = now.plus_seconds(TOKEN_SECONDS).unix();
            let claims = ServiceToken { node: other.id, expires, reader: Some(reader.clone()), only_new: false };
            let token = secrets.token(&claims).map_err(|error| damaged(&known.runtime, &error))?;
            let description = &other.description;
            let (name, thumbprint) = (description.name.clone(), description.thumbprint.clone());
            Ok(Peer { node: other.id, name, uri: other.host_service_uri(), thumbprint, token })
        };
        named.into_iter().map(peer).collect()
    }

    /// Gives all nodes of a self-hosted runtime the credentials of its dispatcher, in place of those that they have. One that is not
    /// connected gets them when it is back.
    ///
    /// # Errors
    /// When no node is connected at `now`, on the system clock; it does not let others in; it cannot.
    pub(crate) async fn sync_credentials(
        &self,
        guard: &Guard,
        id: &ChildId,
        (task, now): (Uuid, Timestamp),
    ) -> Result<(), Refusal> {
        self.self_hosted(&self.records.view().await?, id).await?;
        let status = self.serving_status(id, now).await?;
        let dispatcher = status.online_dispatcher().map_err(Refusal::Runtime)?;
        if status.nodes.len() > 1 && !dispatcher.node.description.remote_access {
            let name = dispatcher.node.description.name.clone();
            return Err(Refusal::Runtime(RuntimeRefusal::NoRemoteAccess(name)));
        }
        let kind = TaskKind::Overwrite { round: self.next_round(guard, id).await? };
        self.connected.run(dispatcher.node.id, Task { id: task, kind }).await.map_err(Refusal::Runtime)?;
        self.in_step(&status).await;
        Ok(())
    }

    /// Waits a little until the nodes that are connected have the same credentials.
    pub(super) async fn in_step(&self, status: &RuntimeStatus) {
        let lets_others_in = status.dispatcher().is_some_and(|node| node.node.description.remote_access);
        let online = status.nodes.iter().filter(|node| node.is_online && lets_others_in);
        let online: Vec<Uuid> = online.map(|node| node.node.id).collect();
        self.connected.in_step(&online, PATIENCE).await;
    }

    /// Begins an overwriting of credentials; answers its number.
    async fn next_round(&self, guard: &Guard, id: &ChildId) -> Result<u64, Refusal> {
        let beginning = |view: View| async move {
            let (runtime, _) = self.self_hosted(&view, id).await?;
            let round = runtime.credential_round + 1;
            let batch = self.changing_runtime(&view, id, |runtime| runtime.credential_round = round).await?;
            Ok(Change { batch, answer: round })
        };
        self.write(guard, beginning).await
    }
}
