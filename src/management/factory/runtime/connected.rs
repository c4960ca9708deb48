//! Which nodes are connected, and the work that waits for them: state of this process, since a node asks again wherever it is let in.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::bounded::bounded;
use super::holdings::Holdings;
use super::node::Node;
use super::refusal::RuntimeRefusal;
use crate::clock::{Clock, Timestamp};
use crate::node_protocol::{CONNECTED_SECONDS, Task, TaskKind, TaskResult};

/// The most tasks that wait for one node.
const MAX_WAITING: usize = 100;
/// How long a node may take for a task.
const TASK_TIMEOUT: Duration = Duration::from_secs(10);

/// The nodes that are connected. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct ConnectedNodes(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    pub(super) nodes: HashMap<Uuid, Connection>,
    /// Which credentials they have.
    pub(super) holdings: Holdings,
    /// Those who wait until nodes have the same credentials.
    pub(super) moved: Arc<Notify>,
    stopped: bool,
}

#[derive(Default)]
pub(super) struct Connection {
    pub(super) seen: Option<(Timestamp, IpAddr)>,
    pub(super) waiting: VecDeque<Task>,
    pub(super) answers: HashMap<Uuid, oneshot::Sender<TaskResult>>,
    /// The tasks that it was given last, and does before it asks again.
    given: Vec<Uuid>,
    pub(super) wake: Arc<Notify>,
    /// How many activities it runs.
    pub(super) jobs: u32,
}

impl ConnectedNodes {
    /// The tasks for `node`, which asks from `address`: those that wait, else what comes within `wait`. One that is forgotten meanwhile is
    /// to stop.
    pub(crate) async fn next_tasks(
        &self,
        (node, address): (Uuid, IpAddr),
        clock: &dyn Clock,
        wait: Duration,
    ) -> Vec<Task> {
        let (tasks, wake) = self.arrived(node, address, clock.now());
        if let (true, Some(wake)) = (tasks.is_empty(), wake) {
            let _ = timeout(wait, wake.notified()).await;
            return self.waited(node, address, clock.now());
        }
        tasks
    }

    /// Gives `node` a task, and waits for what becomes of it.
    ///
    /// # Errors
    /// When there are too many tasks, the node does not answer in time, or it could not do it.
    pub(crate) async fn run(&self, node: Uuid, task: Task) -> Result<(), RuntimeRefusal> {
        let (id, (sender, answer)) = (task.id, oneshot::channel());
        self.queue(node, task, sender)?;
        let answered = timeout(TASK_TIMEOUT, answer).await;
        if let Some(connection) = self.state().nodes.get_mut(&node) {
            connection.answers.remove(&id);
            connection.waiting.retain(|waiting| waiting.id != id);
        }
        match answered {
            Ok(Ok(TaskResult { error: None, .. })) => Ok(()),
            Ok(Ok(TaskResult { error: Some(why), .. })) => Err(RuntimeRefusal::TaskFailed(why)),
            _ => Err(RuntimeRefusal::NoAnswer),
        }
    }

    /// Takes what became of a task of `node`. Answers whether it was waited for.
    pub(crate) fn answered(&self, node: Uuid, result: TaskResult) -> bool {
        let waiting = self.state().nodes.get_mut(&node).and_then(|node| node.answers.remove(&result.task));
        waiting.is_some_and(|waiting| waiting.send(bounded(result)).is_ok())
    }

    /// When `node` was seen last, and where, if it was since this process started.
    pub(crate) fn seen(&self, node: Uuid) -> Option<(Timestamp, IpAddr)> {
        self.state().nodes.get(&node)?.seen
    }

    /// Whether `node` is connected at `now`.
    pub(crate) fn is_connected(&self, node: Uuid, now: Timestamp) -> bool {
        self.seen(node).is_some_and(|(seen, _)| now.unix() - seen.unix() <= CONNECTED_SECONDS)
    }

    /// Forgets a node that was removed.
    pub(super) fn forget(&self, node: Uuid) {
        let mut state = self.state();
        state.holdings.forget(node);
        state.moved.notify_waiters();
        if let Some(connection) = state.nodes.remove(&node) {
            connection.wake.notify_one();
        }
    }

