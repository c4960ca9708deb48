//! A server in this process and a client that talks HTTPS to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::header::HeaderMap;
use hyper::http::request::Builder;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyhaven::clock::{Timestamp, VirtualClock};
use keyhaven::testing::{Running, VaultClock, identity_ids};
use keyhaven::{ClockChoice, Config, Listen, Options, Storage, testing};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

/// Where the vault clock of every test starts.
pub const START: i64 = 1_700_000_000;
/// The api-version of requests that name none.
pub const VERSION: &str = "7.4";

/// A tenant with a premium and a standard vault, somebody who may do everything and somebody who may do nothing.
pub const CONFIG: &str = r#"{
  "identities": [{"name": "owner", "systemAssigned": true}, {"name": "nobody"}],
  "vaults": [
    {"name": "acme", "sku": "premium", "aliases": ["keys.acme.test"],
     "accessPolicies": [{"identity": "owner", "permissions": {"keys": ["all", "purge"], "secrets": ["all", "purge"]}}]},
    {"name": "plain", "softDeleteRetentionInDays": 7, "enablePurgeProtection": true,
     "accessPolicies": [{"identity": "owner", "permissions": {"keys": ["all", "purge"], "secrets": ["all", "purge"]}}]}
  ]
}"#;

/// The key that signs the tokens of servers in tests: generating one for each took more than half of their processor time.
const ISSUER_KEY: &[u8] = include_bytes!("../vectors/rsa-2048.p8");

/// A running server, and how to talk to it.
pub struct World {
    pub clock: Arc<VirtualClock>,
    pub server: Running,
    pub address: SocketAddr,
    roots: Arc<RootCertStore>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub bytes: Vec<u8>,
}

impl World {
    /// A server with [`CONFIG`] that keeps nothing.
    pub async fn new() -> Self {
        Self::of(CONFIG, Storage::Memory).await
    }

    /// A server with `config`, kept as `storage` says.
    pub async fn of(config: &str, storage: Storage) -> Self {
        let config = Config::parse(config).unwrap();
        Self::with(Options { config, storage, ..Options::default() }).await
    }

    /// A server of these options, with a virtual clock, seeded ids and free ports.
    pub async fn with(options: Options) -> Self {
        let start = ClockChoice::Virtual { start: Some(Timestamp::from_unix(START)), frozen: Some(true) };
        let clock = if options.clock == ClockChoice::Real { start } else { options.clock };
        let listen = Listen { proxy: options.listen.proxy, ..Listen::on_free_ports() };
        let issuer_key = options.issuer_key.or_else(|| issuer_key(&options.storage));
        let options = Options { clock, seed: Some(1), issuer_key, listen, ..options };
        let server = testing::start(options).await.unwrap();
        let VaultClock::Virtual(clock) = server.clock.clone() else { panic!("a world has a virtual clock") };
        Self::around(server, clock)
    }

    /// A server of these options that lives by the machine's clock, which is `machine`.
    pub async fn on_machine_clock(machine: Arc<VirtualClock>, options: Options) -> Self {
        let issuer_key = issuer_key(&options.storage);
        let options = Options { system_clock: machine.clone(), seed: Some(1), issuer_key, ..options };
        let server = testing::start(options).await.unwrap();
        Self::around(server, machine)
    }

    fn around(server: Running, clock: Arc<VirtualClock>) -> Self {
        let roots = Arc::new(roots(&server.ready.ca));
        let address = server.ready.listen.parse().unwrap();
        Self { clock, server, address, roots }
    }

    /// The port of the data plane.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The host and port of a vault.
    pub fn host(&self, vault: &str) -> String {
        format!("{vault}.vault.localhost:{}", self.port())
    }

    /// A token of the identity called `name`, for the resource that the challenge names.
    pub async fn token(&self, name: &str) -> String {
        self.token_for(name, &format!("https://vault.localhost:{}", self.port())).await
    }

