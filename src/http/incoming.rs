//! The body of a request, and its drain: what a handler has not read of a body when it answers, the server reads and drops
//! before it sends the answer, because many clients lose an answer that comes before they have sent everything (over HTTP/2
//! the stream would be reset). So a handler borrows the body, and dropping it returns the rest to the server.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::EXPECT;
use hyper::{Version, body};
use tokio::time::timeout;

use super::Request;
use super::budget::{MemoryBudget, Reservation};
use super::limits::Limits;

/// How long the next piece of what is left may take. Where none comes by then, the rest is left to the connection, which ends.
const PIECE_TIMEOUT: Duration = Duration::from_secs(1);

/// The body of a request. Dropping it returns what was not read to its [`DrainHandle`].
#[derive(Debug)]
pub struct Incoming {
    /// None once it was returned.
    body: Option<body::Incoming>,
    /// None when there is no body.
    drain: Option<Arc<DrainHandle>>,
    begun: bool,
    ended: bool,
    /// Whether the handler has read it to its end.
    complete: bool,
}

/// The server's handle on a body that a handler reads: drains the rest, and holds the memory reserved for it.
#[derive(Debug)]
pub(super) struct DrainHandle {
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    expects_continue: bool,
    pub(super) budget: Arc<MemoryBudget>,
    /// How long reading and dropping the rest may take in all.
    timeout: Duration,
    state: Mutex<DrainState>,
}

#[derive(Debug)]
struct DrainState {
    rest: Option<body::Incoming>,
    /// The most bytes of the rest that are read and dropped. It exceeds the longest body that is allowed, so that a client that
    /// sends more learns so. Draining takes no memory.
    max_bytes: usize,
    reservations: Vec<Reservation>,
    /// Whether the body was returned before its end.
    unread: bool,
}

/// Wraps the body of a request, and makes the handle that drains it; none when there is no body.
pub(super) fn with_drain(
    request: hyper::Request<body::Incoming>,
    budget: &Arc<MemoryBudget>,
    limits: &Limits,
) -> (Request, Option<Arc<DrainHandle>>) {
    let drain = has_body(&request).then(|| {
        // Over HTTP/2 hyper sends no 100 Continue.
        let expects_continue = request.version() == Version::HTTP_11
            && request
                .headers()
                .get(EXPECT)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let max_bytes = limits.bodies_in_flight_bytes;
        let state = Mutex::new(DrainState { rest: None, max_bytes, reservations: vec![], unread: false });
        Arc::new(DrainHandle { expects_continue, budget: budget.clone(), timeout: limits.header_timeout, state })
    });
    let wrap = |body| Incoming { body: Some(body), drain: drain.clone(), begun: false, ended: false, complete: false };
    (request.map(wrap), drain)
}

/// Over HTTP/2 a stream can go on though nothing will come.
fn has_body(request: &hyper::Request<body::Incoming>) -> bool {
    let body = request.body();
    body.size_hint().exact() != Some(0) || (request.version() == Version::HTTP_2 && !body.is_end_stream())
}

impl DrainHandle {
    /// Releases the memory reserved for the body, and reads and drops what the handler has not read, within the bounds.
    /// Returns whether some of the body is left all the same: an HTTP/1 connection ends then, for its next bytes are no
    /// request.
    pub(super) async fn finish(&self) -> bool {
        let (rest, max_bytes, unread) = {
            let mut state = self.state();
            state.reservations.clear();
            (state.rest.take(), state.max_bytes, state.unread)
        };
        match rest {
            Some(rest) => !drain(rest, max_bytes, self.timeout).await,
            None => unread,
        }
    }

    fn state(&self) -> MutexGuard<'_, DrainState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads and drops a body of at most `max_bytes` for at most `limit`. Returns whether that was all of it.
pub(super) async fn drain(body: body::Incoming, max_bytes: usize, limit: Duration) -> bool {
    let mut body = Limited::new(body, max_bytes);
    let flow = async {
        loop {
            match timeout(PIECE_TIMEOUT, body.frame()).await {
                Ok(Some(Ok(_))) => {}
                end => return matches!(end, Ok(None)),
            }
        }
    };
    timeout(limit, flow).await.unwrap_or(false)
}

impl Incoming {
    /// The server's handle on this body; none when there is no body.
    pub(super) const fn drain_handle(&self) -> Option<&Arc<DrainHandle>> {
        self.drain.as_ref()
    }

    /// Drains at least `bytes` if they are not read.
    pub(super) fn raise_drain_limit(&self, bytes: usize) {
        if let Some(drain) = &self.drain {
            let mut state = drain.state();
            state.max_bytes = state.max_bytes.max(bytes);
        }
    }

    /// Keeps `reservation` until the request is answered.
    pub(super) fn hold(&self, reservation: Reservation) {
        if let Some(drain) = &self.drain {
            drain.state().reservations.push(reservation);
        }
    }

    /// Leaves the rest undrained: its sender is too slow.
    pub(super) const fn abandon(&mut self) {
        self.ended = true;
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.begun = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        self.ended |= !matches!(frame, Some(Ok(_)));
        self.complete |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let Some(drain) = &self.drain else { return };
        drain.state().unread = !self.complete && !self.is_end_stream();
        // A client that waits for 100 Continue gets the answer in its place.
        if !self.ended && (self.begun || !drain.expects_continue) {
            drain.state().rest = self.body.take();
        }
    }
}
