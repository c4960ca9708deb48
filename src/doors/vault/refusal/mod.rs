//! From facts to the service's words: one exhaustive match here, and the refusals that this door makes itself. Texts are
//! the service's where one was recorded or published; where none was found, the comment says so.
//!
//! [`object`] has what concerns any object, [`key`] what concerns keys and their use, [`network`] addresses, [`request`] what a request is refused
//! for before the domain sees it, [`server`] the failures of the server as a whole.

mod key;
mod network;
mod object;
mod request;
mod server;

use hyper::StatusCode;

use crate::http::error::ApiError;
use crate::vault::{Refusal, Vault};

pub(super) use key::{crypto, invalid_key, size_not_supported};
pub(super) use network::{forbidden_by_connection, forbidden_by_firewall, of_service};
pub(super) use object::{purge_protected, restore_conflict};
pub(super) use request::{
    ByRoles, forbidden_by_policy, forbidden_by_roles, invalid_name, no_such_operation, no_such_segment, no_such_vault,
};
pub(super) use server::failure;

/// A vault as the service's texts name it: with its location.
fn place(vault: &Vault) -> String {
    format!("{};location={}", vault.name, vault.resource.location)
}

/// Maps a refusal of the domain to the error on the wire.
pub(super) fn error(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::NotFound { kind, name, version } => object::not_found(kind, &name, version.as_ref()),
        Refusal::DeletedNotFound { kind, name } => object::deleted_not_found(kind, &name),
        Refusal::DeletedButRecoverable { kind, name } => object::deleted_but_recoverable(kind, &name),
        Refusal::BeingDeleted { kind, name, attempt } => object::being_deleted(kind, &name, attempt),
        Refusal::BeingRecovered { kind, name, attempt } => object::being_recovered(kind, &name, attempt),
        Refusal::NotDeleted { kind, name } => object::not_deleted(kind, &name),
        Refusal::PurgeProtected => object::purge_protected(None),
        Refusal::PublicKeysOnly => key::public_keys_only(),
        Refusal::NoSoftDelete(wanted) => object::no_soft_delete(wanted),
        Refusal::RestoreConflict { kind, name, .. } => object::restore_conflict(kind, name.as_str()),
        Refusal::BadBackup(why) => object::bad_backup(object::backup_error(why)),
        Refusal::TooManyVersions { most } => object::too_many_versions(most),
        Refusal::Disabled { kind, operation } => object::disabled(kind, operation),
        // Requests of this door do not change vaults.
        Refusal::FixedSetting(_)
        | Refusal::AliasTaken { .. }
        | Refusal::VaultTaken { .. }
        | Refusal::NoSuchVault { .. }
        | Refusal::OrphanedLayer { .. } => server::internal(&refusal.to_string()),
        Refusal::TooManyVaults { most } => request::too_many_vaults(most),
        Refusal::NotYetValid { operation } => key::not_yet_valid(operation),
        Refusal::Expired { operation } => key::expired(operation),
        Refusal::OperationNotPermitted { operation } => key::operation_not_permitted(operation),
        Refusal::NeedsPremium { kty } => key::needs_premium(kty),
        Refusal::Operations(error) => key::unsupported_operations(&error),
        Refusal::Import { kty, cause } => key::invalid_material(kty, &cause),
        Refusal::Rotation(error) => key::rotation(error),
        Refusal::Release(error) => key::release(error),
        Refusal::Crypto { key, input, algorithm, cause } => {
            key::crypto(key.name.as_str(), &key, input, algorithm, &cause)
        }
        Refusal::Busy => server::busy(),
        Refusal::Damaged { record, why } => server::internal(&format!("the record {record} is damaged: {why}")),
        Refusal::Internal(why) => server::internal(&why),
        Refusal::Store(error) if error.is_full() => ApiError::disk_full(),
        Refusal::WritesStopped { why } => server::writes_stopped(&why),
        Refusal::Store(error) => server::internal(&error.to_string()),
    }
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
        let refused = error(Refusal::Busy);
        assert_eq!((refused.status, refused.code), (StatusCode::TOO_MANY_REQUESTS, "Throttled"));
        assert_eq!(refused.headers[0].1, "1");
        assert_eq!(refused.headers[0].0, "retry-after");
    }

    #[test]
    fn causes_of_our_own_failures_stay_in_the_log() {
        let refused = error(Refusal::Damaged { record: "version/x".to_owned(), why: "hush".to_owned() });
        assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!refused.message.contains("hush") && !refused.message.contains("version/x"));
    }
}
