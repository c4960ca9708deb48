//! Listeners: they accept connections within bounds, pass requests to a handler, and shut down gracefully.

use std::io;
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
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::accept_failures::AcceptFailures;
use super::accepted_stream::AcceptedStream;
use super::budget::MemoryBudget;
use super::byte_stream::PrefixedStream;
use super::keep_alive::{KeepAlive, OnDeadline, TrackedStream};
use super::limits::Limits;
use super::{BoxFuture, ConnectionInfo, CutConnection, Payload, RequestHandler, Response, incoming, plain_http};

/// How long after a failed accept (too many open files, for instance) the next is tried.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How much of a body an HTTP/2 client may send before it is read, in bytes. A connection may have that much for each of its
/// streams: bodies that wait for memory must not hold up those that are read.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The largest window that HTTP/2 knows (RFC 9113, 6.9.1).
const LARGEST_WINDOW: u32 = (1 << 31) - 1;

/// The shutdown signal that listeners and connections hold. Shutdown is complete when all clones are dropped.
#[derive(Clone)]
pub struct Shutdown {
    requested: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
}

/// Sends the shutdown signal; the other end of `Shutdown`.
pub struct ShutdownTrigger {
    request: watch::Sender<bool>,
    gone: mpsc::Receiver<()>,
}

/// A channel for the shutdown signal.
pub fn shutdown_channel() -> (ShutdownTrigger, Shutdown) {
    let (request, requested) = watch::channel(false);
    let (alive, gone) = mpsc::channel(1);
    (ShutdownTrigger { request, gone }, Shutdown { requested, alive })
}

impl ShutdownTrigger {
    /// Stops accepting, closes idle connections at once, and waits at most `grace` for requests in flight.
    pub async fn stop(mut self, grace: Duration) {
        self.request.send_replace(true);
        drop(self.request);
        if timeout(grace, self.gone.recv()).await.is_err() {
            tracing::warn!("some requests were still running after {grace:?} and were cut off");
        }
    }
}

impl Shutdown {
    /// Resolves once shutdown was requested.
    pub async fn requested(&mut self) {
        // An error means that the trigger was dropped, which requests shutdown too.
        let _ = self.requested.wait_for(|stop| *stop).await;
    }

    /// A guard that shutdown waits for until it is dropped.
    pub fn guard(&self) -> mpsc::Sender<()> {
        self.alive.clone()
    }
}

/// Called with the reason why a request could not be read as HTTP; it has been answered.
pub(crate) type OnMalformed = Arc<dyn Fn(&str) + Send + Sync>;

/// One listener.
pub struct Listener<B = Full<Bytes>> {
    /// Where it listens.
    pub tcp: TcpListener,
    /// TLS settings; plain HTTP without.
    pub tls: Option<Arc<ServerConfig>>,
    /// What answers.
    pub answer: RequestHandler<B>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Memory for request bodies, of all listeners together.
    pub bodies: Arc<MemoryBudget>,
    /// Whether what is read is acknowledged at once: for clients that leave Nagle's algorithm on, as they do towards proxies.
    pub acknowledges_at_once: bool,
}

impl<B: Payload> Listener<B> {
    /// Accepts connections until the server stops.
    pub async fn serve(self, shutdown: Shutdown) {
        self.serve_reporting(None, shutdown).await;
    }

