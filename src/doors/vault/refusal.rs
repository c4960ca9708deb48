//! From facts to the service's words: one exhaustive match, and the refusals that this door makes itself. Texts are
//! the service's where one was recorded or published; where none was found, the comment says so.

use hyper::{Method, StatusCode};

use super::response::LOCATION;
use crate::access::Identity;
use crate::crypto::CryptoError;
use crate::http::Request;
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::operation::Permission;
use crate::vault::{Kind, ObjectName, Refusal, Vault, Version};

/// The header that names the permission to add.
const MISSING: &str = "x-keyhaven-missing";

/// The error that tells a refusal of the domain.
pub(super) fn error(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::NotFound { kind, name, version } => not_found(kind, &name, version.as_ref()),
        Refusal::Disabled { kind, operation } => disabled(kind, operation),
        // No public text was found for these two; the inner codes follow KeyDisabled.
        Refusal::NotYetValid { operation } => {
            forbidden(format!("Operation {operation} is not allowed on a key that is not yet valid."))
                .inner("KeyNotYetValid")
        }
        Refusal::Expired { operation } => {
            forbidden(format!("Operation {operation} is not allowed on an expired key.")).inner("KeyExpired")
        }
        Refusal::OperationNotPermitted { operation } => {
            forbidden(format!("Operation {operation} is not permitted on this key.")).inner("KeyOperationForbidden")
        }
        // No public text was found; the form is that of other key types that a vault does not have.
        Refusal::NeedsPremium { kty } => {
            bad(format!("Invalid kty value: {kty}. HSM-protected keys need a vault of sku premium."))
                .inner("KeyTypeNotSupported")
        }
        Refusal::Crypto { member, algorithm, cause } => crypto(member, algorithm, &cause),
        Refusal::Busy => busy(),
        Refusal::Damaged { record, why } => internal(&format!("the record {record} is damaged: {why}")),
        Refusal::Internal(why) => internal(&why),
        Refusal::Store(error) => internal(&error.to_string()),
    }
}

fn not_found(kind: Kind, name: &ObjectName, version: Option<&Version>) -> ApiError {
    let (code, word) = match kind {
        Kind::Key => ("KeyNotFound", "key"),
        Kind::Secret => ("SecretNotFound", "secret"),
    };
    let id = version.map_or_else(|| name.to_string(), |version| format!("{name}/{version}"));
    let text = format!(
        "A {word} with (name/id) {id} was not found in this key vault. If you recently deleted this {word} you may be \
         able to recover it using the correct recovery command. For help resolving this issue, please see \
         https://go.microsoft.com/fwlink/?linkid=2125182"
    );
    ApiError::new(StatusCode::NOT_FOUND, code, text)
}

fn disabled(kind: Kind, operation: &str) -> ApiError {
    let (inner, word) = match kind {
        Kind::Key => ("KeyDisabled", "key"),
        Kind::Secret => ("SecretDisabled", "secret"),
    };
    forbidden(format!("Operation {operation} is not allowed on a disabled {word}.")).inner(inner)
}

/// Texts for the digest's length and for a value that cannot be decrypted are recorded; the others follow them.
fn crypto(member: &str, algorithm: &str, cause: &CryptoError) -> ApiError {
    match cause {
        CryptoError::DigestLength { given, required } => bad(format!(
            "Invalid length of '{member}': {given} bytes. {algorithm} requires {required} bytes, encoded with base64url."
        )),
        CryptoError::PlaintextTooLong { given, max } => bad(format!(
            "Invalid length of '{member}': {given} bytes. {algorithm} takes at most {max} bytes with this key, encoded \
             with base64url."
        )),
        CryptoError::CiphertextLength { .. } | CryptoError::Padding => {
            bad("Unable to decrypt specified value with this key".to_owned())
        }
        other => internal(&other.to_string()),
    }
}

/// Recorded without Retry-After; clients wait less with one, so it is sent.
fn busy() -> ApiError {
    let text =
        "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "Throttled", text).header("retry-after", "1")
}

/// The cause goes to the log, never to the wire.
fn internal(why: &str) -> ApiError {
    tracing::error!(why, "a request failed");
    let text = "An internal error occurred; the server's log says which.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text)
}

/// The refusal of an access policy (text of 2024), with the permission to add in a header of ours.
pub(super) fn forbidden_by_policy(permission: Permission, vault: &Vault, who: &Identity, issuer: &str) -> ApiError {
    let asked = permission.to_string().replace('/', " ").to_lowercase();
    let Identity { app_id, object_id, .. } = who;
    let text = format!(
        "The user, group or application 'appid={app_id};oid={object_id};numgroups=0;iss={issuer}' does not have {asked} \
         permission on key vault '{};location={LOCATION}'. For help resolving this issue, please see \
         https://go.microsoft.com/fwlink/?linkid=2125287",
        vault.name
    );
    forbidden(text).inner("ForbiddenByPolicy").header(MISSING, permission.to_string())
}

/// The 404 for a host that means no vault; it comes before the challenge.
pub(super) fn no_such_vault(authority: &Authority, names: &[&str]) -> ApiError {
    let text = format!(
        "No vault answers on '{}'. Vaults here: {}. Add the host to a vault's 'aliases' in the configuration, or use \
         https://NAME.vault.localhost.",
        authority.host(),
        names.join(", ")
    );
    ApiError::new(StatusCode::NOT_FOUND, "VaultNotFound", text)
}

/// The 400 for a request line that leads nowhere. An unknown last segment has the service's text; what is left is
/// told plainly.
pub(super) fn no_such_operation(request: &Request) -> ApiError {
    let path = request.uri().path();
    let segments: Vec<_> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        [collection, _, .., last] if ["keys", "secrets"].contains(&collection.to_ascii_lowercase().as_str()) => {
            no_such_segment(request.method(), last)
        }
        _ => {
            let text = format!("This server does not have the operation {} {path}.", request.method());
            ApiError::new(StatusCode::BAD_REQUEST, "NotSupported", text)
        }
    }
}

/// The service's text for a segment that is neither a version nor an operation.
pub(super) fn no_such_segment(method: &Method, segment: &str) -> ApiError {
    bad(format!("Method {method} does not allow operation '{segment}'"))
}

/// The service's text for a name that is none (golden 064); the name stands there decoded.
pub(super) fn invalid_name(name: &str) -> ApiError {
    bad(format!("The request URI contains an invalid name: {name}"))
}

fn bad(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", message)
}

fn forbidden(message: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "Forbidden", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_at_once_is_429_with_the_time_to_wait() {
        let told = error(Refusal::Busy);
        assert_eq!((told.status, told.code), (StatusCode::TOO_MANY_REQUESTS, "Throttled"));
        assert_eq!(told.headers[0].1, "1");
        assert_eq!(told.headers[0].0, "retry-after");
    }

    #[test]
    fn causes_of_our_own_failures_stay_in_the_log() {
        let told = error(Refusal::Damaged { record: "version/x".to_owned(), why: "hush".to_owned() });
        assert_eq!(told.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!told.message.contains("hush") && !told.message.contains("version/x"));
    }
}
