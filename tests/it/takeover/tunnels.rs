//! Tunnels: what is carried, how fast, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{connect, listener, report, tls, world, world_of};
use crate::world::CONFIG;
use keyhaven::Takeover;

const SOON: Duration = Duration::from_secs(10);

/// Sends back whatever comes, on any number of connections.
async fn echo(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let (mut reading, mut writing) = stream.split();
            let _ = tokio::io::copy(&mut reading, &mut writing).await;
            let _ = writing.shutdown().await;
        });
    }
}

#[tokio::test]
async fn both_directions_are_carried_and_one_may_end_before_the_other() {
    let world = world().await;
    let (elsewhere, target) = listener().await;
    let server = tokio::spawn(async move {
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
    assert_eq!(received, sent, "the answer comes after the question has ended");
    server.await.unwrap();
    assert_eq!(report(&world), format!("tunnelled: {target} (1 connection)\n"));
}

#[tokio::test]
async fn another_server_shows_its_own_certificate() {
    let world = world().await;
    let (elsewhere, target) = listener().await;
    let own = rcgen::generate_simple_self_signed(["other.localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = elsewhere.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        stream.write_all(b"myself").await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let (_, stream) = connect(&world, &format!("other.localhost:{}", target.port())).await;
    let mut stream = tls(stream, "other.localhost", &own.cert.pem(), true).await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap(), [own.cert.der().clone()]);
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "myself");
    server.await.unwrap();
}

#[tokio::test]
async fn over_the_bound_tunnels_are_refused_and_a_place_comes_free_again() {
    let config = CONFIG.replacen('{', r#"{"limits":{"tunnels":2},"#, 1);
    let world = world_of(&config, Takeover::default()).await;
    let (elsewhere, target) = listener().await;
    tokio::spawn(echo(elsewhere));
    let target = target.to_string();
    let held = (connect(&world, &target).await, connect(&world, "acme.vault.azure.net:443").await);
    assert_eq!((held.0.0.as_str(), held.1.0.as_str()), ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK"));
    assert_eq!(connect(&world, &target).await.0, "HTTP/1.1 503 Service Unavailable");
    drop(held);
    let free = async {
        while connect(&world, &target).await.0 != "HTTP/1.1 200 OK" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, free).await.unwrap();
}

#[tokio::test]
async fn a_source_is_read_no_faster_than_its_reader_reads() {
    /// What sockets on the way may hold; the source has four times as much.
    const ON_THE_WAY: usize = 64 << 20;
    let world = world().await;
    let (elsewhere, target) = listener().await;
    let source = tokio::spawn(async move {
        let (mut stream, _) = elsewhere.accept().await.unwrap();
        let piece = vec![7; 1 << 20];
        let mut sent = 0;
        while sent < 4 * ON_THE_WAY {
            match timeout(Duration::from_millis(500), stream.write_all(&piece)).await {
                Ok(written) => written.unwrap(),
                Err(_) => return sent,
            }
            sent += piece.len();
        }
        sent
    });
    let (_, _reads_nothing) = connect(&world, &target.to_string()).await;
    let sent = timeout(SOON, source).await.unwrap().unwrap();
    assert!(sent < ON_THE_WAY, "{sent} bytes were read ahead");
}

#[tokio::test]
async fn an_end_that_breaks_off_takes_the_other_with_it() {
    let world = world().await;
    let (elsewhere, target) = listener().await;
    for client_breaks in [true, false] {
        let (_, client) = connect(&world, &target.to_string()).await;
        let (server, _) = elsewhere.accept().await.unwrap();
        let (broken, mut left) = if client_breaks { (client, server) } else { (server, client) };
        // Without lingering, a close resets the connection.
        broken.set_zero_linger().unwrap();
        drop(broken);
        let mut rest = Vec::new();
        let ended = timeout(SOON, left.read_to_end(&mut rest)).await.expect("the other end learns of it");
        assert!(ended.is_err() || rest.is_empty());
    }
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_is_closed() {
    let config = CONFIG.replacen('{', r#"{"limits":{"tunnelIdleSeconds":2},"#, 1);
    let world = world_of(&config, Takeover::default()).await;
    let (elsewhere, target) = listener().await;
    let (_, mut client) = connect(&world, &target.to_string()).await;
    let (mut server, _) = elsewhere.accept().await.unwrap();
    // What moves keeps it open beyond the limit.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.write_all(b"x").await.unwrap();
        client.read_u8().await.unwrap();
    }
    let closed = async { (client.read(&mut [0]).await, server.read(&mut [0]).await) };
    let (client, server) = timeout(SOON, closed).await.expect("both ends are closed");
    assert!(matches!(client, Ok(0) | Err(_)) && matches!(server, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_target_that_is_not_there_is_a_bad_gateway() {
    let world = world().await;
    let (nobody, target) = listener().await;
    drop(nobody);
    assert_eq!(connect(&world, &target.to_string()).await.0, "HTTP/1.1 502 Bad Gateway");
}

#[tokio::test]
async fn stopping_ends_tunnels_at_once() {
    let world = world().await;
    let (elsewhere, target) = listener().await;
    let (_, mut client) = connect(&world, &target.to_string()).await;
    let (_server, _) = elsewhere.accept().await.unwrap();
    timeout(Duration::from_secs(2), world.server.stop()).await.expect("nothing is waited for");
    assert!(matches!(timeout(SOON, client.read(&mut [0])).await.unwrap(), Ok(0) | Err(_)));
}
