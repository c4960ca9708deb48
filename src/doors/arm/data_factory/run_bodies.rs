//! Runs as the wire has them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::refusal;
use crate::clock::Timestamp;
use crate::http::error::ApiError;
use crate::management::{ActivityRun, Filter, Operand, Run, RunQuery};

/// The answer to a run that was begun.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunCreated {
    pub(super) run_id: Uuid,
}

/// A list of runs. All of them: there is no continuation.
#[derive(Serialize)]
pub(super) struct Queried<T> {
    pub(super) value: Vec<T>,
}

/// A question for runs (RunFilterParameters).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryInput {
    last_updated_after: String,
    last_updated_before: String,
    #[serde(default)]
    filters: Vec<FilterInput>,
    /// Where a former answer ended. None has one.
    continuation_token: Option<String>,
}

#[derive(Deserialize)]
struct FilterInput {
    operand: String,
    operator: String,
    values: Vec<String>,
}

impl QueryInput {
    /// The query.
    ///
    /// # Errors
    /// 400 for what is no moment, no operand and no operator, and for a token to go on by.
    pub(super) fn query(&self) -> Result<RunQuery, ApiError> {
        if self.continuation_token.is_some() {
            let why = "continuationToken was in no answer of this server: each has all runs";
            return Err(refusal::invalid_content(why));
        }
        let moment = |member: &str, text: &str| {
            Timestamp::parse(text)
                .ok_or_else(|| refusal::invalid_content(&format!("{member} must be a time as RFC 3339 has it")))
        };
        Ok(RunQuery {
            after: moment("lastUpdatedAfter", &self.last_updated_after)?,
            before: moment("lastUpdatedBefore", &self.last_updated_before)?,
            filters: self.filters.iter().map(FilterInput::filter).collect::<Result<_, _>>()?,
        })
    }
}

impl FilterInput {
    fn filter(&self) -> Result<Filter, ApiError> {
        let unknown = |what: &str, name: &str, known: &str| {
            refusal::invalid_content(&format!("the {what} '{name}' of a filter is none of {known}"))
        };
        let operand = Operand::parse(&self.operand);
        let operands = "PipelineName, Status, RunId, ActivityName and ActivityType";
        let operand = operand.ok_or_else(|| unknown("operand", &self.operand, operands))?;
        let is_one = match self.operator.as_str() {
            "Equals" | "In" => true,
            "NotEquals" | "NotIn" => false,
            other => return Err(unknown("operator", other, "Equals, NotEquals, In and NotIn")),
        };
        Ok(Filter { operand, is_one, values: self.values.clone() })
    }
}

/// A run of a pipeline.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunBody<'r> {
    run_id: Uuid,
    run_group_id: Uuid,
    is_latest: bool,
    pipeline_name: &'r str,
    parameters: Map<String, Value>,
    invoked_by: InvokedBy,
    run_start: String,
    run_end: Option<String>,
    duration_in_ms: Option<i64>,
    last_updated: String,
    status: &'static str,
    message: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvokedBy {
    name: &'static str,
    id: Uuid,
    invoked_by_type: &'static str,
}

impl<'r> RunBody<'r> {
    /// The body of `run`.
    pub(super) fn of(run: &'r Run) -> Self {
        Self {
            run_id: run.id,
            run_group_id: run.id,
            is_latest: true,
            pipeline_name: &run.pipeline,
            parameters: run.parameters.iter().map(|(name, value)| (name.clone(), as_text(value))).collect(),
            invoked_by: InvokedBy { name: "Manual", id: run.invoked_by.id, invoked_by_type: "Manual" },
            run_start: run.started.to_string(),
            run_end: run.ended.map(|ended| ended.to_string()),
            duration_in_ms: run.ended.map(|ended| milliseconds(run.started, ended)),
            last_updated: run.updated.to_string(),
            status: run.status.name(),
            message: &run.message,
        }
    }
}

/// The value of a parameter as a run shows it: each is a text, what is none is its JSON (examples of the REST specification,
/// PipelineRuns_Get).
fn as_text(value: &Value) -> Value {
    if value.is_string() { value.clone() } else { value.to_string().into() }
}

/// A run of an activity.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActivityRunBody<'r> {
    activity_run_id: Uuid,
    activity_name: &'r str,
    activity_type: &'r str,
    pipeline_name: &'r str,
    pipeline_run_id: Uuid,
    linked_service_name: &'static str,
    status: &'static str,
    activity_run_start: String,
    activity_run_end: Option<String>,
    duration_in_ms: Option<i64>,
    input: &'r Value,
    output: &'r Value,
    error: ErrorBody<'r>,
    user_properties: &'r Value,
    retry_attempt: Option<u64>,
}

/// An error; of what has none, the texts are empty, as the service has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'r> {
    error_code: &'r str,
    message: &'r str,
    failure_type: &'static str,
    target: &'r str,
    details: &'static str,
}

impl<'r> ActivityRunBody<'r> {
    /// The body of `activity`, which ran in `run`.
    pub(super) fn of(run: &'r Run, activity: &'r ActivityRun) -> Self {
        let error = activity.error.as_ref();
        Self {
            activity_run_id: activity.id,
            activity_name: &activity.name,
            activity_type: &activity.kind,
            pipeline_name: &run.pipeline,
            pipeline_run_id: run.id,
            linked_service_name: "",
            status: activity.status.name(),
            activity_run_start: activity.started.to_string(),
            activity_run_end: activity.ended.map(|ended| ended.to_string()),
            duration_in_ms: activity.ended.map(|ended| milliseconds(activity.started, ended)),
            input: &activity.input,
            output: &activity.output,
            error: ErrorBody {
                error_code: error.map_or("", |error| &error.code),
                message: error.map_or("", |error| &error.message),
                failure_type: if error.is_some() { "UserError" } else { "" },
                target: &activity.name,
                details: "",
            },
            user_properties: &activity.user_properties,
            retry_attempt: Some(activity.retries).filter(|retries| *retries > 0),
        }
    }
}

/// The vault clock has whole seconds.
fn milliseconds(started: Timestamp, ended: Timestamp) -> i64 {
    ended.unix().saturating_sub(started.unix()).saturating_mul(1000)
}
