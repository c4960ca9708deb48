//! The body of a request. It belongs to the server, which lends it to a handler: what the handler has not read when it
//! answers is read and dropped before the answer is sent, because many clients lose an answer that comes before they have sent
//! everything (over HTTP/2 the stream would be reset).

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
use super::budget::{Budget, Taken};
use super::limits::Limits;

/// How long the next piece of what is left may take. Where none comes by then, the rest is left to the connection, which ends.
const PIECE_TIMEOUT: Duration = Duration::from_secs(1);

/// The body of a request, which goes back to the server when it is dropped.
#[derive(Debug)]
pub struct Incoming {
    /// There until it is given back.
    body: Option<body::Incoming>,
    /// None when there is no body.
    lent: Option<Arc<Lent>>,
    begun: bool,
    ended: bool,
    /// Whether the handler has read it to its end.
    whole: bool,
}

/// What the server keeps of a body that it has lent.
#[derive(Debug)]
pub(super) struct Lent {
    /// Whether the client waits for a word before it sends the body (`Expect: 100-continue`).
    expects: bool,
    pub(super) budget: Arc<Budget>,
    /// How long reading and dropping the rest may take in all.
    patience: Duration,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    rest: Option<body::Incoming>,
    /// How much of the rest is read and dropped at the most, in bytes: more than a body may be long, so that a client with one that
    /// is too long learns so. It takes no memory.
    bound: usize,
    taken: Vec<Taken>,
    /// Whether the body was given back before its end.
    unread: bool,
}

/// The request with its body lent, and what the server keeps of it; none when there is no body.
pub(super) fn lend(
    request: hyper::Request<body::Incoming>,
    budget: &Arc<Budget>,
    limits: &Limits,
) -> (Request, Option<Arc<Lent>>) {
    let lent = has_body(&request).then(|| {
        // Over HTTP/2 hyper sends no such word.
        let expects = request.version() == Version::HTTP_11
            && request
                .headers()
                .get(EXPECT)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let held = Mutex::new(Held { rest: None, bound: limits.bodies_in_flight_bytes, taken: vec![], unread: false });
        Arc::new(Lent { expects, budget: budget.clone(), patience: limits.header_timeout, held })
    });
    let lend = |body| Incoming { body: Some(body), lent: lent.clone(), begun: false, ended: false, whole: false };
    (request.map(lend), lent)
}

/// Over HTTP/2 a stream can go on though nothing will come.
fn has_body(request: &hyper::Request<body::Incoming>) -> bool {
    let body = request.body();
    body.size_hint().exact() != Some(0) || (request.version() == Version::HTTP_2 && !body.is_end_stream())
}

impl Lent {
    /// Reads and drops what the handler has left, within the bounds. What was taken for the body is given back. Answers whether
    /// some of the body is left all the same: an HTTP/1 connection ends then, for its next bytes are no request.
    pub(super) async fn drain(&self) -> bool {
        let (rest, bound, unread) = {
            let mut held = self.held();
            held.taken.clear();
            (held.rest.take(), held.bound, held.unread)
        };
        match rest {
            Some(rest) => !drain(rest, bound, self.patience).await,
            None => unread,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads and drops a body of at most `bound` bytes, for at most `patience`. Answers whether that was all of it.
pub(super) async fn drain(body: body::Incoming, bound: usize, patience: Duration) -> bool {
    let mut body = Limited::new(body, bound);
    let flow = async {
        loop {
            match timeout(PIECE_TIMEOUT, body.frame()).await {
                Ok(Some(Ok(_))) => {}
                end => return matches!(end, Ok(None)),
            }
        }
    };
    timeout(patience, flow).await.unwrap_or(false)
}

impl Incoming {
    /// What the server keeps of this body; none when there is no body.
    pub(super) const fn lent(&self) -> Option<&Arc<Lent>> {
        self.lent.as_ref()
    }

    /// Lets `bytes` of what is not read go by, or more.
    pub(super) fn raise_bound(&self, bytes: usize) {
        if let Some(lent) = &self.lent {
            let mut held = lent.held();
            held.bound = held.bound.max(bytes);
        }
    }

    /// Holds `taken` until the request is answered.
    pub(super) fn hold(&self, taken: Taken) {
        if let Some(lent) = &self.lent {
            lent.held().taken.push(taken);
        }
    }

    /// Takes note that the rest is not worth waiting for.
    pub(super) const fn give_up(&mut self) {
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
        self.whole |= frame.is_none();
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
        let Some(lent) = &self.lent else { return };
        lent.held().unread = !self.whole && !self.is_end_stream();
        // A client that waits for a word gets the answer in its place.
        if !self.ended && (self.begun || !lent.expects) {
            lent.held().rest = self.body.take();
        }
    }
}