    /// The same, and calls `on_malformed` for each request that is not HTTP.
    pub async fn serve_reporting(self, on_malformed: Option<OnMalformed>, mut shutdown: Shutdown) {
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let (limits, bodies, acknowledges_at_once) = (self.limits, self.bodies, self.acknowledges_at_once);
        let door = Arc::new(ConnectionServer { tls: self.tls, answer: self.answer, limits, bodies, on_malformed });
        let mut failures = AcceptFailures::default();
        loop {
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            tokio::select! {
                () = shutdown.requested() => return,
                accepted = self.tcp.accept() => match accepted {
                    Ok((tcp, peer)) => {
                        let stream = AcceptedStream { tcp, acknowledges_at_once };
                        door.clone().take(stream, peer, permit, shutdown.clone());
                    }
                    Err(error) => {
                        if failures.record(Instant::now()) {
                            tracing::warn!(%error, "connections cannot be accepted; this is tried again until they can");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                () = reached(failures.quiet_at()) => {
                    failures.clear();
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

/// Serves connections, wherever they come from.
pub(crate) struct ConnectionServer<B = Full<Bytes>> {
    /// TLS settings; plain HTTP without.
    pub tls: Option<Arc<ServerConfig>>,
    /// What answers.
    pub answer: RequestHandler<B>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Memory for request bodies, of all listeners together.
    pub bodies: Arc<MemoryBudget>,
    /// Called for each request that is not HTTP.
    pub on_malformed: Option<OnMalformed>,
}

impl<B: Payload> ConnectionServer<B> {
    fn take(
        self: Arc<Self>,
        stream: AcceptedStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
        shutdown: Shutdown,
    ) {
        tokio::spawn(async move {
            let _permit = permit;
            let _ = stream.tcp.set_nodelay(true);
            let Ok(local) = stream.tcp.local_addr() else { return };
            self.serve(stream, ConnectionInfo { peer, local, taken_over: false, is_service: false }, shutdown).await;
        });
    }

    /// Serves one connection until it ends, idles too long, or the server stops.
    pub(crate) async fn serve<S>(&self, stream: S, info: ConnectionInfo, shutdown: Shutdown)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _guard = shutdown.guard();
        let deadline = Instant::now() + self.limits.header_timeout;
        match &self.tls {
            None => self.serve_http(stream, info, shutdown, deadline).await,
            Some(config) => {
                let mut stop = shutdown.clone();
                tokio::select! {
                    () = stop.requested() => {}
                    opened = timeout(self.limits.header_timeout, open(stream, config)) => match opened {
                        Ok(Ok(Opened::Tls(stream))) => self.serve_http(stream, info, shutdown, deadline).await,
                        Ok(Ok(Opened::PlainHttp(stream))) => self.refuse_plain(stream, info, shutdown, deadline).await,
                        Ok(Err(error)) => tracing::debug!(%error, peer = %info.peer, "TLS handshake failed"),
                        Err(_) => tracing::debug!(peer = %info.peer, "TLS handshake took too long"),
                    },
                }
            }
        }
    }

    /// Answers a client that speaks plain HTTP with the https URL.
    async fn refuse_plain<S>(
        &self,
        stream: PrefixedStream<S>,
        info: ConnectionInfo,
        mut shutdown: Shutdown,
        deadline: Instant,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tokio::select! {
            () = shutdown.requested() => {}
            _ = timeout_at(deadline, plain_http::refuse(stream, info, &self.limits)) => {}
        }
    }

    async fn serve_http<S>(&self, stream: S, info: ConnectionInfo, mut shutdown: Shutdown, deadline: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let keep_alive = Arc::new(KeepAlive::new(deadline, &self.limits));
        let service = service_fn(|request: Request<body::Incoming>| {
            let in_flight = keep_alive.begin();
            let version = request.version();
            let (request, drain) = incoming::with_drain(request, &self.bodies, &self.limits);
            let answering = (self.answer)(request, info);
            async move {
                let mut answer = catch_panic(answering).await;
                if answer.extensions().get::<CutConnection>().is_some() {
                    return Err(CutConnection);
                }
                // Unless the client knows that the connection ends, it sends its next request there and loses it.
                if let Some(drain) = drain
                    && drain.finish().await
                    && version < Version::HTTP_2
                {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok(answer.map(|body| in_flight.sending(body)))
            }
        });
        let builder = self.builder();
        let stream = TokioIo::new(TrackedStream { stream, keep_alive: keep_alive.clone() });
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
                () = shutdown.requested(), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(keep_alive.deadline()) => match keep_alive.on_deadline(ending) {
                    OnDeadline::Extend => {}
                    OnDeadline::ShutDown => {
                        ending = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    OnDeadline::Close => return,
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

    /// hyper's own timeout for heads stays off: `KeepAlive` bounds them, without a timer for each request.
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

/// What a client of a TLS port speaks.
enum Opened<S> {
    Tls(Box<TlsStream<PrefixedStream<S>>>),
    PlainHttp(PrefixedStream<S>),
}

/// Shakes hands with a client, unless it speaks plain HTTP.
async fn open<S>(stream: S, config: &Arc<ServerConfig>) -> io::Result<Opened<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match plain_http::sniff(stream).await? {
        (stream, true) => Ok(Opened::PlainHttp(stream)),
        (stream, false) => Ok(Opened::Tls(Box::new(TlsAcceptor::from(config.clone()).accept(stream).await?))),
    }
}

/// Runs a handler. A panic in it is a bug; it ends with a 500 and a line in the log, not with the server.
async fn catch_panic<B: Payload>(mut answering: BoxFuture<Response<B>>) -> Response<B> {
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
