//! `CONNECT`: a tunnel to the target, or a connection that this server answers itself.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::absolute_form::only_https_port;
use super::error::ProxyError;
use super::relay::{ByteStream, PrefixedStream, relay};
use super::sniff::{Sniffed, Sniffer};
use super::target::{HTTPS, Target};
use super::traffic::Outcome;
use super::{HostClass, Proxy, Route};
use crate::http::server::ConnectionServer;
use crate::http::{ConnectionInfo, Request, RequestHandler, Response, body, tls};

/// How long a client that asked for an address may be silent before the upstream is dialed, in case the server speaks
/// first.
const CLIENT_SPEAKS_FIRST: Duration = Duration::from_secs(1);

/// What a client is connected to once its `CONNECT` was answered.
enum Destination {
    /// This server.
    Local(ConnectionServer),
    /// What the server name in the client's first bytes says; else this target.
    ByServerName(Target),
    /// The real host.
    Upstream(Box<dyn ByteStream>),
}

impl Proxy {
    /// Connects a client to `target`, or to this server in its place.
    pub(super) async fn connect(
        self: &Arc<Self>,
        request: Request,
        arrival: ConnectionInfo,
        target: &Target,
    ) -> Result<Response, ProxyError> {
        let host = target.host();
        let (outcome, destination) = match self.route(target)? {
            Route::Local => {
                only_https_port(target)?;
                (Outcome::TakenOver, Destination::Local(self.tls_door_for(host)))
            }
            Route::Metadata(answer) => (Outcome::TakenOver, Destination::Local(self.door(answer))),
            Route::Upstream if target.address().is_some() && target.port() == HTTPS => {
                (Outcome::Tunnelled, Destination::ByServerName(target.clone()))
            }
            Route::Upstream => (Outcome::Tunnelled, Destination::Upstream(self.dialer.dial_tunnel(target).await?)),
        };
        let permit = self.acquire_permit()?;
        if !matches!(destination, Destination::ByServerName(_)) {
            self.count(outcome, host);
        }
        tokio::spawn(self.clone().join(request, arrival, destination, permit));
        Ok(body::empty(StatusCode::OK))
    }

