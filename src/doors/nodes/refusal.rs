//! The errors of this door. The texts about registration are ours, but for the one about remote access, which the service has too (Azure-Data-Factory-Integration-Runtime-in-Windows-Container issue 11).

use std::net::IpAddr;

use hyper::{Method, StatusCode};

use crate::http::body::BodyError;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::management::{FactoryHost, MAX_NODES, Refusal, RuntimeRefusal};

/// What the domain refused.
pub(super) fn of(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Runtime(refusal) => of_runtime(refusal),
        Refusal::NoFactory(_) | Refusal::NoChild(_) => unknown_node(),
        other => {
            tracing::error!(?other, "a node could not be served");
            let text = "Please try again.";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", text).header("retry-after", "1")
        }
    }
}

fn of_runtime(refusal: RuntimeRefusal) -> ApiError {
    match refusal {
        RuntimeRefusal::NoFactoryHere(FactoryHost { factory, region }) => {
            let text = format!("There is no data factory '{factory}' in the region '{region}'.");
            ApiError::new(StatusCode::NOT_FOUND, "FactoryNotFound", text)
        }
        RuntimeRefusal::AuthKey => {
            let text = "The authentication key is invalid or was regenerated; list the keys of the integration runtime.";
            ApiError::new(StatusCode::UNAUTHORIZED, "InvalidAuthKey", text)
        }
        RuntimeRefusal::NodeSecret => unknown_node(),
        RuntimeRefusal::NodeName(name) => bad_request(format!(
            "The node name '{name}' is invalid: it has at most 150 letters, digits, - and _, and begins with a letter or digit."
        )),
        RuntimeRefusal::NodeDescription(member) => bad_request(format!("'{member}' of the node is empty or no such thing.")),
        RuntimeRefusal::NodeNameTaken(name) => {
            conflict(format!("The integration runtime has a node '{name}' already: give another name, or remove that node."))
        }
        RuntimeRefusal::TooManyNodes => {
            conflict(format!("The integration runtime has {MAX_NODES} nodes already, which is the most."))
        }
        RuntimeRefusal::RemoteAccessOff => conflict(
            "Registration of new node is forbidden when Remote Access is disabled on another node. To enable it, start that node \
             with --remote-access on."
                .to_owned(),
        ),
        other => bad_request(format!("{other:?}")),
    }
}

/// A node that is none, or no more, or another's secret.
pub(super) fn unknown_node() -> ApiError {
    let text = "The node is not registered, or was removed from its integration runtime.";
    ApiError::new(StatusCode::UNAUTHORIZED, "NodeNotRegistered", text)
}

/// A node that comes from a public address, while the factory serves private ones alone.
pub(super) fn not_served(factory: &str, address: IpAddr) -> ApiError {
    let text = format!(
        "The data factory '{factory}' serves no node at {address}: its public network access is disabled. Set publicNetworkAccess to \
         Enabled, or approve a private endpoint connection whose ranges have this address."
    );
    ApiError::new(StatusCode::FORBIDDEN, "PublicNetworkAccessDenied", text)
}

pub(super) fn no_such_method(method: &Method) -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", format!("Use POST, not {method}."))
}

pub(super) fn no_such_path(path: &str) -> ApiError {
    let text = format!("Nodes of integration runtimes find nothing at {path}.");
    ApiError::new(StatusCode::NOT_FOUND, "NotFound", text)
}

/// A body that was not read.
pub(super) fn body(error: BodyError, limits: &Limits) -> ApiError {
    match error {
        BodyError::TooLarge => {
            let text = format!("The body is larger than {} bytes.", limits.body_bytes);
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLarge", text)
        }
        BodyError::TooSlow | BodyError::Broken => bad_request("The body did not arrive whole.".to_owned()),
        BodyError::Busy => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Please try again.")
            .header("retry-after", "1"),
    }
}

/// A body that is no such JSON. The reason names members and positions alone, never a value.
pub(super) fn invalid_body(error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    bad_request(format!("The body is not what a node sends, at line {line}, column {column}."))
}

fn bad_request(text: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "BadRequest", text)
}

fn conflict(text: String) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "Conflict", text)
}
