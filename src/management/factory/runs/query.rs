//! Which runs are shown: changed within a span, and equal to what is asked for.

use super::record::{ActivityRun, Run};
use crate::clock::Timestamp;

/// What runs are asked for.
#[derive(Clone, Debug)]
pub(crate) struct RunQuery {
    /// Those that changed at this moment or later.
    pub after: Timestamp,
    /// Those that changed at this moment or before.
    pub before: Timestamp,
    /// What all of them must meet.
    pub filters: Vec<Filter>,
}

/// A condition of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// What is compared.
    pub operand: Operand,
    /// Whether it must be one of the values, or none of them.
    pub is_one: bool,
    /// The values.
    pub values: Vec<String>,
}

/// What of a run a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// The name of the pipeline.
    PipelineName,
    /// The status.
    Status,
    /// The id of a run of a pipeline.
    RunId,
    /// The name of an activity.
    ActivityName,
    /// The type of an activity.
    ActivityType,
}

impl Operand {
    /// The operand that the service calls so.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "PipelineName" => Some(Self::PipelineName),
            "Status" => Some(Self::Status),
            "RunId" => Some(Self::RunId),
            "ActivityName" => Some(Self::ActivityName),
            "ActivityType" => Some(Self::ActivityType),
            _ => None,
        }
    }
}

impl RunQuery {
    /// Whether it asks for this run.
    pub(super) fn has(&self, run: &Run) -> bool {
        let of = |operand| match operand {
            Operand::PipelineName => Some(run.pipeline.clone()),
            Operand::Status => Some(run.status.name().to_owned()),
            Operand::RunId => Some(run.id.to_string()),
            Operand::ActivityName | Operand::ActivityType => None,
        };
        self.spans(run.updated) && self.meets(of)
    }

    /// Whether it asks for this run of an activity, in a run of the pipeline `pipeline`.
    pub(super) fn has_activity(&self, activity: &ActivityRun, run: &Run) -> bool {
        let of = |operand| match operand {
            Operand::PipelineName => Some(run.pipeline.clone()),
            Operand::Status => Some(activity.status.name().to_owned()),
            Operand::RunId => Some(run.id.to_string()),
            Operand::ActivityName => Some(activity.name.clone()),
            Operand::ActivityType => Some(activity.kind.clone()),
        };
        self.spans(activity.ended.unwrap_or(activity.started)) && self.meets(of)
    }

    fn spans(&self, moment: Timestamp) -> bool {
        (self.after..=self.before).contains(&moment)
    }

    fn meets(&self, of: impl Fn(Operand) -> Option<String>) -> bool {
        self.filters.iter().all(|filter| {
            let is_one = of(filter.operand)
                .is_some_and(|own| filter.values.iter().any(|value| value.eq_ignore_ascii_case(&own)));
            is_one == filter.is_one
        })
    }
}
