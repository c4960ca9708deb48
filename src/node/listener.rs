//! A node's own HTTPS listener, for others than the service: who it is, and the key that credentials are encrypted for. The path is the
//! service's; what is said there is ours.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::error::NodeError;
use super::keys::ListenerCertificate;
use crate::http::budget::MemoryBudget;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::segments;
use crate::http::server::{Listener, ShutdownTrigger, shutdown_channel};
use crate::http::{RequestHandler, Response, body};

/// The first segment of every path.
const ROOT: &str = "HostServiceRemote.svc";

/// What the listener says of the node.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeHealth {
    /// Its name.
    pub node: String,
    /// The version of its program.
    pub version: &'static str,
    /// The key that credentials are encrypted for.
    pub public_key: String,
}

/// A listener that serves.
pub(crate) struct Serving {
    trigger: ShutdownTrigger,
    task: JoinHandle<()>,
}

/// Opens the socket of a listener at `address`; port 0 takes a free one.
///
/// # Errors
/// When it cannot be opened.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), NodeError> {
    let failed = |error| NodeError::Listen(address, error);
    let tcp = TcpListener::bind(address).await.map_err(failed)?;
    let bound = tcp.local_addr().map_err(failed)?;
    Ok((tcp, bound))
}

/// Serves `health` on the socket.
///
/// # Errors
/// When the certificate cannot be used.
pub(crate) fn serve(
    tcp: TcpListener,
    certificate: ListenerCertificate,
    health: NodeHealth,
) -> Result<Serving, NodeError> {
    let (limits, health) = (Arc::new(Limits::default()), Arc::new(health));
    let answer: RequestHandler = Arc::new(move |request, _| {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let health = health.clone();
        Box::pin(async move { answered(&method, &path, &health).unwrap_or_else(ApiError::into_response) })
    });
    let bodies = Arc::new(MemoryBudget::new(limits.bodies_in_flight_bytes));
    let tls = Some(certificate.server_config()?);
    let listener = Listener { tcp, tls, answer, limits, bodies, acknowledges_at_once: false };
    let (trigger, shutdown) = shutdown_channel();
    Ok(Serving { trigger, task: tokio::spawn(listener.serve(shutdown)) })
}

impl Serving {
    /// Stops accepting, and lets requests in flight finish.
    pub(crate) async fn stop(self, grace: std::time::Duration) {
        self.trigger.stop(grace).await;
        self.task.abort();
    }
}

fn answered(method: &Method, path: &str, health: &NodeHealth) -> Result<Response, ApiError> {
    let path: Vec<&str> = segments(path).collect();
    match (method, &path[..]) {
        (&Method::GET, [root]) if root.eq_ignore_ascii_case(ROOT) => Ok(body::json(StatusCode::OK, health)),
        (_, [root]) if root.eq_ignore_ascii_case(ROOT) => {
            Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Use GET."))
        }
        _ => {
            Err(ApiError::new(StatusCode::NOT_FOUND, "NotFound", "A node of an integration runtime has nothing here."))
        }
    }
}
