//! Keys on the wire: the operations that keys alone have.

mod bundle;
mod collection;
mod import;
pub(super) mod operate;
mod request;
pub(super) mod rotation;

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::authorized_request::AuthorizedRequest;
use super::{State, input, refusal};
use crate::http::error::ApiError;
use crate::http::{Incoming, Response};
use crate::operation::{Operation, Permission};

use bundle::bundle;
use import::ImportKey;
use request::CreateKey;

pub(super) static CREATE: Operation = Operation {
    name: "KeyCreate",
    method: Method::POST,
    path: "/keys/{name}/create",
    permission: Permission::keys("create", "keys/create/action"),
};

/// Makes a key, or a new version of one.
pub(super) async fn create(
    state: Arc<State>,
    request: AuthorizedRequest,
    body: Incoming,
) -> Result<Response, ApiError> {
    let name = request.name()?;
    let (new, spec) = input::object::<CreateKey>(body, &state.limits).await?.parse(request.api_version)?;
    let created = state.vaults.keys(&request.call).create(&name, new, spec).await;
    Ok(bundle(&request, &created.map_err(refusal::error)?))
}

pub(super) static IMPORT: Operation = Operation {
    name: "KeyImport",
    method: Method::PUT,
    path: "/keys/{name}",
    permission: Permission::keys("import", "keys/import/action"),
};

/// Takes in a key that was made elsewhere.
pub(super) async fn import(
    state: Arc<State>,
    request: AuthorizedRequest,
    body: Incoming,
) -> Result<Response, ApiError> {
    let name = request.name()?;
    let import = input::object::<ImportKey>(body, &state.limits).await?;
    let (new, from) = import.parse(&state, &request).await?;
    let created = state.vaults.keys(&request.call).import(&name, new, from).await;
    Ok(bundle(&request, &created.map_err(refusal::error)?))
}

pub(super) static GET: Operation = Operation {
    name: "KeyGet",
    method: Method::GET,
    path: "/keys/{name}/{version?}",
    permission: Permission::keys("get", "keys/read"),
};

/// A version of a key; its public part.
pub(super) async fn get(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let (name, version) = (request.name()?, request.version()?);
    let found = state.vaults.keys(&request.call).get(&name, version.as_ref()).await;
    Ok(bundle(&request, &found.map_err(refusal::error)?))
}

pub(super) static RELEASE: Operation = Operation {
    name: "KeyRelease",
    method: Method::POST,
    path: "/keys/{name}/{version?}/release",
    permission: Permission::keys("release", "keys/release/action"),
};

/// Handing a key out, which this server cannot do: it can check no attestation.
pub(super) async fn release(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let (name, version) = (request.name()?, request.version()?);
    state.vaults.keys(&request.call).get(&name, version.as_ref()).await.map_err(refusal::error)?;
    let text = "This server keeps release policies but does not release keys.";
    Err(ApiError::new(StatusCode::BAD_REQUEST, "NotSupported", text))
}

#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_bodies(bytes: &[u8]) {
    use request::UpdateKey;
    let newest = super::api_version::ApiVersion::NEWEST;
    let _ = input::parse::<CreateKey>(bytes).and_then(|body| body.parse(newest)).is_ok();
    let _ = input::parse::<UpdateKey>(bytes).and_then(UpdateKey::parse).is_ok();
    rotation::fuzz_policy(bytes);
}

#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_import(bytes: &[u8]) {
    if let Ok(body) = input::parse::<ImportKey>(bytes) {
        body.fuzz();
    }
}