    /// A token of the identity called `name` for `resource`.
    pub async fn token_for(&self, name: &str, resource: &str) -> String {
        // Its ids follow from its name.
        let client = Config::parse(&serde_json::json!({"identities": [{"name": name}]}).to_string()).unwrap();
        let client = identity_ids(&client, name).unwrap().client_id;
        let path =
            format!("/metadata/identity/oauth2/token?api-version=2018-02-01&client_id={client}&resource={resource}");
        let answer = self.plain(&self.server.ready.identity, &path, &[("metadata", "true")]).await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A request to the admin API with its key; `line` is `METHOD PATH`.
    pub async fn admin(&self, line: &str, body: &str) -> Answer {
        let key = format!("Bearer {}", self.server.ready.admin_key);
        self.admin_with(line, body.as_bytes(), &[("authorization", &key)]).await
    }

    /// A request to the admin API with these headers.
    pub async fn admin_with(&self, line: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let address = self.server.ready.admin.clone().unwrap();
        let request = Request::builder().method(method).uri(path);
        Self::plainly(&address, request, body, headers).await
    }

    /// The bytes that the admin API answers.
    pub async fn admin_bytes(&self, line: &str) -> Vec<u8> {
        let answer = self.admin(line, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.bytes
    }

    /// A GET to a plain listener.
    pub async fn plain(&self, address: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        Self::plainly(address, Request::get(path), b"", headers).await
    }

    async fn plainly(address: &str, mut request: Builder, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", address);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<Bytes>::from(body.to_vec())).unwrap();
        Answer::read(sender.send_request(request).await.unwrap()).await
    }

    /// TLS to the data plane for `name`, offering `alpn`, in the versions given.
    pub async fn tls_with(
        &self,
        name: &str,
        alpn: &[&[u8]],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = config.with_root_certificates(self.roots.clone()).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// TLS to the data plane for `name`.
    pub async fn tls(&self, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        self.tls_with(name, &[b"http/1.1"], rustls::ALL_VERSIONS).await
    }

    /// Sends `request` over HTTP/1.1 with the TLS name of its host.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).to_owned();
        self.send_to(&name, request).await
    }

    /// Sends `request` over HTTP/1.1 with the TLS name `name`, whatever its host says.
    pub async fn send_to(&self, name: &str, request: Request<Full<Bytes>>) -> Answer {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.tls(name).await.unwrap())).await.unwrap();
        tokio::spawn(connection);
        Answer::read(sender.send_request(request).await.unwrap()).await
    }

    /// Sends `request` over HTTP/2.
    pub async fn send_http2(&self, request: Request<Full<Bytes>>) -> Answer {
        let name = request.uri().host().unwrap().to_owned();
        let stream = self.tls_with(&name, &[b"h2"], rustls::ALL_VERSIONS).await.unwrap();
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Answer::read(sender.send_request(request).await.unwrap()).await
    }

    /// A request of `owner` to the vault `acme`; `line` is `METHOD PATH`, to which the api-version is added when the
    /// path has none.
    pub async fn ask(&self, line: &str, body: &str) -> Answer {
        self.ask_as("owner", "acme", line, body).await
    }

    /// A request of `who` to `vault`.
    pub async fn ask_as(&self, who: &str, vault: &str, line: &str, body: &str) -> Answer {
        let token = self.token(who).await;
        self.send(self.request(&self.host(vault), line, body, Some(&token))).await
    }

    /// A request, not yet sent.
    pub fn request(&self, host: &str, line: &str, body: &str, token: Option<&str>) -> Request<Full<Bytes>> {
        let (method, path) = line.split_once(' ').unwrap();
        let path = match path {
            _ if path.contains("api-version") || path.contains("api%2Dversion") => path.to_owned(),
            _ if path.contains('?') => format!("{path}&api-version={VERSION}"),
            _ => format!("{path}?api-version={VERSION}"),
        };
        let mut request = Request::builder().method(method).uri(path).header("host", host);
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(Full::from(body.to_owned())).unwrap()
    }

    /// A key called `name`, made by `owner` in `acme`; returns its version.
    pub async fn key(&self, name: &str, body: &str) -> String {
        let made = self.ask(&format!("POST /keys/{name}/create"), body).await;
        assert_eq!(made.status, 200, "{}", made.text);
        made.version()
    }
}

impl Answer {
    async fn read(response: hyper::Response<hyper::body::Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Self { status: parts.status, headers: parts.headers, text, bytes: bytes.to_vec() }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// `STATUS BODY`, for exact comparison.
    pub fn exactly(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.text)
    }

    /// The version at the end of a key's or secret's id.
    pub fn version(&self) -> String {
        let body = self.json();
        let id = body["key"]["kid"].as_str().or(body["id"].as_str()).unwrap();
        id.rsplit('/').next().unwrap().to_owned()
    }

    /// A header's text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `STATUS CODE/INNER MESSAGE`.
    pub fn error(&self) -> String {
        let body = self.json();
        let error = &body["error"];
        let inner = error["innererror"]["code"].as_str().map(|inner| format!("/{inner}")).unwrap_or_default();
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}{inner} {}", self.status.as_u16(), text("code"), text("message"))
    }
}

/// The issuer key of a server that keeps nothing. One that keeps its data generates its own: a restart must find it again.
pub fn issuer_key(storage: &Storage) -> Option<Zeroizing<Vec<u8>>> {
    matches!(storage, Storage::Memory).then(|| Zeroizing::new(ISSUER_KEY.to_vec()))
}

/// The CA in a PEM file, alone.
pub fn roots(ca: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    roots
}
