//! Keep-alive and idle timeout of a connection: requests in flight, answers being sent, and what its deadline does to it.
//! There is one deadline for each connection and no timer for each request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Payload;
use super::limits::Limits;

/// How long an idle connection may take to shut down: HTTP/2 answers a ping first.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// A request whose answer, or the next piece of it, is still to come from what answers, in [`KeepAlive::running`].
const HANDLED: u64 = 1;
/// An answer whose body is being sent, in [`KeepAlive::running`].
const SENDING: u64 = 1 << 32;

/// The state of a connection that decides whether it is idle or busy.
pub(super) struct KeepAlive {
    /// How many requests are [`HANDLED`], and how many answers [`SENDING`].
    running: AtomicU64,
    timing: Mutex<Timing>,
    /// How long nothing may happen between requests.
    idle: Duration,
    /// How long a client that is slow to read an answer may take for its next piece.
    write_timeout: Duration,
    /// Whether more can be written only when the client has read.
    write_blocked: AtomicBool,
    /// Whether anything was written since this was last looked at.
    wrote: AtomicBool,
}

struct Timing {
    deadline: Instant,
    /// Whether the connection has had a request.
    used: bool,
}

/// What happens to a connection at its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnDeadline {
    /// It goes on until another deadline.
    Extend,
    /// It takes no further request and closes when the answers that have begun are sent.
    ShutDown,
    /// It is closed at once.
    Close,
}

impl KeepAlive {
    /// The state of a connection whose first request head must arrive by `first`.
    pub(super) fn new(first: Instant, limits: &Limits) -> Self {
        Self {
            running: AtomicU64::new(0),
            timing: Mutex::new(Timing { deadline: first, used: false }),
            idle: limits.idle_timeout,
            write_timeout: limits.header_timeout,
            write_blocked: AtomicBool::new(false),
            wrote: AtomicBool::new(false),
        }
    }

    /// Counts a request that has arrived, until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.running.fetch_add(HANDLED, Ordering::AcqRel);
        InFlight { keep_alive: self.clone(), phase: HANDLED }
    }

    /// When [`KeepAlive::on_deadline`] is to be called.
    pub(super) fn deadline(&self) -> Instant {
        self.timing().deadline
    }

    /// What happens to the connection now; `ending` means that its graceful shutdown has begun.
    pub(super) fn on_deadline(&self, ending: bool) -> OnDeadline {
        let running = self.running.load(Ordering::Acquire);
        let (handled, sending) = (running & (SENDING - 1), running / SENDING);
        if handled > 0 {
            self.restart_idle_timeout();
            return OnDeadline::Extend;
        }
        let mut timing = self.timing();
        let now = Instant::now();
        if now < timing.deadline {
            return OnDeadline::Extend;
        }
        let wrote = self.wrote.swap(false, Ordering::Relaxed);
        // Half a head at the most is lost here, or the client has stopped reading.
        if !timing.used || (ending && !wrote) {
            return OnDeadline::Close;
        }
        let unfinished = sending > 0 || self.write_blocked.load(Ordering::Relaxed);
        timing.deadline = now + if unfinished { self.write_timeout } else { SHUTDOWN_TIMEOUT };
        if ending { OnDeadline::Extend } else { OnDeadline::ShutDown }
    }

    fn restart_idle_timeout(&self) {
        let mut timing = self.timing();
        *timing = Timing { deadline: Instant::now() + self.idle, used: true };
    }

    fn timing(&self) -> MutexGuard<'_, Timing> {
        self.timing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the outcome of an attempt to write.
    fn record_write<T>(&self, written: Poll<T>) -> Poll<T> {
        if written.is_pending() {
            self.write_blocked.store(true, Ordering::Relaxed);
        } else {
            self.write_blocked.store(false, Ordering::Relaxed);
            self.wrote.store(true, Ordering::Relaxed);
        }
        written
    }
}

/// A guard: a request until its answer is sent.
pub(super) struct InFlight {
    keep_alive: Arc<KeepAlive>,
    /// [`HANDLED`] or [`SENDING`].
    phase: u64,
}

impl InFlight {
    /// The same request, whose answer is sent from now on.
    pub(super) fn sending<B>(mut self, body: B) -> TrackedBody<B> {
        self.keep_alive.restart_idle_timeout();
        self.set_phase(SENDING);
        TrackedBody { body, busy: self }
    }

