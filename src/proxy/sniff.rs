//! Protocol sniffing: reads the server name from the ClientHello of TLS. A client that resolves names itself asks the proxy
//! for an address, so that only the ClientHello says which host it wants.

use hyper::body::Bytes;
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most bytes to read for a ClientHello, which is rarely 2 KB long.
const MAX_CLIENT_HELLO: usize = 16 * 1024;
/// The content type of a TLS handshake record (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// What the first bytes of a client are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sniffed {
    /// A ClientHello with this server name, in lower case.
    ServerName(String),
    /// A ClientHello without a server name.
    NoServerName,
    /// Another protocol than TLS.
    NotTls,
    /// Nothing: the client closed the connection.
    Closed,
    /// TLS that cannot be parsed, so that its server name is unknown.
    Malformed,
}

/// Reads a client's first bytes, and keeps them for the connection that they are relayed to.
#[derive(Default)]
pub(super) struct Sniffer {
    read: Vec<u8>,
    acceptor: Acceptor,
}

impl Sniffer {
    /// All bytes that were read.
    pub(super) fn into_bytes(self) -> Bytes {
        self.read.into()
    }

    /// Reads once; returns the result as soon as the bytes suffice. Cancel safe: a dropped call loses no byte.
    pub(super) async fn read_more(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<Sniffed> {
        let mut piece = vec![0; 4096];
        let length = stream.read(&mut piece).await.unwrap_or_default();
        self.push(&piece[..length])
    }

    /// Adds the next bytes; an empty slice is the end.
    pub(super) fn push(&mut self, piece: &[u8]) -> Option<Sniffed> {
        if piece.is_empty() {
            return Some(Sniffed::Closed);
        }
        self.read.extend_from_slice(piece);
        if self.read[0] != HANDSHAKE {
            return Some(Sniffed::NotTls);
        }
        match self.hello(piece) {
            Ok(Some(hello)) => {
                let name = hello.client_hello().server_name().map(str::to_ascii_lowercase);
                Some(name.map_or(Sniffed::NoServerName, Sniffed::ServerName))
            }
            Ok(None) if self.read.len() < MAX_CLIENT_HELLO => None,
            Ok(None) | Err(Malformed) => Some(Sniffed::Malformed),
        }
    }

    fn hello(&mut self, mut piece: &[u8]) -> Result<Option<Accepted>, Malformed> {
        while !piece.is_empty() {
            match self.acceptor.read_tls(&mut piece) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(Malformed),
            }
        }
        self.acceptor.accept().map_err(|_| Malformed)
    }
}

struct Malformed;

#[cfg(test)]
mod tests {
    use super::*;

    async fn sniffed(mut sent: &[u8]) -> (Sniffed, usize) {
        let mut sniffer = Sniffer::default();
        loop {
            if let Some(sniffed) = sniffer.read_more(&mut sent).await {
                return (sniffed, sniffer.into_bytes().len());
            }
        }
    }

    #[tokio::test]
    async fn another_protocol_has_no_name_and_loses_no_byte() {
        assert_eq!(sniffed(b"SSH-2.0-client\r\n").await, (Sniffed::NotTls, 16));
        assert_eq!(sniffed(b"").await, (Sniffed::Closed, 0));
        assert_eq!(sniffed(&[0x16, 3, 1]).await, (Sniffed::Closed, 3));
    }

    #[tokio::test]
    async fn malformed_tls_is_not_taken_for_another_protocol() {
        // A hello of TLS 1.0, whose body is cut short to nothing.
        let hello = [0x16, 3, 1, 0, 4, 1, 0, 0, 0];
        assert_eq!(sniffed(&hello).await.0, Sniffed::Malformed);
        let endless: Vec<u8> = [0x16, 3, 1, 0x3f, 0xff, 1, 0, 0xff, 0xff].into_iter().chain(vec![0; 40_000]).collect();
        assert_eq!(sniffed(&endless).await.0, Sniffed::Malformed);
    }
}
