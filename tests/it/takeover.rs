//! The takeover proxy: cloud names end here, others are tunnelled, some are refused.

use std::net::SocketAddr;
use std::sync::Arc;

use keyhaven::app::{Listen, Options};
use keyhaven::config::Config;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::world::{CONFIG, World};

async fn world() -> World {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = Listen { proxy: Some(free), ..Listen::on_free_ports() };
    World::with(Options { config: Config::parse(CONFIG).unwrap(), listen, ..Options::default() }).await
}

/// `CONNECT target` through the proxy: the status line, and the stream behind it.
async fn connect(world: &World, target: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(world.server.ready.proxy.as_deref().unwrap()).await.unwrap();
    let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    (answer.lines().next().unwrap().to_owned(), stream)
}

/// What a GET of `/keys` is answered through TLS on `stream`, as `name`, trusting `ca` alone.
async fn get_keys(stream: TcpStream, name: &str, ca: &str, token: &str) -> Result<String, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let server = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await?;
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
async fn the_two_cas_do_not_stand_in_for_each_other() {
    let world = world().await;
    let takeover_ca = world.server.takeover_ca.clone().unwrap();
    let kept_ca = std::fs::read_to_string(&world.server.ready.ca).unwrap();
    assert_ne!(takeover_ca, kept_ca);
    let (_, stream) = connect(&world, "acme.vault.azure.net:443").await;
    assert!(get_keys(stream, "acme.vault.azure.net", &kept_ca, "").await.is_err());
    let direct = TcpStream::connect(world.address).await.unwrap();
    assert!(get_keys(direct, "acme.vault.localhost", &takeover_ca, "").await.is_err());
}

#[tokio::test]
async fn other_names_are_tunnelled_untouched() {
    let world = world().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = elsewhere.local_addr().unwrap();
    let echo = tokio::spawn(async move {
        let (mut stream, _) = elsewhere.accept().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        stream.write_all(&all).await.unwrap();
    });
    let (status, mut stream) = connect(&world, &target.to_string()).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let sent: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (mut reading, mut writing) = stream.split();
    let mut received = Vec::new();
    let send = async {
        writing.write_all(&sent).await.unwrap();
        writing.shutdown().await.unwrap();
    };
    let (_, read) = tokio::join!(send, reading.read_to_end(&mut received));
    read.unwrap();
    assert_eq!(received, sent, "both directions, one closed before the other");
    echo.await.unwrap();
}

#[tokio::test]
async fn own_listeners_link_local_addresses_and_other_ports_are_refused() {
    let world = world().await;
    let ready = &world.server.ready;
    let port = world.port();
    for target in [
        ready.listen.clone(),
        ready.identity.clone(),
        ready.admin.clone().unwrap(),
        ready.proxy.clone().unwrap(),
        format!("localhost:{port}"),
        format!("127.1.2.3:{port}"),
        format!("acme.vault.localhost:{port}"),
        "169.254.169.254:80".to_owned(),
        "[fe80::1]:80".to_owned(),
        "[::ffff:169.254.169.254]:80".to_owned(),
        "acme.vault.azure.net:8443".to_owned(),
    ] {
        assert_eq!(connect(&world, &target).await.0, "HTTP/1.1 403 Forbidden", "{target}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(connect(&world, &nobody.to_string()).await.0, "HTTP/1.1 502 Bad Gateway");
}

#[tokio::test]
async fn plain_requests_are_told_what_the_proxy_is() {
    let world = world().await;
    let proxy = world.server.ready.proxy.clone().unwrap();
    let answer = world.plain(&proxy, "http://example.com/", &[]).await;
    assert_eq!(answer.exactly(), "400 This proxy answers CONNECT alone; it carries HTTPS, not HTTP.\n");
}
