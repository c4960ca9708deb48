//! Factories.

use std::sync::Arc;

use hyper::header::IF_MATCH;
use hyper::{Method, StatusCode};

use super::super::paging::Page;
use super::super::state::{Call, State};
use super::super::{refusal, refused_change, refused_key};
use super::bodies::{FactoryBody, FactoryInput, Principals};
use super::paths::{action, factory_path};
use crate::access::roles::Scope;
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::management::{
    Factory, FactoryChange, FactoryDefinition, FactoryId, FactoryWrite, IdentityDefinition, NewIdentity,
};
use crate::operation::Operation;
use crate::random;

const COLLECTION: &str =
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.DataFactory/factories";
const READ: &str = action!("read");
const WRITE: &str = action!("write");
/// What giving a user-assigned identity to a resource needs at that identity.
const ASSIGN: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";

pub(super) static LIST_IN_SUBSCRIPTION: Operation = Operation::management(
    "FactoryListBySubscription",
    Method::GET,
    "/subscriptions/{subscriptionId}/providers/Microsoft.DataFactory/factories",
    READ,
);
pub(super) static LIST: Operation = Operation::management("FactoryList", Method::GET, COLLECTION, READ);
pub(super) static GET: Operation = Operation::management("FactoryGet", Method::GET, factory_path!(), READ);
pub(super) static PUT: Operation = Operation::management("FactoryPut", Method::PUT, factory_path!(), WRITE);
pub(super) static PATCH: Operation = Operation::management("FactoryUpdate", Method::PATCH, factory_path!(), WRITE);
pub(super) static DELETE: Operation =
    Operation::management("FactoryDelete", Method::DELETE, factory_path!(), action!("delete"));

/// Answers the factories of a subscription that the caller may see.
pub(super) async fn list_in_subscription(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let found = state.management.factories(call.subscription(), None).await.map_err(refused_change::of)?;
    state.listed(&call, found).await
}

/// Answers the factories of a group that the caller may see.
pub(super) async fn list(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let group = call.group()?;
    state.management.group(&group).await.map_err(refused_change::of)?;
    let found = state.management.factories(call.subscription(), Some(&group)).await.map_err(refused_change::of)?;
    state.listed(&call, found).await
}

/// Answers a factory; 304 when the client has it.
pub(super) async fn get(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let id = call.factory()?;
    let factory = state.management.factory(&id).await.map_err(refused_change::of)?;
    if call.has_etag(factory.etag) {
        return Ok(body::empty(StatusCode::NOT_MODIFIED));
    }
    state.shown(&call, &id, factory).await
}

/// Makes a factory, or makes it anew; always 200.
pub(super) async fn put(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let (id, write) = (call.factory()?, state.factory_write(&call, call.header(&IF_MATCH)));
    let input: FactoryInput = call.json(&state.limits).await?;
    let (identity, encryption, properties) = (input.identity()?, input.encryption()?, input.kept()?);
    call.check_assignable(identity.as_ref(), &id)?;
    let location = input.location.filter(|location| !location.trim().is_empty());
    let location = location.ok_or_else(refusal::location_required)?;
    let wanted = FactoryDefinition { location, tags: input.tags, identity, encryption, properties };
    let factory = state.management.put_factory(&id, &wanted, &write).await.map_err(refused_change::of)?;
    state.shown(&call, &id, factory).await
}

/// Changes tags, identities and public access of a factory.
pub(super) async fn update(state: Arc<State>, mut call: Call) -> Result<Response, ApiError> {
    let (id, write) = (call.factory()?, state.factory_write(&call, None));
    let input: FactoryInput = call.json(&state.limits).await?;
    if input.has_encryption() {
        return Err(refused_key::in_patch());
    }
    let (identity, mut properties) = (input.identity()?, input.kept()?);
    call.check_assignable(identity.as_ref(), &id)?;
    properties.retain(|name, _| name == "publicNetworkAccess");
    let change = FactoryChange { tags: input.tags, identity, properties };
    let factory = state.management.change_factory(&id, &change, &write).await.map_err(refused_change::of)?;
    state.shown(&call, &id, factory).await
}

/// Deletes a factory with everything in it: 200, or 204 where there is none.
pub(super) async fn delete(state: Arc<State>, call: Call) -> Result<Response, ApiError> {
    let id = call.factory()?;
    let existed = state.management.delete_factory(&id, &call.access.guard).await.map_err(refused_change::of)?;
    Ok(body::empty(if existed { StatusCode::OK } else { StatusCode::NO_CONTENT }))
}

impl Call {
    /// The factory in the path.
    pub(super) fn factory(&self) -> Result<FactoryId, ApiError> {
        let name = self.params.get("factoryName");
        FactoryId::parse(self.group()?, &name).map_err(|_| refused_change::invalid_factory(&name))
    }

    /// Refuses user-assigned identities that the caller may not give to a resource: with one, a factory could do what its
    /// administrator cannot.
    fn check_assignable(&self, identity: Option<&IdentityDefinition>, id: &FactoryId) -> Result<(), ApiError> {
        let named = identity.and_then(|identity| identity.user.as_ref());
        for (identity, _) in named.into_iter().flatten().filter(|(_, added)| **added) {
            let scope = Scope::parse(identity).map_err(|_| refused_change::no_identity(identity))?;
            if !self.may(ASSIGN, &scope) {
                return Err(refusal::linked_forbidden(&self.caller, (WRITE, &id.scope()), (ASSIGN, &scope)));
            }
        }
        Ok(())
    }
}

impl State {
    /// What a write of a factory is made with; it asks for the etag `if_match`.
    pub(super) fn factory_write(&self, call: &Call, if_match: Option<&str>) -> FactoryWrite {
        let new_id = || random::uuid(&*self.random);
        FactoryWrite {
            guard: call.access.guard.clone(),
            if_match: if_match.map(str::to_owned),
            etag: new_id(),
            identity: NewIdentity { object_id: new_id(), client_id: new_id() },
            runtime: None,
            now: call.now,
            system_now: self.system.now(),
        }
    }

    async fn listed(&self, call: &Call, found: Vec<Factory>) -> Result<Response, ApiError> {
        let principals = self.principals(&found).await?;
        let shown = found.into_iter().filter_map(|factory| {
            let id = factory.id(call.subscription())?;
            call.may_at(&id.scope()).then(|| FactoryBody::of(&id, factory, &principals))
        });
        Ok(body::json(StatusCode::OK, &Page::of(call, shown.collect(), |factory| factory.id.clone())?))
    }

    async fn shown(&self, call: &Call, asked: &FactoryId, factory: Factory) -> Result<Response, ApiError> {
        let principals = self.principals(std::slice::from_ref(&factory)).await?;
        let id = factory.id(call.subscription()).unwrap_or_else(|| asked.clone());
        Ok(body::json(StatusCode::OK, &FactoryBody::of(&id, factory, &principals)))
    }

    /// What shows the identities of `factories`: most have no user-assigned one, and then no identity is read.
    async fn principals(&self, factories: &[Factory]) -> Result<Principals, ApiError> {
        let has_user_assigned = |factory: &Factory| factory.identity.as_ref().is_some_and(|own| !own.user.is_empty());
        let all = match factories.iter().any(has_user_assigned) {
            true => self.directory.identities().await.map_err(|error| refusal::record(&error))?,
            false => vec![],
        };
        Ok(Principals { tenant: self.directory.tenant_id(), all })
    }
}
