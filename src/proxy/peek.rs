//! Clients that resolve names themselves ask the proxy for an address. Which host they mean stands in the first message
//! of TLS.

use std::time::Duration;

use hyper::body::Bytes;
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// How long a client may wait before it speaks; where the server speaks first it waits for ever.
const FIRST_WORD: Duration = Duration::from_secs(1);
/// The most that is read before the name must have come; a hello is rarely 2 KB long.
const LONGEST_HELLO: usize = 16 * 1024;

/// Reads the beginning of what a client sends: the server name, if that is TLS with one, and the bytes read.
pub(super) async fn server_name(stream: &mut (impl AsyncRead + Unpin)) -> (Option<String>, Bytes) {
    let mut read = Vec::new();
    let mut acceptor = Acceptor::default();
    let mut name = None;
    while read.len() < LONGEST_HELLO {
        let mut piece = vec![0; 4096];
        let Ok(Ok(length @ 1..)) = timeout(FIRST_WORD, stream.read(&mut piece)).await else { break };
        read.extend_from_slice(&piece[..length]);
        match hello(&mut acceptor, &piece[..length]) {
            Ok(None) => {}
            Ok(Some(hello)) => {
                name = hello.client_hello().server_name().map(str::to_ascii_lowercase);
                break;
            }
            Err(NoTls) => break,
        }
    }
    (name, read.into())
}

/// It is not the beginning of TLS.
struct NoTls;

fn hello(acceptor: &mut Acceptor, mut piece: &[u8]) -> Result<Option<Accepted>, NoTls> {
    while !piece.is_empty() {
        match acceptor.read_tls(&mut piece) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(NoTls),
        }
    }
    acceptor.accept().map_err(|_| NoTls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_tls_has_no_name_and_loses_no_byte() {
        let (name, read) = server_name(&mut &b"SSH-2.0-client\r\n"[..]).await;
        assert_eq!((name, &read[..]), (None, &b"SSH-2.0-client\r\n"[..]));
        let (name, read) = server_name(&mut &b""[..]).await;
        assert_eq!((name, read.len()), (None, 0));
    }
}
