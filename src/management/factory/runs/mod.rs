//! Runs of pipelines: asked for, executed, kept, shown.

mod execute;
mod kept;
mod on_node;
mod on_service;
mod outside;
mod query;
mod record;
mod task;
mod web;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::id::ChildId;
use crate::clock::Clock;
use crate::management::refusal::Refusal;
use crate::management::{Guard, Management};
use crate::pipeline::Pipeline;
use crate::random::{self, Random};

use execute::Execution;

pub(crate) use kept::check_runs;
pub(crate) use outside::{Holder, NodeRoute, Outside, Waiting};
pub(crate) use query::{Filter, Operand, RunQuery};
use record::Status;
pub(crate) use record::{ActivityRun, Invoker, Run};

/// What runs share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Runs(Arc<Shared>);

struct Shared {
    outside: Arc<dyn Outside>,
    /// The vault clock.
    clock: Arc<dyn Clock>,
    /// The system clock, which nodes live by.
    system: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// The id of this process in its runs: a run of another process that has not ended is interrupted.
    executor: Uuid,
    under_way: Mutex<HashMap<Uuid, AbortHandle>>,
}

impl Runs {
    /// Runs that send what they send by `outside`; the clocks are the vault clock and the system's.
    pub(crate) fn new(
        outside: Arc<dyn Outside>,
        (clock, system): (Arc<dyn Clock>, Arc<dyn Clock>),
        random: Arc<dyn Random>,
    ) -> Self {
        // Of the system's generator: two servers with one seed are two processes.
        let executor = random::uuid(&random::OsRandom);
        Self(Arc::new(Shared { outside, clock, system, random, executor, under_way: Mutex::default() }))
    }

    fn executor(&self) -> Uuid {
        self.0.executor
    }

    fn outside(&self) -> &dyn Outside {
        self.0.outside.as_ref()
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    fn system(&self) -> &Arc<dyn Clock> {
        &self.0.system
    }

    fn new_id(&self) -> Uuid {
        random::uuid(self.0.random.as_ref())
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, AbortHandle>> {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Management {
    /// Begins a run of a pipeline with arguments. Nothing of it has been done when this returns.
    ///
    /// # Errors
    /// When there is no such pipeline, it cannot be run here, or an argument is missing; [`Refusal::TooManyRuns`].
    pub(crate) async fn create_run(
        &self,
        pipeline: &ChildId,
        arguments: &Map<String, Value>,
        by: Invoker,
        guard: &Guard,
    ) -> Result<Uuid, Refusal> {
        let found = self.resolved(pipeline).await?.ok_or_else(|| Refusal::NoPipeline(pipeline.name().to_owned()))?;
        let parsed = Pipeline::parse(&found.properties.0).map_err(Refusal::NotRunnable)?;
        let arguments = parsed.arguments(arguments).map_err(Refusal::NotRunnable)?;
        let now = self.runs.clock().now();
        let run = Run {
            id: self.runs.new_id(),
            pipeline: found.name,
            parameters: parsed.shown(&arguments),
            invoked_by: by,
            status: Status::InProgress,
            message: String::new(),
            started: now,
            ended: None,
            updated: now,
            executor: self.runs.executor(),
        };
        let (own, factory) = (self.factory(pipeline.factory()).await?.own_identity(), pipeline.factory().clone());
        let id = run.id;
        // Last: a run that is kept is begun.
        self.record_new_run(&factory, &run, guard).await?;
        let execution = Execution {
            management: self.clone(),
            factory,
            own,
            run: Arc::new(run),
            arguments,
            pipeline: Arc::new(parsed),
        };
        self.begin(id, execution);
        Ok(id)
    }

    fn begin(&self, id: Uuid, execution: Execution) {
        let runs = self.runs.clone();
        let mut under_way = self.runs.under_way();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = execution.run() => {}
                () = runs.outside().stopped() => {}
            }
            runs.under_way().remove(&id);
        });
        under_way.insert(id, task.abort_handle());
    }
}
