//! What a connection is doing: requests in flight, answers on their way, and what its deadline means for it. There is one
//! deadline for each connection and no timer for each request.

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

/// How long an idle connection may take to say goodbye: HTTP/2 answers a ping first.
const FAREWELL: Duration = Duration::from_secs(1);
/// A request whose answer, or the next piece of it, is still to come from what answers, in [`Activity::running`].
const HANDLED: u64 = 1;
/// An answer whose body is being sent, in [`Activity::running`].
const SENDING: u64 = 1 << 32;

/// What a connection is doing, so that an idle one can be distinguished from a busy one.
pub(super) struct Activity {
    /// How many requests are [`HANDLED`], and how many answers [`SENDING`].
    running: AtomicU64,
    timing: Mutex<Timing>,
    /// How long nothing may happen between requests.
    idle: Duration,
    /// How long a client that is slow to read an answer may take for its next piece.
    patience: Duration,
    /// Whether more can be written only when the client has read.
    stalled: AtomicBool,
    /// Whether anything was written since this was last looked at.
    wrote: AtomicBool,
}

struct Timing {
    deadline: Instant,
    /// Whether the connection has had a request.
    used: bool,
}

/// What becomes of a connection at its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It goes on, to another deadline.
    Wait,
    /// It takes no further request and ends when what has begun is sent.
    Finish,
    /// It is closed at once.
    Close,
}

impl Activity {
    /// Of a connection whose first request head must be there by `first`.
    pub(super) fn new(first: Instant, limits: &Limits) -> Self {
        Self {
            running: AtomicU64::new(0),
            timing: Mutex::new(Timing { deadline: first, used: false }),
            idle: limits.idle_timeout,
            patience: limits.header_timeout,
            stalled: AtomicBool::new(false),
            wrote: AtomicBool::new(false),
        }
    }

    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.running.fetch_add(HANDLED, Ordering::AcqRel);
        Busy { activity: self.clone(), as_what: HANDLED }
    }

    /// When [`Activity::due`] is to be asked.
    pub(super) fn deadline(&self) -> Instant {
        self.timing().deadline
    }

    /// What becomes of the connection; `ending` means that its graceful shutdown has begun.
    pub(super) fn due(&self, ending: bool) -> Due {
        let running = self.running.load(Ordering::Acquire);
        let (handled, sending) = (running & (SENDING - 1), running / SENDING);
        if handled > 0 {
            self.grant_idle();
            return Due::Wait;
        }
        let mut timing = self.timing();
        let now = Instant::now();
        if now < timing.deadline {
            return Due::Wait;
        }
        let wrote = self.wrote.swap(false, Ordering::Relaxed);
        // Half a head, or nothing, is all that there is to lose; or the client has stopped to read.
        if !timing.used || (ending && !wrote) {
            return Due::Close;
        }
        let unfinished = sending > 0 || self.stalled.load(Ordering::Relaxed);
        timing.deadline = now + if unfinished { self.patience } else { FAREWELL };
        if ending { Due::Wait } else { Due::Finish }
    }

    fn grant_idle(&self) {
        let mut timing = self.timing();
        *timing = Timing { deadline: Instant::now() + self.idle, used: true };
    }

    fn timing(&self) -> MutexGuard<'_, Timing> {
        self.timing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what came of an attempt to write.
    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        if written.is_pending() {
            self.stalled.store(true, Ordering::Relaxed);
        } else {
            self.stalled.store(false, Ordering::Relaxed);
            self.wrote.store(true, Ordering::Relaxed);
        }
        written
    }
}

/// A request until its answer is sent.
pub(super) struct Busy {
    activity: Arc<Activity>,
    /// [`HANDLED`] or [`SENDING`].
    as_what: u64,
}

impl Busy {
    /// The same request, whose answer is sent from now on.
    pub(super) fn sending<B>(mut self, body: B) -> Sent<B> {
        self.activity.grant_idle();
        self.becomes(SENDING);
        Sent { body, busy: self }
    }

