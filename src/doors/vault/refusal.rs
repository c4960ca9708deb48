//! From facts to the service's words: one exhaustive match, and the refusals that this door makes itself. Texts are
//! the service's where one was recorded or published; where none was found, the comment says so.

use hyper::{Method, StatusCode};

use super::exchange::Exchange;
use super::response::LOCATION;
use super::{certificates, keys};
use crate::access::Identity;
use crate::crypto::CryptoError;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::http::Request;
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::http::routes;
use crate::operation::Permission;
use crate::vault::keys::KeyRecord;
use crate::vault::keys::release::ReleaseFault;
use crate::vault::keys::rotation::RotationFault;
use crate::vault::object::Found;
use crate::vault::{Attempt, Kind, ObjectName, Refusal, Vault, Version};

/// The header that names the permission to add.
const MISSING: &str = "x-keyhaven-missing";

/// The error that tells a refusal of the domain.
pub(super) fn error(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::NotFound { kind, name, version } => not_found(kind, &name, version.as_ref()),
        Refusal::DeletedNotFound { kind, name } => {
            let text = format!("Deleted {} not found: {name}", Word::of(kind).capital);
            ApiError::new(StatusCode::NOT_FOUND, Word::of(kind).not_found, text)
        }
        Refusal::DeletedButRecoverable { kind, name } => deleted_but_recoverable(kind, &name),
        Refusal::BeingDeleted { kind, name, attempt } => being_deleted(kind, &name, attempt),
        Refusal::BeingRecovered { kind, name, attempt } => being_recovered(kind, &name, attempt),
        Refusal::NotDeleted { kind, name } => {
            let text = format!("{} exists already: {name}", Word::of(kind).capital);
            let error = ApiError::new(StatusCode::BAD_REQUEST, "MethodNotAllowed", text);
            error.inner("RequestNotAllowedOnNonDeletedObject")
        }
        Refusal::PurgeProtected => forbidden(PURGE_PROTECTED.to_owned()),
        // The text is recorded for purge; the other operations follow it.
        Refusal::NoSoftDelete { operation } => {
            let text = format!("Operation \"{operation}\" is not enabled for this vault.");
            ApiError::new(StatusCode::BAD_REQUEST, "NotSupported", text)
        }
        Refusal::RestoreConflict { kind, name, .. } => restore_conflict(kind, name.as_str()),
        // Recorded by the Go and Java SDKs' own tests; what is wrong is told in a header.
        Refusal::BadBackup { why } => {
            ApiError::new(StatusCode::BAD_REQUEST, "Malformed backup blob", "Backup blob is corrupt.")
                .header("x-keyhaven-detail", why)
        }
        // The number is the service's; its text was not found.
        Refusal::TooManyVersions { most } => {
            bad(format!("An object with more than {most} versions cannot be backed up."))
        }
        // Requests of this door do not change vaults.
        Refusal::Fixed { .. }
        | Refusal::AliasTaken { .. }
        | Refusal::VaultTaken { .. }
        | Refusal::NoSuchVault { .. }
        | Refusal::LostVault { .. } => internal(&refusal.to_string()),
        Refusal::TooManyVaults { most } => too_many_vaults(most),
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
        Refusal::Operations(fault) => keys::unsupported_operations(&fault),
        Refusal::Import { kty, cause } => keys::invalid_material(kty, &cause),
        // No public text was found; these name the member.
        Refusal::Rotation(RotationFault::Imported) => bad("A key that was imported cannot be rotated.".to_owned()),
        Refusal::Rotation(fault) => bad(format!("Invalid key rotation policy: {fault}.")),
        Refusal::Release(fault) => release(fault),
        Refusal::Crypto { key, member, algorithm, cause } => crypto(key.name.as_str(), &key, member, algorithm, &cause),
        Refusal::Busy => busy(),
        Refusal::Damaged { record, why } => internal(&format!("the record {record} is damaged: {why}")),
        Refusal::Internal(why) => internal(&why),
        Refusal::Store(error) if error.is_full() => ApiError::disk_full(),
        Refusal::WritesStopped { why } => writes_stopped(&why),
        Refusal::Store(error) => internal(&error.to_string()),
    }
}

