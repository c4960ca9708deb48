//! A step and what became of it.

use std::time::Duration;

use super::capability::Lever;
use crate::remote::Failure;

/// What is judged of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What was expected was seen.
    Passed,
    /// Something else was seen.
    Failed,
    /// It could not be tried, and why stands in [`Step::seen`].
    NotRun,
}

impl Verdict {
    /// In the words of reports.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotRun => "not run",
        }
    }
}

/// A step of a drill, judged.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name, unique in its drill: words joined by hyphens.
    pub name: &'static str,
    /// What is done.
    pub done: &'static str,
    /// What must be seen.
    pub expected: &'static str,
    /// What was seen; of a step that was not run, why.
    pub seen: String,
    /// How long it took, without the commands of `--exec`.
    pub took: Duration,
    /// What is judged.
    pub verdict: Verdict,
}

/// What an act saw: `Ok` when it is what was expected.
pub(super) type Outcome = Result<String, Wrong>;

/// Why a step did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Something else than expected was seen.
    Seen(String),
    /// It could not be tried: what is missing, and how to give it.
    Missing(String),
}

impl Wrong {
    /// Something else than expected was seen.
    pub(super) fn seen(what: impl Into<String>) -> Self {
        Self::Seen(what.into())
    }

    /// In words.
    pub(super) fn told(self) -> String {
        match self {
            Self::Seen(told) | Self::Missing(told) => told,
        }
    }
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self::Seen(failure.to_string())
    }
}

/// A refusal in few words: status, code and inner code.
pub(super) fn brief(failure: &Failure) -> String {
    match failure {
        Failure::Refused { status, code, inner: None, .. } => format!("{status} {code}"),
        Failure::Refused { status, inner: Some(inner), .. } => format!("{status} {inner}"),
        Failure::Unreachable(_) => failure.to_string(),
    }
}

/// What was seen when `what` had to be refused with `status` and the inner code `inner`.
pub(super) fn refused<T>(what: &str, result: Result<T, Failure>, status: u16, inner: Option<&str>) -> Outcome {
    match result {
        Ok(_) => Err(Wrong::seen(format!("{what} was allowed"))),
        Err(failure) if failure.status() == Some(status) && (inner.is_none() || failure.inner() == inner) => {
            Ok(brief(&failure))
        }
        Err(failure) => Err(Wrong::seen(format!("{what}: {failure}"))),
    }
}

/// A step as a drill plans it, for a scene `S` that its acts play in.
pub(super) struct Play<S: 'static> {
    /// Its name, unique in its drill.
    pub(super) name: &'static str,
    /// What is done.
    pub(super) done: &'static str,
    /// What must be seen.
    pub(super) expected: &'static str,
    /// The steps that must have been done before: without them there is nothing to judge.
    pub(super) after: &'static [&'static str],
    /// What it pulls.
    pub(super) levers: &'static [Lever],
    /// Does it, and looks.
    pub(super) act: fn(&mut S) -> Outcome,
}
