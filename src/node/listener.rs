//! A node's own HTTPS listener, for others than the service: who it is, the credentials that are brought to it, and all of them for other nodes
//! of its runtime. The path is the service's; the exchanges below it are ours. A request carries a token of the service for this node.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::credentials::CredentialStore;
use super::error::NodeError;
use super::keys::ListenerCertificate;
use super::peers::shared;
use super::tokens::TokenKey;
use crate::clock::Clock;
use crate::crypto::envelope::Envelope;
use crate::crypto::rsa::RsaKey;
use crate::http::budget::MemoryBudget;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::segments;
use crate::http::server::{Listener, ShutdownTrigger, shutdown_channel};
use crate::http::{Request, RequestHandler, Response, body};
use crate::node_protocol::{CREDENTIALS, HOST_SERVICE, Reader, SHARED, ServiceToken};

/// What the listener answers from.
pub(crate) struct Remote {
    /// Who the node is.
    pub health: NodeHealth,
    /// The node's id, which tokens are for.
    pub node: Uuid,
    /// The key that credentials are encrypted for.
    pub key: Arc<RsaKey>,
    /// Where credentials are kept.
    pub store: CredentialStore,
    /// The key of tokens, as the service gave it last.
    pub tokens: TokenKey,
    /// The clock that tokens end by.
    pub clock: Arc<dyn Clock>,
}

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

#[derive(Serialize)]
struct Ids {
    credentials: Vec<String>,
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

/// Serves the socket.
///
/// # Errors
/// When the certificate cannot be used.
pub(crate) fn serve(tcp: TcpListener, certificate: ListenerCertificate, remote: Remote) -> Result<Serving, NodeError> {
    let (limits, remote) = (Arc::new(Limits::default()), Arc::new(remote));
    let bounds = limits.clone();
    let answer: RequestHandler = Arc::new(move |request, _| {
        let (remote, limits) = (remote.clone(), bounds.clone());
        Box::pin(async move { remote.answer(request, &limits).await.unwrap_or_else(ApiError::into_response) })
    });
    let bodies = Arc::new(MemoryBudget::new(limits.bodies_in_flight_bytes));
    let tls = Some(certificate.server_config()?);
    let listener = Listener { tcp, tls, answer, limits, bodies, acknowledges_at_once: false };
    let (trigger, shutdown) = shutdown_channel();
    Ok(Serving { trigger, task: tokio::spawn(listener.serve(shutdown)) })
}

impl Serving {
    /// Stops accepting, and lets requests in flight finish.
    pub(crate) async fn stop(self, grace: Duration) {
        self.trigger.stop(grace).await;
        self.task.abort();
    }
}

impl Remote {
    async fn answer(self: Arc<Self>, request: Request, limits: &Limits) -> Result<Response, ApiError> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let path: Vec<&str> = segments(&path).collect();
        let [root, rest @ ..] = &path[..] else { return Err(nothing()) };
        if !root.eq_ignore_ascii_case(HOST_SERVICE) {
            return Err(nothing());
        }
        if rest.is_empty() && method == Method::GET {
            return Ok(body::json(StatusCode::OK, &self.health));
        }
        // Who brings credentials may not read them, and who reads them may do nothing else.
        let ServiceToken { reader, only_new, .. } = self.claims_of(&request)?;
        match (method, rest, reader) {
            (Method::GET, [SHARED], Some(reader)) => self.share(reader).await,
            (Method::GET, [CREDENTIALS], None) if !only_new => {
                let credentials = self.on_disk(|remote| remote.store.ids()).await?;
                Ok(body::json(StatusCode::OK, &Ids { credentials }))
            }
            (Method::POST, [CREDENTIALS, id], None) => self.clone().take((id, only_new), request, limits).await,
            (Method::DELETE, [CREDENTIALS, id], None) if !only_new => {
                let id = (*id).to_owned();
                let existed = self.on_disk(move |remote| remote.store.remove(&id)).await?;
                Ok(body::empty(if existed { StatusCode::OK } else { StatusCode::NO_CONTENT }))
            }
            (_, [SHARED] | [CREDENTIALS, ..], _) => Err(unauthorized()),
            _ => Err(nothing()),
        }
    }

    /// What the token of a request says, which is the service's, for this node, and good now.
    fn claims_of(&self, request: &Request) -> Result<ServiceToken, ApiError> {
        let claims = self.tokens.claims_of(request, (self.node, self.clock.now().unix()));
        claims.ok_or_else(unauthorized)
    }

    /// Answers all credentials, encrypted for `reader`.
    async fn share(self: Arc<Self>, reader: Reader) -> Result<Response, ApiError> {
        let node = reader.node;
        let envelope = self.on_disk(move |remote| shared(&remote.store, remote.node, &reader)).await?;
        tracing::info!(%node, "another node was given the credentials");
        Ok(body::json(StatusCode::OK, &envelope))
    }

    /// Keeps a credential that is encrypted for this node.
    async fn take(
        self: Arc<Self>,
        (id, only_new): (&str, bool),
        request: Request,
        limits: &Limits,
    ) -> Result<Response, ApiError> {
        let bytes = body::read(request.into_body(), limits).await.map_err(|_| invalid("the body was not read"))?;
        let envelope: Envelope = serde_json::from_slice(&bytes).map_err(|_| invalid("the body is no credential"))?;
        let kept = id.to_owned();
        self.on_disk(move |remote| {
            let value = envelope.open(&remote.key, &kept).map_err(|_| NodeError::CredentialUnreadable)?;
            let text = std::str::from_utf8(&value).map_err(|_| NodeError::CredentialUnreadable)?;
            let value = Zeroizing::new(text.to_owned());
            if only_new { remote.store.add(&kept, value) } else { remote.store.put(&kept, value) }
        })
        .await?;
        tracing::info!(credential = id, "a credential was taken, encrypted by its owner");
        Ok(body::empty(StatusCode::NO_CONTENT))
    }

    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let remote = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&remote)).await;
        done.map_err(|error| failed(&error))?.map_err(|error| match error {
            NodeError::CredentialId | NodeError::CredentialUnreadable | NodeError::ReaderKey => {
                invalid(&error.to_string())
            }
            NodeError::CredentialExists => ApiError::new(StatusCode::CONFLICT, "CredentialExists", error.to_string()),
            error => failed(&error),
        })
    }
}

fn nothing() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NotFound", "A node of an integration runtime has nothing here.")
}

fn unauthorized() -> ApiError {
    let text = "The service token is invalid, has expired, or is another node's: ask for getConnectionInfo.";
    ApiError::new(StatusCode::UNAUTHORIZED, "InvalidServiceToken", text)
}

fn invalid(why: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "BadRequest", why.to_owned())
}

fn failed(error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a credential could not be kept");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "The credential could not be kept.")
}
