//! What this server asks its own vaults as a service of the cloud would: over their data plane, within the process, as an identity
//! of the tenant. Policies, roles, firewall, faults and audit see it like any other request, and none of it goes out.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::duplex;
use tokio::runtime::Handle;
use tokio::time::timeout;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::services::Services;
use crate::directory::{ClientAuthentication, Directory, IdentityRecord};
use crate::factory::VaultClients;
use crate::http::server::{ConnectionServer, Shutdown, shutdown_channel};
use crate::http::{BoxError, ConnectionInfo, RequestHandler};
use crate::management::Holder;
use crate::remote::{Answer, Credential, IssuedToken, ManagedIdentity, RequestError, TokenSource, Transport};

/// How long a request may take, as over the network.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// What is in transit between the two ends of a connection, in bytes.
const IN_TRANSIT: usize = 64 * 1024;
/// What these requests call themselves.
const AGENT: &str = concat!("keyhaven-datafactory/", env!("CARGO_PKG_VERSION"));

impl Services {
    /// Clients of the vaults that `answer` serves, for what the server does as an identity of a resource. They block their thread,
    /// which must be one of the runtime's for that.
    pub(super) fn own_vault_clients(&self, answer: RequestHandler) -> VaultClients {
        let (limits, bodies) = (self.settings.limits.clone(), self.settings.bodies.clone());
        let server = Arc::new(ConnectionServer { tls: None, answer, limits, bodies, on_malformed: None });
        // These requests are part of others, which a server that stops finishes.
        let (trigger, never) = shutdown_channel();
        let transport = Transport::within(move |request| {
            let _held = &trigger;
            let sending = exchange(server.clone(), owned(&request), never.clone());
            Handle::current().block_on(async { timeout(REQUEST_TIMEOUT, sending).await }).map_or_else(
                |_| Err(RequestError::NoAnswer("the vault did not answer in time".to_owned())),
                |answer| answer.map_err(|error| no_answer(&*error)),
            )
        });
        let directory = self.backend.directory.clone();
        let tokens = TokenSource::new(move |identity, resource| {
            Handle::current().block_on(token(&directory, identity, resource))
        });
        VaultClients::new(transport, Credential::Issued(tokens))
    }
}

/// The same request with a body of its own, which is wiped when it is dropped.
fn owned(request: &Request<&[u8]>) -> Request<Full<Bytes>> {
    let body = Bytes::from_owner(Zeroizing::new(request.body().to_vec()));
    let mut owned = Request::new(Full::new(body));
    (*owned.method_mut(), *owned.headers_mut()) = (request.method().clone(), request.headers().clone());
    let path = request.uri().path_and_query().cloned();
    *owned.uri_mut() = path.map(Into::into).unwrap_or_default();
    let host = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    owned.headers_mut().extend(host.map(|host| (HOST, host)));
    owned.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    owned
}

/// Sends a request over a connection of its own and reads the whole answer.
async fn exchange(
    server: Arc<ConnectionServer>,
    request: Request<Full<Bytes>>,
    never: Shutdown,
) -> Result<Answer, BoxError> {
    let (client, served) = duplex(IN_TRANSIT);
    tokio::spawn(async move { server.serve(served, ConnectionInfo::of_service(), never).await });
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await?;
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = Zeroizing::new(body.collect().await?.to_bytes().to_vec());
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

fn no_answer(error: &(dyn std::error::Error + Send + Sync)) -> RequestError {
    RequestError::NoAnswer(format!("the vault broke off: {error}"))
}

/// A token of an identity of a resource, for `resource`.
///
/// # Errors
/// A sentence that says why there is none.
pub(super) async fn token_of(
    directory: &Directory,
    holder: Holder,
    resource: &str,
) -> Result<Zeroizing<String>, String> {
    let identity = match holder {
        Holder::Own(principal) => ManagedIdentity::ClientId(principal.to_string()),
        Holder::UserAssigned(id) => ManagedIdentity::ResourceId(id),
    };
    let issued = token(directory, &identity, resource).await;
    issued.map(|issued| issued.text).map_err(|error| error.to_string())
}

/// A token of `identity` for `resource`, as the metadata service would issue it.
async fn token(directory: &Directory, identity: &ManagedIdentity, resource: &str) -> Result<IssuedToken, RequestError> {
    let refused = |message: String| RequestError::Refused {
        status: 400,
        code: "invalid_request".to_owned(),
        inner: None,
        message,
        missing: None,
        role: None,
    };
    let all = directory.identities().await.map_err(|error| RequestError::NoAnswer(format!("no token: {error}")))?;
    let found = all.iter().find(|one| is_asked_for(one, identity));
    let found = found.ok_or_else(|| refused(format!("Identity not found: {}", named(identity))))?;
    let issued = directory.issue(found, resource, ClientAuthentication::ManagedIdentity).await;
    let issued = issued.map_err(|error| refused(format!("no token: {error}")))?;
    let lifetime = u64::try_from(issued.expires_in).unwrap_or_default();
    Ok(IssuedToken { text: Zeroizing::new(issued.access_token), lifetime })
}

/// Whether a record is the identity that is asked for. A resource's own is asked for by its principal id.
fn is_asked_for(record: &IdentityRecord, identity: &ManagedIdentity) -> bool {
    match identity {
        ManagedIdentity::SystemAssigned => false,
        ManagedIdentity::ClientId(id) => {
            let is = |own: Uuid| own.to_string().eq_ignore_ascii_case(id);
            is(record.object_id) || (is(record.client_id) && !record.of_resource)
        }
        ManagedIdentity::ResourceId(id) => !record.of_resource && record.resource_id.eq_ignore_ascii_case(id),
    }
}

fn named(identity: &ManagedIdentity) -> &str {
    match identity {
        ManagedIdentity::SystemAssigned => "the resource has none of its own",
        ManagedIdentity::ClientId(id) | ManagedIdentity::ResourceId(id) => id,
    }
}