    /// Answers all who wait for work, now and later, at once: the server stops.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.nodes.values().for_each(|connection| connection.wake.notify_one());
    }

    pub(super) fn queue(
        &self,
        node: Uuid,
        task: Task,
        answer: oneshot::Sender<TaskResult>,
    ) -> Result<(), RuntimeRefusal> {
        let mut state = self.state();
        let connection = state.nodes.get_mut(&node).ok_or(RuntimeRefusal::NoAnswer)?;
        if connection.waiting.len() >= MAX_WAITING {
            return Err(RuntimeRefusal::NoAnswer);
        }
        connection.answers.insert(task.id, answer);
        connection.waiting.push_back(task);
        connection.wake.notify_one();
        Ok(())
    }

    /// Notes that `node` is there; answers what waits for it, and what wakes it unless the server stops.
    fn arrived(&self, node: Uuid, address: IpAddr, now: Timestamp) -> (Vec<Task>, Option<Arc<Notify>>) {
        let mut state = self.state();
        let stopped = state.stopped;
        let connection = state.nodes.entry(node).or_default();
        connection.seen = Some((now, address));
        connection.lose_given();
        (connection.take_waiting(), (!stopped).then(|| connection.wake.clone()))
    }

    /// The tasks of a node that has waited.
    fn waited(&self, node: Uuid, address: IpAddr, now: Timestamp) -> Vec<Task> {
        match self.state().nodes.get_mut(&node) {
            None => vec![Task { id: Uuid::nil(), kind: TaskKind::Stop }],
            Some(connection) => {
                connection.seen = Some((now, address));
                connection.take_waiting()
            }
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Answers those of `nodes` that wait for work.
    pub(super) fn wake(&self, nodes: &[Node]) {
        nodes.iter().filter_map(|node| self.nodes.get(&node.id)).for_each(|node| node.wake.notify_one());
    }
}

impl Connection {
    /// The tasks that wait for it, which it is given: at most one call, so that the definitions that many of them bring do not make an
    /// answer that is longer than a node reads. It asks for the next at once.
    fn take_waiting(&mut self) -> Vec<Task> {
        let first_call = self.waiting.iter().position(|task| matches!(task.kind, TaskKind::Call { .. }));
        let end = first_call.map_or(self.waiting.len(), |position| position + 1);
        let tasks: Vec<Task> = self.waiting.drain(..end).collect();
        // It asks for more while it runs activities: `reconnected` says what becomes of those.
        let is_done_first = |task: &&Task| !matches!(task.kind, TaskKind::Call { .. } | TaskKind::Cancel);
        self.given = tasks.iter().filter(is_done_first).map(|task| task.id).collect();
        tasks
    }

    /// What it has not done of what it was given, it never will: it was killed meanwhile.
    fn lose_given(&mut self) {
        for task in self.given.drain(..) {
            self.answers.remove(&task);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::VirtualClock;

    const NODE: (Uuid, IpAddr) = (Uuid::nil(), IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn task(id: u128) -> Task {
        Task { id: Uuid::from_u128(id), kind: TaskKind::Stop }
    }

    #[tokio::test]
    async fn a_task_reaches_the_node_that_waits_and_its_result_the_one_who_asked() {
        let (nodes, clock) = (ConnectedNodes::default(), VirtualClock::frozen_at(Timestamp::from_unix(0)));
        assert_eq!(nodes.run(NODE.0, task(1)).await, Err(RuntimeRefusal::NoAnswer), "a node that never came");
        assert!(nodes.next_tasks(NODE, &clock, Duration::ZERO).await.is_empty());
        for error in [None, Some("full".to_owned())] {
            let asking = tokio::spawn({
                let nodes = nodes.clone();
                async move { nodes.run(NODE.0, task(2)).await }
            });
            let given = nodes.next_tasks(NODE, &clock, Duration::from_secs(60)).await;
            assert_eq!(given.iter().map(|one| one.id).collect::<Vec<_>>(), [Uuid::from_u128(2)]);
            let result = TaskResult { error: error.clone(), ..TaskResult::of(Uuid::from_u128(2)) };
            assert!(!nodes.answered(Uuid::max(), result.clone()), "another node's");
            assert!(nodes.answered(NODE.0, result.clone()) && !nodes.answered(NODE.0, result));
            assert_eq!(asking.await.unwrap(), error.map_or(Ok(()), |why| Err(RuntimeRefusal::TaskFailed(why))));
        }
    }

    #[tokio::test]
    async fn a_node_that_asks_again_without_an_answer_has_lost_its_task() {
        let (nodes, clock) = (ConnectedNodes::default(), VirtualClock::frozen_at(Timestamp::from_unix(0)));
        nodes.next_tasks(NODE, &clock, Duration::ZERO).await;
        let asking = tokio::spawn({
            let nodes = nodes.clone();
            async move { nodes.run(NODE.0, task(2)).await }
        });
        assert_eq!(nodes.next_tasks(NODE, &clock, Duration::from_secs(60)).await.len(), 1);
        nodes.next_tasks(NODE, &clock, Duration::ZERO).await;
        assert_eq!(asking.await.unwrap(), Err(RuntimeRefusal::NoAnswer), "at once");
    }

    #[tokio::test]
    async fn calls_are_given_one_by_one() {
        let (nodes, clock) = (ConnectedNodes::default(), VirtualClock::frozen_at(Timestamp::from_unix(0)));
        nodes.next_tasks(NODE, &clock, Duration::ZERO).await;
        let call = json!({"kind": "call", "call": {"activity": "a", "run": Uuid::nil(), "method": "GET", "url": "https://a", "headers": [], "timeout": 1,
            "shownUrl": "https://a", "showsAnswer": true}, "atServer": false, "listeners": []});
        let call = || serde_json::from_value(call.clone()).unwrap();
        for (id, kind) in [(1, TaskKind::Stop), (2, call()), (3, call()), (4, TaskKind::Cancel)] {
            nodes.queue(NODE.0, Task { id: Uuid::from_u128(id), kind }, oneshot::channel().0).unwrap();
        }
        for expected in [vec![1, 2], vec![3], vec![4], vec![]] {
            let given = nodes.next_tasks(NODE, &clock, Duration::ZERO).await;
            assert_eq!(given.iter().map(|task| task.id.as_u128()).collect::<Vec<_>>(), expected);
        }
    }

    #[tokio::test]
    async fn a_node_is_connected_until_it_was_not_seen_for_too_long() {
        let (nodes, clock) = (ConnectedNodes::default(), VirtualClock::frozen_at(Timestamp::from_unix(0)));
        assert!(!nodes.is_connected(NODE.0, clock.now()));
        nodes.next_tasks(NODE, &clock, Duration::ZERO).await;
        assert!(nodes.is_connected(NODE.0, clock.now().plus_seconds(CONNECTED_SECONDS)));
        assert!(!nodes.is_connected(NODE.0, clock.now().plus_seconds(CONNECTED_SECONDS + 1)));
    }

    #[tokio::test]
    async fn a_node_that_is_forgotten_while_it_waits_is_to_stop() {
        let nodes = ConnectedNodes::default();
        let waiting = tokio::spawn(wait_for_long(nodes.clone()));
        while nodes.seen(NODE.0).is_none() {
            tokio::task::yield_now().await;
        }
        nodes.forget(NODE.0);
        let given = waiting.await.unwrap();
        assert!(matches!(given[..], [Task { kind: TaskKind::Stop, .. }]));
        assert_eq!(nodes.seen(NODE.0), None);
    }

    async fn wait_for_long(nodes: ConnectedNodes) -> Vec<Task> {
        let clock = VirtualClock::frozen_at(Timestamp::from_unix(0));
        nodes.next_tasks(NODE, &clock, Duration::from_secs(60)).await
    }

    #[tokio::test]
    async fn all_who_wait_are_answered_when_the_server_stops() {
        let nodes = ConnectedNodes::default();
        let waiting = tokio::spawn(wait_for_long(nodes.clone()));
        while nodes.seen(NODE.0).is_none() {
            tokio::task::yield_now().await;
        }
        nodes.stop();
        assert!(waiting.await.unwrap().is_empty());
    }
}
