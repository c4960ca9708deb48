//! What the activities of this node send, and the secrets that they are given: by the rules of the takeover's proxy, from this machine.
//! Vaults see the node's address, and know by the token alone for whom it asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use tokio::net::lookup_host;
use tokio::runtime::Handle;
use tokio::time::timeout;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Request};
use zeroize::Zeroizing;

use super::credentials::CredentialStore;
use crate::activity::{Received, Runtime, Sending, Waiting, exchange};
use crate::factory::{EncryptedCredential, Reference, Secrets};
use crate::proxy::Outlet;
use crate::remote::{Answer, Credential, RequestError, Transport, VaultClient, VaultUrl};
use crate::web_task::Store;

/// How long a vault may take for an answer.
const VAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// How the activities of this node reach others. Cheap to clone.
#[derive(Clone)]
pub(super) struct Calls(Arc<Parts>);

struct Parts {
    /// The node's name.
    node: String,
    /// Opens connections; else why none can be opened.
    outlet: Result<Outlet, String>,
    /// Where the service is, and every name of the cloud that it answers for; none for the names themselves.
    server: Option<String>,
    store: CredentialStore,
}

/// How one activity reaches others. Cheap to clone.
#[derive(Clone)]
pub(super) struct Call {
    calls: Calls,
    /// Whether what it calls is answered by the service, in the cloud's place.
    at_server: bool,
    /// The listeners of the service that it never asks.
    listeners: Vec<SocketAddr>,
}

impl Calls {
    /// The calls of the node called `node`, by `outlet`; `server` is where the service is reached.
    pub(super) fn new(
        node: &str,
        outlet: Result<Outlet, String>,
        server: Option<String>,
        store: CredentialStore,
    ) -> Self {
        Self(Arc::new(Parts { node: node.to_owned(), outlet, server, store }))
    }

    /// Those of one activity, as the service says.
    pub(super) fn of(&self, at_server: bool, listeners: Vec<SocketAddr>) -> Call {
        Call { calls: self.clone(), at_server, listeners }
    }
}

impl Call {
    async fn sent(&self, request: Sending, at_server: bool) -> Result<Received, String> {
        let url: Uri = request.url.parse().map_err(|_| "the url cannot be read".to_owned())?;
        let Parts { outlet, server, .. } = &*self.calls.0;
        let outlet = outlet.as_ref().map_err(Clone::clone)?;
        let stream = match (at_server, server) {
            (true, Some(server)) => {
                let server = server.parse().map_err(|_| format!("{server} is no URL"))?;
                outlet.connect(&server, vec![], None).await
            }
            (true, None) => outlet.connect(&url, self.listeners().await, None).await,
            (false, _) => outlet.connect(&url, self.listeners().await, request.certificate.clone()).await,
        };
        exchange(stream?, request).await
    }

    /// The listeners that are never asked, as this machine sees them: those on every address of the server's machine are at the
    /// server's address too.
    async fn listeners(&self) -> Vec<SocketAddr> {
        let mut all = self.listeners.clone();
        let everywhere: Vec<u16> = all.iter().filter(|one| one.ip().is_unspecified()).map(SocketAddr::port).collect();
        let server = self.calls.0.server.as_ref().and_then(|server| server.parse::<Uri>().ok());
        if let (Some(host), false) = (server.as_ref().and_then(Uri::host), everywhere.is_empty()) {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            for address in lookup_host((host, 443)).await.into_iter().flatten() {
                all.extend(everywhere.iter().map(|port| SocketAddr::new(address.ip(), *port)));
            }
        }
        all
    }

    /// The answer of a vault, which the service answers for.
    async fn asked(&self, request: Sending) -> Result<Answer, RequestError> {
        let late = |_| RequestError::NoAnswer("the vault did not answer in time".to_owned());
        let received = timeout(VAULT_TIMEOUT, self.sent(request, true)).await.map_err(late)?;
        let received = received.map_err(RequestError::NoAnswer)?;
        let field = |(name, value): (String, String)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(&value).ok()?))
        };
        let headers: HeaderMap = received.headers.into_iter().filter_map(field).collect();
        Ok(Answer { status: received.status, headers, body: Zeroizing::new(received.body) })
    }
}

impl Runtime for Call {
    fn secret<'w>(
        &'w self,
        store: &'w Store,
        reference: &'w Reference,
    ) -> Waiting<'w, Result<Zeroizing<String>, RequestError>> {
        let (call, store, asked) = (self.clone(), store.clone(), reference.clone());
        let asking = tokio::task::spawn_blocking(move || {
            let url: VaultUrl =
                store.url.parse().map_err(|_| RequestError::NoAnswer(format!("{} is no vault", store.url)))?;
            let transport = Transport::within(move |request| Handle::current().block_on(call.asked(sending(&request))));
            let token = store.token.as_ref().map_or("", |token| token.as_str());
            let vault = VaultClient::at(transport, url, Credential::bearer(token));
            vault.secret(&asked.secret, asked.version.as_deref()).map(|secret| secret.value)
        });
        Box::pin(async move { asking.await.unwrap_or_else(|error| Err(RequestError::NoAnswer(error.to_string()))) })
    }

    fn credential<'w>(&'w self, reference: &'w str) -> Waiting<'w, Result<Secrets, String>> {
        let Parts { node, store, .. } = &*self.calls.0;
        let (node, store, id) = (node.clone(), store.clone(), EncryptedCredential::parse(reference));
        Box::pin(async move {
            let id = id.ok_or("its encryptedCredential is no reference to a credential")?.to_string();
            let asked = id.clone();
            let found = tokio::task::spawn_blocking(move || store.value(&asked)).await;
            let found = found.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            let value = found.ok_or_else(|| format!("the node '{node}' does not have its credential {id}"))?;
            serde_json::from_str(&value).map_err(|_| format!("the credential {id} is damaged"))
        })
    }

    fn send(&self, request: Sending) -> Waiting<'_, Result<Received, String>> {
        Box::pin(self.sent(request, self.at_server))
    }
}

/// The request of a vault's client as it is sent: with a body of its own, which is wiped when it is dropped.
fn sending(request: &Request<&[u8]>) -> Sending {
    let text = |value: &HeaderValue| Zeroizing::new(String::from_utf8_lossy(value.as_bytes()).into_owned());
    Sending {
        is_own: false,
        method: request.method().to_string(),
        url: request.uri().to_string(),
        headers: request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: Zeroizing::new(request.body().to_vec()),
        certificate: None,
    }
}