    /// Counts the request as [`HANDLED`] or [`SENDING`] from now on.
    fn set_phase(&mut self, phase: u64) {
        if self.phase != phase {
            self.keep_alive.running.fetch_add(phase.wrapping_sub(self.phase), Ordering::AcqRel);
            self.phase = phase;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.phase == HANDLED {
            self.keep_alive.restart_idle_timeout();
        }
        self.keep_alive.running.fetch_sub(self.phase, Ordering::AcqRel);
    }
}

/// The body of an answer that is being sent: a connection is busy as long as pieces of it are taken.
pub(super) struct TrackedBody<B> {
    body: B,
    busy: InFlight,
}

impl<B: Payload> Body for TrackedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.busy.keep_alive.restart_idle_timeout();
            self.busy.set_phase(SENDING);
        } else {
            // The next piece has to come from where the answer does: the client is not slow.
            self.busy.set_phase(HANDLED);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that records its writes in a [`KeepAlive`].
pub(super) struct TrackedStream<S> {
    pub(super) stream: S,
    pub(super) keep_alive: Arc<KeepAlive>,
}

impl<S: AsyncRead + Unpin> AsyncRead for TrackedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TrackedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.keep_alive.record_write(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.keep_alive.record_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // A flush that has nothing to do is no progress.
        if flushed.is_pending() || self.keep_alive.write_blocked.load(Ordering::Relaxed) {
            return self.keep_alive.record_write(flushed);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    fn keep_alive() -> Arc<KeepAlive> {
        let limits = Limits { header_timeout: Duration::from_secs(60), idle_timeout: SHORT, ..Limits::default() };
        Arc::new(KeepAlive::new(Instant::now(), &limits))
    }

    fn wait() {
        std::thread::sleep(SHORT * 3);
    }

    #[test]
    fn a_connection_without_a_whole_head_is_closed_at_its_deadline() {
        assert_eq!(keep_alive().on_deadline(false), OnDeadline::Close);
    }

    #[test]
    fn a_request_in_flight_keeps_its_connection() {
        let keep_alive = keep_alive();
        let busy = keep_alive.begin();
        assert_eq!(keep_alive.on_deadline(false), OnDeadline::Extend);
        wait();
        assert_eq!(keep_alive.on_deadline(true), OnDeadline::Extend, "and while it ends");
        drop(busy);
        wait();
        assert_eq!(keep_alive.on_deadline(false), OnDeadline::ShutDown);
    }

    #[test]
    fn an_idle_connection_that_does_not_end_is_closed_soon() {
        let keep_alive = keep_alive();
        drop(keep_alive.begin());
        wait();
        assert_eq!(keep_alive.on_deadline(false), OnDeadline::ShutDown);
        assert!(keep_alive.deadline() <= Instant::now() + SHUTDOWN_TIMEOUT);
        assert_eq!(keep_alive.on_deadline(true), OnDeadline::Extend, "not before its deadline");
        keep_alive.timing().deadline = Instant::now();
        assert_eq!(keep_alive.on_deadline(true), OnDeadline::Close);
    }

    #[test]
    fn an_answer_that_is_being_read_is_finished_and_one_that_is_not_is_given_up() {
        let keep_alive = keep_alive();
        drop(keep_alive.begin().sending(()));
        let _ = keep_alive.record_write(Poll::<()>::Pending);
        wait();
        assert_eq!(keep_alive.on_deadline(false), OnDeadline::ShutDown);
        assert!(keep_alive.deadline() > Instant::now() + SHUTDOWN_TIMEOUT * 2, "the client gets its time to read");
        let _ = keep_alive.record_write(Poll::Ready(()));
        let _ = keep_alive.record_write(Poll::<()>::Pending);
        keep_alive.timing().deadline = Instant::now();
        assert_eq!(keep_alive.on_deadline(true), OnDeadline::Extend, "a piece was read");
        keep_alive.timing().deadline = Instant::now();
        assert_eq!(keep_alive.on_deadline(true), OnDeadline::Close, "nothing was");
    }

    /// A body whose pieces come when they come.
    #[derive(Default)]
    struct Late(Option<Bytes>);

    impl Body for Late {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
        }
    }

    #[test]
    fn an_answer_whose_next_piece_is_late_keeps_its_connection() {
        let keep_alive = keep_alive();
        let mut sent = keep_alive.begin().sending(Late(None));
        let mut is_there = |piece| {
            sent.body.0 = piece;
            let polled = Pin::new(&mut sent).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
            wait();
            polled.is_ready()
        };
        assert!(!is_there(None));
        assert_eq!(keep_alive.on_deadline(false), OnDeadline::Extend, "the client is waiting for it");
        assert!(is_there(Some(Bytes::from_static(b"piece"))));
        assert_eq!(keep_alive.on_deadline(false), OnDeadline::ShutDown, "the client does not take it");
        assert!(!is_there(None));
        assert_eq!(keep_alive.on_deadline(true), OnDeadline::Extend, "also while it ends");
        drop(sent);
        assert_eq!(keep_alive.running.load(Ordering::Acquire), 0);
    }

    #[test]
    fn a_body_that_is_not_taken_counts_as_unfinished() {
        let keep_alive = keep_alive();
        let sent = keep_alive.begin().sending(());
        wait();
        assert_eq!(keep_alive.on_deadline(false), OnDeadline::ShutDown);
        assert!(keep_alive.deadline() > Instant::now() + SHUTDOWN_TIMEOUT * 2);
        drop(sent);
        assert_eq!(keep_alive.running.load(Ordering::Acquire), 0);
    }
}
