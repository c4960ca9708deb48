//! Pipelines of a data factory, as far as they can be run without a data store: what a definition does, in which order, and what its
//! expressions give. Pure: what calls and waits is elsewhere.
//!
//! Source: "Pipelines and activities", "Web activity", "Expression language" and "Pipeline failure and error message" of the
//! product's documents. A definition with anything else is refused by name, before anything of it is run.

mod activity;
mod definition;
mod expression;
mod outcome;
mod progress;
mod refusal;
mod timespan;
mod web;

pub(crate) use activity::{Activity, Kind, wait_seconds};
pub(crate) use definition::{MASK, Pipeline};
pub(crate) use expression::{Failed, Values};
pub(crate) use outcome::Outcome;
pub(crate) use progress::{Progress, Step, Verdict};
pub(crate) use refusal::NotRunnable;
pub(crate) use web::{Authentication, WebCall, WebRequest};
