//! The errors about integration runtimes. The texts are ours, where nothing else is said.

use hyper::StatusCode;

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
        RuntimeRefusal::KeyAuthorization => {
            "Keyhaven shares integration runtimes by roles alone: the authorizationType of linkedInfo is 'RBAC', not 'Key'.".to_owned()
        }
        RuntimeRefusal::LinkedInfo(member) => {
            return invalid_content(&format!("properties.typeProperties.linkedInfo.{member} is missing or no such thing"));
        }
        // MicrosoftDocs/azure-docs issue 55466; hashicorp/terraform-provider-azurerm issue 14036.
        RuntimeRefusal::SharedAccess(name) => {
            let text = format!(
                "Access denied. Unable to access shared integration runtime '{name}'. Please check whether this resource has been \
                 granted permission by the shared integration runtime"
            );
            return ApiError::new(StatusCode::UNAUTHORIZED, "UnauthorizedIntegrationRuntimeAccess", text);
        }
        RuntimeRefusal::NoLinkingIdentity { runtime, factory } => {
            let text = format!(
                "Managed identity is required when creating linked integration runtime '{runtime}' under '{factory}'. Please specify a \
                 managed identity via credential object."
            );
            return bad_request("ManagedIdentityRequiredToCreateLinkedIntegrationRuntime", text);
        }
        // The code: Azure/azure-cli-extensions issue 5129, where the text is empty.
        RuntimeRefusal::NoRegisteredNode(name) => {
            let text = format!("The integration runtime '{name}' cannot be shared before a node of it is registered.");
            return bad_request("UnsupportedVersionForSharableIR", text);
        }
        RuntimeRefusal::NotShareable(name) => {
            format!("The integration runtime '{name}' cannot be shared: it is not self-hosted, or is linked itself.")
        }
        RuntimeRefusal::HasNodes(name) => {
            format!("The integration runtime '{name}' has nodes or links of its own: remove them before it is linked.")
        }
        RuntimeRefusal::TooManyLinks(most) => {
            format!("The integration runtime is shared with {most} others already, which is the most.")
        }
        RuntimeRefusal::Linked { name, runtime } => {
            format!("The integration runtime '{name}' is linked: its nodes and authentication keys are those of '{runtime}'.")
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
