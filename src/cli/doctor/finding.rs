//! What a check found.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Good to know; programs work, or nothing can be said yet.
    Note,
    /// Keeps programs from working.
    Wrong,
}

/// One finding.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) area: &'static str,
    /// How bad it is.
    pub(super) verdict: Verdict,
    /// What was found.
    #[serde(rename = "finding")]
    pub(super) what: String,
    /// What to do about it.
    #[serde(rename = "do")]
    pub(super) remedy: Option<String>,
}

impl Verdict {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Wrong => "WRONG",
        }
    }
}

impl Finding {
    pub(super) fn ok(area: &'static str, what: impl Into<String>) -> Self {
        Self { area, verdict: Verdict::Ok, what: what.into(), remedy: None }
    }

    pub(super) fn note(area: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { area, verdict: Verdict::Note, what: what.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn wrong(area: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { area, verdict: Verdict::Wrong, what: what.into(), remedy: Some(remedy.into()) }
    }
}
