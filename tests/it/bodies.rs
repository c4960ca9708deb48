//! Bodies that a handler does not read, or not to the end: the answer arrives all the same, wherever it is refused. Over HTTP/2
//! the stream must not be reset; over HTTP/1.1 the connection goes on.

use std::process::Command;
use std::task::Poll;
use std::time::Duration;

use h2::client::SendRequest;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use keyhaven::Storage;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::world::World;

/// The vaults of every world, with bounds that are quick to exceed.
const SMALL: &str = r#"{"identities":[{"name":"owner"},{"name":"nobody"}], "limits":{"bodyBytes":100000,"restoreBytes":100000},
  "vaults":[{"name":"acme","sku":"premium","accessPolicies":[{"identity":"owner","permissions":{"keys":["all","purge"],"secrets":["all","purge"],"certificates":["all","purge"]}}]}]}"#;

/// A connection on which a client sees what the server resets.
async fn http2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Bytes> {
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a head, and the body only when the server has had the time to refuse; returns the status, or how it was lost.
async fn sent(sender: SendRequest<Bytes>, request: Request<()>, body: Bytes) -> Result<StatusCode, String> {
    let lost = |error: h2::Error| format!("the stream was reset: {error}");
    let mut sender = sender.ready().await.map_err(lost)?;
    let (answer, mut stream) = sender.send_request(request, false).map_err(lost)?;
    sleep(Duration::from_millis(50)).await;
    let half = body.len() / 2;
    stream.send_data(body.slice(..half), false).map_err(lost)?;
    sleep(Duration::from_millis(5)).await;
    stream.send_data(body.slice(half..), true).map_err(lost)?;
    let (head, mut read) = answer.await.map_err(lost)?.into_parts();
    while let Some(piece) = read.data().await {
        let length = piece.map_err(lost)?.len();
        read.flow_control().release_capacity(length).map_err(lost)?;
    }
    // A reset comes a moment after the answer.
    sleep(Duration::from_millis(50)).await;
    let reset = std::future::poll_fn(|context| Poll::Ready(stream.poll_reset(context))).await;
    match reset {
        Poll::Pending => Ok(head.status),
        Poll::Ready(reason) => Err(format!("{} and then reset: {reason:?}", head.status)),
    }
}

/// A way to be refused: its name, how the head is changed, the body, and the status if it is the same for all operations.
struct Stage {
    name: &'static str,
    host: &'static str,
    token: Option<&'static str>,
    object: &'static str,
    query: &'static str,
    kind: &'static str,
    body: Vec<u8>,
    status: Option<u16>,
}

fn stages() -> Vec<Stage> {
    let usual = || Stage {
        name: "nothing is wrong with it",
        host: "acme",
        token: Some("owner"),
        object: "a",
        query: "?api-version=7.4",
        kind: "application/json",
        body: br#"{"kty":"EC","value":"AAAA","alg":"ES256"}"#.to_vec(),
        status: None,
    };
    vec![
        usual(),
        Stage { name: "host", host: "nowhere", status: Some(404), ..usual() },
        Stage { name: "no token", token: None, status: Some(401), ..usual() },
        Stage { name: "no permission", token: Some("nobody"), status: Some(403), ..usual() },
        Stage { name: "content type", kind: "text/plain", status: Some(415), ..usual() },
        Stage { name: "api-version", query: "?api-version=0.1", status: Some(400), ..usual() },
        Stage { name: "object's name", object: "my_secret", ..usual() },
        Stage { name: "no JSON", body: b"{\"value\":".to_vec(), ..usual() },
        Stage { name: "an empty body", body: vec![], ..usual() },
        Stage { name: "a large body", body: vec![b' '; 90_000], ..usual() },
        Stage { name: "a body over the bound", body: vec![b' '; 180_000], ..usual() },
        Stage { name: "a body far over the bound", body: vec![b' '; 500_000], ..usual() },
        Stage {
            name: "no permission for a long body",
            token: Some("nobody"),
            body: vec![b' '; 500_000],
            status: Some(403),
            ..usual()
        },
    ]
}

#[tokio::test]
async fn every_operation_answers_over_http2_whatever_it_reads_of_its_body() {
    let world = World::of(SMALL, Storage::Memory).await;
    let sender = http2(world.tls_with("acme.vault.localhost", &[b"h2"], rustls::ALL_VERSIONS).await.unwrap()).await;
    let (owner, nobody) = (world.token("owner").await, world.token("nobody").await);
    let mut asking = JoinSet::new();
    for operation in keyhaven::testing::operations() {
        for (number, stage) in stages().into_iter().enumerate() {
            let path = operation.path.replace("{name}", stage.object).replace("/{version?}", "");
            let uri = format!("https://{}{path}{}", world.host(stage.host), stage.query);
            let mut request =
                Request::builder().method(operation.method.clone()).uri(uri).header("content-type", stage.kind);
            if number % 2 == 0 {
                request = request.header("content-length", stage.body.len());
            }
            if let Some(who) = stage.token {
                let token = if who == "owner" { &owner } else { &nobody };
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let (sender, request) = (sender.clone(), request.body(()).unwrap());
            asking.spawn(async move {
                let answer = sent(sender, request, stage.body.into()).await;
                (format!("{} ({})", operation.name, stage.name), stage.status, answer)
            });
        }
    }
    let asked = asking.join_all().await;
    assert!(asked.len() > 300, "{}", asked.len());
    for (what, expected, answer) in asked {
        let status = answer.unwrap_or_else(|why| panic!("{what}: {why}")).as_u16();
        assert!(status < 500 && expected.is_none_or(|expected| expected == status), "{what}: {status}");
    }
}

#[tokio::test]
async fn every_door_answers_over_http2_before_it_has_read() {
    let world = World::of(SMALL, Storage::Memory).await;
    let ready = &world.server.ready;
    let tls = world.tls_with("acme.vault.localhost", &[b"h2"], rustls::ALL_VERSIONS).await.unwrap();
    let data = http2(tls).await;
    let identity = http2(TcpStream::connect(&ready.identity).await.unwrap()).await;
    let admin_address = ready.admin.clone().unwrap();
    let admin = http2(TcpStream::connect(&admin_address).await.unwrap()).await;
    let (port, key) = (world.port(), format!("Bearer {}", ready.admin_key));
    for (door, method, url, authorization, expected) in [
        (&data, "POST", format!("https://login.localhost:{port}/common/oauth2/v2.0/token"), "", 400),
        (&data, "POST", format!("https://login.localhost:{port}/nowhere"), "", 404),
        (&data, "GET", format!("https://login.localhost:{port}/common/discovery/keys"), "", 200),
        (&data, "POST", format!("https://arm.localhost:{port}/subscriptions?api-version=2022-12-01"), "", 401),
        (&data, "GET", format!("https://localhost:{port}/fabric/metadata/identity/oauth2/token"), "", 401),
        (&identity, "POST", format!("http://{}/msi/token", ready.identity), "", 405),
        (&identity, "GET", format!("http://{}/health", ready.identity), "", 200),
        (&admin, "POST", format!("http://{admin_address}/admin/reset"), "", 401),
        (&admin, "POST", format!("http://{admin_address}/admin/reset"), key.as_str(), 204),
        (&admin, "PUT", format!("http://{admin_address}/admin/vaults/A_B"), key.as_str(), 400),
        (&admin, "DELETE", format!("http://{admin_address}/admin/faults"), key.as_str(), 204),
        (&admin, "PUT", format!("http://{admin_address}/nowhere"), key.as_str(), 404),
    ] {
        let request = Request::builder().method(method).uri(&url).header("authorization", authorization);
        let answer = sent(door.clone(), request.body(()).unwrap(), Bytes::from_static(b"{\"a\":1}")).await;
        assert_eq!(answer.map(|status| status.as_u16()), Ok(expected), "{method} {url}");
    }
}

#[tokio::test]
async fn a_refused_body_may_take_its_time_as_long_as_it_comes() {
    let world = World::of(SMALL, Storage::Memory).await;
    let tls = world.tls_with("acme.vault.localhost", &[b"h2"], rustls::ALL_VERSIONS).await.unwrap();
    let mut sender = http2(tls).await.ready().await.unwrap();
    let request = Request::put(format!("https://{}/secrets/s?api-version=7.4", world.host("acme"))).body(()).unwrap();
    let (answer, mut stream) = sender.send_request(request, false).unwrap();
    for number in 0..10 {
        sleep(Duration::from_millis(250)).await;
        stream.send_data(Bytes::from_static(b"  "), number == 9).unwrap();
    }
    assert_eq!(answer.await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_connection_goes_on_over_http1_though_a_body_was_not_read() {
    let world = World::of(SMALL, Storage::Memory).await;
    let token = world.token("owner").await;
    let stream = world.tls("acme.vault.localhost").await.unwrap();
    let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let body = "x".repeat(90_000);
    for (line, who, status) in [
        ("POST /deletedsecrets/a/recover", Some(&token), 404),
        ("POST /secrets/a/backup", Some(&token), 404),
        ("PUT /secrets/my_secret", Some(&token), 400),
        ("PUT /secrets/a", None, 401),
        ("GET /secrets", Some(&token), 200),
    ] {
        let request = world.request(&world.host("acme"), line, &body, who.map(String::as_str));
        let answer = sender.send_request(request).await.unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(answer.status(), status, "{line}");
        assert_eq!(answer.headers().get("connection"), None, "{line}");
        answer.into_body().collect().await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_says_so_when_the_connection_ends_because_of_a_large_body() {
    let world = World::of(SMALL, Storage::Memory).await;
    let token = world.token("owner").await;
    for (length, status) in [("content-length: 1000000", 413), ("transfer-encoding: chunked", 401)] {
        let mut stream = world.tls("acme.vault.localhost").await.unwrap();
        let authorization = if status == 413 { format!("authorization: Bearer {token}\r\n") } else { String::new() };
        let host = world.host("acme");
        let line = "PUT /secrets/s?api-version=7.4 HTTP/1.1";
        let head =
            format!("{line}\r\nhost: {host}\r\n{authorization}content-type: application/json\r\n{length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // More than the bound, and not all that was announced (0x30d40 bytes of the second one).
        stream.write_all(&[b"30d40\r\n".as_slice(), &[b' '; 150_000]].concat()).await.unwrap();
        let mut answer = Vec::new();
        timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("the connection ends").ok();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "a client would send its next request there: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_a_word_gets_the_refusal_and_sends_nothing() {
    let world = World::of(SMALL, Storage::Memory).await;
    let mut stream = world.tls("acme.vault.localhost").await.unwrap();
    let head = format!(
        "PUT /secrets/s?api-version=7.4 HTTP/1.1\r\nhost: {}\r\nexpect: 100-continue\r\ncontent-length: 90000\r\n\r\n",
        world.host("acme")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_millis(900), stream.read_to_end(&mut answer));
    read.await.expect("it does not wait for the body").unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

/// The program that loses an answer when the stream is reset.
#[tokio::test]
async fn curl_sees_each_of_thirty_refusals() {
    let version = Command::new("curl").arg("-V").output().expect("curl is missing: install curl");
    assert!(
        String::from_utf8_lossy(&version.stdout).contains("HTTP2"),
        "this curl has no HTTP/2: install one that has"
    );
    let world = World::of(SMALL, Storage::Memory).await;
    let token = format!("authorization: Bearer {}", world.token("owner").await);
    let ca = world.server.ready.ca.clone();
    let url = format!("https://{}", world.host("acme"));
    for path in ["PUT /secrets/my_secret", "POST /deletedkeys/a/recover"] {
        let (method, path) = path.split_once(' ').unwrap();
        let url = format!("{url}{path}?api-version=7.4");
        let (ca, token, method) = (ca.clone(), token.clone(), method.to_owned());
        let answers = tokio::task::spawn_blocking(move || {
            let ask = |_| {
                let mut curl = Command::new("curl");
                curl.args(["--http2", "--noproxy", "*", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", &method]);
                curl.arg("--cacert").arg(&ca).args(["-H", &token, "-H", "content-type: application/json"]);
                let output = curl.args(["-d", r#"{"value":"v"}"#, &url]).output().unwrap();
                String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
            };
            (0..30).map(ask).collect::<Vec<_>>()
        });
        for answer in answers.await.unwrap() {
            assert!(answer == "400" || answer == "404", "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_body_arrives_whole_in_however_many_pieces() {
    let world = World::of(SMALL, Storage::Memory).await;
    let token = world.token("owner").await;
    let value: String = (0..20_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let body = format!(r#"{{"value":"{value}"}}"#);
    let head = |name: &str, framing: &str| {
        let host = world.host("acme");
        let head = format!(
            "PUT /secrets/{name}?api-version=7.4 HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
        );
        format!("{head}connection: close\r\n{framing}\r\n\r\n")
    };
    let chunks: String = body
        .as_bytes()
        .chunks(997)
        .map(|piece| format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece)))
        .collect();
    let chunked = format!("{}{chunks}0\r\nx-trailer: 1\r\n\r\n", head("chunked", "transfer-encoding: chunked"));
    let counted = format!("{}{body}", head("counted", &format!("content-length: {}", body.len())));
    for (name, request) in [("chunked", chunked), ("counted", counted)] {
        let mut stream = world.tls("acme.vault.localhost").await.unwrap();
        for piece in request.as_bytes().chunks(1500) {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let read = world.ask(&format!("GET /secrets/{name}"), "").await;
        assert_eq!(read.json()["value"], value, "{name}");
    }
}
