//! What answers an operation of the management plane.

use std::sync::Arc;

use super::provider::ProvidedType;
use super::state::{Call, State};
use crate::http::error::ApiError;
use crate::http::{BoxFuture, Response};
use crate::operation::Operation;

/// The operations of a provider.
pub(super) type RouteTable = fn() -> Vec<(&'static Operation, Endpoint)>;

/// A handler.
pub(super) type Handler = fn(Arc<State>, Call) -> BoxFuture<Result<Response, ApiError>>;

/// What answers an operation: a handler, for a type.
pub(super) struct Endpoint {
    /// The type whose versions count.
    pub(super) kind: &'static ProvidedType,
    /// The handler.
    pub(super) handler: Handler,
}
