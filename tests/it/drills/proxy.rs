//! A reverse proxy in front of a server that changes what it carries: the vault's HTTPS and the admin API's HTTP. Drills that
//! are aimed at it must notice.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::base64url;

/// A request on its way.
#[derive(Clone)]
pub(super) struct Asked {
    /// The application that asks, as its token says.
    pub(super) who: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Bytes,
}

/// What becomes of a request.
pub(super) enum Way {
    /// It goes on.
    On,
    /// Another one goes on in its place.
    Instead(Method, String),
    /// It is answered here.
    Answer(u16, Bytes),
}

/// An answer on its way back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// What the proxy remembers between requests.
#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<String, Bytes>>);

impl Memory {
    pub(super) fn put(&self, key: impl Into<String>, value: Bytes) {
        self.0.lock().unwrap().insert(key.into(), value);
    }

    pub(super) fn find(&self, key: &str) -> Option<Bytes> {
        self.0.lock().unwrap().get(key).cloned()
    }

    /// How often this was asked for this key, this time included.
    pub(super) fn count(&self, key: &str) -> usize {
        let mut all = self.0.lock().unwrap();
        let count = all.get(key).map_or(0, |bytes| bytes.len()) + 1;
        all.insert(key.to_owned(), Bytes::from(vec![0; count]));
        count
    }
}

/// How a proxy changes what it carries.
#[derive(Clone, Copy)]
pub(super) struct Tampering {
    pub(super) before: fn(&Asked, &Memory) -> Way,
    pub(super) after: fn(&Asked, &mut Answer, &Memory),
}

/// Carries everything as it is.
pub(super) const FAITHFUL: Tampering = Tampering { before: |_, _| Way::On, after: |_, _, _| {} };

/// A proxy that runs for as long as this value lives.
pub(super) struct Proxy {
    /// The port of the vaults, HTTPS.
    pub(super) vaults: u16,
    /// The port of the admin API, HTTP.
    pub(super) admin: u16,
    _runtime: Runtime,
}

struct Carrier {
    server: String,
    admin: String,
    client: tokio_rustls::TlsConnector,
    tampering: Tampering,
    memory: Memory,
}

impl Proxy {
    /// A proxy in front of the server of a ready file; its CA is written to `ca`.
    pub(super) fn start(ready: &Value, ca: &Path, tampering: Tampering) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let text = |member: &str| ready[member].as_str().unwrap().to_owned();
        let server_ca = std::fs::read(ready["ca"].as_str().unwrap()).unwrap();
        let client = connector(&server_ca);
        let (server, admin) = (text("listen"), text("admin"));
        let carrier = Arc::new(Carrier { server, admin, client, tampering, memory: Memory::default() });
        let acceptor = acceptor(ca);
        let bind = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (vaults, admin) = (bind(), bind());
        let ports = (vaults.local_addr().unwrap().port(), admin.local_addr().unwrap().port());
        runtime.spawn(serve_vaults(vaults, acceptor, carrier.clone()));
        runtime.spawn(serve_admin(admin, carrier));
        Self { vaults: ports.0, admin: ports.1, _runtime: runtime }
    }
}

async fn serve_vaults(listener: TcpListener, acceptor: tokio_rustls::TlsAcceptor, carrier: Arc<Carrier>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, carrier) = (acceptor.clone(), carrier.clone());
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, carrier).await;
            }
        });
    }
}

async fn serve_admin(listener: TcpListener, carrier: Arc<Carrier>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, carrier.clone()));
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, carrier: Arc<Carrier>) {
    let service = service_fn(move |request| {
        let carrier = carrier.clone();
        async move { Ok::<_, Infallible>(carrier.carry(request).await) }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Carrier {
    async fn carry(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let (who, path) = (application(&parts.headers), parts.uri.path().to_owned());
        let asked = Asked { who, method: parts.method.clone(), path, body: body.clone() };
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let (method, path, body) = match (self.tampering.before)(&asked, &self.memory) {
            Way::Answer(status, body) => return answer(status, &HeaderMap::new(), body),
            Way::Instead(method, path) => (method, path, Bytes::new()),
            Way::On => (parts.method, asked.path.clone(), body),
        };
        let (status, headers, body) = self.forward(method, &format!("{path}{query}"), parts.headers, body).await;
        let mut back = Answer { status: status.as_u16(), body };
        (self.tampering.after)(&asked, &mut back, &self.memory);
        answer(back.status, &headers, back.body)
    }

    async fn forward(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, HeaderMap, Bytes) {
        let host = headers.get(HOST).unwrap().to_str().unwrap().to_owned();
        headers.remove(CONTENT_LENGTH);
        let mut request = Request::builder().method(method).uri(path).body(Full::new(body)).unwrap();
        *request.headers_mut() = headers;
        if path.starts_with("/admin/") {
            return exchange(TcpStream::connect(&self.admin).await.unwrap(), request).await;
        }
        let name = host.split(':').next().unwrap();
        // A node asks for the host of its factory, over TLS to the server's own name.
        let name = if name.ends_with(".datafactory.azure.net") { "localhost" } else { name };
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TcpStream::connect(&self.server).await.unwrap();
        exchange(self.client.connect(name, stream).await.unwrap(), request).await
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> (StatusCode, HeaderMap, Bytes) {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
}

fn application(headers: &HeaderMap) -> String {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.split('.').nth(1));
    let claims = token.and_then(base64url::decode).and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    claims.and_then(|claims| claims["appid"].as_str().map(str::to_owned)).unwrap_or_default()
}

fn answer(status: u16, headers: &HeaderMap, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status).body(Full::new(body)).unwrap();
    *response.headers_mut() = headers.clone();
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().remove(TRANSFER_ENCODING);
    response
}

fn connector(ca: &[u8]) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth()).into()
}

/// A certificate for every vault, the sign-in, the management plane and nodes, under a CA of the proxy's own.
fn acceptor(ca: &Path) -> tokio_rustls::TlsAcceptor {
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(ca, params.self_signed(&ca_key).unwrap().pem()).unwrap();
    let names = ["*.vault.localhost", "login.localhost", "arm.localhost", "localhost"].map(str::to_owned);
    let issuer = Issuer::new(params, ca_key);
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], private).unwrap()).into()
}
