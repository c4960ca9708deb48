//! Listeners: they accept connections within bounds, hand requests to what answers them, and stop gracefully.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{self, Bytes};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Due, Watched};
use super::budget::Budget;
use super::limits::Limits;
use super::outage::Outage;
use super::plain::Sniffed;
use super::{Answer, Arrival, BoxFuture, Cut, Payload, Response, incoming, plain};

/// How long after a failed accept (too many open files, for instance) the next is tried.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How much of a body an HTTP/2 client may send before it is read, in bytes. A connection may have that much for each of its
/// streams: bodies that wait for memory must not hold up those that are read.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The largest window that HTTP/2 knows (RFC 9113, 6.9.1).
const LARGEST_WINDOW: u32 = (1 << 31) - 1;

/// Tells connections to stop, and tells when all of them have.
#[derive(Clone)]
pub struct Stopping {
    requested: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
}

/// The other end of [`Stopping`].
pub struct Stopper {
    request: watch::Sender<bool>,
    gone: mpsc::Receiver<()>,
}

/// A pair: what listeners and connections hold, and what stops them.
pub fn stopping() -> (Stopper, Stopping) {
    let (request, requested) = watch::channel(false);
    let (alive, gone) = mpsc::channel(1);
    (Stopper { request, gone }, Stopping { requested, alive })
}

impl Stopper {
    /// Stops accepting, closes idle connections at once, and waits at most `grace` for requests in flight.
    pub async fn stop(mut self, grace: Duration) {
        self.request.send_replace(true);
        drop(self.request);
        if timeout(grace, self.gone.recv()).await.is_err() {
            tracing::warn!("some requests were still running after {grace:?} and were cut off");
        }
    }
}

impl Stopping {
    /// Resolves once the server stops.
    pub async fn requested(&mut self) {
        // An error means that the stopper is gone, which is as good as a request to stop.
        let _ = self.requested.wait_for(|stop| *stop).await;
    }

    /// Keeps the stopper waiting until it is dropped.
    pub fn alive(&self) -> mpsc::Sender<()> {
        self.alive.clone()
    }
}

/// Called with the reason why a request could not be read as HTTP; it has been answered.
pub type OnMalformed = Arc<dyn Fn(&str) + Send + Sync>;

/// One listener.
pub struct Listener<B = Full<Bytes>> {
    /// Where it listens.
    pub tcp: TcpListener,
    /// TLS settings; plain HTTP without.
    pub tls: Option<Arc<ServerConfig>>,
    /// What answers.
    pub answer: Answer<B>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Memory for request bodies, of all listeners together.
    pub bodies: Arc<Budget>,
}

impl<B: Payload> Listener<B> {
    /// Accepts connections until the server stops.
    pub async fn serve(self, stopping: Stopping) {
        self.serve_reporting(None, stopping).await;
    }

    /// The same, and calls `on_malformed` for each request that is not HTTP.
    pub async fn serve_reporting(self, on_malformed: Option<OnMalformed>, mut stopping: Stopping) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let (limits, bodies) = (self.limits, self.bodies);
        let door = Arc::new(Door { tls: self.tls, answer: self.answer, limits, bodies, on_malformed });
        let mut outage = Outage::default();
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            tokio::select! {
                () = stopping.requested() => return,
                accepted = self.tcp.accept() => match accepted {
                    Ok((stream, peer)) => door.clone().take(stream, peer, place, stopping.clone()),
                    Err(error) => {
                        if outage.failed(Instant::now()) {
                            tracing::warn!(%error, "connections cannot be accepted; this is tried again until they can");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                () = reached(outage.over_at()) => {
                    outage.over();
                    tracing::info!("connections can be accepted again");
                }
            }
        }
    }
}

/// Waits for a moment, for ever without one.
async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// How connections are served, wherever they come from.
pub struct Door<B = Full<Bytes>> {
    /// TLS settings; plain HTTP without.
    pub tls: Option<Arc<ServerConfig>>,
    /// What answers.
    pub answer: Answer<B>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Memory for request bodies, of all listeners together.
    pub bodies: Arc<Budget>,
    /// Called for each request that is not HTTP.
    pub on_malformed: Option<OnMalformed>,
}

impl<B: Payload> Door<B> {
    fn take(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit, stopping: Stopping) {
        tokio::spawn(async move {
            let _place = place;
            let _ = stream.set_nodelay(true);
            let Ok(local) = stream.local_addr() else { return };
            self.serve(stream, Arrival { peer, local, taken_over: false }, stopping).await;
        });
    }

