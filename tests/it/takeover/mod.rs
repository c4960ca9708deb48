//! The takeover proxy: cloud names end here, others are tunnelled, some are refused.

mod absolute_form;
mod absolute_https;
mod descriptors;
mod hostile;
mod parent_proxy;
mod plain_http_in_tunnel;
mod refusals;
mod selection;
mod tunnels;
mod two_segments;

use std::net::SocketAddr;
use std::sync::Arc;

use keyhaven::{Config, Listen, Options, Takeover, TlsVersion};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{CONFIG, World};

async fn world() -> World {
    world_of(CONFIG, Takeover::default()).await
}

/// A server with a proxy that takes over what `takeover` says.
async fn world_of(config: &str, takeover: Takeover) -> World {
    World::with(Options { config: Config::parse(config).unwrap(), takeover, ..with_proxy() }).await
}

/// The options of a server with a proxy.
fn with_proxy() -> Options {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    Options { listen: Listen { proxy: Some(free), ..Listen::on_free_ports() }, ..Options::default() }
}

/// A connection to the proxy.
async fn proxy(world: &World) -> TcpStream {
    TcpStream::connect(world.server.ready.proxy.as_deref().unwrap()).await.unwrap()
}

/// Everything that the proxy answers to `text`, until it or `stream`'s other end closes.
async fn said(mut stream: TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// What one GET in absolute form is answered: the status and the body.
async fn get(world: &World, url: &str, headers: &str) -> (u16, String) {
    let text = format!("GET {url} HTTP/1.1\r\nHost: ignored.example\r\nConnection: close\r\n{headers}\r\n");
    status_and_body(&said(proxy(world).await, &text).await)
}

fn status_and_body(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// What the proxy answers for a host of the world outside with `--offline`.
fn offline_refusal(target: &str) -> String {
    let host = target.rsplit_once(':').unwrap().0;
    format!(
        "{host} is not answered here, and --offline lets nothing out; add --pass {target} if it should be reached.\n"
    )
}

/// What went through the proxy.
fn report(world: &World) -> String {
    world.server.traffic.as_ref().unwrap().report().to_string()
}

/// A listener on loopback, and its address.
async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An HTTP head, with the blank line that ends it.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// `CONNECT target` through the proxy: the status line, and the stream behind it.
async fn connect(world: &World, target: &str) -> (String, TcpStream) {
    let mut stream = proxy(world).await;
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = head(&mut stream).await;
    (answer.lines().next().unwrap().to_owned(), stream)
}

/// TLS on `stream`, as `name`, trusting `ca` alone.
async fn tls(stream: TcpStream, name: &str, ca: &str, sends_name: bool) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = client_config(ca, rustls::ALL_VERSIONS);
    config.enable_sni = sends_name;
    let server = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(server, stream).await
}

/// A client of these versions that trusts `ca` alone.
fn client_config(ca: &str, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    config.with_root_certificates(roots).with_no_client_auth()
}

/// What a GET of `/keys` is answered through TLS on `stream`, as `name`, trusting `ca` alone.
async fn get_keys(stream: TcpStream, name: &str, ca: &str, token: &str) -> Result<String, std::io::Error> {
    let mut stream = tls(stream, name, ca, true).await?;
    let request = format!(
        "GET /keys?api-version=7.4 HTTP/1.1\r\nHost: {name}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_vaults_cloud_name_is_this_server() {
    let world = world().await;
    let takeover_ca = world.server.takeover_ca.clone().unwrap();
    let token = world.token_for("owner", "https://vault.azure.net").await;
    let (status, stream) = connect(&world, "acme.vault.azure.net:443").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let answer = get_keys(stream, "acme.vault.azure.net", &takeover_ca, &token).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"value":[],"nextLink":null}"#), "{answer}");

    let (_, stream) = connect(&world, "ACME.vault.azure.net:443").await;
    let answer = get_keys(stream, "acme.vault.azure.net", &takeover_ca, "bad").await.unwrap();
    assert!(
        answer.contains(
            "authorization=\"https://login.microsoftonline.com/6b9e7c1a-0000-4000-8000-000000000001\", \
             resource=\"https://vault.azure.net\""
        ),
        "{answer}"
    );
}

#[tokio::test]
async fn neither_ca_signs_for_the_hosts_of_the_other() {
    let world = world().await;
    let takeover_ca = world.server.takeover_ca.clone().unwrap();
    let kept_ca = std::fs::read_to_string(&world.server.ready.ca).unwrap();
    assert_ne!(takeover_ca, kept_ca);
    let (_, stream) = connect(&world, "acme.vault.azure.net:443").await;
    let refused = get_keys(stream, "acme.vault.azure.net", &kept_ca, "").await.unwrap_err().to_string();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let direct = TcpStream::connect(world.address).await.unwrap();
    let refused = get_keys(direct, "acme.vault.localhost", &takeover_ca, "").await.unwrap_err().to_string();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
}

#[tokio::test]
async fn the_leaf_is_that_of_the_name_that_was_connected_to() {
    let world = world().await;
    let ca = world.server.takeover_ca.clone().unwrap();
    for host in
        ["acme.vault.azure.net", "login.microsoftonline.com", "eastus.login.microsoft.com", "management.azure.com"]
    {
        let (_, stream) = connect(&world, &format!("{host}:443")).await;
        tls(stream, host, &ca, false).await.unwrap_or_else(|error| panic!("{host} without a server name: {error}"));
    }
    let (_, stream) = connect(&world, "acme.vault.azure.net:443").await;
    assert!(tls(stream, "plain.vault.azure.net", &ca, true).await.is_err(), "another name than was connected to");
    assert_eq!(
        report(&world),
        "taken over: acme.vault.azure.net:443 (no request), eastus.login.microsoft.com:443 (no request), \
         login.microsoftonline.com:443 (no request), management.azure.com:443 (no request)\n"
    );
}

#[tokio::test]
async fn the_one_version_of_tls_that_is_served_is_the_takeovers_too() {
    for (version, spoken, other) in [(TlsVersion::V1_2, &TLS12, &TLS13), (TlsVersion::V1_3, &TLS13, &TLS12)] {
        let world = World::with(Options { tls: Some(version), ..with_proxy() }).await;
        let ca = world.server.takeover_ca.clone().unwrap();
        let name = ServerName::try_from("acme.vault.azure.net").unwrap();
        let connected = async |version| {
            let (_, stream) = connect(&world, "acme.vault.azure.net:443").await;
            TlsConnector::from(Arc::new(client_config(&ca, &[version]))).connect(name.clone(), stream).await
        };
        assert_eq!(connected(spoken).await.unwrap().get_ref().1.protocol_version(), Some(spoken.version));
        let refused = connected(other).await.unwrap_err().to_string();
        assert!(refused.contains("ProtocolVersion"), "{refused}");
    }
}

#[tokio::test]
async fn who_asks_for_an_address_is_known_by_the_name_that_tls_begins_with() {
    let world = world().await;
    let ca = world.server.takeover_ca.clone().unwrap();
    let token = world.token_for("owner", "https://vault.azure.net").await;
    // An address of the documentation's: a tunnel there would never be answered.
    let (status, stream) = connect(&world, "192.0.2.1:443").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let answer = get_keys(stream, "acme.vault.azure.net", &ca, &token).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(report(&world), "taken over: acme.vault.azure.net:443 (1 request)\n");
}
