//! Refusals that concern keys and their use.

use hyper::StatusCode;

use super::{bad, forbidden, server};
use crate::crypto::CryptoError;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::http::error::ApiError;
use crate::vault::keys::release::ReleasePolicyError;
use crate::vault::keys::rotation::RotationPolicyError;
use crate::vault::keys::{KeyInput, KeyOperation, KeyOperationsError, KeyRecord, KeyType};
use crate::vault::object::FoundVersion;

/// No public text was found for this one and [`expired`]; the inner codes follow KeyDisabled.
pub(super) fn not_yet_valid(operation: &str) -> ApiError {
    forbidden(format!("Operation {operation} is not allowed on a key that is not yet valid.")).inner("KeyNotYetValid")
}

pub(super) fn expired(operation: &str) -> ApiError {
    forbidden(format!("Operation {operation} is not allowed on an expired key.")).inner("KeyExpired")
}

pub(super) fn operation_not_permitted(operation: &str) -> ApiError {
    forbidden(format!("Operation {operation} is not permitted on this key.")).inner("KeyOperationForbidden")
}

/// A request without the refusal of its roles never comes so far: the words are ours.
pub(super) fn public_keys_only() -> ApiError {
    forbidden("The caller may use public keys alone, and this key is symmetric.".to_owned()).inner("ForbiddenByRbac")
}

/// No public text was found; the form is that of other key types that a vault does not have.
pub(super) fn needs_premium(kty: &str) -> ApiError {
    bad(format!("Invalid kty value: {kty}. HSM-protected keys need a vault of sku premium."))
        .inner("KeyTypeNotSupported")
}

/// No public text was found; these name the member.
pub(super) fn rotation(error: RotationPolicyError) -> ApiError {
    bad(match error {
        RotationPolicyError::Imported => "A key that was imported cannot be rotated.".to_owned(),
        error => format!("Invalid key rotation policy: {}.", rotation_policy_error(error)),
    })
}

const fn rotation_policy_error(error: RotationPolicyError) -> &'static str {
    match error {
        RotationPolicyError::ShortLife => "attributes.expiryTime must be at least 28 days",
        RotationPolicyError::ShortTrigger => "lifetimeActions.trigger must be at least 7 days",
        RotationPolicyError::OutsideLife => {
            "lifetimeActions.trigger of Rotate must lie at least 7 days after the creation and 7 days before the end \
             that attributes.expiryTime gives"
        }
        RotationPolicyError::NoExpiry => {
            "lifetimeActions.trigger.timeBeforeExpiry of Rotate needs attributes.expiryTime, or a key that expires"
        }
        RotationPolicyError::TooFar => "a time span of the policy leads beyond the calendar",
        RotationPolicyError::Imported => "a key that was imported cannot be rotated",
    }
}

/// Texts for the digest's length, the curve (Azure/azure-sdk-for-node issue 4603, with two curves celo-org/celo-monorepo
/// pull request 5703), and a value that cannot be decrypted are recorded; the others follow them.
pub(crate) fn crypto(
    kid: &str,
    key: &FoundVersion<KeyRecord>,
    input: KeyInput,
    algorithm: &str,
    cause: &CryptoError,
) -> ApiError {
    let member = match input {
        KeyInput::Value => "value",
        KeyInput::Digest => "digest",
    };
    match *cause {
        CryptoError::DigestLength { .. }
        | CryptoError::MemberLength { .. }
        | CryptoError::PlaintextTooLong { .. }
        | CryptoError::BlockLength { .. }
        | CryptoError::WrapLength { .. } => length_error(member, algorithm, cause),
        CryptoError::MissingMember(member) => bad(format!("Property '{member}' is required.\r\n")),
        CryptoError::UnexpectedMember(member) => bad(format!("Property '{member}' cannot be used with {algorithm}.")),
        CryptoError::WrongCurve { key, wanted } => {
            let wanted = wanted.iter().map(|curve| format!("'{}'", curve.name())).collect::<Vec<_>>().join(" or ");
            incompatible(algorithm, kid, &format!("uses curve '{}'", key.name()), &format!("curve {wanted}"))
        }
        CryptoError::WrongKeyType { wanted, .. } => incompatible(
            algorithm,
            kid,
            &format!("is of type '{}'", key.record.kty.name()),
            &format!("a key of type '{wanted}' or '{wanted}-HSM'"),
        ),
        CryptoError::WrongKeySize { key, wanted } => {
            incompatible(algorithm, kid, &format!("has {key} bits"), &format!("a key of {wanted} bits"))
        }
        CryptoError::CiphertextLength { .. } | CryptoError::DecryptionFailed => {
            bad("Unable to decrypt specified value with this key".to_owned())
        }
        CryptoError::KeySize(_) | CryptoError::InvalidMaterial(_) | CryptoError::Failed(_) => {
            server::internal(&cause.to_string())
        }
    }
}

