//! Refusals that concern keys and their use.

use super::{bad, forbidden, server};
use crate::crypto::CryptoError;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::http::error::ApiError;
use crate::vault::keys::release::ReleasePolicyError;
use crate::vault::keys::rotation::RotationPolicyError;
use crate::vault::keys::{KeyInput, KeyRecord};
use crate::vault::object::Found;

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

/// No public text was found; the form is that of other key types that a vault does not have.
pub(super) fn needs_premium(kty: &str) -> ApiError {
    bad(format!("Invalid kty value: {kty}. HSM-protected keys need a vault of sku premium."))
        .inner("KeyTypeNotSupported")
}

/// No public text was found; these name the member.
pub(super) fn rotation(fault: RotationPolicyError) -> ApiError {
    bad(match fault {
        RotationPolicyError::Imported => "A key that was imported cannot be rotated.".to_owned(),
        fault => format!("Invalid key rotation policy: {}.", rotation_policy_error(fault)),
    })
}

const fn rotation_policy_error(fault: RotationPolicyError) -> &'static str {
    match fault {
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
pub(super) fn crypto(
    kid: &str,
    key: &Found<KeyRecord>,
    input: KeyInput,
    algorithm: &str,
    cause: &CryptoError,
) -> ApiError {
    let member = match input {
        KeyInput::Value => "value",
        KeyInput::Digest => "digest",
    };
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
        CryptoError::BlockLength { given, of } => length(member, given, format!("requires a multiple of {of} bytes")),
        CryptoError::WrapLength { given } => {
            length(member, given, "takes 16 bytes and more in multiples of 8, with padding any number".to_owned())
        }
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

fn incompatible(algorithm: &str, kid: &str, is: &str, wanted: &str) -> ApiError {
    let kind = if SignatureAlgorithm::parse(algorithm).is_some() { "signing" } else { "encryption" };
    bad(format!(
        "Key and {kind} algorithm are incompatible. Key {kid} {is}, and algorithm '{algorithm}' can only be used with \
         {wanted}."
    ))
}

/// The texts with numbers are recorded (golden 067 and public issue threads); for the last none was found.
pub(super) fn release(fault: ReleasePolicyError) -> ApiError {
    bad(match fault {
        ReleasePolicyError::NoPolicy => "AKV.SKR.1004: Exportable keys must have release policy.",
        ReleasePolicyError::NotExportable => "AKV.SKR.1005: Non-exportable keys must not have release policy.",
        ReleasePolicyError::Immutable => "AKV.SKR.1020: Immutable Key Release Policy cannot be modified.",
        ReleasePolicyError::Exportability => "The attribute exportable cannot be changed after the key was created.",
    }
    .to_owned())
}
