//! Clients that resolve names themselves ask the proxy for an address. Which host they mean stands in the first message
//! of TLS.

use hyper::body::Bytes;
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most that is read before the name must have come; a hello is rarely 2 KB long.
const LONGEST_HELLO: usize = 16 * 1024;
/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// How a client begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// With TLS, for a server of this name (lower case).
    Name(String),
    /// With TLS that names no server.
    Unnamed,
    /// With something else than TLS.
    NoTls,
    /// Not at all: it has gone.
    Gone,
    /// With TLS that cannot be read: whom it is for, nobody knows.
    Unreadable,
}

/// What a client has sent so far.
#[derive(Default)]
pub(super) struct Peek {
    read: Vec<u8>,
    acceptor: Acceptor,
}

impl Peek {
    /// Whether the client has said nothing yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.read.is_empty()
    }

    /// What was read, for whoever the client is joined to.
    pub(super) fn into_bytes(self) -> Bytes {
        self.read.into()
    }

    /// Reads the next piece; answers how the client begins as soon as that can be told. Nothing is lost when this is given
    /// up before it answers.
    pub(super) async fn piece(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<Beginning> {
        let mut piece = vec![0; 4096];
        let Ok(length @ 1..) = stream.read(&mut piece).await else {
            return Some(Beginning::Gone);
        };
        self.read.extend_from_slice(&piece[..length]);
        if self.read[0] != HANDSHAKE {
            return Some(Beginning::NoTls);
        }
        match self.hello(&piece[..length]) {
            Ok(Some(hello)) => Some(
                hello
                    .client_hello()
                    .server_name()
                    .map_or(Beginning::Unnamed, |name| Beginning::Name(name.to_ascii_lowercase())),
            ),
            Ok(None) if self.read.len() < LONGEST_HELLO => None,
            Ok(None) | Err(Unreadable) => Some(Beginning::Unreadable),
        }
    }

    fn hello(&mut self, mut piece: &[u8]) -> Result<Option<Accepted>, Unreadable> {
        while !piece.is_empty() {
            match self.acceptor.read_tls(&mut piece) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(Unreadable),
            }
        }
        self.acceptor.accept().map_err(|_| Unreadable)
    }
}

struct Unreadable;

#[cfg(test)]
mod tests {
    use super::*;

    async fn begins(mut sent: &[u8]) -> (Beginning, usize) {
        let mut peek = Peek::default();
        loop {
            if let Some(beginning) = peek.piece(&mut sent).await {
                return (beginning, peek.into_bytes().len());
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_tls_has_no_name_and_loses_no_byte() {
        assert_eq!(begins(b"SSH-2.0-client\r\n").await, (Beginning::NoTls, 16));
        assert_eq!(begins(b"").await, (Beginning::Gone, 0));
        assert_eq!(begins(&[0x16, 3, 1]).await, (Beginning::Gone, 3));
    }

    #[tokio::test]
    async fn tls_that_cannot_be_read_is_not_taken_for_something_else() {
        // A hello of TLS 1.0, whose body is cut short to nothing.
        let hello = [0x16, 3, 1, 0, 4, 1, 0, 0, 0];
        assert_eq!(begins(&hello).await.0, Beginning::Unreadable);
        let endless: Vec<u8> = [0x16, 3, 1, 0x3f, 0xff, 1, 0, 0xff, 0xff].into_iter().chain(vec![0; 40_000]).collect();
        assert_eq!(begins(&endless).await.0, Beginning::Unreadable);
    }
}
