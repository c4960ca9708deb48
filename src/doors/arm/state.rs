//! What the handlers of the management plane share, and a request as they get it.

use std::sync::Arc;

use hyper::body::Bytes;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::provider::Provider;
use super::refusal;
use crate::access::Identity;
use crate::access::roles::{Action, Attempt, RoleDecision, Scope};
use crate::authorization::{Authorization, GuardedAccess};
use crate::clock::{Clock, Timestamp};
use crate::directory::Directory;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::Params;
use crate::http::{Incoming, body};
use crate::management::{GroupId, Management};
use crate::random::Random;
use crate::vault::Vaults;

/// What the handlers of this door share.
pub(crate) struct State {
    /// The tenant and its subscription.
    pub directory: Directory,
    /// Who has which role.
    pub authorization: Authorization,
    /// Resource groups and resources.
    pub management: Management,
    /// The vaults, which name subscriptions of their own.
    pub vaults: Vaults,
    /// The vault clock.
    pub clock: Arc<dyn Clock>,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
    /// The bounds of bodies.
    pub limits: Arc<Limits>,
}

/// An authorized request, as a handler gets it. No byte of its body has been read.
pub(super) struct Call {
    /// Every provider there is.
    pub(super) providers: &'static [&'static Provider],
    /// Path and query.
    pub(super) params: Params,
    /// Who asks.
    pub(super) caller: Identity,
    /// What the caller's rights were decided by; a write expects that it has not changed.
    pub(super) access: GuardedAccess,
    /// The moment of the decision, on the vault clock.
    pub(super) now: Timestamp,
    /// The scheme and host that the client used.
    pub(super) origin: String,
    /// The path, as it was sent.
    pub(super) path: String,
    body: Incoming,
}

impl Call {
    /// The call of an authorized request.
    pub(super) fn new(
        params: Params,
        (caller, access): (Identity, GuardedAccess),
        now: Timestamp,
        providers: &'static [&'static Provider],
        (origin, path): (String, String),
        body: Incoming,
    ) -> Self {
        Self { providers, params, caller, access, now, origin, path, body }
    }

    /// The subscription in the path, which was checked.
    pub(super) fn subscription(&self) -> Uuid {
        Uuid::parse_str(&self.params.get("subscriptionId")).unwrap_or_default()
    }

    /// The resource group in the path.
    ///
    /// # Errors
    /// 400 for what no group can be called.
    pub(super) fn group(&self) -> Result<GroupId, ApiError> {
        let name = self.params.get("resourceGroupName");
        GroupId::parse(self.subscription(), &name).map_err(|_| refusal::invalid_group(&name))
    }

    /// The parameter `name` of the query, without regard to case.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        self.params.query().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
    }

    /// Whether the caller's roles permit `action` at `scope`.
    pub(super) fn may(&self, action: &str, scope: &Scope) -> bool {
        let (action, now) = (Action::Management(action), self.now.unix());
        let attempt = Attempt { who: &self.caller, action, resource: scope, now };
        matches!(self.access.access.decide(attempt), RoleDecision::Allowed { .. })
    }

    /// The body as a `T`.
    ///
    /// # Errors
    /// 400 for what is no such JSON; 413 and the like for a body that is not read.
    pub(super) async fn json<T: DeserializeOwned>(self, limits: &Limits) -> Result<T, ApiError> {
        let bytes: Bytes = body::read(self.body, limits).await.map_err(|error| refusal::body(error, limits))?;
        serde_json::from_slice(&bytes).map_err(|error| refusal::invalid_content(&error.to_string()))
    }
}

impl State {
    /// The ids of all subscriptions: the tenant's, then those that vaults have of their own.
    pub(super) async fn subscriptions(&self) -> Result<Vec<Uuid>, ApiError> {
        let mut all = vec![self.directory.tenant().subscription.0];
        let vaults = self.vaults.all().await.map_err(|error| refusal::vaults(&error))?;
        for own in vaults.iter().filter_map(|vault| vault.resource.subscription) {
            if !all.contains(&own) {
                all.push(own);
            }
        }
        Ok(all)
    }
}
