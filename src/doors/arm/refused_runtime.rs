//! The errors about integration runtimes. The texts are ours, where nothing else is said.

use super::refusal::{bad_request, internal, invalid_content, not_found};
use crate::http::error::ApiError;
use crate::management::{MAX_JOBS, RuntimeRefusal};

/// What was not done with a runtime.
pub(super) fn of(refusal: RuntimeRefusal) -> ApiError {
    let text = match refusal {
        RuntimeRefusal::UnknownType(kind) => {
            format!("The integration runtime type '{kind}' is invalid. The types are 'SelfHosted' and 'Managed'.")
        }
        RuntimeRefusal::FixedType => "The type of an integration runtime cannot change.".to_owned(),
        RuntimeRefusal::NoText(member) => return invalid_content(&format!("properties.{member} is no text")),
        RuntimeRefusal::LinkedInfo => {
            "Keyhaven shares no integration runtimes between factories yet: leave typeProperties.linkedInfo out."
                .to_owned()
        }
        RuntimeRefusal::NotSelfHosted(name) => {
            format!("The integration runtime '{name}' is not self-hosted: it has no nodes and no authentication keys.")
        }
        RuntimeRefusal::KeyName(name) => {
            format!("The authentication key '{name}' is invalid. The keys are 'authKey1' and 'authKey2'.")
        }
        RuntimeRefusal::AutoUpdate(value) => format!("autoUpdate is 'On' or 'Off', not '{value}'."),
        RuntimeRefusal::UpdateDelay(value) => {
            format!("updateDelayOffset is the hour of a day, 'PT0H' to 'PT23H', not '{value}'.")
        }
        RuntimeRefusal::NoNode(name) => {
            return not_found("NotFound", format!("The integration runtime has no node '{name}'."));
        }
        RuntimeRefusal::JobsLimit(limit) => {
            format!("concurrentJobsLimit is a number from 1 to {MAX_JOBS}, not {limit}.")
        }
        RuntimeRefusal::NoNodeOnline(name) => format!("The integration runtime '{name}' has no node that is online."),
        RuntimeRefusal::NoRemoteAccess(name) => format!(
            "Remote access is disabled on the node '{name}'. To enable it, start that node with --remote-access on."
        ),
        RuntimeRefusal::NoAnswer => "The node of the integration runtime did not answer in time.".to_owned(),
        RuntimeRefusal::TaskFailed(why) => format!("The node of the integration runtime could not do it: {why}."),
        other => return internal(&format!("{other:?}")),
    };
    bad_request("BadRequest", text)
}

/// A name that no integration runtime can have.
pub(super) fn invalid_name(name: &str) -> ApiError {
    let text = format!(
        "The integration runtime name '{name}' is invalid: it has 3 to 63 letters, digits and single hyphens, and begins and ends with \
         a letter or digit."
    );
    bad_request("InvalidParameter", text)
}
