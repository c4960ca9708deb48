//! Certificates, which this version does not have. What every client of a vault asks, whether it uses certificates or
//! not, gets the answer of a vault that has none.

use hyper::{Method, StatusCode};

use crate::http::Response;
use crate::http::error::ApiError;
use crate::operation::{Operation, Permission};

pub(super) static GET_CONTACTS: Operation = Operation {
    name: "CertificateContactsGet",
    method: Method::GET,
    path: "/certificates/contacts",
    permission: Permission::certificates("managecontacts", "certificatecontacts/write"),
};

/// A vault's contacts: there are none (golden 079). Terraform's azurerm asks at every refresh of a vault and takes 404
/// alone for an answer.
pub(super) fn get_contacts() -> Result<Response, ApiError> {
    Err(ApiError::new(StatusCode::NOT_FOUND, "ContactsNotFound", "Contacts not found"))
}

/// Whether `collection`, a path's first segment, is one of certificates.
pub(super) fn is_collection(collection: &str) -> bool {
    ["certificates", "deletedcertificates"].iter().any(|known| known.eq_ignore_ascii_case(collection))
}

/// The refusal of every other operation on certificates: 400, which no client repeats. The text is ours.
pub(super) fn absent(method: &Method, path: &str) -> ApiError {
    let text =
        format!("This version of Keyhaven has no certificates, so it does not have the operation {method} {path}.");
    ApiError::new(StatusCode::BAD_REQUEST, "NotSupported", text)
}
