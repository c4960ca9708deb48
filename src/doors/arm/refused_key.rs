//! The errors of customer-managed keys of factories. Two texts are recorded in public (Azure/Azure-DataFactory issue 251,
//! azure.datafactory.devops issue 56); the service's others are not, so they are ours, with the vault's own message in them.

use hyper::StatusCode;

use super::refusal::{bad_request, busy, internal};
use crate::factory::Refusal;
use crate::http::error::ApiError;

/// A key that a factory does not get.
pub(super) fn of(why: &Refusal) -> ApiError {
    match why {
        Refusal::NotEmpty => {
            let text = "Update factory failed. You cannot add CMK settings for factories with existing entities";
            bad_request("AddCMKToExistingFactoriesWithEntities", text)
        }
        Refusal::CannotBeDisabled => {
            let text = "Update factory failed. You cannot remove CMK settings to existing factory";
            bad_request("RemovedCMKToExistingFactory", text)
        }
        other if other.failure().is_some() => denied(other),
        Refusal::Damaged(_) | Refusal::Failed(_) => internal(why),
        Refusal::NoVault { .. } => {
            let text = format!("Update factory failed. The customer-managed key is not taken: vaultBaseUrl: {why}.");
            bad_request("BadRequest", text)
        }
        other => {
            bad_request("BadRequest", format!("Update factory failed. The customer-managed key is not taken: {other}."))
        }
    }
}

/// A key that does not unwrap the data key of a factory: nothing in it can be read or written.
pub(super) fn away(why: &Refusal) -> ApiError {
    match why {
        Refusal::Damaged(_) | Refusal::Failed(_) => internal(why),
        other => denied(other),
    }
}

/// The identity that the key is used as is none of the factory's: this user-assigned one, or one of its own.
pub(super) fn identity(user_assigned: Option<&str>) -> ApiError {
    let identity = user_assigned.map_or("its system-assigned identity".to_owned(), |id| format!("the identity '{id}'"));
    let text = format!(
        "Update factory failed. The customer-managed key is used as {identity}, which must be one of the factory's identities \
         before and for as long as the key is in use."
    );
    bad_request("BadRequest", text)
}

/// The vault of the key is in another region.
pub(super) fn region(vault: &str, theirs: &str, ours: &str) -> ApiError {
    let text = format!(
        "Update factory failed. The key vault {vault} is in the region '{theirs}', the factory in '{ours}': they must be in the same \
         region."
    );
    bad_request("BadRequest", text)
}

/// A PATCH that names a key.
pub(super) fn in_patch() -> ApiError {
    let text = "A PATCH changes tags, identity and publicNetworkAccess alone: send properties.encryption with a PUT of the factory.";
    bad_request("BadRequest", text)
}

/// 403 with the vault's message, as the service has it; a vault that is busy or broke off is asked again.
fn denied(why: &Refusal) -> ApiError {
    let failure = why.failure();
    if failure.is_some_and(|failure| failure.status().is_none_or(|status| status == 429 || status >= 500)) {
        return busy();
    }
    let (why, said) = (why.to_string(), failure.map(ToString::to_string).unwrap_or_default());
    let said = if why.contains(&said) { String::new() } else { format!(" The vault says: {said}") };
    let text = format!("Access to the customer-managed key of the data factory is denied: {why}.{said}");
    ApiError::new(StatusCode::FORBIDDEN, "Forbidden", text)
}
