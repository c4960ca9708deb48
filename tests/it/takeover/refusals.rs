//! Whatever the proxy refuses is counted: who is refused has not passed it by.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::{connect, get, listener, proxy, report, said, world, world_of};
use crate::world::{CONFIG, World};
use keyhaven::Takeover;

/// Waits until the proxy has counted what `expected` says.
async fn counted(world: &World, expected: &str) {
    let counting = async {
        while report(world) != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), counting).await.unwrap_or_else(|_| panic!("{}", report(world)));
}

#[tokio::test]
async fn every_malformed_request_is_counted() {
    let world = world().await;
    let was_used = || world.server.traffic.as_ref().unwrap().report().was_used();
    assert!(!was_used());
    for (count, line) in [
        "GET / HTTP/1.1",
        "GET ftp://example.com/ HTTP/1.1",
        "GET http://user@example.com/ HTTP/1.1",
        "GET https://2130706433/ HTTP/1.1",
        "CONNECT example.com HTTP/1.1",
        "CONNECT 0x7f.1:443 HTTP/1.1",
        "CONNECT example.com:0 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "NO HTTP AT ALL",
        "\u{16}\u{3}\u{1} a client that takes the proxy for a TLS server",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = said(proxy(&world).await, &format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{line}: {answer}");
        let plural = if count == 0 { "" } else { "s" };
        counted(&world, &format!("malformed: {} request{plural}\n", count + 1)).await;
        assert!(was_used());
    }
}

#[tokio::test]
async fn what_is_over_the_bound_is_refused_not_unreachable() {
    let config = CONFIG.replacen('{', r#"{"limits":{"tunnels":1},"#, 1);
    let world = world_of(&config, Takeover::default()).await;
    let (_elsewhere, target) = listener().await;
    let _held = connect(&world, &target.to_string()).await;
    assert_eq!(connect(&world, &target.to_string()).await.0, "HTTP/1.1 503 Service Unavailable");
    for scheme in ["http", "https"] {
        let (status, why) = get(&world, &format!("{scheme}://{target}/"), "").await;
        assert_eq!(
            (status, why.as_str()),
            (503, "The proxy carries 1 connections, the most it may (limits.tunnels).\n")
        );
    }
    assert_eq!(report(&world), format!("tunnelled: {target} (1 connection)\nrefused: {target} (3 attempts)\n"));
}

#[tokio::test]
async fn every_port_scheme_and_host_that_is_refused_is_counted() {
    let world = world().await;
    assert_eq!(connect(&world, "acme.vault.azure.net:80").await.0, "HTTP/1.1 403 Forbidden");
    for (url, status) in [
        ("http://acme.vault.azure.net/", 400),
        ("https://acme.vault.azure.net:8443/", 403),
        ("https://169.254.169.254:80/metadata/", 400),
        ("https://169.254.169.254/metadata/", 403),
        ("https://dev.azure.com/", 403),
    ] {
        assert_eq!(get(&world, url, "").await.0, status, "{url}");
    }
    let expected = "refused: 169.254.169.254:443 (1 attempt), 169.254.169.254:80 (1 attempt), \
                    acme.vault.azure.net:80 (2 attempts), acme.vault.azure.net:8443 (1 attempt), \
                    dev.azure.com:443 (1 attempt)\n";
    assert_eq!(report(&world), expected);
}

#[tokio::test]
async fn a_client_that_leaves_before_it_names_a_host_has_used_the_proxy() {
    let world = world().await;
    let (status, stream) = connect(&world, "192.0.2.1:443").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    drop(stream);
    assert!(world.server.traffic.as_ref().unwrap().report().was_used());
}

#[tokio::test]
async fn a_client_that_is_too_slow_to_name_a_host_is_refused() {
    let config = CONFIG.replacen('{', r#"{"limits":{"headerTimeoutSeconds":1},"#, 1);
    let world = world_of(&config, Takeover::default()).await;
    let (_, mut stream) = connect(&world, "192.0.2.1:443").await;
    stream.write_all(&[0x16, 3, 1]).await.unwrap();
    counted(&world, "refused: 192.0.2.1:443 (1 attempt)\n").await;
}

#[tokio::test]
async fn an_address_that_cannot_be_reached_is_not_counted_as_a_tunnel() {
    let world = world().await;
    // No host has this address: the machine says so at once.
    let (_, mut stream) = connect(&world, "255.255.255.255:443").await;
    stream.write_all(b"no TLS").await.unwrap();
    counted(&world, "not reached: 255.255.255.255:443 (1 attempt)\n").await;
}

#[tokio::test]
async fn the_body_of_a_refused_request_goes_by_before_its_answer() {
    let world = world().await;
    for url in ["https://dev.azure.com/", "http://acme.vault.azure.net/"] {
        let mut stream = proxy(&world).await;
        let head = format!("POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..3 {
            // A connection that was closed meanwhile would be reset.
            stream.write_all(&[b'x'; 100_000]).await.expect("the body is taken");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(said(stream, "").await.starts_with("HTTP/1.1 40"), "{url}");
    }
}
