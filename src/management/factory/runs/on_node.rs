//! Activities that a node of a self-hosted runtime runs.

use std::time::Duration;

use serde_json::{Map, Value};

use super::execute::Execution;
use super::web::unreadable;
use crate::activity::{check_url, not_sent};
use crate::management::factory::id::ChildId;
use crate::management::factory::runtime::JobSlot;
use crate::management::refusal::Refusal;
use crate::management::{NodeRoute, RuntimeRefusal};
use crate::node_protocol::{Task, TaskKind};
use crate::web_task::{ActivityError, Ended, WebTask};

/// The service's number of a runtime that is offline.
const RUNTIME_OFFLINE: &str = "2010";
/// The service's code of a runtime that is not shared with its factory.
const SHARED_ACCESS: &str = "UnauthorizedIntegrationRuntimeAccess";
/// How long a node may take besides the call itself: it asks vaults, and says what came of it.
const BESIDES: Duration = Duration::from_secs(300);

impl Execution {
    /// A node of `runtime` that may run one more activity; waits while all of them are at their limits.
    pub(super) async fn free_node(&self, runtime: &ChildId) -> Result<JobSlot, ActivityError> {
        let free = self.management.free_node(runtime, self.management.runs.system().as_ref()).await;
        free.map_err(|refusal| match refusal {
            Refusal::Runtime(RuntimeRefusal::NoNodeOnline(_)) => offline(runtime, "."),
            Refusal::Runtime(RuntimeRefusal::SharedAccess(_) | RuntimeRefusal::NoLinkingIdentity { .. }) => {
                denied(runtime)
            }
            other => unreadable(runtime.name(), &other),
        })
    }

    /// Has `node` run `task`.
    pub(super) async fn on_node(
        &self,
        node: &JobSlot,
        runtime: &ChildId,
        task: WebTask,
    ) -> Result<Map<String, Value>, ActivityError> {
        let bound = Duration::from_secs(task.timeout) + BESIDES;
        check_url(&task)?;
        let route = self.management.runs.outside().route(&task.url);
        let NodeRoute { at_server, listeners } = route.map_err(|why| not_sent(&task, &why))?;
        let kind = TaskKind::Call { call: Box::new(task), at_server, listeners };
        let task = Task { id: self.management.runs.new_id(), kind };
        match node.run(task, self.management.runs.system().as_ref(), bound).await {
            Some(Ended::Output(output)) => Ok(output),
            Some(Ended::Error(error)) => Err(error),
            None => Err(offline(runtime, &format!(": its node '{}' was lost while it ran the activity.", node.name()))),
        }
    }
}

/// A linked runtime whose factory may not use the shared one. The text is the service's for its definition.
fn denied(runtime: &ChildId) -> ActivityError {
    let name = runtime.name();
    let message = format!(
        "Access denied. Unable to access shared integration runtime '{name}'. Please check whether this resource has been granted \
         permission by the shared integration runtime"
    );
    ActivityError::new(SHARED_ACCESS, message)
}

fn offline(runtime: &ChildId, rest: &str) -> ActivityError {
    let name = runtime.name();
    ActivityError::new(RUNTIME_OFFLINE, format!("The Self-hosted Integration Runtime '{name}' is offline{rest}"))
}
