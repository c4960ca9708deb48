//! Bounds: what is too large, too many or too slow.

use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::world::World;
use keyhaven::app::Storage;

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
