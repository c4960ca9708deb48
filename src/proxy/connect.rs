//! `CONNECT`: a connection that ends here, or leads on.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::absolute_form::only_https_port;
use super::relay::{Replayed, Stream, carry};
use super::sniff::{Beginning, Peek};
use super::target::Target;
use super::traffic::Fate;
use super::{HTTPS, Leads, Meaning, Proxy, Refused, refused};
use crate::http::server::ConnectionServer;
use crate::http::{ConnectionInfo, Request, RequestHandler, Response, body, tls};

/// How long a client that asked for an address may be silent before its server is asked whether it speaks first.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// What a client is joined to once it was told that it is connected.
enum End {
    /// This server.
    Here(ConnectionServer),
    /// Whoever the client names as it begins to speak; else this target.
    Named(Target),
    /// Somebody else.
    On(Box<dyn Stream>),
}

impl Proxy {
    /// Connects a client with `target`, or with what stands in for it.
    pub(super) async fn connect(
        self: &Arc<Self>,
        request: Request,
        arrival: ConnectionInfo,
        target: &Target,
    ) -> Result<Response, Refused> {
        let host = target.host();
        let (fate, end) = match self.leads(target)? {
            Leads::Here => {
                only_https_port(target)?;
                (Fate::TakenOver, End::Here(self.stand_in(host)))
            }
            Leads::Metadata(answer) => (Fate::TakenOver, End::Here(self.door(answer))),
            Leads::On if target.address().is_some() && target.port() == HTTPS => {
                (Fate::Tunnelled, End::Named(target.clone()))
            }
            Leads::On => (Fate::Tunnelled, End::On(self.reach.tunnel(target).await?)),
        };
        let place = self.place()?;
        if !matches!(end, End::Named(_)) {
            self.count(fate, host);
        }
        tokio::spawn(self.clone().join(request, arrival, end, place));
        Ok(body::empty(StatusCode::OK))
    }

    async fn join(self: Arc<Self>, request: Request, arrival: ConnectionInfo, end: End, _place: OwnedSemaphorePermit) {
        let client = match hyper::upgrade::on(request).await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "a connection to the proxy broke"),
        };
        match end {
            End::Here(door) => self.serve(&door, client, arrival).await,
            End::On(upstream) => self.carry(client, upstream).await,
            End::Named(target) => self.join_named(client, arrival, &target).await,
        }
    }

    /// A client that resolves names itself has asked for an address: the name that it begins to speak to decides, as it
    /// would have decided in the request. Until that is known nothing of the client's goes out.
    async fn join_named(&self, mut client: impl Stream + 'static, arrival: ConnectionInfo, target: &Target) {
        let (mut peek, mut upstream, mut begun) = (Peek::default(), None, None);
        let mut stopping = self.set.stopping.clone();
        let beginning = loop {
            let silent = upstream.is_none() && peek.is_empty();
            let limits = &self.set.limits;
            let patience = match peek.is_empty() {
                true if silent => FIRST_WORD,
                true => limits.tunnel_idle,
                // Who has begun must come to the point.
                false => limits.header_timeout.saturating_sub(begun.get_or_insert_with(Instant::now).elapsed()),
            };
            tokio::select! {
                () = stopping.requested() => return,
                piece = timeout(patience, peek.piece(&mut client)) => match piece {
                    Ok(Some(Beginning::Gone)) => return,
                    Ok(Some(beginning)) => break beginning,
                    Ok(None) => {}
                    // Perhaps the server speaks first.
                    Err(_) if silent => match self.reach.tunnel(target).await {
                        Ok(stream) => upstream = Some(stream),
                        Err(refused) => return self.note(&refused, target),
                    },
                    Err(_) if peek.is_empty() => return,
                    Err(_) => return self.note(&too_slow(target), target),
                },
                said = first_words(&mut upstream), if upstream.is_some() && peek.is_empty() => {
                    let (head, stream) = (said, upstream.take());
                    let Some(stream) = stream.filter(|_| !head.is_empty()) else { return };
                    self.count(Fate::Tunnelled, target.host());
                    return self.carry(client, Box::new(Replayed { head, stream })).await;
                }
            }
        };
        let client = Replayed { head: peek.into_bytes(), stream: client };
        self.join_begun(client, arrival, target, beginning, upstream).await;
    }

    /// Joins a client that has begun to whom it means.
    async fn join_begun(
        &self,
        client: impl Stream + 'static,
        arrival: ConnectionInfo,
        target: &Target,
        beginning: Beginning,
        upstream: Option<Box<dyn Stream>>,
    ) {
        let meaning = match &beginning {
            Beginning::Name(name) => (self.set.names)(name),
            Beginning::Unnamed | Beginning::NoTls | Beginning::Gone => Meaning::Elsewhere,
            // It could be meant for anybody, also for whom nothing may reach.
            Beginning::Unreadable => Meaning::NotEmulated,
        };
        let host = if let Beginning::Name(name) = &beginning { name.as_str() } else { target.host() };
        match meaning {
            Meaning::TakenOver => {
                self.count(Fate::TakenOver, host);
                self.serve(&self.stand_in(host), client, arrival).await;
            }
            Meaning::NotEmulated => {
                self.count(Fate::Refused, host);
                tracing::warn!(host, "a connection to an address was closed: whom it is for must not be reached");
            }
            Meaning::Elsewhere => {
                let opened = match upstream {
                    Some(upstream) => Ok(upstream),
                    None => self.reach.tunnel(target).await,
                };
                match opened {
                    Ok(upstream) => {
                        self.count(Fate::Tunnelled, target.host());
                        self.carry(client, upstream).await;
                    }
                    Err(refused) => self.note(&refused, target),
                }
            }
        }
    }

    async fn serve(&self, door: &ConnectionServer, client: impl Stream + 'static, arrival: ConnectionInfo) {
        let arrival = ConnectionInfo { taken_over: true, ..arrival };
        door.serve(client, arrival, self.set.stopping.clone()).await;
    }

    async fn carry(&self, client: impl Stream, upstream: Box<dyn Stream>) {
        carry(client, upstream, self.set.limits.tunnel_idle, self.set.stopping.clone()).await;
    }

    /// What stands in for `host`, with a leaf in its name.
    fn stand_in(&self, host: &str) -> ConnectionServer {
        let tls = tls::for_name(&self.tls, &self.set.leaves, host);
        ConnectionServer { tls: Some(tls), ..self.door(self.set.answer.clone()) }
    }

    fn door(&self, answer: RequestHandler) -> ConnectionServer {
        let (limits, bodies) = (self.set.limits.clone(), self.set.bodies.clone());
        ConnectionServer { tls: None, answer, limits, bodies, on_malformed: None }
    }
}

/// Why a client that asked for an address, began to speak, and did not name a host in time is let go.
fn too_slow(target: &Target) -> Refused {
    let why = format!("{target} is refused: the client did not complete its first message of TLS in time.");
    refused(StatusCode::REQUEST_TIMEOUT, why)
}

/// What a server says before its client does; nothing when it has ended.
async fn first_words(upstream: &mut Option<Box<dyn Stream>>) -> Bytes {
    let Some(stream) = upstream else { return std::future::pending().await };
    let mut words = vec![0; 4096];
    let length = stream.read(&mut words).await.unwrap_or_default();
    words.truncate(length);
    words.into()
}
