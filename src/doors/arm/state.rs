//! What the handlers of the management plane share, and a request as they get it.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, IF_NONE_MATCH};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::provider::Provider;
use super::refusal;
use crate::access::Identity;
use crate::access::roles::{Action, Attempt, RoleDecision, Scope};
use crate::authorization::{Authorization, GuardedAccess};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::directory::Directory;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::Params;
use crate::http::{Incoming, body};
use crate::management::{GroupId, Management};
use crate::operation::{Operation, Permission};
use crate::random::Random;

/// What the handlers of this door share.
pub(crate) struct State {
    /// The tenant and its subscription.
    pub directory: Directory,
    /// Who has which role.
    pub authorization: Authorization,
    /// Subscriptions, resource groups and resources.
    pub management: Management,
    /// The vault clock.
    pub clock: Arc<dyn Clock>,
    /// The system clock, which nodes of integration runtimes live by.
    pub system: Arc<dyn Clock>,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
    /// The bounds of bodies.
    pub limits: Arc<Limits>,
}

/// An authorized request, as a handler gets it. No byte of its body has been read.
pub(super) struct Call {
    /// What was asked for.
    pub(super) operation: &'static Operation,
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
    /// The headers.
    pub(super) headers: HeaderMap,
    body: Option<Incoming>,
}

impl Call {
    /// The call of an authorized request.
    pub(super) fn new(
        (operation, params): (&'static Operation, Params),
        (caller, access): (Identity, GuardedAccess),
        now: Timestamp,
        providers: &'static [&'static Provider],
        (origin, path): (String, String),
        (headers, body): (HeaderMap, Incoming),
    ) -> Self {
        let body = Some(body);
        Self { operation, providers, params, caller, access, now, origin, path, headers, body }
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

    /// The header `name`, if it is there and readable.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the client has this etag already.
    pub(super) fn has_etag(&self, etag: Uuid) -> bool {
        self.header(&IF_NONE_MATCH).is_some_and(|known| known.trim_matches('"') == etag.to_string())
    }

    /// Whether the caller's roles permit `action` at `scope`.
    pub(super) fn may(&self, action: &str, scope: &Scope) -> bool {
        let (action, now) = (Action::Management(action), self.now.unix());
        let attempt = Attempt { who: &self.caller, action, resource: scope, now };
        matches!(self.access.access.decide(attempt), RoleDecision::Allowed { .. })
    }

    /// Whether the caller's roles permit at `scope` what was asked for: of a list, which is open to those who may see something in it.
    pub(super) fn may_at(&self, scope: &Scope) -> bool {
        matches!(self.operation.permission, Permission::Management(action) if self.may(action, scope))
    }

    /// The body as a `T`, an object.
    ///
    /// # Errors
    /// 400 for what is no such JSON, which names the member and not its value; 413 and the like for a body that is not read.
    pub(super) async fn json<T: DeserializeOwned>(&mut self, limits: &Limits) -> Result<T, ApiError> {
        parsed(&self.bytes(limits).await?)
    }

    /// The body as a `T`; none where there is none.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub(super) async fn json_or_nothing<T: DeserializeOwned>(
        &mut self,
        limits: &Limits,
    ) -> Result<Option<T>, ApiError> {
        let bytes = self.bytes(limits).await?;
        match bytes.trim_ascii() {
            [] => Ok(None),
            text => parsed(text).map(Some),
        }
    }

    async fn bytes(&mut self, limits: &Limits) -> Result<Bytes, ApiError> {
        match self.body.take() {
            Some(body) => body::read(body, limits).await.map_err(|error| refusal::body(error, limits)),
            None => Ok(Bytes::new()),
        }
    }
}

fn parsed<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    config::read(text).map_err(|error| refusal::invalid_content(&error.to_string()))
}
