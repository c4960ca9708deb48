//! The errors about the network of factories. The texts are ours: none is public.

use super::refusal::{bad_request, conflict, not_found};
use crate::http::error::ApiError;
use crate::management::{MAX_ENDPOINTS, NetworkId};

/// A connection that is not there. A managed private endpoint is 400: its clients look for it in the list (azurerm,
/// data_factory_managed_private_endpoint_resource).
pub(super) fn not_there(id: &NetworkId) -> ApiError {
    let text = format!("The document could not be retrieved because '{}' was not found.", id.name());
    if id.is_managed() { bad_request("BadRequest", text) } else { not_found("NotFound", text) }
}

/// More private endpoints than a factory can have.
pub(super) fn too_many() -> ApiError {
    conflict("QuotaExceeded", format!("A factory can have at most {MAX_ENDPOINTS} private endpoints of each sort."))
}

/// A status that a connection cannot have.
pub(super) fn invalid_status(status: &str) -> ApiError {
    let text = format!("The connection status '{status}' is invalid. It is 'Approved', 'Rejected' or 'Pending'.");
    bad_request("BadRequest", text)
}

/// A name that no connection can have.
pub(super) fn invalid_connection(name: &str) -> ApiError {
    let text = format!(
        "The private endpoint connection name '{name}' is invalid: it has 1 to 127 letters, digits, '-', '_' and '.', and begins and \
         ends with a letter, a digit or '_'."
    );
    bad_request("InvalidParameter", text)
}

/// A name that no managed private endpoint can have.
pub(super) fn invalid_endpoint(name: &str) -> ApiError {
    let text = format!(
        "The managed private endpoint name '{name}' is invalid: it has 1 to 127 letters, digits, '-' and '_', and begins and ends with a \
         letter, a digit or '_'."
    );
    bad_request("InvalidParameter", text)
}
