//! `CONNECT`: a tunnel to the target, or a connection that this server answers itself. [`phase`] decides; this file dials,
//! reads and relays.

mod phase;

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::error::ProxyError;
use super::relay::relay;
use super::sniff::{Sniffed, Sniffer};
use super::target::Target;
use super::traffic::Outcome;
use super::{HostClass, Proxy};
use crate::http::byte_stream::{ByteStream, PrefixedStream};
use crate::http::server::ConnectionServer;
use crate::http::{ConnectionInfo, Request, RequestHandler, Response, body, tls};
use phase::{Event, Phase};

/// How long a client that asked for an address may be silent before the target is dialed, in case its server speaks first.
const CLIENT_SPEAKS_FIRST: Duration = Duration::from_secs(1);

/// A client whose `CONNECT` was answered, and what was read of it and of the target.
struct Connection<C> {
    target: Target,
    client: C,
    sniffer: Sniffer,
    /// When the client's first bytes came.
    begun: Option<Instant>,
    upstream: Option<Box<dyn ByteStream>>,
    /// The first bytes of a server that spoke before its client.
    upstream_sent: Bytes,
}

impl Proxy {
    /// Connects a client to `target`, or to this server in its place.
    pub(super) async fn connect(
        self: &Arc<Self>,
        request: Request,
        info: ConnectionInfo,
        target: &Target,
    ) -> Result<Response, ProxyError> {
        let (mut phase, mut upstream) = (Phase::Received, None);
        while phase.precedes_answer() {
            let event = match phase {
                Phase::Received => Event::Routed(self.route(target)?),
                _ => self.dial(target, &mut upstream).await,
            };
            phase = phase.next(event, target);
        }
        let phase = match phase {
            Phase::Failed(error) => return Err(error),
            phase => phase,
        };
        let permit = self.acquire_permit()?;
        self.record(&phase, target);
        tokio::spawn(self.clone().run(request, info, target.clone(), phase, upstream, permit));
        Ok(body::empty(StatusCode::OK))
    }

