//! The activities that this node runs, each on its own: the node asks for more work meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use uuid::Uuid;

use super::calls::Call;
use super::identity::Membership;
use super::service::Service;
use crate::activity::{self, OUTPUT_TOO_LONG};
use crate::clock::Clock;
use crate::node_protocol::TaskResult;
use crate::web_task::{ActivityError, Ended, WebTask};

/// How often a result is sent that does not arrive.
const ATTEMPTS: usize = 5;
/// The pause before it is sent again.
const PAUSE: Duration = Duration::from_secs(1);

/// The activities that are run. Cheap to clone.
#[derive(Clone)]
pub(super) struct Jobs {
    service: Service,
    membership: Arc<Membership>,
    clock: Arc<dyn Clock>,
    running: Arc<Mutex<HashMap<Uuid, AbortHandle>>>,
}

impl Jobs {
    /// No activities yet; results go to `service`.
    pub(super) fn new(service: Service, membership: Membership, clock: Arc<dyn Clock>) -> Self {
        Self { service, membership: Arc::new(membership), clock, running: Arc::default() }
    }

    /// Begins to run `task`, given by the id `id`.
    pub(super) fn begin(&self, id: Uuid, task: WebTask, call: Call) {
        let jobs = self.clone();
        // Held until the task is known, so that it does not end before.
        let mut running = self.running();
        let begun = tokio::spawn(async move {
            let ended = jobs.run(&task, &call).await;
            jobs.answer(id, ended).await;
            jobs.running().remove(&id);
        });
        running.insert(id, begun.abort_handle());
    }

    /// Ends an activity whose result is not wanted any more.
    pub(super) fn cancel(&self, id: Uuid) {
        if let Some(running) = self.running().remove(&id) {
            tracing::info!(task = %id, "an activity was cancelled");
            running.abort();
        }
    }

    /// Ends all of them.
    pub(super) fn stop(&self) {
        self.running().drain().for_each(|(_, running)| running.abort());
    }

    /// What is run, or has ended and is not answered yet.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.running().keys().copied().collect()
    }

    async fn run(&self, task: &WebTask, call: &Call) -> Ended {
        let begun = self.clock.monotonic();
        let ended = activity::run(task, call).await;
        let milliseconds = self.clock.monotonic().saturating_sub(begun).as_millis();
        let status = if ended.is_ok() { "Succeeded" } else { "Failed" };
        let (activity, run) = (&task.activity, task.run);
        tracing::info!(activity, %run, status, milliseconds, "an activity was run");
        ended.map_or_else(Ended::Error, Ended::Output)
    }

    async fn answer(&self, id: Uuid, ended: Ended) {
        let mut result = TaskResult { activity: Some(ended), ..TaskResult::of(id) };
        for _ in 0..ATTEMPTS {
            let (service, membership, sent) = (self.service.clone(), self.membership.clone(), result.clone());
            let answering = tokio::task::spawn_blocking(move || service.answer(&membership, &sent)).await;
            match answering.ok().flatten() {
                // The service takes no body of this length.
                Some(413) => {
                    let why =
                        "The length of execution output is over the limit of the server's bodies (limits.body_bytes).";
                    result.activity = Some(Ended::Error(ActivityError::new(OUTPUT_TOO_LONG, why)));
                }
                // It cannot take it now.
                Some(500..) | None => tokio::time::sleep(PAUSE).await,
                Some(_) => return,
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Uuid, AbortHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
