//! Activities on nodes: which node runs one, that no node runs more at once than it may, and what becomes of one whose node is lost.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::connected::{ConnectedNodes, State};
use super::node::{MAX_JOBS, Node};
use super::refusal::RuntimeRefusal;
use super::status::NodeStatus;
use crate::clock::{Clock, Timestamp};
use crate::management::Management;
use crate::management::factory::id::ChildId;
use crate::management::refusal::Refusal;
use crate::node_protocol::{Task, TaskKind};
use crate::web_task::Ended;

/// How often is looked whether a node is free, or is still there.
const LOOK: Duration = Duration::from_millis(100);
/// How long who waits for a free node goes by the nodes that it knows. Which nodes serve is read from the store, and a linked runtime may
/// ask a vault for it.
const KNOWN: Duration = Duration::from_secs(1);

/// One of the activities that a node may run at once; free again when this is dropped.
pub(crate) struct JobSlot {
    nodes: ConnectedNodes,
    node: Uuid,
    name: String,
}

impl Management {
    /// The nodes that run the activities of the runtime at `id`, or of the shared one that it is linked to: those that are connected at `now`,
    /// on the system clock, where their factory serves them.
    ///
    /// # Errors
    /// When there is no such runtime, or it is not shared any more.
    pub(crate) async fn serving_nodes(&self, id: &ChildId, now: Timestamp) -> Result<Vec<NodeStatus>, Refusal> {
        let id = &self.serving_runtime(id).await?;
        let mut serving = self.serving_status(id, now).await?.nodes;
        serving.retain(|node| node.is_online);
        let mut at = 0;
        while let Some(node) = serving.get(at) {
            match self.serves_node(id.factory(), node.address).await? {
                true => at += 1,
                false => drop(serving.remove(at)),
            }
        }
        Ok(serving)
    }

    /// A node that runs activities of the runtime at `id`, the one that runs the fewest; waits while each is at its limit.
    ///
    /// # Errors
    /// [`RuntimeRefusal::NoNodeOnline`] when there is none, by `clock`, which is the system's.
    pub(crate) async fn free_node(&self, id: &ChildId, clock: &dyn Clock) -> Result<JobSlot, Refusal> {
        loop {
            let nodes = self.serving_nodes(id, clock.now()).await?;
            if nodes.is_empty() {
                return Err(Refusal::Runtime(RuntimeRefusal::NoNodeOnline(id.name().to_owned())));
            }
            if let Some(slot) = self.connected.slot(&nodes) {
                return Ok(slot);
            }
            // One that is free by then is taken if it still serves.
            let _ = timeout(KNOWN, self.connected.wait_for_free(&nodes)).await;
        }
    }
}

impl ConnectedNodes {
    /// How many activities `node` runs.
    pub(crate) fn jobs(&self, node: Uuid) -> u32 {
        self.state().nodes.get(&node).map_or(0, |connection| connection.jobs)
    }

    /// Waits until one of `nodes` is below its limit.
    async fn wait_for_free(&self, nodes: &[NodeStatus]) {
        while self.state().free(nodes).is_none() {
            sleep(LOOK).await;
        }
    }

    /// A place on the one of `nodes` that runs the fewest, if one is below its limit.
    fn slot(&self, nodes: &[NodeStatus]) -> Option<JobSlot> {
        let mut state = self.state();
        let node = state.free(nodes)?;
        state.nodes.get_mut(&node.id)?.jobs += 1;
        Some(JobSlot { nodes: self.clone(), node: node.id, name: node.description.name.clone() })
    }

    /// Notes which of its tasks a node still works on that has connected anew: what else it was given is lost.
    pub(crate) fn reconnected(&self, node: Uuid, running: &[Uuid]) {
        if let Some(connection) = self.state().nodes.get_mut(&node) {
            let waiting: Vec<Uuid> = connection.waiting.iter().map(|task| task.id).collect();
            connection.answers.retain(|id, _| running.contains(id) || waiting.contains(id));
        }
    }

    /// Notes that a node is not let in any more: what it was given is lost, and it is not connected.
    pub(crate) fn shut_out(&self, node: Uuid) {
        if let Some(connection) = self.state().nodes.get_mut(&node) {
            connection.seen = None;
            connection.waiting.clear();
            connection.answers.clear();
        }
    }

    /// Ends the wait for a task: one that was not answered is not to be done any more.
    fn give_up(&self, node: Uuid, id: Uuid) {
        let mut state = self.state();
        let Some(connection) = state.nodes.get_mut(&node) else { return };
        let before = connection.waiting.len();
        connection.waiting.retain(|waiting| waiting.id != id);
        let is_with_node = before == connection.waiting.len();
        if connection.answers.remove(&id).is_some() && is_with_node {
            connection.waiting.push_back(Task { id, kind: TaskKind::Cancel });
            connection.wake.notify_one();
        }
    }
}

impl State {
    /// The one of `nodes` that runs the fewest, if one is below its limit.
    fn free<'n>(&self, nodes: &'n [NodeStatus]) -> Option<&'n Node> {
        let free = nodes.iter().filter_map(|one| {
            let jobs = self.nodes.get(&one.node.id)?.jobs;
            (jobs < one.node.concurrent_jobs_limit.unwrap_or(MAX_JOBS)).then_some((jobs, &one.node))
        });
        free.min_by_key(|(jobs, _)| *jobs).map(|(_, node)| node)
    }
}

impl JobSlot {
    /// The name of the node.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Has the node run `task`, a call, for at most `bound`; none when the node is lost meanwhile, by `clock`, which is the system's.
    /// When this is dropped before, the node ends it.
    pub(crate) async fn run(&self, task: Task, clock: &dyn Clock, bound: Duration) -> Option<Ended> {
        let (id, (sender, mut answer)) = (task.id, oneshot::channel());
        self.nodes.queue(self.node, task, sender).ok()?;
        let _given = Given { slot: self, id };
        let waiting = async {
            loop {
                match timeout(LOOK, &mut answer).await {
                    Ok(result) => return result.ok()?.activity,
                    Err(_) if !self.nodes.is_connected(self.node, clock.now()) => return None,
                    Err(_) => {}
                }
            }
        };
        timeout(bound, waiting).await.unwrap_or_default()
    }
}

impl Drop for JobSlot {
    fn drop(&mut self) {
        if let Some(connection) = self.nodes.state().nodes.get_mut(&self.node) {
            connection.jobs = connection.jobs.saturating_sub(1);
        }
    }
}

/// A task that a node was given.
struct Given<'s> {
    slot: &'s JobSlot,
    id: Uuid,
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        self.slot.nodes.give_up(self.slot.node, self.id);
    }
}
