//! Resolves the tenant, which is the first segment of a path.

use uuid::Uuid;

use super::refusal::Refusal;
use super::{RequestContext, State};
use crate::http::authority::Authority;

/// The kind of authority that a path names (MSAL's term).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthorityKind {
    /// The tenant, by its id, a domain name, or a word for any tenant.
    Entra,
    /// AD FS, whose documents have other paths and no version.
    Adfs,
}

/// Resolves the tenant of the path to the only one: by its id, by any domain name (a tenant can have many), or by `common` or
/// `organizations`.
pub(super) fn resolve(state: &State, context: &RequestContext) -> Result<AuthorityKind, Refusal> {
    let text = context.tenant.as_str();
    if let Ok(id) = Uuid::parse_str(text) {
        return if id == state.directory.tenant_id() {
            Ok(AuthorityKind::Entra)
        } else {
            Err(wrong_tenant(state, text))
        };
    }
    match text.to_ascii_lowercase().as_str() {
        "common" | "organizations" => Ok(AuthorityKind::Entra),
        "adfs" => Ok(AuthorityKind::Adfs),
        domain if is_domain(domain) => Ok(AuthorityKind::Entra),
        _ => Err(Refusal::NoSuchTenant(text.to_owned())),
    }
}

fn wrong_tenant(state: &State, tenant: &str) -> Refusal {
    let own = state.directory.tenant_id();
    tracing::warn!(tenant, %own, "a token was requested for another tenant; start with --tenant to have that one");
    Refusal::NoSuchTenant(tenant.to_owned())
}

fn is_domain(text: &str) -> bool {
    let host = Authority::parse(text).filter(|host| host.port().is_none() && host.address().is_none());
    host.is_some_and(|host| host.host().contains('.'))
}