    /// Serves one connection until it ends, idles too long, or the server stops.
    pub async fn serve<S>(&self, stream: S, arrival: Arrival, stopping: Stopping)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _alive = stopping.alive();
        let deadline = Instant::now() + self.limits.header_timeout;
        match &self.tls {
            None => self.converse(stream, arrival, stopping, deadline).await,
            Some(config) => {
                let handshake = TlsAcceptor::from(config.clone()).accept(Sniffed::new(stream)).into_fallible();
                let mut stop = stopping.clone();
                tokio::select! {
                    () = stop.requested() => {}
                    shaken = timeout(self.limits.header_timeout, handshake) => match shaken {
                        Ok(Ok(stream)) => self.converse(stream, arrival, stopping, deadline).await,
                        Ok(Err((_, stream))) if stream.is_plain() => self.refuse_plain(stream, arrival, stopping, deadline).await,
                        Ok(Err((error, _))) => tracing::debug!(%error, peer = %arrival.peer, "TLS handshake failed"),
                        Err(_) => tracing::debug!(peer = %arrival.peer, "TLS handshake took too long"),
                    },
                }
            }
        }
    }

    /// Answers a client that speaks plain HTTP with the https URL.
    async fn refuse_plain<S>(&self, stream: Sniffed<S>, arrival: Arrival, mut stopping: Stopping, deadline: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tokio::select! {
            () = stopping.requested() => {}
            _ = timeout_at(deadline, plain::refuse(stream, arrival, &self.limits)) => {}
        }
    }

    async fn converse<S>(&self, stream: S, arrival: Arrival, mut stopping: Stopping, deadline: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::new(deadline, &self.limits));
        let service = service_fn(|request: Request<body::Incoming>| {
            let busy = activity.begin();
            let version = request.version();
            let (request, lent) = incoming::lend(request, &self.bodies, &self.limits);
            let answering = (self.answer)(request, arrival);
            async move {
                let mut answer = unpanicked(answering).await;
                if answer.extensions().get::<Cut>().is_some() {
                    return Err(Cut);
                }
                // Unless the client knows that the connection ends, it sends its next request there and loses it.
                if let Some(lent) = lent
                    && lent.drain().await
                    && version < Version::HTTP_2
                {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok(answer.map(|body| busy.sending(body)))
            }
        });
        let builder = self.builder();
        let stream = TokioIo::new(Watched { stream, activity: activity.clone() });
        let mut connection = pin!(builder.serve_connection_with_upgrades(stream, service));
        let mut ending = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        self.report_malformed(&*error);
                    }
                    return;
                }
                () = stopping.requested(), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(activity.deadline()) => match activity.due(ending) {
                    Due::Wait => {}
                    Due::Finish => {
                        ending = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    Due::Close => return,
                },
            }
        }
    }

    fn report_malformed(&self, error: &(dyn std::error::Error + Send + Sync + 'static)) {
        let malformed = error.downcast_ref::<hyper::Error>().filter(|error| error.is_parse());
        if let (Some(error), Some(report)) = (malformed, &self.on_malformed) {
            report(&error.to_string());
        }
    }

    /// hyper's own time-out for heads stays off: `Activity` bounds them, without a timer for each request.
    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .header_read_timeout(None)
            .max_headers(self.limits.headers)
            .max_buf_size(self.limits.header_bytes.max(8192));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(self.limits.streams.saturating_mul(STREAM_WINDOW).min(LARGEST_WINDOW))
            .max_header_list_size(u32::try_from(self.limits.header_bytes).unwrap_or(u32::MAX));
        builder
    }
}

/// What `answering` answers; a panic in it is a bug that ends with a 500 and a line in the log, not with the server.
async fn unpanicked<B: Payload>(mut answering: BoxFuture<Response<B>>) -> Response<B> {
    std::future::poll_fn(move |context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(context))) {
            Ok(polled) => polled,
            Err(panic) => {
                let why = panic.downcast_ref::<&str>().map(ToString::to_string);
                let why = why.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                tracing::error!(why, "a request panicked");
                let mut answer = Response::new(B::default());
                *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                Poll::Ready(answer)
            }
        }
    })
    .await
}