/// The text of a purge in a vault with purge protection; the vault is named behind it.
const PURGE_PROTECTED: &str = "Operation \"purge\" is not allowed because purge protection is enabled for this vault. \
                               Key Vault service will automatically purge it after the retention period has passed.";

/// The service's words for a kind of object.
struct Word {
    plain: &'static str,
    capital: &'static str,
    not_found: &'static str,
    disabled: &'static str,
}

impl Word {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Key => Self { plain: "key", capital: "Key", not_found: "KeyNotFound", disabled: "KeyDisabled" },
            Kind::Secret => {
                Self { plain: "secret", capital: "Secret", not_found: "SecretNotFound", disabled: "SecretDisabled" }
            }
        }
    }
}

/// The error that tells a refusal whose text names the vault, or an object by its id.
pub(super) fn in_vault(refusal: Refusal, exchange: &Exchange) -> ApiError {
    match refusal {
        Refusal::PurgeProtected => {
            let vault = &exchange.call.vault.name;
            forbidden(format!("{PURGE_PROTECTED}\r\nVault: {vault};location={LOCATION}"))
        }
        Refusal::RestoreConflict { kind, name, version } => {
            restore_conflict(kind, &exchange.id(kind, &name, Some(&version)))
        }
        other => error(other),
    }
}

/// Recorded (golden 082, 084).
fn deleted_but_recoverable(kind: Kind, name: &ObjectName) -> ApiError {
    let Word { plain, capital, .. } = Word::of(kind);
    conflict(format!(
        "{capital} {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, \
         the {plain} can only be recovered or purged."
    ))
    .inner("ObjectIsDeletedButRecoverable")
}

/// Recorded (golden 083, 085, 086).
fn being_deleted(kind: Kind, name: &ObjectName, attempt: Attempt) -> ApiError {
    let capital = Word::of(kind).capital;
    conflict(match attempt {
        Attempt::Create => {
            format!("{capital} {name} is currently being deleted and cannot be re-created; retry later.")
        }
        Attempt::Purge => format!("{capital} is currently being deleted."),
        Attempt::Recover | Attempt::Delete => format!("{capital} {name} is currently being deleted."),
    })
    .inner("ObjectIsBeingDeleted")
}

/// The text of the first is public (hashicorp/terraform-provider-azurerm issue 12285); no other was found, and those that
/// stand here follow the state before.
fn being_recovered(kind: Kind, name: &ObjectName, attempt: Attempt) -> ApiError {
    let capital = Word::of(kind).capital;
    conflict(match attempt {
        Attempt::Create => {
            format!("{capital} {name} is currently being recovered and cannot be re-created; retry later.")
        }
        Attempt::Recover | Attempt::Delete | Attempt::Purge => {
            format!("{capital} {name} is currently being recovered.")
        }
    })
    .inner("ObjectIsBeingRecovered")
}

/// Recorded (golden 087, 088); it has no inner code.
fn restore_conflict(kind: Kind, id: &str) -> ApiError {
    let word = Word::of(kind).plain;
    conflict(format!(
        "There was a conflict restoring the {word} '{id}'. This can happen if either: a second {word} with the same name \
         was created after the first {word} was deleted; thus trying to restore a {word} whose name is already in use. To \
         fix this, rename the second {word} to something else so that the restore works. The second probable cause of \
         this exception is when multiple operations are performed in parallel against the {word}. To avoid this error, \
         perform operations against a {word} in a sequential manner."
    ))
}

