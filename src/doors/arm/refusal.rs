//! The errors of the management plane: status, code and text, as Resource Manager has them.

use hyper::StatusCode;
use uuid::Uuid;

use crate::access::Identity;
use crate::access::roles::Scope;
use crate::http::body::BodyError;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::records::RecordError;
use crate::vault::Refusal;

/// An answer of 400.
pub(super) fn bad_request(code: &'static str, text: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, text)
}

pub(super) fn not_found(code: &'static str, text: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, code, text)
}

/// No api-version was given.
pub(super) fn missing_api_version() -> ApiError {
    let text = "The api-version query parameter (?api-version=) is required for all requests.";
    bad_request("MissingApiVersionParameter", text)
}

/// An api-version that Resource Manager itself does not have.
pub(super) fn invalid_api_version(version: &str, known: &[&str]) -> ApiError {
    let known = known.join(",");
    let text = format!("The api-version '{version}' is invalid. The supported versions are '{known}'.");
    bad_request("InvalidApiVersionParameter", text)
}

/// An api-version that a provider's type does not have.
pub(super) fn no_registered_provider(version: &str, kind: &str, known: &[&str]) -> ApiError {
    let known = known.join(", ");
    let text = format!(
        "No registered resource provider found for location '' and API version '{version}' for type '{kind}'. The supported \
         api-versions are '{known}'. The supported locations are ''."
    );
    bad_request("NoRegisteredProviderFound", text)
}

/// A namespace that no provider has.
pub(super) fn invalid_namespace(namespace: &str, known: &[&str]) -> ApiError {
    let known = known.join(", ");
    let text = format!(
        "The resource namespace '{namespace}' is invalid. Keyhaven's management plane has the namespaces {known}."
    );
    not_found("InvalidResourceNamespace", text)
}

/// A type that a provider does not have.
pub(super) fn invalid_type(namespace: &str, version: &str) -> ApiError {
    let text =
        format!("The resource type could not be found in the namespace '{namespace}' for api version '{version}'.");
    not_found("InvalidResourceType", text)
}

/// A subscription that is not there, or no id of one (recorded in public: Azure/autorest-clientruntime-for-java issue 511,
/// Azure/apiops issue 460).
pub(super) fn no_subscription(given: &str) -> ApiError {
    match Uuid::parse_str(given) {
        Ok(_) => not_found("SubscriptionNotFound", format!("The subscription '{given}' could not be found.")),
        Err(_) => {
            let text = format!("The provided subscription identifier '{given}' is malformed or invalid.");
            bad_request("InvalidSubscriptionId", text)
        }
    }
}

/// A resource group that is not there.
pub(super) fn no_group(name: &str) -> ApiError {
    not_found("ResourceGroupNotFound", format!("Resource group '{name}' could not be found."))
}

/// A name that no resource group can have.
pub(super) fn invalid_group(name: &str) -> ApiError {
    let text = format!(
        "The provided resource group name '{name}' is invalid. The name can only be letters, digits, '-', '.', '(', ')' or '_', \
         at most 90 of them, and cannot end with a period."
    );
    bad_request("InvalidResourceGroup", text)
}

/// A definition without a location.
pub(super) fn location_required() -> ApiError {
    bad_request("LocationRequired", "The location property is required for this definition.")
}

pub(super) fn conflict(code: &'static str, text: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, code, text)
}

/// The caller has no role for an action.
pub(super) fn forbidden(who: &Identity, action: &str, scope: &Scope) -> ApiError {
    let id = who.object_id;
    let text = format!(
        "The client '{id}' with object id '{id}' does not have authorization to perform action '{action}' over scope '{scope}' \
         or the scope is invalid. If access was recently granted, please refresh your credentials."
    );
    ApiError::new(StatusCode::FORBIDDEN, "AuthorizationFailed", text)
}

/// The caller has no role for an action at a resource that the one it may change would use.
pub(super) fn linked_forbidden(
    who: &Identity,
    (action, scope): (&str, &Scope),
    (linked_action, linked_scope): (&str, &Scope),
) -> ApiError {
    let id = who.object_id;
    let text = format!(
        "The client '{id}' with object id '{id}' has permission to perform action '{action}' on scope '{scope}'; however, it does not \
         have permission to perform action(s) '{linked_action}' on the linked scope(s) '{linked_scope}' (respectively) or the linked \
         scope(s) are invalid."
    );
    ApiError::new(StatusCode::FORBIDDEN, "LinkedAuthorizationFailed", text)
}

/// A deny assignment forbids an action.
pub(super) fn denied(who: &Identity, action: &str, scope: &Scope, by: Uuid) -> ApiError {
    let id = who.object_id;
    let text = format!(
        "The client '{id}' with object id '{id}' has permission to perform action '{action}' on scope '{scope}'; however, the \
         access is denied because of the deny assignment with name '{by}' and Id '{by}' at scope '{scope}'."
    );
    ApiError::new(StatusCode::FORBIDDEN, "DenyAssignmentAuthorizationFailed", text)
}

/// A body that is no JSON, or not that of the resource.
pub(super) fn invalid_content(why: &str) -> ApiError {
    let text = format!("The request content was invalid and could not be deserialized: '{why}'.");
    bad_request("InvalidRequestContent", text)
}

/// A body that was not read.
pub(super) fn body(error: BodyError, limits: &Limits) -> ApiError {
    match error {
        BodyError::TooLarge => {
            let text = format!("The request content size exceeds the maximum size of {} bytes.", limits.body_bytes);
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestContentTooLarge", text)
        }
        BodyError::TooSlow => invalid_content("The body did not arrive in time."),
        BodyError::Broken => invalid_content("The body broke off."),
        BodyError::Busy => {
            let text = "Other bodies take all the memory that there is for them; try again.";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", text).header("retry-after", "1")
        }
    }
}

/// What the store reports. The cause goes to the log.
pub(super) fn record(error: &RecordError) -> ApiError {
    if error.is_full() {
        return ApiError::disk_full();
    }
    if matches!(error, RecordError::Busy) {
        return busy();
    }
    internal(error)
}

/// What the vaults report when they cannot be read.
pub(super) fn vaults(refusal: &Refusal) -> ApiError {
    internal(refusal)
}

/// A failure that no client can mend.
pub(super) fn internal(why: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(%why, "a request of the management plane failed");
    let text = "An internal error occurred; the server's log says which.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text)
}

/// Something that the decision was made by has changed: clients of Azure send the request again.
pub(super) fn busy() -> ApiError {
    let text = "Something was changed at the same moment. Please try again.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", text).header("retry-after", "1")
}
