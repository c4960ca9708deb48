//! Which nodes are connected, and the work that waits for them: state of this process, since a node asks again wherever it is let in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;

use crate::clock::{Clock, Timestamp};
use crate::node_protocol::{CONNECTED_SECONDS, Task};

/// The nodes that are connected. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct ConnectedNodes(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    nodes: HashMap<Uuid, Connection>,
    stopped: bool,
}

#[derive(Default)]
struct Connection {
    seen: Option<(Timestamp, IpAddr)>,
    wake: Arc<Notify>,
}

impl ConnectedNodes {
    /// The tasks for `node`, which asks from `address`: what comes within `wait`. One that is forgotten meanwhile is to stop.
    pub(crate) async fn next_tasks(
        &self,
        (node, address): (Uuid, IpAddr),
        clock: &dyn Clock,
        wait: Duration,
    ) -> Vec<Task> {
        let Some(wake) = self.arrived(node, address, clock.now()) else { return vec![] };
        let _ = timeout(wait, wake.notified()).await;
        self.waited(node, address, clock.now())
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
        if let Some(connection) = self.state().nodes.remove(&node) {
            connection.wake.notify_one();
        }
    }

    /// Answers all who wait for work, now and later, at once: the server stops.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.nodes.values().for_each(|connection| connection.wake.notify_one());
    }

    /// Notes that `node` is there; answers what wakes it, unless the server stops.
    fn arrived(&self, node: Uuid, address: IpAddr, now: Timestamp) -> Option<Arc<Notify>> {
        let mut state = self.state();
        let stopped = state.stopped;
        let connection = state.nodes.entry(node).or_default();
        connection.seen = Some((now, address));
        (!stopped).then(|| connection.wake.clone())
    }

    /// The tasks of a node that has waited.
    fn waited(&self, node: Uuid, address: IpAddr, now: Timestamp) -> Vec<Task> {
        match self.state().nodes.get_mut(&node) {
            None => vec![Task::Stop],
            Some(connection) => {
                connection.seen = Some((now, address));
                vec![]
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::VirtualClock;

    const NODE: (Uuid, IpAddr) = (Uuid::nil(), IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

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
        assert!(matches!(given[..], [Task::Stop]));
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
