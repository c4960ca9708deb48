//! Secrets on the wire: the operations that secrets alone have.

mod bundle;
mod collection;
mod request;

use std::sync::Arc;

use hyper::Method;

use super::authorized_request::AuthorizedRequest;
use super::{State, input, refusal};
use crate::http::error::ApiError;
use crate::http::{Incoming, Response};
use crate::operation::{Operation, Permission};

use bundle::bundle_with_value;
use request::SetSecret;

pub(super) static SET: Operation = Operation {
    name: "SecretSet",
    method: Method::PUT,
    path: "/secrets/{name}",
    permission: Permission::secrets("set", "secrets/setSecret/action"),
};

/// Makes a secret, or a new version of one; answers it with its value.
pub(super) async fn set(state: Arc<State>, request: AuthorizedRequest, body: Incoming) -> Result<Response, ApiError> {
    let name = request.name()?;
    let new = input::object::<SetSecret>(body, &state.limits).await?.parse()?;
    let created = state.vaults.secrets(&request.call).set(&name, &new).await;
    Ok(bundle_with_value(&request, &created.map_err(refusal::error)?, new.value.reveal()))
}

pub(super) static GET: Operation = Operation {
    name: "SecretGet",
    method: Method::GET,
    path: "/secrets/{name}/{version?}",
    permission: Permission::secrets("get", "secrets/getSecret/action"),
};

/// A version of a secret, with its value.
pub(super) async fn get(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let (name, version) = (request.name()?, request.version()?);
    request::check_out_content_type(&request)?;
    let found = state.vaults.secrets(&request.call).get_value(&name, version.as_ref()).await;
    let (found, value) = found.map_err(refusal::error)?;
    Ok(bundle_with_value(&request, &found, value.reveal()))
}

#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_bodies(bytes: &[u8]) {
    use request::UpdateSecret;
    let _ = input::parse::<SetSecret>(bytes).and_then(SetSecret::parse).is_ok();
    let _ = input::parse::<UpdateSecret>(bytes).and_then(UpdateSecret::parse).is_ok();
}