    /// Counts the request as [`HANDLED`] or [`SENDING`] from now on.
    fn becomes(&mut self, as_what: u64) {
        if self.as_what != as_what {
            self.activity.running.fetch_add(as_what.wrapping_sub(self.as_what), Ordering::AcqRel);
            self.as_what = as_what;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.as_what == HANDLED {
            self.activity.grant_idle();
        }
        self.activity.running.fetch_sub(self.as_what, Ordering::AcqRel);
    }
}

/// The body of an answer on its way: a connection is busy as long as pieces of it are taken.
pub(super) struct Sent<B> {
    body: B,
    busy: Busy,
}

impl<B: Payload> Body for Sent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.busy.activity.grant_idle();
            self.busy.becomes(SENDING);
        } else {
            // The next piece has to come from where the answer does: the client is not slow.
            self.busy.becomes(HANDLED);
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

/// A connection whose writes its [`Activity`] knows of.
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.activity.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.activity.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // A flush that has nothing to do is no progress.
        if flushed.is_pending() || self.activity.stalled.load(Ordering::Relaxed) {
            return self.activity.note(flushed);
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

    fn activity() -> Arc<Activity> {
        let limits = Limits { header_timeout: Duration::from_secs(60), idle_timeout: SHORT, ..Limits::default() };
        Arc::new(Activity::new(Instant::now(), &limits))
    }

    fn wait() {
        std::thread::sleep(SHORT * 3);
    }

    #[test]
    fn a_connection_without_a_whole_head_is_closed_at_its_deadline() {
        assert_eq!(activity().due(false), Due::Close);
    }

    #[test]
    fn a_request_in_flight_keeps_its_connection() {
        let activity = activity();
        let busy = activity.begin();
        assert_eq!(activity.due(false), Due::Wait);
        wait();
        assert_eq!(activity.due(true), Due::Wait, "and while it ends");
        drop(busy);
        wait();
        assert_eq!(activity.due(false), Due::Finish);
    }

    #[test]
    fn an_idle_connection_that_does_not_end_is_closed_soon() {
        let activity = activity();
        drop(activity.begin());
        wait();
        assert_eq!(activity.due(false), Due::Finish);
        assert!(activity.deadline() <= Instant::now() + FAREWELL);
        assert_eq!(activity.due(true), Due::Wait, "not before its deadline");
        activity.timing().deadline = Instant::now();
        assert_eq!(activity.due(true), Due::Close);
    }

    #[test]
    fn an_answer_that_is_being_read_is_finished_and_one_that_is_not_is_given_up() {
        let activity = activity();
        drop(activity.begin().sending(()));
        let _ = activity.note(Poll::<()>::Pending);
        wait();
        assert_eq!(activity.due(false), Due::Finish);
        assert!(activity.deadline() > Instant::now() + FAREWELL * 2, "the client gets its time to read");
        let _ = activity.note(Poll::Ready(()));
        let _ = activity.note(Poll::<()>::Pending);
        activity.timing().deadline = Instant::now();
        assert_eq!(activity.due(true), Due::Wait, "a piece was read");
        activity.timing().deadline = Instant::now();
        assert_eq!(activity.due(true), Due::Close, "nothing was");
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
        let activity = activity();
        let mut sent = activity.begin().sending(Late(None));
        let mut is_there = |piece| {
            sent.body.0 = piece;
            let polled = Pin::new(&mut sent).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
            wait();
            polled.is_ready()
        };
        assert!(!is_there(None));
        assert_eq!(activity.due(false), Due::Wait, "the client is waiting for it");
        assert!(is_there(Some(Bytes::from_static(b"piece"))));
        assert_eq!(activity.due(false), Due::Finish, "the client does not take it");
        assert!(!is_there(None));
        assert_eq!(activity.due(true), Due::Wait, "also while it ends");
        drop(sent);
        assert_eq!(activity.running.load(Ordering::Acquire), 0);
    }

    #[test]
    fn a_body_that_is_not_taken_counts_as_unfinished() {
        let activity = activity();
        let sent = activity.begin().sending(());
        wait();
        assert_eq!(activity.due(false), Due::Finish);
        assert!(activity.deadline() > Instant::now() + FAREWELL * 2);
        drop(sent);
        assert_eq!(activity.running.load(Ordering::Acquire), 0);
    }
}