fn not_found(kind: Kind, name: &ObjectName, version: Option<&Version>) -> ApiError {
    let Word { plain: word, not_found: code, .. } = Word::of(kind);
    let id = version.map_or_else(|| name.to_string(), |version| format!("{name}/{version}"));
    let text = format!(
        "A {word} with (name/id) {id} was not found in this key vault. If you recently deleted this {word} you may be \
         able to recover it using the correct recovery command. For help resolving this issue, please see \
         https://go.microsoft.com/fwlink/?linkid=2125182"
    );
    ApiError::new(StatusCode::NOT_FOUND, code, text)
}

fn disabled(kind: Kind, operation: &str) -> ApiError {
    let Word { plain, disabled, .. } = Word::of(kind);
    forbidden(format!("Operation {operation} is not allowed on a disabled {plain}.")).inner(disabled)
}

/// The error that tells why a key could not be used; its text may name the key by its id.
pub(super) fn of_use(refusal: Refusal, exchange: &Exchange) -> ApiError {
    match refusal {
        Refusal::Crypto { key, member, algorithm, cause } => {
            let kid = exchange.id(Kind::Key, &key.name, Some(&key.version));
            crypto(&kid, &key, member, algorithm, &cause)
        }
        other => error(other),
    }
}

/// Texts for the digest's length, the curve (Azure/azure-sdk-for-node issue 4603, with two curves celo-org/celo-monorepo
/// pull request 5703), and a value that cannot be decrypted are recorded; the others follow them.
fn crypto(kid: &str, key: &Found<KeyRecord>, member: &str, algorithm: &str, cause: &CryptoError) -> ApiError {
    let length = |member: &str, given: usize, rule: String| {
        bad(format!("Invalid length of '{member}': {given} bytes. {algorithm} {rule}, encoded with base64url."))
    };
    match *cause {
        CryptoError::DigestLength { given, required } => length(member, given, format!("requires {required} bytes")),
        CryptoError::MemberLength { member, given, required } => {
            length(member, given, format!("requires {required} bytes"))
        }
        CryptoError::PlaintextTooLong { given, max } => {
            length(member, given, format!("takes at most {max} bytes with this key"))
        }
        CryptoError::Blocks { given, of } => length(member, given, format!("requires a multiple of {of} bytes")),
        CryptoError::Wrappable { given } => {
            length(member, given, "takes 16 bytes and more in multiples of 8, with padding any number".to_owned())
        }
        CryptoError::Missing(member) => bad(format!("Property '{member}' is required.\r\n")),
        CryptoError::Unwanted(member) => bad(format!("Property '{member}' cannot be used with {algorithm}.")),
        CryptoError::Curve { key, wanted } => {
            let wanted = wanted.iter().map(|curve| format!("'{}'", curve.name())).collect::<Vec<_>>().join(" or ");
            incompatible(algorithm, kid, &format!("uses curve '{}'", key.name()), &format!("curve {wanted}"))
        }
        CryptoError::Incompatible { wanted, .. } => incompatible(
            algorithm,
            kid,
            &format!("is of type '{}'", key.record.kty.name()),
            &format!("a key of type '{wanted}' or '{wanted}-HSM'"),
        ),
        CryptoError::AlgorithmKeySize { key, wanted } => {
            incompatible(algorithm, kid, &format!("has {key} bits"), &format!("a key of {wanted} bits"))
        }
        CryptoError::CiphertextLength { .. } | CryptoError::Padding => {
            bad("Unable to decrypt specified value with this key".to_owned())
        }
        CryptoError::KeySize(_) | CryptoError::Material(_) | CryptoError::Failed(_) => internal(&cause.to_string()),
    }
}

fn incompatible(algorithm: &str, kid: &str, is: &str, wanted: &str) -> ApiError {
    let kind = if SignatureAlgorithm::parse(algorithm).is_some() { "signing" } else { "encryption" };
    bad(format!(
        "Key and {kind} algorithm are incompatible. Key {kid} {is}, and algorithm '{algorithm}' can only be used with \
         {wanted}."
    ))
}

