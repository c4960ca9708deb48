//! May this caller do this operation? By the role assignments at the resource that the path names, and above it.

use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::refusal;
use super::state::State;
use crate::access::Identity;
use crate::access::roles::{Action, Attempt, RoleDecision, Scope};
use crate::authorization::GuardedAccess;
use crate::clock::Timestamp;
use crate::http::error::ApiError;
use crate::http::routes::segments;
use crate::operation::{Operation, Permission};
use crate::trail::{Missing, Trail};

impl State {
    /// Decides whether `who` may do `operation` at `path`, and answers what that was decided by.
    pub(super) async fn permit(
        &self,
        (operation, path): (&'static Operation, &str),
        who: &Identity,
        now: Timestamp,
        trail: &mut Trail,
    ) -> Result<GuardedAccess, ApiError> {
        let current = self.authorization.current().await.map_err(|error| refusal::record(&error))?;
        let Permission::Management(action) = operation.permission else { return Ok(current) };
        let scope = scope_of(path)?;
        let attempt = Attempt { who, action: Action::Management(action), resource: &scope, now: now.unix() };
        match current.access.decide(attempt) {
            RoleDecision::Allowed { assignment } => trail.assignment = Some(assignment),
            // A list shows what its reader may see, so it is open to those who may see something.
            RoleDecision::NoAssignment if is_list(operation) && current.access.allows_within(attempt) => {}
            decision => {
                trail.missing = Some(Missing::Permission(operation.permission));
                return Err(match decision {
                    RoleDecision::Denied { by } => refusal::denied(who, action, &scope, by),
                    _ => refusal::forbidden(who, action, &scope),
                });
            }
        }
        Ok(current)
    }
}

/// Whether it is of a collection.
fn is_list(operation: &Operation) -> bool {
    operation.method == Method::GET && !operation.path.ends_with('}')
}

/// The scope of the resource that `path` names: its subscription, resource group, and the types with their names. The name of a
/// collection or of an action at its end is none.
fn scope_of(path: &str) -> Result<Scope, ApiError> {
    let decoded: Vec<_> = segments(path).map(|segment| percent_decode_str(segment).decode_utf8_lossy()).collect();
    let is = |at: usize, word: &str| decoded.get(at).is_some_and(|one| one.eq_ignore_ascii_case(word));
    let has_group = is(2, "resourceGroups") && decoded.len() > 3;
    let provider = if has_group { 4 } else { 2 };
    let mut length = provider;
    if is(provider, "providers") {
        let pairs = decoded.len().saturating_sub(provider + 2) / 2;
        length = if pairs == 0 { provider } else { provider + 2 + 2 * pairs };
    }
    let taken = &decoded[..length.min(decoded.len())];
    let spelt = |(at, one): (usize, &std::borrow::Cow<'_, str>)| match at {
        0 => "/subscriptions".to_owned(),
        2 if has_group => "/resourceGroups".to_owned(),
        at if at == provider => "/providers".to_owned(),
        _ => format!("/{one}"),
    };
    let text: String = taken.iter().enumerate().map(spelt).collect();
    let invalid = || {
        let text = "A name in the path is empty, too long, or holds a slash.";
        ApiError::new(StatusCode::BAD_REQUEST, "InvalidResourceName", text)
    };
    if taken.iter().any(|one| one.contains('/')) {
        return Err(invalid());
    }
    Scope::parse(&text).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_of_the_resource_that_it_names() {
        for (path, expected) in [
            ("/subscriptions/s", "/subscriptions/s"),
            ("/subscriptions/s/resourcegroups", "/subscriptions/s"),
            ("/Subscriptions/s//resourcegroups/G/", "/subscriptions/s/resourceGroups/G"),
            ("/subscriptions/s/resourceGroups/g/resources", "/subscriptions/s/resourceGroups/g"),
            ("/subscriptions/s/providers", "/subscriptions/s"),
            ("/subscriptions/s/providers/N", "/subscriptions/s"),
            ("/subscriptions/s/providers/N/register", "/subscriptions/s"),
            ("/subscriptions/s/resourceGroups/g/providers/N/factories", "/subscriptions/s/resourceGroups/g"),
            (
                "/subscriptions/s/resourceGroups/g/providers/N/factories/f",
                "/subscriptions/s/resourceGroups/g/providers/N/factories/f",
            ),
            (
                "/subscriptions/s/resourceGroups/g/Providers/N/factories/f/pipelines",
                "/subscriptions/s/resourceGroups/g/providers/N/factories/f",
            ),
            (
                "/subscriptions/s/resourceGroups/g/providers/N/factories/f/pipelines/a%20b",
                "/subscriptions/s/resourceGroups/g/providers/N/factories/f/pipelines/a b",
            ),
        ] {
            assert_eq!(scope_of(path).unwrap().to_string(), expected, "{path}");
        }
    }

    #[test]
    fn a_name_that_reaches_into_another_resource_is_refused() {
        for name in ["f%2Fpipelines%2Fp", "%20f", "%2f"] {
            let path = format!("/subscriptions/s/resourceGroups/g/providers/N/factories/{name}");
            assert_eq!(scope_of(&path).unwrap_err().code, "InvalidResourceName", "{path}");
        }
    }
}
