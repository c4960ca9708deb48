//! A client that leaves Nagle's algorithm on, as urllib3 does towards proxies, sends a request's body once its head is
//! acknowledged.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::world;

/// How long Linux delays an acknowledgement at least.
const DELAY: Duration = Duration::from_millis(40);
/// Linux acknowledges the first segments of a connection at once, whatever is set.
const FIRST: usize = 20;

const HEAD: &str = "PUT https://acme.vault.azure.net/secrets/a?api-version=7.4 HTTP/1.1\r\nHost: acme.vault.azure.net\r\n\
                    Content-Type: application/json\r\nContent-Length: 13\r\n\r\n";

/// Sends a request in two segments, reads the answer, and returns how long that took.
fn exchange(stream: &mut BufReader<TcpStream>) -> Duration {
    let begun = Instant::now();
    stream.get_mut().write_all(HEAD.as_bytes()).unwrap();
    stream.get_mut().write_all(br#"{"value":"a"}"#).unwrap();
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    stream.read_exact(&mut vec![0; length]).unwrap();
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_a_second_segment_does_not_wait_for_a_delayed_acknowledgement() {
    let world = world().await;
    let address = world.server.ready.proxy.clone().unwrap();
    let fastest = tokio::task::spawn_blocking(move || {
        let stream = TcpStream::connect(address).unwrap();
        assert!(!stream.nodelay().unwrap());
        let mut stream = BufReader::new(stream);
        (0..FIRST + 10).map(|_| exchange(&mut stream)).skip(FIRST).min().unwrap()
    });
    let fastest = fastest.await.unwrap();
    assert!(fastest < DELAY / 2, "each of the last exchanges took {fastest:?} or longer");
}
