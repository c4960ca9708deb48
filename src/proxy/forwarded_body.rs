//! A body that the proxy streams from one side to the other, with an idle timeout.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::EXPECT;
use hyper::{Request, StatusCode};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::relay::IdleTimer;
use crate::http::{BoxError, Response};

/// How long to hold back a body whose client expects `100 Continue`. It is sent afterwards all the same (RFC 9110, 10.1.1),
/// because HTTP/1.0 servers never send that status. curl waits as long.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// The body of an answer, either this server's own or a forwarded one.
pub(crate) type Streamed = UnsyncBoxBody<Bytes, BoxError>;

/// Released together with the body of an answer: the connection that it comes on, and the tunnel permit.
pub(super) type Guards = (AbortOnDrop, OwnedSemaphorePermit);

/// Aborts a task when dropped.
pub(super) struct AbortOnDrop(pub(super) JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body that resets an [`IdleTimer`] with every frame, and fails when none comes before it expires.
pub(super) struct ForwardedBody<B> {
    body: B,
    idle_timer: IdleTimer,
    timeout: Option<Wait>,
    /// Resolves when the first frame may be read.
    gate: Option<Wait>,
    guards: Option<Guards>,
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<B> ForwardedBody<B> {
    /// A body that owns nothing else: a request's.
    pub(super) fn new(body: B, idle_timer: IdleTimer) -> Self {
        Self { body, idle_timer, timeout: None, gate: None, guards: None }
    }

    /// A body that keeps `guards` until its end: an answer's.
    pub(super) fn with_guards(body: B, idle_timer: IdleTimer, guards: Guards) -> Self {
        Self { guards: Some(guards), ..Self::new(body, idle_timer) }
    }
}

/// Converts an answer of this server to the body type that forwarded answers have.
pub(super) fn streamed(answer: Response) -> Response<Streamed> {
    answer.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

/// Holds back the body of `request` until the server answers `100 Continue`, if the client expects that: the client then
/// sends a body only when the server wants it.
pub(super) fn await_continue<B>(request: &mut Request<ForwardedBody<B>>) {
    if !request.headers().get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return;
    }
    let continued = Arc::new(Notify::new());
    let notify = continued.clone();
    request.body_mut().gate = Some(Box::pin(async move {
        let _ = timeout(CONTINUE_WAIT, continued.notified()).await;
    }));
    hyper::ext::on_informational(request, move |answer| {
        if answer.status() == StatusCode::CONTINUE {
            notify.notify_one();
        }
    });
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for ForwardedBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(gate) = &mut this.gate {
            ready!(gate.as_mut().poll(cx));
            this.gate = None;
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.idle_timer.touch();
            this.timeout = None;
            if frame.is_none() {
                this.guards = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let idle_timer = this.idle_timer.clone();
        let expired = this.timeout.get_or_insert_with(|| {
            idle_timer.touch();
            Box::pin(async move { idle_timer.expired().await })
        });
        ready!(expired.as_mut().poll(cx));
        Poll::Ready(Some(Err("nothing came for too long".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