    async fn join(
        self: Arc<Self>,
        request: Request,
        arrival: ConnectionInfo,
        destination: Destination,
        _permit: OwnedSemaphorePermit,
    ) {
        let client = match hyper::upgrade::on(request).await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "a connection to the proxy broke"),
        };
        match destination {
            Destination::Local(door) => self.serve(&door, client, arrival).await,
            Destination::Upstream(upstream) => self.relay(client, upstream).await,
            Destination::ByServerName(target) => self.join_by_server_name(client, arrival, &target).await,
        }
    }

    /// Routes a client that asked for an address by the server name of its ClientHello, as the name in the request would have
    /// been. No byte of the client's goes out before.
    async fn join_by_server_name(
        &self,
        mut client: impl ByteStream + 'static,
        arrival: ConnectionInfo,
        target: &Target,
    ) {
        let (mut sniffer, mut upstream, mut first_byte) = (Sniffer::default(), None, None);
        let mut stopping = self.set.stopping.clone();
        let sniffed = loop {
            let silent = upstream.is_none() && sniffer.is_empty();
            let limits = &self.set.limits;
            let patience = match sniffer.is_empty() {
                true if silent => CLIENT_SPEAKS_FIRST,
                true => limits.tunnel_idle,
                // A client that has begun must complete its ClientHello in time.
                false => limits.header_timeout.saturating_sub(first_byte.get_or_insert_with(Instant::now).elapsed()),
            };
            tokio::select! {
                () = stopping.requested() => return,
                piece = timeout(patience, sniffer.read_more(&mut client)) => match piece {
                    Ok(Some(Sniffed::Closed)) => return,
                    Ok(Some(sniffed)) => break sniffed,
                    Ok(None) => {}
                    // The server may speak first.
                    Err(_) if silent => match self.dialer.dial_tunnel(target).await {
                        Ok(stream) => upstream = Some(stream),
                        Err(error) => return self.record_failure(&error, target),
                    },
                    Err(_) if sniffer.is_empty() => return,
                    Err(_) => return self.record_failure(&too_slow(target), target),
                },
                read = read_first(&mut upstream), if upstream.is_some() && sniffer.is_empty() => {
                    let (prefix, stream) = (read, upstream.take());
                    let Some(stream) = stream.filter(|_| !prefix.is_empty()) else { return };
                    self.count(Outcome::Tunnelled, target.host());
                    return self.relay(client, Box::new(PrefixedStream { prefix, stream })).await;
                }
            }
        };
        let client = PrefixedStream { prefix: sniffer.into_bytes(), stream: client };
        self.join_sniffed(client, arrival, target, sniffed, upstream).await;
    }

    /// Connects a client whose first bytes are known.
    async fn join_sniffed(
        &self,
        client: impl ByteStream + 'static,
        arrival: ConnectionInfo,
        target: &Target,
        sniffed: Sniffed,
        upstream: Option<Box<dyn ByteStream>>,
    ) {
        let class = match &sniffed {
            Sniffed::ServerName(name) => (self.set.classify)(name),
            Sniffed::NoServerName | Sniffed::NotTls | Sniffed::Closed => HostClass::External,
            // The server name is unknown: it could be one that must not be reached.
            Sniffed::Malformed => HostClass::NotEmulated,
        };
        let host = if let Sniffed::ServerName(name) = &sniffed { name.as_str() } else { target.host() };
        match class {
            HostClass::TakenOver => {
                self.count(Outcome::TakenOver, host);
                self.serve(&self.tls_door_for(host), client, arrival).await;
            }
            HostClass::NotEmulated => {
                self.count(Outcome::Refused, host);
                tracing::warn!(host, "a connection to an address was closed: its server name must not be reached");
            }
            HostClass::External => {
                let opened = match upstream {
                    Some(upstream) => Ok(upstream),
                    None => self.dialer.dial_tunnel(target).await,
                };
                match opened {
                    Ok(upstream) => {
                        self.count(Outcome::Tunnelled, target.host());
                        self.relay(client, upstream).await;
                    }
                    Err(error) => self.record_failure(&error, target),
                }
            }
        }
    }

    async fn serve(&self, door: &ConnectionServer, client: impl ByteStream + 'static, arrival: ConnectionInfo) {
        let arrival = ConnectionInfo { taken_over: true, ..arrival };
        door.serve(client, arrival, self.set.stopping.clone()).await;
    }

    async fn relay(&self, client: impl ByteStream, upstream: Box<dyn ByteStream>) {
        relay(client, upstream, self.set.limits.tunnel_idle, self.set.stopping.clone()).await;
    }

    /// A TLS door for the taken-over name `host`, with a certificate for it.
    fn tls_door_for(&self, host: &str) -> ConnectionServer {
        let tls = tls::for_name(&self.tls, &self.set.leaves, host);
        ConnectionServer { tls: Some(tls), ..self.door(self.set.answer.clone()) }
    }

    fn door(&self, answer: RequestHandler) -> ConnectionServer {
        let (limits, bodies) = (self.set.limits.clone(), self.set.bodies.clone());
        ConnectionServer { tls: None, answer, limits, bodies, on_malformed: None }
    }
}

/// The error for a client that began a ClientHello and did not complete it in time.
fn too_slow(target: &Target) -> ProxyError {
    let why = format!("{target} is refused: the client did not complete its first message of TLS in time.");
    ProxyError::new(StatusCode::REQUEST_TIMEOUT, why)
}

/// Reads what a server sends before its client does; empty when it has ended.
async fn read_first(upstream: &mut Option<Box<dyn ByteStream>>) -> Bytes {
    let Some(stream) = upstream else { return std::future::pending().await };
    let mut bytes = vec![0; 4096];
    let length = stream.read(&mut bytes).await.unwrap_or_default();
    bytes.truncate(length);
    bytes.into()
}
