//! The steps of a drill: what each plans, and its result.

use std::time::Duration;

use super::capability::Capability;
use crate::remote::RequestError;

/// The verdict on a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The step saw what it expected.
    Passed,
    /// The step saw something else.
    Failed,
    /// The step could not run, as [`Step::seen`] says.
    NotRun,
    /// The caller left it out.
    Skipped,
}

impl Verdict {
    /// The text in reports.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotRun => "not run",
            Self::Skipped => "skipped",
        }
    }
}

/// The result of a step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name, unique in its drill: words joined by hyphens.
    pub name: &'static str,
    /// What is done.
    pub done: &'static str,
    /// What must be seen.
    pub expected: &'static str,
    /// What was seen; why, if the step was not run.
    pub seen: String,
    /// The duration, without the commands of `--exec`.
    pub took: Duration,
    /// The verdict.
    pub verdict: Verdict,
    /// Later steps that could not run because this one has not passed, directly or through one another.
    pub blocked: Vec<BlockedStep>,
}

impl Step {
    /// The names of the blocked steps.
    pub(super) fn blocked_names(&self) -> String {
        self.blocked.iter().map(|step| step.name).collect::<Vec<_>>().join(", ")
    }
}

/// A step that could not run because an earlier one has not passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedStep {
    /// Its name.
    pub name: &'static str,
    /// What would have been done.
    pub done: &'static str,
    /// What should have been seen.
    pub expected: &'static str,
}

/// What a step saw, if it is what the step expected.
pub(super) type Outcome = Result<String, StepError>;

/// Why a step did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StepError {
    /// The step saw something that it did not expect.
    Unexpected(String),
    /// The step could not run: what is missing, and how to provide it.
    NotRunnable(String),
    /// The caller left it out.
    Skipped,
}

impl StepError {
    /// The step saw something that it did not expect.
    pub(super) fn unexpected(what: impl Into<String>) -> Self {
        Self::Unexpected(what.into())
    }

    /// The text for the report.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Unexpected(text) | Self::NotRunnable(text) => text,
            Self::Skipped => String::new(),
        }
    }
}

impl From<RequestError> for StepError {
    fn from(failure: RequestError) -> Self {
        let grant = failure.grant("your identity").map(|grant| format!("; {grant}"));
        Self::Unexpected(format!("{failure}{}", grant.unwrap_or_default()))
    }
}

/// A short form of an error: its status and innermost code.
pub(super) fn summary(failure: &RequestError) -> String {
    match failure {
        RequestError::Refused { status, code, inner: None, .. } => format!("{status} {code}"),
        RequestError::Refused { status, inner: Some(inner), .. } => format!("{status} {inner}"),
        RequestError::NoAnswer(_) | RequestError::NoVault(_) | RequestError::UnknownCa { .. } => failure.to_string(),
    }
}

/// Expects that `what` was refused with `status`, and with the inner code `inner` if one is given.
pub(super) fn expect_refused<T>(
    what: &str,
    result: Result<T, RequestError>,
    status: u16,
    inner: Option<&str>,
) -> Outcome {
    match result {
        Ok(_) => Err(StepError::unexpected(format!("{what} was allowed"))),
        Err(failure) if failure.status() == Some(status) && (inner.is_none() || failure.inner() == inner) => {
            Ok(summary(&failure))
        }
        Err(failure) => Err(StepError::unexpected(format!("{what}: {failure}"))),
    }
}

/// A step as a drill plans it; the steps of a drill share the state `S`.
pub(super) struct StepPlan<S: 'static> {
    /// Its name, unique in its drill.
    pub(super) name: &'static str,
    /// What is done.
    pub(super) done: &'static str,
    /// What must be seen.
    pub(super) expected: &'static str,
    /// The steps that must have passed before.
    pub(super) depends_on: &'static [&'static str],
    /// The capabilities of the environment that it uses.
    pub(super) needs: &'static [Capability],
    /// Performs the step and checks what it sees.
    pub(super) run: fn(&mut S) -> Outcome,
}
