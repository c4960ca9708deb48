//! Connections: how long they may say nothing, slow readers, no descriptors, and plain HTTP where TLS is spoken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use keyhaven::Storage;
use keyhaven::testing::{Limits, Listener, RequestHandler, shutdown_channel};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::world::World;

/// Four seconds for a head, and between requests.
const PATIENT: &str = r#"{"identities":[{"name":"owner"}], "vaults":[{"name":"acme"}],
  "limits":{"headerTimeoutSeconds":4,"idleTimeoutSeconds":4}}"#;
/// What a connection of HTTP/2 begins with: the preface and empty settings (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// The frame head of 16 bytes of header fields on the first stream, and two of them.
const HALF_HEADERS: &[u8] = b"\x00\x00\x10\x01\x05\x00\x00\x00\x01\x82\x87";

/// Says `words`, and then nothing; returns how long the server bears it.
async fn borne(mut stream: impl AsyncRead + AsyncWrite + Unpin, words: Vec<u8>) -> (Duration, String) {
    let started = Instant::now();
    stream.write_all(&words).await.unwrap();
    let mut answered = Vec::new();
    let closed = timeout(Duration::from_secs(20), stream.read_to_end(&mut answered)).await;
    closed.expect("the server closes it").unwrap_or_default();
    (started.elapsed(), String::from_utf8_lossy(&answered).into_owned())
}

