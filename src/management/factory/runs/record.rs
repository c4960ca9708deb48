//! Runs of pipelines, and of the activities in them, as they are kept.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::pipeline::Activity;
use crate::web_task::ActivityError;

/// A run of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    /// Its id.
    pub id: Uuid,
    /// The name of the pipeline.
    pub pipeline: String,
    /// Its arguments, with defaults.
    pub parameters: Map<String, Value>,
    /// Who asked for it.
    pub invoked_by: Invoker,
    /// How far it is.
    pub status: Status,
    /// Why it failed, or an empty text.
    pub message: String,
    /// When it began, on the vault clock.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// When the record changed last.
    pub updated: Timestamp,
    /// The server process that runs it: what another left unfinished has failed.
    pub executor: Uuid,
}

/// Who asked for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invoker {
    /// The object id of the caller.
    pub id: Uuid,
    /// Its name, as it is shown.
    pub name: String,
}

/// How far a run or an activity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    /// It waits for its turn.
    Queued,
    /// It is under way.
    InProgress,
    /// It did what it is for.
    Succeeded,
    /// It did not.
    Failed,
    /// It was stopped on request.
    Cancelled,
    /// It was not begun: of an activity.
    Skipped,
}

impl Status {
    /// Its name at the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::InProgress => "InProgress",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Skipped => "Skipped",
        }
    }

    /// Whether nothing comes after.
    pub(crate) const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }
}

/// A run of an activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActivityRun {
    /// Its id.
    pub id: Uuid,
    /// The name of the activity.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// How far it is.
    pub status: Status,
    /// What it was given; nothing of it is a credential.
    pub input: Value,
    /// What it gave.
    pub output: Value,
    /// Why it failed.
    pub error: Option<ActivityError>,
    /// As the definition has it.
    pub user_properties: Value,
    /// Which of the activities of its run it is, in the order in which they began or were skipped.
    #[serde(default)]
    pub number: usize,
    /// The number of tries before this one.
    pub retries: u64,
    /// When it began, on the vault clock.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

impl ActivityRun {
    /// A run of `activity`, the one with this `number`, that begins `now`.
    pub(super) fn beginning(id: Uuid, (number, activity): (usize, &Activity), now: Timestamp) -> Self {
        Self {
            id,
            name: activity.name.clone(),
            kind: activity.kind.name().to_owned(),
            status: Status::InProgress,
            input: Value::Object(Map::new()),
            output: Value::Object(Map::new()),
            error: None,
            user_properties: activity.user_properties.clone(),
            number,
            retries: 0,
            started: now,
            ended: None,
        }
    }

    /// The same, ended so.
    pub(super) fn ending(self, status: Status, now: Timestamp) -> Self {
        Self { status, ended: Some(now), ..self }
    }
}
