//! Requests in absolute form for `https://` URLs, as axios up to 1.13 and others send them to a proxy.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{
    connect, get, get_keys, head, listener, offline_refusal, proxy, report, said, status_and_body, world, world_of,
};
use crate::world::{CONFIG, World};
use keyhaven::{ParentProxy, Takeover};

const SOON: Duration = Duration::from_secs(10);
/// A name of this machine.
const NAME: &str = "other.localhost";

/// A name that only another proxy knows.
const FAR: &str = "far.example";

/// A server elsewhere, with a certificate for [`NAME`] and [`FAR`], and a world that trusts it.
struct OtherServer {
    world: World,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    port: u16,
    _ca: NamedTempFile,
}

impl OtherServer {
    async fn new() -> Self {
        Self::with(Takeover::default()).await
    }

    async fn with(takeover: Takeover) -> Self {
        let own = rcgen::generate_simple_self_signed([NAME, FAR].map(str::to_owned)).unwrap();
        let ca = NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), own.cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let authorities = vec![ca.path().display().to_string()];
        let world = world_of(CONFIG, Takeover { ca_files: authorities, ..takeover }).await;
        let (listener, address) = listener().await;
        Self { world, listener, acceptor: TlsAcceptor::from(Arc::new(config)), port: address.port(), _ca: ca }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.port)
    }

    async fn accept(&self) -> TlsStream<TcpStream> {
        let (stream, _) = self.listener.accept().await.unwrap();
        let stream = self.acceptor.accept(stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream
    }

    /// Answers one request with `answer`; gives its head.
    async fn once(&self, answer: &str) -> String {
        let mut stream = self.accept().await;
        let head = head(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
        head
    }
}

/// A request that ends its connection; `lines` are further header fields.
fn request(line: &str, lines: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{line} HTTP/1.1\r\nHost: ignored.example\r\nConnection: close\r\n{lines}{length}\r\n{body}")
}

#[tokio::test]
async fn a_taken_over_name_answers_as_inside_connect() {
    let world = world().await;
    let token = world.token_for("owner", "https://vault.azure.net").await;
    let ca = world.server.takeover_ca.clone().unwrap();
    let by_connect = get_keys(connect(&world, "acme.vault.azure.net:443").await.1, "acme.vault.azure.net", &ca, "bad");
    let by_connect = by_connect.await.unwrap();
    let bad = request("GET https://acme.vault.azure.net/keys?api-version=7.4", "Authorization: Bearer bad\r\n", "");
    let absolute = said(proxy(&world).await, &bad).await;
    let stable = |answer: &str| {
        let varies = |line: &&str| !line.starts_with("x-ms-request-id") && !line.starts_with("date");
        answer.lines().filter(varies).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(stable(&absolute), stable(&by_connect));
    assert!(absolute.starts_with("HTTP/1.1 401 ") && absolute.contains("https://login.microsoftonline.com/"));

    let bearer = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    let url = "https://ACME.vault.azure.net/secrets/a?api-version=7.4";
    let set = said(proxy(&world).await, &request(&format!("PUT {url}"), &bearer, r#"{"value":"one"}"#)).await;
    let (status, body) = status_and_body(&set);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(r#""id":"https://acme.vault.azure.net/secrets/a/"#), "{body}");
    let with_port = url.replace("https", "HTTPS").replace(".net/", ".net:443/");
    let (status, body) = get(&world, &with_port, &bearer).await;
    assert!(status == 200 && body.starts_with(r#"{"value":"one","#), "{status} {body}");
    assert_eq!(report(&world), "taken over: acme.vault.azure.net:443 (4 requests)\n");
}

#[tokio::test]
async fn every_part_that_is_taken_over_answers() {
    let world = world().await;
    let tenant = "6b9e7c1a-0000-4000-8000-000000000001";
    let login = format!("POST https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
    let form = "grant_type=client_credentials&client_id=11111111-2222-4333-8444-555555555555&client_secret=production\
                &scope=https%3A%2F%2Fvault.azure.net%2F.default";
    let fields = "Content-Type: application/x-www-form-urlencoded\r\n";
    let (status, body) = status_and_body(&said(proxy(&world).await, &request(&login, fields, form)).await);
    assert!(status == 200 && body.contains("access_token"), "{status} {body}");
    let (status, _) = get(&world, "https://management.azure.com/subscriptions?api-version=2022-12-01", "").await;
    assert_eq!(status, 401);
    let expected = "taken over: login.microsoftonline.com:443 (1 request), management.azure.com:443 (1 request)\n";
    assert_eq!(report(&world), expected);
}

#[tokio::test]
async fn the_url_names_the_host_and_what_concerns_the_proxy_goes_no_further() {
    let elsewhere = OtherServer::new().await;
    let lines = "Proxy-Authorization: Basic aHVzaA==\r\nProxy-Connection: keep-alive\r\nX-Kept: 1\r\n";
    let text = request(&format!("GET {}", elsewhere.url("/a/%2F?b=c")), lines, "");
    let asked = async { said(proxy(&elsewhere.world).await, &text).await };
    let answer =
        "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 3\r\nX-Own: 1\r\nConnection: x-mine\r\nX-Mine: 1\r\n\r\nno\n";
    let (answer, head) = tokio::join!(asked, elsewhere.once(answer));
    assert_eq!(status_and_body(&answer), (418, "no\n".to_owned()), "errors of HTTP come as they are");
    assert!(answer.contains("x-own: 1") && !answer.contains("x-mine"), "{answer}");
    let mut lines: Vec<_> = head.to_ascii_lowercase().lines().map(str::to_owned).collect();
    lines.sort();
    let host = format!("{NAME}:{}", elsewhere.port);
    assert_eq!(lines, ["", "get /a/%2f?b=c http/1.1", &format!("host: {host}"), "x-kept: 1"]);
    assert_eq!(report(&elsewhere.world), format!("tunnelled: {host} (1 connection)\n"));
}

#[tokio::test]
async fn one_connection_carries_requests_for_several_hosts_and_schemes() {
    let elsewhere = OtherServer::new().await;
    let mut text = String::new();
    for url in [
        "https://acme.vault.azure.net/keys?api-version=7.4",
        "http://169.254.169.254/metadata/identity/oauth2/token",
        &elsewhere.url("/"),
        "https://acme.blob.core.windows.net/",
    ] {
        text += &format!("GET {url} HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    text += &request("GET https://plain.vault.azure.net/keys?api-version=7.4", "", "");
    let asked = async { said(proxy(&elsewhere.world).await, &text).await };
    let (answer, _) = tokio::join!(asked, elsewhere.once("HTTP/1.1 204 No Content\r\n\r\n"));
    let statuses: Vec<_> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["401", "400", "204", "403", "401"], "{answer}");
}

#[tokio::test]
async fn other_names_meet_the_rules_of_connect() {
    let world = world().await;
    let refused =
        |host: &str| format!("{host} is not emulated; start with --pass {host} to let it through to Azure.\n");
    let (status, why) = get(&world, "https://acme.blob.core.windows.net/", "").await;
    assert_eq!((status, why), (403, refused("acme.blob.core.windows.net")));
    let (status, why) = get(&world, "https://[2001:db8::5efe:169.254.169.254]/metadata/", "Metadata: true\r\n").await;
    assert_eq!(status, 403);
    assert!(why.ends_with("is refused: link-local addresses are never forwarded.\n"), "{why}");
    for listener in [&world.server.ready.listen, world.server.ready.proxy.as_ref().unwrap()] {
        let port = listener.rsplit(':').next().unwrap();
        for host in ["127.0.0.1", "localhost", "acme.vault.localhost", "[::ffff:0:127.0.0.1]"] {
            let (status, why) = get(&world, &format!("https://{host}:{port}/health"), "").await;
            assert_eq!(status, 403, "{host}");
            assert!(why.ends_with("it is one of Keyhaven's own listeners; ask it without the proxy.\n"), "{why}");
        }
    }
    let offline = world_of(CONFIG, Takeover { offline: true, ..Takeover::default() }).await;
    let (status, why) = get(&offline, "https://example.com/", "").await;
    assert_eq!((status, why.as_str()), (403, offline_refusal("example.com:443").as_str()));
    assert_eq!(get(&offline, "https://acme.vault.azure.net/keys?api-version=7.4", "").await.0, 401);
}

#[tokio::test]
async fn a_certificate_that_the_program_would_not_trust_is_not_trusted_for_it() {
    let elsewhere = OtherServer::new().await;
    let stranger = OtherServer::new().await;
    let refusing = |elsewhere: &OtherServer| {
        let acceptor = elsewhere.acceptor.clone();
        move |stream| async move { acceptor.accept(stream).await.is_err() }
    };
    let accept = async {
        let (stream, _) = stranger.listener.accept().await.unwrap();
        refusing(&stranger)(stream).await
    };
    let url = stranger.url("/");
    let ((status, why), broken) = tokio::join!(get(&elsewhere.world, &url, ""), accept);
    assert!(status == 502 && broken, "{status} {why}");
    assert!(why.starts_with(&format!("The certificate of {NAME}:{} is not trusted (", stranger.port)), "{why}");
    assert!(why.ends_with("name the file with its CA in SSL_CERT_FILE before the start.\n"), "{why}");

    let accept = async {
        let (stream, _) = elsewhere.listener.accept().await.unwrap();
        refusing(&elsewhere)(stream).await
    };
    let url = format!("https://another.localhost:{}/", elsewhere.port);
    let ((status, why), broken) = tokio::join!(get(&elsewhere.world, &url, ""), accept);
    assert!(status == 502 && broken && why.contains("not valid for name") && !why.contains('"'), "{status} {why}");
    let (first, second) = (elsewhere.port, stranger.port);
    let expected = format!("not reached: another.localhost:{first} (1 attempt), {NAME}:{second} (1 attempt)\n");
    assert_eq!(report(&elsewhere.world), expected);
}

#[tokio::test]
async fn who_speaks_no_tls_is_a_bad_gateway() {
    let elsewhere = OtherServer::new().await;
    let url = elsewhere.url("/");
    let plain = async {
        let (mut stream, _) = elsewhere.listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    };
    let ((status, why), _held) = tokio::join!(get(&elsewhere.world, &url, ""), plain);
    assert_eq!(status, 502);
    assert!(why.starts_with(&format!("{NAME}:{} cannot be reached over TLS: ", elsewhere.port)), "{why}");
}

#[tokio::test]
async fn bodies_and_their_trailers_stream_both_ways() {
    let elsewhere = OtherServer::new().await;
    let mut client = proxy(&elsewhere.world).await;
    let text = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\n\r\n\
         4\r\nping\r\n",
        elsewhere.url("/")
    );
    client.write_all(text.as_bytes()).await.unwrap();
    let mut server = elsewhere.accept().await;
    let exchange = async {
        let asked = head(&mut server).await.to_ascii_lowercase();
        assert!(asked.contains("transfer-encoding: chunked\r\n") && asked.contains("trailer: x-sum\r\n"), "{asked}");
        assert!(asked.contains("te: trailers\r\n") && asked.contains("connection: te\r\n"), "{asked}");
        let mut piece = [0; 9];
        server.read_exact(&mut piece).await.unwrap();
        assert_eq!(&piece, b"4\r\nping\r\n", "before the body has ended");
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\npong\r\n";
        server.write_all(answer.as_bytes()).await.unwrap();
        assert!(head(&mut client).await.contains("trailer: X-Sum\r\n"));
        client.read_exact(&mut piece).await.unwrap();
        assert_eq!(&piece, b"4\r\npong\r\n");
        client.write_all(b"0\r\nX-Sum: up\r\n\r\n").await.unwrap();
        assert_eq!(head(&mut server).await.to_ascii_lowercase(), "0\r\nx-sum: up\r\n\r\n");
        server.write_all(b"0\r\nX-Sum: down\r\n\r\n").await.unwrap();
        assert_eq!(head(&mut client).await.to_ascii_lowercase(), "0\r\nx-sum: down\r\n\r\n");
    };
    timeout(SOON, exchange).await.unwrap();
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_the_server_wants_it() {
    let elsewhere = OtherServer::new().await;
    let head_of =
        |url: &str| format!("PUT {url} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    let mut client = proxy(&elsewhere.world).await;
    client.write_all(head_of(&elsewhere.url("/wanted")).as_bytes()).await.unwrap();
    let mut server = elsewhere.accept().await;
    let wanted = async {
        assert!(head(&mut server).await.to_ascii_lowercase().contains("expect: 100-continue\r\n"));
        server.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        assert_eq!(head(&mut client).await, "HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"body").await.unwrap();
        let mut body = [0; 4];
        server.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"body");
        server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
    };
    timeout(SOON, wanted).await.unwrap();

    let mut client = proxy(&elsewhere.world).await;
    client.write_all(head_of(&elsewhere.url("/unwanted")).as_bytes()).await.unwrap();
    let mut server = elsewhere.accept().await;
    head(&mut server).await;
    server.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let answer = timeout(SOON, head(&mut client)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "no body was asked for: {answer}");
}

#[tokio::test]
async fn what_goes_on_goes_through_the_proxy_that_was_set_before() {
    let (before, address) = listener().await;
    let variables = [("HTTPS_PROXY".to_owned(), format!("http://me:hush@{address}"))].into();
    let parent_proxy = ParentProxy::from_variables(&variables).unwrap();
    let elsewhere = OtherServer::with(Takeover { parent_proxy, ..Takeover::default() }).await;
    let url = format!("https://{FAR}/x");
    let asked = get(&elsewhere.world, &url, "Proxy-Authorization: Basic other\r\n");
    let answering = async {
        let (mut stream, _) = before.accept().await.unwrap();
        let connect = head(&mut stream).await.to_ascii_lowercase();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut stream = elsewhere.acceptor.accept(stream).await.unwrap();
        let head = head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nafar").await.unwrap();
        (connect, head)
    };
    let (answer, (connect, head)) = tokio::join!(asked, answering);
    assert_eq!(answer, (200, "afar".to_owned()));
    assert!(connect.starts_with("connect far.example:443 http/1.1\r\n"), "{connect}");
    assert!(connect.contains("proxy-authorization: basic bwu6ahvzaa==\r\n") && !connect.contains("other"), "{connect}");
    assert!(head.starts_with("GET /x HTTP/1.1\r\n") && head.contains("far.example\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("authorization"), "credentials are the parent proxy's alone: {head}");
}
