//! The report of drills: a value, and its forms as text, JSON and JUnit XML.

mod json;
mod junit;
mod text;

use std::time::Duration;

use super::drill::Drill;
use super::step::{Step, Verdict};

pub(crate) use text::TextReport;

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The URL of the vault.
    pub vault: String,
    /// Describes where the vault is.
    pub description: String,
    /// The drills, in the order in which they ran.
    pub drills: Vec<DrillResult>,
    /// Objects that remain as they must.
    pub notes: Vec<String>,
    /// What could not be put back, with what removes it.
    pub left_behind: Vec<String>,
    /// The duration of the run.
    pub took: Duration,
}

/// The report of a run that could not begin.
#[derive(Clone, Debug)]
pub(crate) struct FailedStart {
    /// The vault that was named, if one was.
    pub vault: Option<String>,
    /// Why, and what to do.
    pub error: String,
}

impl FailedStart {
    /// The report as one JSON document: that of a run without drills, with the member `error`.
    pub(crate) fn json(&self) -> String {
        json::failed_start(self)
    }

    /// The report as JUnit XML: one case, with an error.
    pub(crate) fn junit(&self) -> String {
        junit::failed_start(self)
    }
}

/// The result of one drill.
#[derive(Clone, Debug)]
pub struct DrillResult {
    /// The drill.
    pub drill: Drill,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// Its duration.
    pub took: Duration,
}

/// The number of steps with each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Not run for a reason of their own.
    pub not_run: usize,
    /// Left out by the caller.
    pub skipped: usize,
    /// Not run because a step before them had not passed.
    pub blocked: usize,
}

impl Report {
    /// The steps of all drills, counted.
    pub fn counts(&self) -> Counts {
        Counts::of(self.drills.iter().flat_map(|drill| &drill.steps))
    }

    /// All that remains.
    fn remains(&self) -> Vec<&str> {
        self.notes.iter().chain(&self.left_behind).map(String::as_str).collect()
    }

    /// The report as one JSON document.
    pub fn json(&self) -> String {
        json::document(self)
    }

    /// The report as JUnit XML: a suite for each drill, a case for each step; one that was not run is skipped.
    pub fn junit(&self) -> String {
        junit::document(self)
    }
}

impl Counts {
    fn of<'s>(steps: impl IntoIterator<Item = &'s Step>) -> Self {
        steps.into_iter().fold(Self::default(), |mut counts, step| {
            match step.verdict {
                Verdict::Passed => counts.passed += 1,
                Verdict::Failed => counts.failed += 1,
                Verdict::NotRun => counts.not_run += 1,
                Verdict::Skipped => counts.skipped += 1,
            }
            counts.blocked += step.blocked.len();
            counts
        })
    }

    /// The steps without a verdict of their own, for whatever reason but the caller's.
    const fn without_result(self) -> usize {
        self.not_run + self.blocked
    }

    const fn all(self) -> usize {
        self.passed + self.failed + self.skipped + self.without_result()
    }
}

#[cfg(test)]
pub(super) mod sample {
    use super::*;
    use crate::drills::step::BlockedStep;

    fn step(name: &'static str, verdict: Verdict, seen: &str) -> Step {
        let (done, expected) = ("the key is rotated", "a new version, \"latest\" <b> & all");
        Step {
            name,
            done,
            expected,
            seen: seen.to_owned(),
            took: Duration::from_millis(1234),
            verdict,
            blocked: vec![],
        }
    }

    /// A report with a step of each verdict.
    pub(crate) fn report() -> Report {
        let mut steps = vec![
            step("enable", Verdict::Passed, "version 0a"),
            step("rotate", Verdict::Failed, "403 <Forbidden> & \"no\" ]]> \u{1b}[0m\nmore"),
            step(
                "by-policy",
                Verdict::NotRun,
                "it needs a clock that can be moved: start the server with --clock virtual",
            ),
        ];
        let (done, expected) = ("all is read", "each reads back");
        steps[1].blocked = ["read", "read-again"].map(|name| BlockedStep { name, done, expected }).to_vec();
        let took = Duration::from_millis(4000);
        Report {
            vault: "https://drill.vault.localhost:8443".to_owned(),
            description: "a server of the drill's own".to_owned(),
            drills: vec![DrillResult { drill: Drill::Rotation, steps, took }],
            notes: vec!["key k-1 is deleted".to_owned()],
            left_behind: vec!["the key k-2: remove it".to_owned()],
            took,
        }
    }
}
