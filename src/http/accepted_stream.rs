//! A TCP connection that a listener accepted. For clients that leave Nagle's algorithm on it acknowledges at once what it has
//! read: such a client holds back a request's body until the head is acknowledged, which Linux delays by 40 ms.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// An accepted connection.
pub(super) struct AcceptedStream {
    pub(super) tcp: TcpStream,
    /// Whether what is read is acknowledged at once. Linux forgets the option, so it is set after each read.
    pub(super) acknowledges_at_once: bool,
}

impl AcceptedStream {
    #[cfg(target_os = "linux")]
    fn acknowledge(&self) {
        if self.acknowledges_at_once {
            // Without the option the client waits longer, which is no failure.
            let _ = self.tcp.set_quickack(true);
        }
    }

    /// Other systems have no such option.
    #[cfg(not(target_os = "linux"))]
    const fn acknowledge(&self) {}
}

impl AsyncRead for AcceptedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_read(cx, into))?;
        self.acknowledge();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for AcceptedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
