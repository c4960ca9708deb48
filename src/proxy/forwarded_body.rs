//! Bodies that pass through the proxy, piece by piece, in both directions.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::EXPECT;
use hyper::{Request, StatusCode};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::relay::Watch;
use crate::http;

/// How long a body that waits for `100 Continue` is held back; then it is sent all the same, as RFC 9110 (10.1.1) has it,
/// because servers of HTTP/1.0 never ask for it. curl waits as long.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// What ends together with the body of an answer: the connection it comes on, and its permit.
pub(super) type Held = (Ending, OwnedSemaphorePermit);

/// Ends a connection with what needed it.
pub(super) struct Ending(pub(super) JoinHandle<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body that reports every piece to a [`Watch`], and breaks off when none comes for too long.
pub(super) struct Moving<B> {
    body: B,
    watch: Watch,
    waiting: Option<Wait>,
    /// What must happen before the first piece is asked for.
    gate: Option<Wait>,
    held: Option<Held>,
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<B> Moving<B> {
    /// The body of a request, which waits for nothing.
    pub(super) fn new(body: B, watch: Watch) -> Self {
        Self { body, watch, waiting: None, gate: None, held: None }
    }

    /// The body of an answer, which keeps `held` for as long as it lasts.
    pub(super) fn holding(body: B, watch: Watch, held: Held) -> Self {
        Self { held: Some(held), ..Self::new(body, watch) }
    }
}

/// Holds the body of `request` back until its receiver says `100 Continue`, when its sender expects that: so a client is
/// asked for a body only when it is wanted.
pub(super) fn hold_back<B>(request: &mut Request<Moving<B>>) {
    if !request.headers().get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return;
    }
    let wanted = Arc::new(Notify::new());
    let notify = wanted.clone();
    request.body_mut().gate = Some(Box::pin(async move {
        let _ = timeout(CONTINUE_WAIT, wanted.notified()).await;
    }));
    hyper::ext::on_informational(request, move |answer| {
        if answer.status() == StatusCode::CONTINUE {
            notify.notify_one();
        }
    });
}

impl<B: Body<Data = Bytes, Error: Into<http::BoxError>> + Unpin> Body for Moving<B> {
    type Data = Bytes;
    type Error = http::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, http::BoxError>>> {
        let this = &mut *self;
        if let Some(gate) = &mut this.gate {
            ready!(gate.as_mut().poll(cx));
            this.gate = None;
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.watch.touch();
            this.waiting = None;
            if frame.is_none() {
                this.held = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let watch = this.watch.clone();
        let waiting = this.waiting.get_or_insert_with(|| {
            watch.touch();
            Box::pin(async move { watch.ran_out().await })
        });
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Some(Err("nothing came for too long".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
