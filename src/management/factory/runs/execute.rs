//! One run, from its first activity to its end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::record::{ActivityRun, Run, Status};
use crate::clock::{Clock, Timestamp};
use crate::management::Management;
use crate::management::factory::id::FactoryId;
use crate::pipeline::{Activity, Kind, MASK, Outcome, Pipeline, Progress, Step, Values, Verdict, wait_seconds};
use crate::web_task::ActivityError;

/// How often a wait looks whether the clock was moved.
const CLOCK_LOOK: Duration = Duration::from_millis(100);
/// The service's number of a definition whose expressions give nothing.
pub(super) const INVALID_TEMPLATE: &str = "InvalidTemplate";
/// The service's number of an activity that took longer than its policy lets it.
const TIMED_OUT: &str = "2";

/// A run under way. Cheap to clone.
#[derive(Clone)]
pub(super) struct Execution {
    pub(super) management: Management,
    pub(super) factory: FactoryId,
    /// The principal id of the factory's own identity.
    pub(super) own: Option<Uuid>,
    pub(super) run: Arc<Run>,
    /// The values of the parameters; the record shows none that is secret.
    pub(super) arguments: Map<String, Value>,
    pub(super) pipeline: Arc<Pipeline>,
}

/// What an activity gave, and what it was given.
pub(super) struct Done {
    /// What is shown of its input.
    pub(super) input: Value,
    /// What it gave, or why it failed.
    pub(super) output: Result<Value, ActivityError>,
}

impl Execution {
    /// Runs it to its end.
    pub(super) async fn run(self) {
        let pipeline = self.pipeline.clone();
        let mut progress = Progress::new(&pipeline);
        let mut values =
            Values { run_id: self.run.id.to_string(), parameters: self.arguments.clone(), ..Values::default() };
        let (mut under_way, mut failures, mut number) = (JoinSet::new(), Vec::new(), 0);
        loop {
            for step in progress.next() {
                number += 1;
                match step {
                    Step::Begin(activity) => {
                        let (execution, activity, values) = (self.clone(), activity.clone(), values.clone());
                        under_way.spawn(async move { execution.activity((number, &activity), &values).await });
                    }
                    Step::Skip(activity) => self.skipped((number, activity)).await,
                }
            }
            let Some(ended) = under_way.join_next().await else { break };
            // A panic in an activity is logged where it happens; the run fails then.
            let Ok(ended) = ended else { break };
            progress.ended(&ended.name, outcome(ended.status));
            failures.extend(ended.error.map(|error| (ended.name.clone(), error.message)));
            values.outputs.insert(ended.name, Arc::new(ended.output));
        }
        self.ended(progress.verdict(), &failures).await;
    }

    /// Runs an activity as often as its policy lets it.
    async fn activity(&self, (number, activity): (usize, &Activity), values: &Values) -> ActivityRun {
        let mut tries = 0;
        loop {
            let ended = self.one_try((number, activity), values, tries).await;
            if ended.status == Status::Succeeded || tries == activity.policy.retry {
                return ended;
            }
            tries += 1;
            self.pause(activity.policy.retry_interval).await;
        }
    }

    async fn one_try(&self, (number, activity): (usize, &Activity), values: &Values, tries: u64) -> ActivityRun {
        let began = ActivityRun::beginning(self.management.runs.new_id(), (number, activity), self.now());
        let mut began = ActivityRun { retries: tries, ..began };
        self.record(&began).await;
        let Done { input, output } = tokio::select! {
            done = self.act(activity, values) => done,
            () = self.pause(activity.policy.timeout) => timed_out(activity.policy.timeout),
        };
        began.input = if activity.policy.secure_input { Value::Null } else { input };
        let (status, output, error) = match output {
            Ok(output) => (Status::Succeeded, output, None),
            Err(error) => (Status::Failed, Value::Object(Map::new()), Some(error)),
        };
        let ended = ActivityRun { output, error, ..began }.ending(status, self.now());
        let shown = if activity.policy.secure_output { Value::Null } else { ended.output.clone() };
        self.record(&ActivityRun { output: shown, ..ended.clone() }).await;
        ended
    }

    async fn act(&self, activity: &Activity, values: &Values) -> Done {
        match &activity.kind {
            Kind::Wait(seconds) => match wait_seconds(seconds, values) {
                Ok(length) => {
                    self.pause(length).await;
                    let shown = wait_seconds(seconds, &self.shown(values)).map_or_else(|_| MASK.into(), Value::from);
                    Done {
                        input: serde_json::json!({"waitTimeInSeconds": shown}),
                        output: Ok(Value::Object(Map::new())),
                    }
                }
                Err(failed) => Done { input: Value::Null, output: Err(ActivityError::new(INVALID_TEMPLATE, failed.0)) },
            },
            Kind::Web(call) => self.call(activity, call, values).await,
        }
    }

    /// `values` as a run shows them: of a secret parameter that there is one.
    pub(super) fn shown(&self, values: &Values) -> Values {
        Values { parameters: self.run.parameters.clone(), ..values.clone() }
    }

    async fn skipped(&self, numbered: (usize, &Activity)) {
        let skipped = ActivityRun::beginning(self.management.runs.new_id(), numbered, self.now());
        self.record(&skipped.ending(Status::Skipped, self.now())).await;
    }

    async fn ended(&self, verdict: Option<Verdict<'_>>, failures: &[(String, String)]) {
        let (status, message) = match verdict {
            Some(Verdict::Succeeded) => (Status::Succeeded, String::new()),
            Some(Verdict::Failed(names)) => (Status::Failed, operation_failed(&names, failures)),
            None => (Status::Failed, "The run ended before its activities did.".to_owned()),
        };
        let now = self.now();
        let ended = Run { status, message, ended: Some(now), updated: now, ..self.run.as_ref().clone() };
        self.management.record_run_end(&self.factory, &ended).await;
    }

    async fn record(&self, activity: &ActivityRun) {
        self.management.record_activity(&self.factory, self.run.id, activity).await;
    }

    /// Waits for this many seconds of the vault clock.
    async fn pause(&self, seconds: u64) {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let end = Timestamp::from_unix(self.now().unix().saturating_add(seconds));
        sleep_until(self.management.runs.clock(), end).await;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.management.runs.clock().now()
    }
}

/// Waits until `clock`, which may be moved or stopped meanwhile, shows `end`.
async fn sleep_until(clock: &Arc<dyn Clock>, end: Timestamp) {
    loop {
        let left = clock.until(end).unwrap_or(CLOCK_LOOK);
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(CLOCK_LOOK)).await;
    }
}

fn outcome(status: Status) -> Outcome {
    if status == Status::Succeeded { Outcome::Succeeded } else { Outcome::Failed }
}

fn timed_out(seconds: u64) -> Done {
    let message = format!("The activity took longer than the {seconds} seconds of its policy.");
    Done { input: Value::Null, output: Err(ActivityError::new(TIMED_OUT, message)) }
}

/// As the service has it: "Operation on target NAME failed: MESSAGE".
fn operation_failed(names: &[&str], failures: &[(String, String)]) -> String {
    let of = |name: &&str| {
        let message = failures.iter().rev().find(|(failed, _)| failed == name).map_or("", |(_, message)| message);
        format!("Operation on target {name} failed: {message}")
    };
    names.iter().map(of).collect::<Vec<_>>().join("\n")
}