/// The texts with numbers are recorded (golden 067 and public issue threads); for the last none was found.
fn release(fault: ReleaseFault) -> ApiError {
    bad(match fault {
        ReleaseFault::NoPolicy => "AKV.SKR.1004: Exportable keys must have release policy.",
        ReleaseFault::NotExportable => "AKV.SKR.1005: Non-exportable keys must not have release policy.",
        ReleaseFault::Immutable => "AKV.SKR.1020: Immutable Key Release Policy cannot be modified.",
        ReleaseFault::Exportability => "The attribute exportable cannot be changed after the key was created.",
    }
    .to_owned())
}

/// Recorded without Retry-After; clients wait less with one, so it is sent.
fn busy() -> ApiError {
    failure(429, Some(1))
}

/// A failure of the service as a whole: 429, 503 or 500, with the seconds to wait if they are to be told. The text of 429
/// is recorded; those of the others are ASP.NET's reason phrases.
pub fn failure(status: u16, retry_after: Option<u32>) -> ApiError {
    let error = match status {
        429 => {
            let text = "Request was not processed because too many requests were received. Reason: \
                        VaultRequestTypeLimitReached";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "Throttled", text)
        }
        503 => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Service Unavailable"),
        _ => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "Internal Server Error"),
    };
    match retry_after {
        Some(seconds) => error.header("retry-after", seconds.to_string()),
        None => error,
    }
}

/// The cause goes to the log, never to the wire.
fn internal(why: &str) -> ApiError {
    tracing::error!(why, "a request failed");
    let text = "An internal error occurred; the server's log says which.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text)
}

/// Damage was found in the store while it was in use. What is damaged goes to the log: it may name other objects.
fn writes_stopped(why: &str) -> ApiError {
    tracing::error!(why, "a request was refused, because damage was found in the store");
    let text = "Nothing is written any more, because damage was found in the server's store; reads go on. Stop the \
                server, see what is damaged with keyhaven check DIR, and restore a copy of the data directory.";
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
         https://NAME.vault.localhost.{}",
        authority.host(),
        names.join(", "),
        super::host::vault_name(authority.host()).map_or_else(String::new, |name| format!(
            " Or make it: keyhaven vault create {name}, or start with --create-vaults."
        ))
    );
    ApiError::new(StatusCode::NOT_FOUND, "VaultNotFound", text)
}

/// The 404 for a vault that is not made on demand any more.
fn too_many_vaults(most: usize) -> ApiError {
    let text = format!(
        "There is no such vault, and none is made on demand any more: there are {most} vaults. Delete some with \
         keyhaven vault delete, or all that the configuration does not have with keyhaven reset."
    );
    ApiError::new(StatusCode::NOT_FOUND, "VaultNotFound", text)
}

/// The 400 for a request line that leads nowhere. An unknown last segment has the service's text; what is left is
/// told plainly.
pub(super) fn no_such_operation(method: &Method, request: &Request) -> ApiError {
    let path = request.uri().path();
    let segments: Vec<_> = routes::segments(path).collect();
    match segments.as_slice() {
        [collection, ..] if certificates::has(collection) => certificates::absent(method, path),
        [_, _, .., last] if LATER.iter().any(|known| known.eq_ignore_ascii_case(last)) => not_built(method, path),
        [collection, _, .., last]
            if ["keys", "secrets", "deletedkeys", "deletedsecrets"]
                .contains(&collection.to_ascii_lowercase().as_str()) =>
        {
            no_such_segment(method, last)
        }
        _ => not_built(method, path),
    }
}

/// Operations of the service that this server does not have; its text for an unknown segment would mislead.
const LATER: [&str; 3] = ["rotate", "rotationpolicy", "attestation"];

fn not_built(method: &Method, path: &str) -> ApiError {
    let text = format!("This server does not have the operation {method} {path}.");
    ApiError::new(StatusCode::BAD_REQUEST, "NotSupported", text)
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

fn conflict(message: String) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "Conflict", message)
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
