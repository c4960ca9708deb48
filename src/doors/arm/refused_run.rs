//! The errors of runs of pipelines.

use super::refusal::{bad_request, not_found};
use crate::http::error::ApiError;

/// A pipeline that is not there.
pub(super) fn no_pipeline(name: &str) -> ApiError {
    not_found("EntityNotFound", format!("The pipeline '{name}' was not found."))
}

/// A run that is not there. Text of the service (recordings of azure-mgmt-datafactory; others are ours).
pub(super) fn no_run(id: &str) -> ApiError {
    not_found("NotFound", format!("The pipeline run '{id}' was not found."))
}

/// A run that goes on where another ended.
pub(super) fn no_rerun(parameter: &str) -> ApiError {
    let text = format!("Keyhaven begins runs from their first activity alone: leave out the parameter '{parameter}'.");
    bad_request("BadRequest", text)
}

/// A pipeline that cannot be run here, or without these arguments.
pub(super) fn not_runnable(why: &str) -> ApiError {
    bad_request("BadRequest", format!("The pipeline cannot be run: {why}."))
}

/// More runs than one server has at once.
pub(super) fn too_many(most: usize) -> ApiError {
    bad_request(
        "BadRequest",
        format!("This server has {most} runs under way already: wait for one to end, or cancel one."),
    )
}