    /// Takes an answered client from `phase` to its end.
    async fn run(
        self: Arc<Self>,
        request: Request,
        info: ConnectionInfo,
        target: Target,
        phase: Phase,
        upstream: Option<Box<dyn ByteStream>>,
        _permit: OwnedSemaphorePermit,
    ) {
        let client = match hyper::upgrade::on(request).await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "a connection to the proxy broke"),
        };
        let (sniffer, begun, upstream_sent) = (Sniffer::default(), None, Bytes::new());
        let mut connection = Connection { target, client, sniffer, begun, upstream, upstream_sent };
        let phase = match phase.is_final() {
            true => phase,
            false => self.decide(phase, &mut connection).await,
        };
        self.finish(phase, connection, info).await;
    }

    /// Waits for the first bytes of client or server until they decide, and records the decision.
    async fn decide(&self, mut phase: Phase, connection: &mut Connection<impl ByteStream>) -> Phase {
        while !phase.is_final() {
            let event = match phase {
                Phase::DialingEarly | Phase::DialingLate => {
                    self.dial(&connection.target, &mut connection.upstream).await
                }
                _ => self.read(&phase, connection).await,
            };
            phase = phase.next(event, &connection.target);
        }
        self.record(&phase, &connection.target);
        phase
    }

    async fn dial(&self, target: &Target, upstream: &mut Option<Box<dyn ByteStream>>) -> Event {
        match self.dialer.dial_tunnel(target).await {
            Ok(stream) => {
                *upstream = Some(stream);
                Event::Dialed
            }
            Err(error) => Event::DialFailed(error),
        }
    }

    /// Reads the first bytes of the client, or of the server while both are silent.
    async fn read(&self, phase: &Phase, connection: &mut Connection<impl ByteStream>) -> Event {
        let mut stopping = self.set.stopping.clone();
        let patience = self.patience(phase, connection);
        let Connection { client, sniffer, upstream, upstream_sent, .. } = connection;
        tokio::select! {
            () = stopping.requested() => Event::Ended,
            sniffed = timeout(patience, sniffer.read_more(client)) => match sniffed {
                Ok(Some(sniffed)) => self.identify(sniffed, &connection.target),
                Ok(None) => Event::ClientSent,
                Err(_) => Event::ClientTimedOut,
            },
            sent = read_first(upstream), if *phase == Phase::BothSilent => {
                *upstream_sent = sent;
                if upstream_sent.is_empty() { Event::Ended } else { Event::UpstreamSent }
            }
        }
    }

    /// How long the client may take. A client that has begun must complete its ClientHello in time.
    fn patience<C>(&self, phase: &Phase, connection: &mut Connection<C>) -> Duration {
        match phase {
            Phase::ClientSilent => CLIENT_SPEAKS_FIRST,
            Phase::ReadingClientHello { .. } => {
                let begun = connection.begun.get_or_insert_with(Instant::now);
                self.set.limits.header_timeout.saturating_sub(begun.elapsed())
            }
            _ => self.set.limits.tunnel_idle,
        }
    }

    /// The host that the client's first bytes are for. A malformed ClientHello could name one that must not be reached.
    fn identify(&self, sniffed: Sniffed, target: &Target) -> Event {
        let identified = |class| Event::ClientIdentified(target.host().to_owned(), class);
        match sniffed {
            Sniffed::ServerName(name) => {
                let class = (self.set.classify)(&name, target.port());
                Event::ClientIdentified(name, class)
            }
            Sniffed::NoServerName | Sniffed::NotTls => identified(HostClass::External),
            Sniffed::Malformed => identified(HostClass::NotEmulated),
            Sniffed::Closed => Event::Ended,
        }
    }

    /// Counts and logs the decision, if `phase` is one.
    fn record(&self, phase: &Phase, target: &Target) {
        match phase {
            Phase::Local(host) => drop(self.requests_to(&target.with_host(host))),
            Phase::Metadata => drop(self.requests_to(target)),
            Phase::Tunnel => drop(self.count(Outcome::Tunnelled, target)),
            Phase::Refused(host) => {
                if self.count(Outcome::Refused, &target.with_host(host)) == Some(1) {
                    (self.set.report_refusal)(StatusCode::FORBIDDEN, host);
                }
                tracing::warn!(host, "a connection to an address was closed: its server name must not be reached");
            }
            Phase::Failed(error) => self.record_failure(error, target),
            _ => {}
        }
    }

    /// Serves or relays the connection as the final `phase` says; any other one closes it.
    async fn finish(&self, phase: Phase, connection: Connection<impl ByteStream + 'static>, info: ConnectionInfo) {
        let Connection { target, client, sniffer, upstream, upstream_sent, .. } = connection;
        let client = PrefixedStream { prefix: sniffer.into_bytes(), stream: client };
        let server = match &phase {
            Phase::Local(host) => Some(self.tls_server_for(&target.with_host(host))),
            Phase::Metadata => self.set.metadata.clone().map(|handler| self.server_of(handler, &target)),
            _ => None,
        };
        if let Some(server) = server {
            let info = ConnectionInfo { taken_over: true, ..info };
            return server.serve(client, info, self.set.stopping.clone()).await;
        }
        if let (Phase::Tunnel, Some(stream)) = (phase, upstream) {
            let upstream = PrefixedStream { prefix: upstream_sent, stream };
            relay(client, upstream, self.set.limits.tunnel_idle, self.set.stopping.clone()).await;
        }
    }

    /// A TLS server for the taken-over name of `target`, with a certificate for it.
    fn tls_server_for(&self, target: &Target) -> ConnectionServer {
        let tls = tls::for_name(&self.tls, &self.set.leaves, target.host());
        ConnectionServer { tls: Some(tls), ..self.server_of(self.set.answer.clone(), target) }
    }

    /// A server that answers in the place of `target`, and counts its requests.
    fn server_of(&self, answer: RequestHandler, target: &Target) -> ConnectionServer {
        let (limits, bodies) = (self.set.limits.clone(), self.set.bodies.clone());
        let requests = self.requests_to(target);
        let answer: RequestHandler = Arc::new(move |request, info| {
            requests.add();
            answer(request, info)
        });
        ConnectionServer { tls: None, answer, limits, bodies, on_malformed: None }
    }
}

/// Reads what a server sends before its client does; empty when it has ended.
async fn read_first(upstream: &mut Option<Box<dyn ByteStream>>) -> Bytes {
    let Some(stream) = upstream else { return std::future::pending().await };
    let mut bytes = vec![0; 4096];
    let length = stream.read(&mut bytes).await.unwrap_or_default();
    bytes.truncate(length);
    bytes.into()
}
