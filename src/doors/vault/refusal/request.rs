//! What a request is refused for before the domain sees it: its host, its path, its caller's permissions.

use hyper::{Method, StatusCode};

use super::super::{certificates, host};
use super::{bad, forbidden, place};
use crate::access::Identity;
use crate::access::roles::{RoleDecision, Scope, VAULTS, smallest_role};
use crate::http::Request;
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::http::routes;
use crate::operation::Permission;
use crate::vault::{Kind, Vault};

/// The header that names the permission to add.
const MISSING: &str = "x-keyhaven-missing";

/// The refusal of an access policy (text of 2024), with the permission to add in a header of ours.
pub(crate) fn forbidden_by_policy(permission: Permission, vault: &Vault, who: &Identity, issuer: &str) -> ApiError {
    let wanted = permission.to_string().replace('/', " ").to_lowercase();
    let Identity { app_id, object_id, .. } = who;
    let text = format!(
        "The user, group or application 'appid={app_id};oid={object_id};numgroups=0;iss={issuer}' does not have {wanted} \
         permission on key vault '{}'. For help resolving this issue, please see \
         https://go.microsoft.com/fwlink/?linkid=2125287",
        place(vault)
    );
    forbidden(text).inner("ForbiddenByPolicy").header(MISSING, permission.to_string())
}

/// What roles did not allow.
#[derive(Clone, Copy)]
pub(crate) struct ByRoles<'a> {
    /// The data action, below `Microsoft.KeyVault/vaults/`.
    pub action: &'static str,
    /// The vault or the object in it.
    pub resource: &'a Scope,
    /// Why not.
    pub decision: RoleDecision,
}

/// The 403 of a vault in which roles decide. The text and its lines are the service's, as published; for a denial none was found:
/// its reason is ours.
pub(crate) fn forbidden_by_roles(refused: ByRoles<'_>, vault: &Vault, who: &Identity, issuer: &str) -> ApiError {
    let (denial, reason) = match refused.decision {
        RoleDecision::Denied { by } => (format!("'{by}'"), "DeniedByDenyAssignment"),
        _ => ("null".to_owned(), "DeniedWithNoValidRBAC"),
    };
    let Identity { app_id, object_id, .. } = who;
    let action = format!("{VAULTS}{}", refused.action);
    let text = format!(
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role \
         definitions were changed recently, please observe propagation time.\r\nCaller: \
         appid={app_id};oid={object_id};iss={issuer}\r\nAction: '{action}'\r\nResource: '{}'\r\nAssignment: (not \
         found)\r\nDenyAssignmentId: {denial}\r\nDecisionReason: '{reason}' \r\nVault: {}\r\n",
        refused.resource.lower_case(),
        place(vault)
    );
    let error = forbidden(text).inner("ForbiddenByRbac").header(MISSING, action);
    match smallest_role(refused.action) {
        Some(role) if !matches!(refused.decision, RoleDecision::Denied { .. }) => {
            error.header("x-keyhaven-role", &*role.name)
        }
        _ => error,
    }
}

/// The 404 for a host that resolves to no vault; it comes before the challenge.
pub(crate) fn no_such_vault(authority: &Authority, names: &[&str]) -> ApiError {
    let text = format!(
        "No vault answers on '{}'. Vaults here: {}. Add the host to a vault's 'aliases' in the configuration, or use \
         https://NAME.vault.localhost.{}",
        authority.host(),
        names.join(", "),
        host::vault_name(authority.host()).map_or_else(String::new, |name| format!(
            " Or make it: keyhaven vault create {name}, or start with --create-vaults."
        ))
    );
    ApiError::new(StatusCode::NOT_FOUND, "VaultNotFound", text)
}

/// The 404 for a vault that is not made on demand any more.
pub(super) fn too_many_vaults(most: usize) -> ApiError {
    let text = format!(
        "There is no such vault, and none is made on demand any more: there are {most} vaults. Delete some with \
         keyhaven vault delete, or all that the configuration does not have with keyhaven reset."
    );
    ApiError::new(StatusCode::NOT_FOUND, "VaultNotFound", text)
}

/// The 400 for a request line without an operation. An unknown last segment has the service's text, and so has a known one
/// with another method (`DELETE /deletedsecrets/x/purge` is recorded); all else has ours.
pub(crate) fn no_such_operation(method: &Method, request: &Request) -> ApiError {
    let path = request.uri().path();
    let segments: Vec<_> = routes::segments(path).collect();
    match segments.as_slice() {
        [collection, ..] if certificates::is_collection(collection) => certificates::absent(method, path),
        [_, _, .., last] if last.eq_ignore_ascii_case(NOT_IMPLEMENTED) => not_implemented(method, path),
        [collection, _, .., last] if has_collection(collection) => no_such_segment(method, last),
        _ => not_implemented(method, path),
    }
}

/// The operation of the service that this server does not have; the text for an unknown segment would mislead.
const NOT_IMPLEMENTED: &str = "attestation";

/// Whether a path's first segment is a collection of this server, or that of its deleted objects.
fn has_collection(segment: &str) -> bool {
    let names = Kind::ALL.iter().flat_map(|kind| [kind.collection(), kind.deleted_collection()]);
    names.into_iter().any(|name| name.eq_ignore_ascii_case(segment))
}

fn not_implemented(method: &Method, path: &str) -> ApiError {
    let text = format!("This server does not have the operation {method} {path}.");
    ApiError::new(StatusCode::BAD_REQUEST, "NotSupported", text)
}

/// The service's text for a segment that is neither a version nor an operation.
pub(crate) fn no_such_segment(method: &Method, segment: &str) -> ApiError {
    bad(format!("Method {method} does not allow operation '{segment}'"))
}

/// The service's text for a name that is none (golden 064); the text has the name decoded.
pub(crate) fn invalid_name(name: &str) -> ApiError {
    bad(format!("The request URI contains an invalid name: {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vaults_that_are_too_many_to_make_another_are_counted() {
        let error = too_many_vaults(10_000);
        let text = "There is no such vault, and none is made on demand any more: there are 10000 vaults.";
        assert!(error.message.starts_with(text), "{}", error.message);
        assert_eq!(error.status, StatusCode::NOT_FOUND);
    }
}