#[tokio::test]
async fn half_a_head_is_borne_no_longer_than_the_bound() {
    let world = World::of(PATIENT, Storage::Memory).await;
    let plain = async || TcpStream::connect(&world.server.ready.identity).await.unwrap();
    let tls = async |alpn: &'static [u8]| {
        world.tls_with("acme.vault.localhost", &[alpn], rustls::ALL_VERSIONS).await.unwrap()
    };
    let half = b"GET /health HTTP/1.1\r\nhost: local".to_vec();
    let preface = [PREFACE, HALF_HEADERS].concat();
    let ended = tokio::join!(
        borne(plain().await, vec![]),
        borne(plain().await, half.clone()),
        borne(plain().await, PREFACE.to_vec()),
        borne(plain().await, preface.clone()),
        borne(tls(b"http/1.1").await, vec![]),
        borne(tls(b"http/1.1").await, half.clone()),
        borne(tls(b"h2").await, PREFACE.to_vec()),
        borne(tls(b"h2").await, preface),
        borne(TcpStream::connect(world.address).await.unwrap(), vec![0x16, 3, 1]),
        borne(TcpStream::connect(world.address).await.unwrap(), half),
    );
    let ended = [ended.0, ended.1, ended.2, ended.3, ended.4, ended.5, ended.6, ended.7, ended.8, ended.9];
    for (case, (after, _)) in ended.iter().enumerate() {
        assert!(*after > Duration::from_millis(3500) && *after < Duration::from_secs(6), "case {case}: {after:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_borne_no_longer_than_the_bound() {
    let world = World::of(PATIENT, Storage::Memory).await;
    let plain = async || TcpStream::connect(&world.server.ready.identity).await.unwrap();
    let request = format!("GET /health HTTP/1.1\r\nhost: {}\r\n\r\n", world.server.ready.identity).into_bytes();
    let another = [&request[..], b"GET /health HTTP/1.1\r\nhost: loc"].concat();
    // GET / with the authority "x" (RFC 7541, appendix C.2), then nothing: not even an answer to the server's last ping.
    let get = [PREFACE, b"\x00\x00\x06\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x01x"].concat();
    let (idle, begun, http2) =
        tokio::join!(borne(plain().await, request), borne(plain().await, another), borne(plain().await, get));
    for (what, (after, answer)) in [("idle", &idle), ("a second head", &begun), ("HTTP/2", &http2)] {
        assert!(*after > Duration::from_millis(3500) && *after < Duration::from_millis(7500), "{what}: {after:?}");
        assert!(!answer.is_empty(), "{what}");
    }
    assert!(idle.1.starts_with("HTTP/1.1 200"), "{}", idle.1);
}

#[tokio::test]
async fn an_answer_is_finished_for_a_client_that_reads_slowly() {
    const LENGTH: usize = 48 * 1024 * 1024;
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = tcp.local_addr().unwrap();
    let answer: RequestHandler = Arc::new(|_, _| {
        let whole = "x".repeat(LENGTH);
        Box::pin(async move { keyhaven::testing::text(StatusCode::OK, whole) })
    });
    let second = Duration::from_secs(1);
    let limits = Arc::new(Limits { header_timeout: second, idle_timeout: second, ..Limits::default() });
    let (stopper, stopping) = shutdown_channel();
    tokio::spawn(
        Listener { tcp, tls: None, answer, limits, bodies: Arc::default(), acknowledges_at_once: false }
            .serve(stopping),
    );

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let (mut read, mut piece) = (0, vec![0; 256 * 1024]);
    // Six seconds in all: longer than all bounds together.
    let mut pause_at = LENGTH / 16;
    loop {
        match stream.read(&mut piece).await.unwrap() {
            0 => break,
            length => read += length,
        }
        if read > pause_at {
            pause_at += LENGTH / 16;
            sleep(Duration::from_millis(400)).await;
        }
    }
    assert!(read > LENGTH, "{read} of {LENGTH}");
    drop(stopper);
}

/// What is answered to `text` until the connection ends.
async fn said(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    read.expect("the connection is closed").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_answered_with_the_https_url() {
    let world = World::new().await;
    let (host, port) = (world.host("acme"), world.port());
    let expected = |url: String| {
        let text = format!("Plain HTTP was sent where HTTPS is spoken. Use {url} instead.");
        format!(r#"{{"error":{{"code":"HttpsRequired","message":"{text}"}}}}"#)
    };
    let body = "x".repeat(300_000);
    for (request, url) in [
        (
            format!("GET /secrets/a?api-version=7.4 HTTP/1.1\r\nhost: {host}\r\n\r\n"),
            format!("https://{host}/secrets/a?api-version=7.4"),
        ),
        (
            format!("PUT /secrets/a HTTP/1.1\r\nhost: {host}\r\ncontent-length: 300000\r\n\r\n{body}"),
            format!("https://{host}/secrets/a"),
        ),
        ("GET /keys HTTP/1.0\r\n\r\n".to_owned(), format!("https://127.0.0.1:{port}/keys")),
    ] {
        let answer = said(TcpStream::connect(world.address).await.unwrap(), &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400") || head.starts_with("HTTP/1.0 400"), "{head}");
        assert!(head.contains("application/json") && body == expected(url), "{answer}");
    }
    // What is neither TLS nor HTTP, and a head without an end, is bounded like every other.
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    assert!(said(TcpStream::connect(world.address).await.unwrap(), &long).await.starts_with("HTTP/1.1 431"));
    world.tls("acme.vault.localhost").await.expect("TLS is spoken as ever");
}

/// Without descriptors the log says so once, and once that there are some again.
#[cfg(target_os = "linux")]
#[test]
fn a_listener_without_descriptors_says_so_once() {
    use std::io::Read;

    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    let dir = tempfile::tempdir().unwrap();
    let mut served = crate::cli::Served::start(&dir.path().join("data"), &["--log-level", "info"]);
    let pid = served.child.id();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let limit = Rlimit { current: Some(open as u64 + 5), maximum: Some(open as u64 + 5) };
    prlimit(Pid::from_raw(i32::try_from(pid).unwrap()), Resource::Nofile, limit).unwrap();

    let address = served.ready["listen"].as_str().unwrap().to_owned();
    let many: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(1500));
    drop(many);
    std::thread::sleep(Duration::from_millis(6500));
    std::net::TcpStream::connect(&address).unwrap();
    served.child.kill().unwrap();
    let mut log = String::new();
    served.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    served.child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
    let times = |text: &str| log.matches(text).count();
    assert_eq!(times("connections cannot be accepted"), 1, "{log}");
    assert_eq!(times("connections can be accepted again"), 1, "{log}");
}
