//! What the first segment of a path means.

use uuid::Uuid;

use super::refusal::Refusal;
use super::{Asked, State};
use crate::http::authority::Authority;

/// How the tenant was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// By its id, a domain name, or a word for any tenant.
    Tenant,
    /// As AD FS, whose documents lie elsewhere and have no version.
    Adfs,
}

/// The tenant that `asked` means is always the one there is: by its id, by any domain name (of which a tenant has as many
/// as it likes), or as `common` or `organizations`.
pub(super) fn form(state: &State, asked: &Asked) -> Result<Form, Refusal> {
    let text = asked.tenant.as_str();
    if let Ok(id) = Uuid::parse_str(text) {
        return if id == state.directory.tenant_id() { Ok(Form::Tenant) } else { Err(other(state, text)) };
    }
    match text.to_ascii_lowercase().as_str() {
        "common" | "organizations" => Ok(Form::Tenant),
        "adfs" => Ok(Form::Adfs),
        domain if is_domain(domain) => Ok(Form::Tenant),
        _ => Err(Refusal::NoSuchTenant(text.to_owned())),
    }
}

fn other(state: &State, tenant: &str) -> Refusal {
    let own = state.directory.tenant_id();
    tracing::warn!(tenant, %own, "a token was asked for in another tenant; start with --tenant to have that one");
    Refusal::NoSuchTenant(tenant.to_owned())
}

fn is_domain(text: &str) -> bool {
    let host = Authority::parse(text).filter(|host| host.port().is_none() && host.address().is_none());
    host.is_some_and(|host| host.host().contains('.'))
}