/// The refusal of `input`, or of the member that `cause` names, for its length.
fn length_error(input: &str, algorithm: &str, cause: &CryptoError) -> ApiError {
    let (member, given, rule) = match *cause {
        CryptoError::DigestLength { given, required } => (input, given, format!("requires {required} bytes")),
        CryptoError::MemberLength { member, given, required } => (member, given, format!("requires {required} bytes")),
        CryptoError::PlaintextTooLong { given, max } => {
            (input, given, format!("takes at most {max} bytes with this key"))
        }
        CryptoError::BlockLength { given, of } => (input, given, format!("requires a multiple of {of} bytes")),
        CryptoError::WrapLength { given } => {
            let rule = "takes 16 bytes and more in multiples of 8, with padding any number";
            (input, given, rule.to_owned())
        }
        _ => return server::internal(&cause.to_string()),
    };
    bad(format!("Invalid length of '{member}': {given} bytes. {algorithm} {rule}, encoded with base64url."))
}

fn incompatible(algorithm: &str, kid: &str, is: &str, wanted: &str) -> ApiError {
    let kind = if SignatureAlgorithm::parse(algorithm).is_some() { "signing" } else { "encryption" };
    bad(format!(
        "Key and {kind} algorithm are incompatible. Key {kid} {is}, and algorithm '{algorithm}' can only be used with \
         {wanted}."
    ))
}

/// The texts with numbers are recorded (golden 067 and public issue threads); for `Exportability` none was found.
pub(super) fn release(error: ReleasePolicyError) -> ApiError {
    bad(match error {
        ReleasePolicyError::NoPolicy => "AKV.SKR.1004: Exportable keys must have release policy.",
        ReleasePolicyError::NotExportable => "AKV.SKR.1005: Non-exportable keys must not have release policy.",
        ReleasePolicyError::Immutable => "AKV.SKR.1020: Immutable Key Release Policy cannot be modified.",
        ReleasePolicyError::Exportability => "The attribute exportable cannot be changed after the key was created.",
    }
    .to_owned())
}

/// The service's text for a key of a size that it does not have.
pub(crate) fn size_not_supported(bits: usize, known: &[u32]) -> ApiError {
    let text = format!("Unsupported key size ({bits}). Supported sizes are {known:?}");
    ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", text).inner("KeySizeNotSupported")
}

/// The refusal of operations that a key's type does not have. The text for `Unsupported` is public (Azure/AzureKeyVault issue
/// 22); for `ImportWithOthers` none was found.
pub(super) fn unsupported_operations(error: &KeyOperationsError) -> ApiError {
    let listed = |operations: &[KeyOperation]| {
        operations.iter().map(|operation| format!("\"{}\"", operation.name())).collect::<Vec<_>>().join(", ")
    };
    let text = match error {
        KeyOperationsError::Unsupported { given, supported } => {
            format!("Unsupported key operation(s): {}. Supported values are {}.", listed(given), listed(supported))
        }
        KeyOperationsError::ImportWithOthers => {
            "The key operation import cannot be combined with others: give it alone, or leave it out.".to_owned()
        }
    };
    ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", text)
}

/// The service's text for a key that is none (golden 066); `detail` says why.
pub(crate) fn invalid_key(detail: &str) -> ApiError {
    let text = "The property \"key\" must be a valid JsonWebKey object.";
    ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", text).header("x-keyhaven-detail", detail)
}

/// The refusal of a key of type `kty` whose members are there and do not do. The text for RSA is the service's; for
/// other types none was found, and they get that of golden 066.
pub(super) fn invalid_material(kty: KeyType, cause: &CryptoError) -> ApiError {
    match (cause, kty) {
        (CryptoError::KeySize(bits), KeyType::OctHsm) => size_not_supported(*bits, &[128, 192, 256]),
        (CryptoError::KeySize(bits), _) => size_not_supported(*bits, &[2048, 3072, 4096]),
        (_, KeyType::Rsa | KeyType::RsaHsm) => {
            let text = "RSA key is not valid - cannot instantiate crypto service";
            let error = ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", text);
            error.header("x-keyhaven-detail", format!("key: {cause}"))
        }
        _ => invalid_key(&format!("key: {cause}")),
    }
}
