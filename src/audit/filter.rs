//! Which records of the audit are asked for.

use std::fmt;
use std::str::FromStr;

use hyper::StatusCode;

use super::record::{object_of, operation_name, vault_of};
use crate::clock::Timestamp;
use crate::trail::{Caller, RecentTrail};

/// Records that fit all that is given. Names count without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    identity: Option<String>,
    vault: Option<String>,
    operation: Option<String>,
    object: Option<String>,
    result: Option<Outcome>,
    since: Option<Timestamp>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Success,
    Refused,
    Status(StatusCode),
}

/// The value of a filter cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InvalidFilter {
    /// There is no filter of this name.
    Unknown,
    /// The value is none of these.
    Value(&'static str),
}

impl fmt::Display for InvalidFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no filter of this name"),
            Self::Value(expected) => write!(f, "must be {expected}"),
        }
    }
}

impl FromStr for Outcome {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        match text {
            "success" => Ok(Self::Success),
            "refused" => Ok(Self::Refused),
            _ => text.parse().map(Self::Status).map_err(|_| InvalidFilter::Value("success, refused or a status: 403")),
        }
    }
}

impl Filter {
    /// Narrows it by the filter called `name`.
    ///
    /// # Errors
    /// When there is no such filter, or `value` is none for it.
    pub(crate) fn narrow(&mut self, name: &str, value: &str) -> Result<(), InvalidFilter> {
        let text = Some(value.to_owned());
        match name {
            "identity" => self.identity = text,
            "vault" => self.vault = text,
            "operation" => self.operation = text,
            "object" => self.object = text,
            "result" => self.result = Some(value.parse()?),
            "since" => {
                let moment = Timestamp::parse(value).ok_or(InvalidFilter::Value("a moment: 2026-11-30T11:22:33Z"))?;
                self.since = Some(moment);
            }
            _ => return Err(InvalidFilter::Unknown),
        }
        Ok(())
    }

    /// Whether the record of `entry` is asked for.
    pub(crate) fn fits(&self, entry: &RecentTrail) -> bool {
        let trail = &entry.trail;
        let is = |wanted: &Option<String>, found: Option<&str>| match wanted {
            None => true,
            Some(wanted) => found.is_some_and(|found| found.eq_ignore_ascii_case(wanted)),
        };
        self.since.is_none_or(|since| entry.at >= since)
            && self.identity.as_deref().is_none_or(|wanted| is_called(&trail.caller, wanted))
            && is(&self.vault, vault_of(trail).as_deref())
            && is(&self.operation, Some(operation_name(trail)))
            && is(&self.object, object_of(trail).as_deref())
            && self.result.is_none_or(|outcome| outcome.is(trail.status))
    }
}

impl Outcome {
    fn is(self, status: StatusCode) -> bool {
        match self {
            Self::Success => status.is_success(),
            Self::Refused => status.is_client_error(),
            Self::Status(wanted) => status == wanted,
        }
    }
}

/// Whether the caller has this name, object id or client id.
fn is_called(caller: &Caller, wanted: &str) -> bool {
    let by_id = match caller {
        Caller::Identity(identity) => {
            [identity.object_id, identity.client_id].iter().any(|id| id.to_string().eq_ignore_ascii_case(wanted))
        }
        Caller::Unknown | Caller::Admin => false,
    };
    by_id || caller.name().is_some_and(|name| name.eq_ignore_ascii_case(wanted))
}
