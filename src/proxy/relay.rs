//! Copies bytes between two connections, unchanged and with back pressure, until both directions have ended or the idle
//! timeout expires.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use crate::http::byte_stream::ByteStream;
use crate::http::server::Shutdown;

/// Copies both directions; one may end before the other (half-close). Returns when both have ended, when nothing has moved
/// for `idle`, or when the server stops.
pub(super) async fn relay(
    client: impl ByteStream,
    mut upstream: impl ByteStream,
    idle: Duration,
    mut stopping: Shutdown,
) {
    let idle_timer = IdleTimer::new(idle);
    let mut client = IdleTracked { stream: client, idle_timer: idle_timer.clone() };
    tokio::select! {
        () = stopping.requested() => {}
        () = idle_timer.expired() => tracing::debug!("an idle tunnel was closed"),
        carried = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {
            if let Err(error) = carried {
                tracing::debug!(%error, "a tunnel broke");
            }
        }
    }
}

/// Expires when nothing has moved for a while. Clones share the time of the last activity.
#[derive(Clone)]
pub(super) struct IdleTimer {
    last: Arc<Mutex<Instant>>,
    idle: Duration,
}

impl IdleTimer {
    pub(super) fn new(idle: Duration) -> Self {
        Self { last: Arc::new(Mutex::new(Instant::now())), idle }
    }

    /// Records activity.
    pub(super) fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Resolves once there was no activity for the idle time.
    pub(super) async fn expired(&self) {
        loop {
            let end = *self.last.lock().unwrap_or_else(PoisonError::into_inner) + self.idle;
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }
}

/// A stream that resets an [`IdleTimer`] with every read and write.
struct IdleTracked<S> {
    stream: S,
    idle_timer: IdleTimer,
}

impl<S: AsyncRead + Unpin> AsyncRead for IdleTracked<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        self.idle_timer.touch();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IdleTracked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.idle_timer.touch();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
