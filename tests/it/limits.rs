//! Bounds: what is too large, too many or too slow.

use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::world::World;
use keyhaven::Storage;

/// A vault whose bounds are small.
const SMALL: &str = r#"{"identities":[{"name":"owner"}],
  "limits":{"bodyBytes":2000,"headerBytes":8192,"headers":20,"connections":3,"headerTimeoutSeconds":1,
            "idleTimeoutSeconds":1},
  "vaults":[{"name":"acme","accessPolicies":[{"identity":"owner","permissions":{"keys":["all"],"secrets":["all"]}}]}]}"#;

#[tokio::test]
async fn a_body_over_the_bound_is_413_and_nothing_is_made() {
    let world = World::new().await;
    let body = format!(r#"{{"value":"v","contentType":"{}"}}"#, "x".repeat(1024 * 1024));
    let answer = world.ask("PUT /secrets/s", &body).await;
    assert_eq!(answer.error(), "413 BadParameter The request body is larger than 1048576 bytes.");
    assert_eq!(world.ask("GET /secrets/s", "").await.status, 404);
}

#[tokio::test]
async fn a_body_that_is_refused_unread_is_drained_so_that_the_answer_arrives() {
    let world = World::new().await;
    let body = "x".repeat(900_000);
    let request = world.request(&world.host("acme"), "PUT /secrets/s", &body, None);
    assert_eq!(world.send(request).await.status, 401);
    let answer = world.ask_as("nobody", "acme", "PUT /secrets/s", &body).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn heads_over_the_bounds_are_431() {
    let world = World::of(SMALL, Storage::Memory).await;
    let request = || Request::get("/keys?api-version=7.4").header("host", world.host("acme"));
    let long = request().header("x-long", "x".repeat(9000));
    let many = (0..30).fold(request(), |request, n| request.header(format!("x-{n}"), "v"));
    for request in [long, many] {
        let answer = world.send(request.body(Full::<Bytes>::default()).unwrap()).await;
        assert_eq!(answer.status, 431);
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let world = World::of(SMALL, Storage::Memory).await;
    let token = world.token("owner").await;
    let mut stream = world.tls("acme.vault.localhost").await.unwrap();
    let head = format!(
        "PUT /secrets/s?api-version=7.4 HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-length: 10\r\n\r\n{{",
        world.host("acme")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = timeout(Duration::from_secs(5), stream.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("did not arrive within 1 seconds"), "{answer}");
}

/// A vault in which two bodies of 200 kB find room, and small ones besides.
const NARROW: &str = r#"{"identities":[{"name":"owner"}],
  "limits":{"restoreBytes":200000,"bodyBytes":100000,"bodiesInFlightBytes":410000,"snapshotBytes":200000,"headerTimeoutSeconds":3},
  "vaults":[{"name":"acme","accessPolicies":[{"identity":"owner","permissions":{"keys":["all"],"secrets":["all"]}}]}]}"#;

/// A restore of which `part` is sent; its length is `length`, or is not said.
async fn restore(world: &World, token: &str, length: Option<usize>, part: &[u8]) -> TlsStream<TcpStream> {
    let mut stream = world.tls("acme.vault.localhost").await.unwrap();
    let framing = length.map_or("transfer-encoding: chunked".to_owned(), |length| format!("content-length: {length}"));
    let head = format!(
        "POST /secrets/restore?api-version=7.4 HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n{framing}\r\n\r\n",
        world.host("acme")
    );
    stream.write_all(&[head.as_bytes(), part].concat()).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

/// What it is answered, or nothing within `patience`.
async fn answered(stream: &mut TlsStream<TcpStream>, patience: Duration) -> Option<String> {
    let mut answer = vec![0; 4096];
    let read = timeout(patience, stream.read(&mut answer)).await.ok()?.unwrap();
    Some(String::from_utf8_lossy(&answer[..read]).into_owned())
}

#[tokio::test]
async fn all_bodies_in_flight_are_bounded_and_small_ones_go_by() {
    let (second, large) = (Duration::from_secs(1), vec![b' '; 200_000]);
    let world = World::of(NARROW, Storage::Memory).await;
    let token = world.token("owner").await;
    let mut first = restore(&world, &token, Some(200_000), &large[..100_000]).await;
    let mut second_one = restore(&world, &token, Some(200_000), &large[..100_000]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut third = restore(&world, &token, Some(200_000), &large[..1000]).await;
    assert_eq!(answered(&mut third, second / 2).await, None, "there is no room, and it waits");

    assert_eq!(world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await.status, 200, "a small one does not");
    let chunk = [b"1d4c0\r\n", &large[..120_000], b"\r\n0\r\n\r\n"].concat();
    let mut unsaid = restore(&world, &token, None, &chunk).await;
    let refused = answered(&mut unsaid, second).await.expect("what holds a part already does not wait");
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(refused.contains("x-keyhaven-detail: other request bodies take all the memory"), "{refused}");
    let snapshot = world.admin_with("PUT /admin/snapshot", &large, &[("authorization", &admin_key(&world))]).await;
    assert_eq!(snapshot.status, 409, "snapshots have room of their own: {}", snapshot.text);

    first.write_all(&large[100_000..]).await.unwrap();
    assert!(answered(&mut first, second * 2).await.unwrap().starts_with("HTTP/1.1 400"), "it is read");
    third.write_all(&large[1000..]).await.unwrap();
    assert!(answered(&mut third, second * 2).await.unwrap().starts_with("HTTP/1.1 400"), "its turn has come");
    assert!(answered(&mut second_one, second * 5).await.unwrap().starts_with("HTTP/1.1 400"), "it was too slow");
}

#[tokio::test]
async fn every_door_refuses_a_body_that_finds_no_room() {
    let world = World::of(NARROW, Storage::Memory).await;
    let token = world.token("owner").await;
    let first = restore(&world, &token, Some(200_000), b" ").await;
    let second = restore(&world, &token, Some(200_000), b" ").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let chunk = format!("11170\r\n{}\r\n0\r\n\r\n", "x".repeat(70_000));
    let head = |line: &str, host: &str, more: &str| {
        format!(
            "{line} HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n{more}\r\n{chunk}"
        )
    };
    let mut answer = String::new();
    let mut login = world.tls("login.localhost").await.unwrap();
    let asked = head("POST /common/oauth2/v2.0/token", &format!("login.localhost:{}", world.port()), "");
    login.write_all(asked.as_bytes()).await.unwrap();
    login.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 1\r\n"), "{answer}");
    assert!(
        answer.contains(r#""error":"temporarily_unavailable","error_description":"AADSTS90055: There are"#),
        "{answer}"
    );

    answer.clear();
    let address = world.server.ready.admin.clone().unwrap();
    let mut admin = TcpStream::connect(&address).await.unwrap();
    let asked = head("PUT /admin/vaults/other", &address, &format!("authorization: {}\r\n", admin_key(&world)));
    admin.write_all(asked.as_bytes()).await.unwrap();
    admin.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 1\r\n"), "{answer}");
    assert!(answer.contains(r#""code":"TooManyRequests""#), "{answer}");
    drop((first, second));
}

#[tokio::test]
async fn a_body_that_finds_no_room_in_time_is_429() {
    let world = World::of(NARROW, Storage::Memory).await;
    let token = world.token("owner").await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        stalled.push(restore(&world, &token, Some(200_000), b" ").await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    // The first two are given up after three seconds, and then the other two have their turn.
    let mut last = restore(&world, &token, Some(200_000), b" ").await;
    let refused = answered(&mut last, Duration::from_secs(6)).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: 1\r\n"), "{refused}");
}

#[tokio::test]
async fn bodies_that_wait_do_not_hold_up_those_of_the_same_http2_connection() {
    let config = NARROW.replace(r#""headerTimeoutSeconds":3"#, r#""headerTimeoutSeconds":20"#);
    let world = World::of(&config, Storage::Memory).await;
    let token = world.token("owner").await;
    let stream = world.tls_with("acme.vault.localhost", &[b"h2"], rustls::ALL_VERSIONS).await.unwrap();
    let (sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let restores = (0..40).map(|_| {
        let mut sender = sender.clone();
        let request = Request::post(format!("https://{}/secrets/restore?api-version=7.4", world.host("acme")))
            .header("authorization", format!("Bearer {token}"))
            .body(Full::from(vec![b' '; 200_000]))
            .unwrap();
        tokio::spawn(async move { sender.send_request(request).await.unwrap().status() })
    });
    for restore in restores.collect::<Vec<_>>() {
        assert_eq!(restore.await.unwrap(), 400, "each has its turn, and is no backup");
    }
}

fn admin_key(world: &World) -> String {
    format!("Bearer {}", world.server.ready.admin_key)
}

#[tokio::test]
async fn connections_that_say_nothing_are_closed() {
    let world = World::of(SMALL, Storage::Memory).await;
    // Without a handshake, without a request, and idle after one.
    let mut silent = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let mut unasked = world.tls("acme.vault.localhost").await.unwrap();
    let mut idle = world.tls("acme.vault.localhost").await.unwrap();
    let request = format!("GET /keys HTTP/1.1\r\nhost: {}\r\n\r\n", world.host("acme"));
    idle.write_all(request.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let closed = timeout(Duration::from_secs(5), async {
        let _ = silent.read_to_end(&mut Vec::new()).await;
        let _ = unasked.read_to_end(&mut Vec::new()).await;
        let _ = idle.read_to_end(&mut rest).await;
    });
    closed.await.expect("the server closes them");
    assert!(String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn connections_over_the_bound_wait() {
    let world = World::of(SMALL, Storage::Memory).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(world.tls("acme.vault.localhost").await.unwrap());
    }
    let fourth = timeout(Duration::from_millis(300), world.tls("acme.vault.localhost")).await;
    assert!(fourth.is_err(), "three are the most");
    drop(held);
    let fifth = timeout(Duration::from_secs(5), world.tls("acme.vault.localhost")).await;
    fifth.expect("a place is free again").unwrap();
}
