//! A node's own HTTPS listener, for others than the service: who it is, and the credentials that are brought to it. The path is the
//! service's; the exchanges below it are ours. A request with a credential carries a token of the service for this node.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::AUTHORIZATION;
use hyper::{Method, StatusCode};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::credentials::CredentialStore;
use super::error::NodeError;
use super::keys::ListenerCertificate;
use crate::clock::Clock;
use crate::crypto::aes::AesKey;
use crate::crypto::envelope::Envelope;
use crate::crypto::rsa::RsaKey;
use crate::crypto::signed_token;
use crate::http::budget::MemoryBudget;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::routes::segments;
use crate::http::server::{Listener, ShutdownTrigger, shutdown_channel};
use crate::http::{Request, RequestHandler, Response, body};
use crate::node_protocol::{CREDENTIALS, HOST_SERVICE, ServiceToken};

/// What the listener answers from.
pub(crate) struct Remote {
    /// Who the node is.
    pub health: NodeHealth,
    /// The node's id, which tokens are for.
    pub node: Uuid,
    /// The key that credentials are encrypted for.
    pub key: RsaKey,
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

/// The key that tokens of the service for this node are checked with: none before the service was asked. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct TokenKey(Arc<RwLock<Option<AesKey>>>);

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

impl TokenKey {
    /// Takes the key that the service gives, base64.
    pub(crate) fn set(&self, text: &str) {
        let bytes = STANDARD.decode(text).ok().map(Zeroizing::new);
        let key = bytes.and_then(|bytes| AesKey::from_bytes(&bytes).ok());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    fn claims(&self, token: &str) -> Option<ServiceToken> {
        let key = self.0.read().unwrap_or_else(PoisonError::into_inner);
        serde_json::from_slice(&signed_token::verify(key.as_ref()?, token)?).ok()
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
        self.authorize(&request)?;
        match (method, rest) {
            (Method::GET, [CREDENTIALS]) => {
                let credentials = self.on_disk(|remote| remote.store.ids()).await?;
                Ok(body::json(StatusCode::OK, &Ids { credentials }))
            }
            (Method::POST, [CREDENTIALS, id]) => self.clone().take(id, request, limits).await,
            (Method::DELETE, [CREDENTIALS, id]) => {
                let id = (*id).to_owned();
                let existed = self.on_disk(move |remote| remote.store.remove(&id)).await?;
                Ok(body::empty(if existed { StatusCode::OK } else { StatusCode::NO_CONTENT }))
            }
            _ => Err(nothing()),
        }
    }

    /// Refuses a request without a token of the service that is for this node, and good now.
    fn authorize(&self, request: &Request) -> Result<(), ApiError> {
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let claims = token.and_then(|(_, token)| self.tokens.claims(token.trim()));
        let now = self.clock.now().unix();
        match claims.is_some_and(|claims| claims.node == self.node && now < claims.expires) {
            true => Ok(()),
            false => {
                let text =
                    "The service token is invalid, has expired, or is another node's: ask for getConnectionInfo.";
                Err(ApiError::new(StatusCode::UNAUTHORIZED, "InvalidServiceToken", text))
            }
        }
    }

    /// Keeps a credential that is encrypted for this node.
    async fn take(self: Arc<Self>, id: &str, request: Request, limits: &Limits) -> Result<Response, ApiError> {
        let bytes = body::read(request.into_body(), limits).await.map_err(|_| invalid("the body was not read"))?;
        let envelope: Envelope = serde_json::from_slice(&bytes).map_err(|_| invalid("the body is no credential"))?;
        let kept = id.to_owned();
        self.on_disk(move |remote| {
            let value = envelope.open(&remote.key, &kept).map_err(|_| NodeError::CredentialUnreadable)?;
            let text = std::str::from_utf8(&value).map_err(|_| NodeError::CredentialUnreadable)?;
            remote.store.put(&kept, Zeroizing::new(text.to_owned()))
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
            NodeError::CredentialId | NodeError::CredentialUnreadable => invalid(&error.to_string()),
            error => failed(&error),
        })
    }
}

fn nothing() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NotFound", "A node of an integration runtime has nothing here.")
}

fn invalid(why: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "BadRequest", why.to_owned())
}

fn failed(error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a credential could not be kept");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "The credential could not be kept.")
}
