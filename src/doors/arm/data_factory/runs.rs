//! Runs of pipelines: begun, shown, stopped.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::endpoint::Handler;
use super::super::state::{Call, State};
use super::super::{refused_change, refused_run};
use super::paths::{action, factory_path};
use super::run_bodies::{ActivityRunBody, Queried, QueryInput, RunBody, RunCreated};
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::management::{ChildId, ChildKind, Invoker};
use crate::operation::Operation;

static CREATE: Operation = Operation::management(
    "FactoryPipelineCreateRun",
    Method::POST,
    factory_path!("/pipelines/{name}/createRun"),
    action!("pipelines/createrun/action"),
);
static GET: Operation = Operation::management(
    "FactoryPipelineRunGet",
    Method::GET,
    factory_path!("/pipelineruns/{runId}"),
    action!("pipelineruns/read"),
);
static CANCEL: Operation = Operation::management(
    "FactoryPipelineRunCancel",
    Method::POST,
    factory_path!("/pipelineruns/{runId}/cancel"),
    action!("pipelineruns/cancel/action"),
);
static QUERY: Operation = Operation::management(
    "FactoryPipelineRunsQuery",
    Method::POST,
    factory_path!("/queryPipelineRuns"),
    action!("querypipelineruns/read"),
);
static QUERY_ACTIVITIES: Operation = Operation::management(
    "FactoryActivityRunsQuery",
    Method::POST,
    factory_path!("/pipelineruns/{runId}/queryActivityruns"),
    action!("pipelineruns/queryactivityruns/read"),
);

/// What answers each of them.
pub(super) fn routes() -> Vec<(&'static Operation, Handler)> {
    vec![
        (&CREATE, |state, call| Box::pin(create(state, call))),
        (&GET, |state, call| Box::pin(get(state, call))),
        (&CANCEL, |state, call| Box::pin(cancel(state, call))),
        (&QUERY, |state, call| Box::pin(query(state, call))),
        (&QUERY_ACTIVITIES, |state, call| Box::pin(query_activities(state, call))),
    ]
}

/// Begins a run; the body has the arguments, and may be empty.
async fn create(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let name = call.params.get("name");
    let id =
        ChildId::parse(call.factory()?, ChildKind::Pipeline, &name).map_err(|_| refused_run::no_pipeline(&name))?;
    if let Some(parameter) = RERUN.iter().find(|parameter| call.query(parameter).is_some()) {
        return Err(refused_run::no_rerun(parameter));
    }
    let arguments: Option<Map<String, Value>> = call.json_or_nothing(&state.limits).await?;
    let by = Invoker { id: call.caller.object_id, name: call.caller.object_id.to_string() };
    let run = state.management.create_run(&id, &arguments.unwrap_or_default(), by, &call.access.guard).await;
    Ok(body::json(StatusCode::OK, &RunCreated { run_id: run.map_err(refused_change::of)? }))
}

/// The parameters by which a run goes on where another ended.
const RERUN: [&str; 4] = ["referencePipelineRunId", "isRecovery", "startActivityName", "startFromFailure"];

/// Answers a run.
async fn get(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let run = state.management.run(&call.factory()?, call.run()?).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &RunBody::of(&run)))
}

/// Stops a run.
async fn cancel(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let cancelled = state.management.cancel_run(&call.factory()?, call.run()?, &call.access.guard).await;
    cancelled.map_err(refused_change::of)?;
    Ok(body::empty(StatusCode::OK))
}

/// Answers the runs that are asked for.
async fn query(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let asked: QueryInput = call.json(&state.limits).await?;
    let found = state.management.runs(&call.factory()?, &asked.query()?).await.map_err(refused_change::of)?;
    Ok(body::json(StatusCode::OK, &Queried { value: found.iter().map(RunBody::of).collect() }))
}

/// Answers the activities of a run that are asked for.
async fn query_activities(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let asked: QueryInput = call.json(&state.limits).await?;
    let (factory, id) = (call.factory()?, call.run()?);
    let run = state.management.run(&factory, id).await.map_err(refused_change::of)?;
    let found = state.management.activity_runs(&factory, id, &asked.query()?).await.map_err(refused_change::of)?;
    let value = found.iter().map(|activity| ActivityRunBody::of(&run, activity)).collect();
    Ok(body::json(StatusCode::OK, &Queried::<ActivityRunBody<'_>> { value }))
}

impl Call {
    /// The run in the path.
    fn run(&self) -> Result<Uuid, ApiError> {
        let id = self.params.get("runId");
        Uuid::parse_str(&id).map_err(|_| refused_run::no_run(&id))
    }
}
