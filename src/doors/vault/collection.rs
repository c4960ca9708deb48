//! Collections: one kind of object each, as clients see it. The operations that every kind has are handled here, once.

use std::sync::Arc;

use hyper::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::authorized_request::AuthorizedRequest;
use super::{Handler, State, backup, input, paging, refusal};
use crate::http::error::ApiError;
use crate::http::{Incoming, Response, body};
use crate::operation::Operation;
use crate::vault::ObjectKind;
use crate::vault::object::{DeletedObject, FoundVersion, Objects};

/// An operation and its handler.
pub(super) type RouteEntry = (&'static Operation, Handler);

/// A kind of object as this door serves it. A new kind implements this, has operations of its own, and gets its lines in
/// the table of routes.
pub(super) trait Collection: ObjectKind<Update: Send> {
    /// The operations that every kind has.
    const OPERATIONS: CommonOperations;
    /// The body of an update.
    type UpdateBody: DeserializeOwned + Send;
    /// An object in a list.
    type Item: Serialize;

    /// Validates the body of an update.
    ///
    /// # Errors
    /// 400 that names the first bad member.
    fn parse_update(body: Self::UpdateBody) -> Result<Self::Update, ApiError>;

    /// A version of an object, without a secret value.
    fn bundle(request: &AuthorizedRequest, found: &FoundVersion<Self::Record>) -> Response;

    /// A deleted object.
    fn deleted_bundle(request: &AuthorizedRequest, deleted: &DeletedObject<Self::Record>) -> Response;

    /// An object in a list; with its version in a list of versions.
    fn item(request: &AuthorizedRequest, found: &FoundVersion<Self::Record>, versioned: bool) -> Self::Item;

    /// A deleted object in a list.
    fn deleted_item(request: &AuthorizedRequest, deleted: &DeletedObject<Self::Record>) -> Self::Item;
}

/// The operations that every kind of object has.
pub(super) struct CommonOperations {
    pub(super) list: &'static Operation,
    pub(super) list_versions: &'static Operation,
    pub(super) update: &'static Operation,
    pub(super) delete: &'static Operation,
    pub(super) list_deleted: &'static Operation,
    pub(super) get_deleted: &'static Operation,
    pub(super) recover: &'static Operation,
    pub(super) purge: &'static Operation,
    pub(super) backup: &'static Operation,
    pub(super) restore: &'static Operation,
}

/// The routes of the operations that every kind has.
pub(super) fn routes<C: Collection>() -> Vec<RouteEntry> {
    let operations = C::OPERATIONS;
    vec![
        (operations.list, |state, request, _| Box::pin(list::<C>(state, request))),
        (operations.list_versions, |state, request, _| Box::pin(list_versions::<C>(state, request))),
        (operations.update, |state, request, body| Box::pin(update::<C>(state, request, body))),
        (operations.delete, |state, request, _| Box::pin(delete::<C>(state, request))),
        (operations.list_deleted, |state, request, _| Box::pin(list_deleted::<C>(state, request))),
        (operations.get_deleted, |state, request, _| Box::pin(get_deleted::<C>(state, request))),
        (operations.recover, |state, request, _| Box::pin(recover::<C>(state, request))),
        (operations.purge, |state, request, _| Box::pin(purge::<C>(state, request))),
        (operations.backup, |state, request, _| Box::pin(back_up::<C>(state, request))),
        (operations.restore, |state, request, body| Box::pin(restore::<C>(state, request, body))),
    ]
}

fn objects<'a, C: Collection>(state: &'a State, request: &'a AuthorizedRequest) -> Objects<'a, C> {
    state.vaults.objects(&request.call)
}

/// The vault's objects, a page at a time, without secret values.
async fn list<C: Collection>(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let page = paging::page_request(&request.target.query)?;
    let listed = objects::<C>(&state, &request).list(&page).await.map_err(refusal::error)?;
    let path = format!("/{}", C::KIND.collection());
    Ok(paging::answer(&request.target, &path, &listed, |found| C::item(&request, found, false)))
}

/// An object's versions, a page at a time, without secret values.
async fn list_versions<C: Collection>(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let name = request.name()?;
    let page = paging::page_request(&request.target.query)?;
    let listed = objects::<C>(&state, &request).list_versions(&name, &page).await.map_err(refusal::error)?;
    let path = format!("/{}/{name}/versions", C::KIND.collection());
    Ok(paging::answer(&request.target, &path, &listed, |found| C::item(&request, found, true)))
}

/// Changes the attributes of a version; its material and value stay, and are not answered.
async fn update<C: Collection>(
    state: Arc<State>,
    request: AuthorizedRequest,
    body: Incoming,
) -> Result<Response, ApiError> {
    let (name, version) = (request.name()?, request.version()?);
    let change = C::parse_update(input::object(body, &state.limits).await?)?;
    let changed = objects::<C>(&state, &request).update(&name, version.as_ref(), &change).await;
    Ok(C::bundle(&request, &changed.map_err(refusal::error)?))
}

/// Deletes an object with all its versions.
async fn delete<C: Collection>(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let name = request.name()?;
    let deleted = objects::<C>(&state, &request).delete(&name).await;
    Ok(C::deleted_bundle(&request, &deleted.map_err(refusal::error)?))
}

/// The vault's deleted objects, a page at a time.
async fn list_deleted<C: Collection>(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let page = paging::page_request(&request.target.query)?;
    let listed = objects::<C>(&state, &request).list_deleted(&page).await.map_err(refusal::error)?;
    let path = format!("/{}", C::KIND.deleted_collection());
    Ok(paging::answer(&request.target, &path, &listed, |deleted| C::deleted_item(&request, deleted)))
}

/// A deleted object.
async fn get_deleted<C: Collection>(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let name = request.name()?;
    let deleted = objects::<C>(&state, &request).get_deleted(&name).await;
    Ok(C::deleted_bundle(&request, &deleted.map_err(refusal::error)?))
}

/// Recovers a deleted object.
async fn recover<C: Collection>(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let name = request.name()?;
    let found = objects::<C>(&state, &request).recover(&name).await;
    Ok(C::bundle(&request, &found.map_err(refusal::error)?))
}

/// Removes a deleted object for good.
async fn purge<C: Collection>(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let name = request.name()?;
    let purged = objects::<C>(&state, &request).purge(&name).await;
    purged.map_err(|refusal| request.error(refusal))?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}

/// An object with all its versions, sealed.
async fn back_up<C: Collection>(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let name = request.name()?;
    let blob = objects::<C>(&state, &request).backup(&name).await.map_err(refusal::error)?;
    Ok(backup::answer(&blob))
}

/// Restores an object from its backup.
async fn restore<C: Collection>(
    state: Arc<State>,
    request: AuthorizedRequest,
    body: Incoming,
) -> Result<Response, ApiError> {
    let blob = backup::read(body, &state.limits).await?;
    let found = objects::<C>(&state, &request).restore(blob).await;
    Ok(C::bundle(&request, &found.map_err(|refusal| request.error(refusal))?))
}
