//! `CONNECT`: a connection that ends here, or leads on.

use std::sync::Arc;

use hyper::StatusCode;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;

use super::carry::{Replayed, Stream, carry};
use super::tally::Fate;
use super::target::Target;
use super::{HTTPS, Leads, Meaning, Proxy, Refused, peek, refused};
use crate::http::server::Door;
use crate::http::{Answer, Arrival, Request, Response, body, tls};

/// What a client is joined to once it was told that it is connected.
enum End {
    /// This server.
    Here(Door),
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
        arrival: Arrival,
        target: &Target,
    ) -> Result<Response, Refused> {
        let host = target.host();
        let (fate, end) = match self.leads(target)? {
            Leads::Here if target.port() != HTTPS => {
                let why = format!("{host} is Keyhaven itself, on port {HTTPS} alone.");
                return Err(refused(StatusCode::FORBIDDEN, why));
            }
            Leads::Here => (Fate::TakenOver, End::Here(self.stand_in(host))),
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

    async fn join(self: Arc<Self>, request: Request, arrival: Arrival, end: End, _place: OwnedSemaphorePermit) {
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

    /// A client that resolves names itself has asked for an address: the name that it begins to speak to decides.
    async fn join_named(&self, mut client: impl Stream + 'static, arrival: Arrival, target: &Target) {
        let (name, head) = peek::server_name(&mut client).await;
        let client = Replayed { head, stream: client };
        if let Some(name) = name.filter(|name| (self.set.names)(name) == Meaning::TakenOver) {
            self.count(Fate::TakenOver, &name);
            return self.serve(&self.stand_in(&name), client, arrival).await;
        }
        self.count(Fate::Tunnelled, target.host());
        match self.reach.tunnel(target).await {
            Ok(upstream) => self.carry(client, upstream).await,
            Err(refused) => tracing::debug!(why = refused.why, "a tunnel could not be opened"),
        }
    }

    async fn serve(&self, door: &Door, client: impl Stream + 'static, arrival: Arrival) {
        let arrival = Arrival { taken_over: true, ..arrival };
        door.serve(client, arrival, self.set.stopping.clone()).await;
    }

    async fn carry(&self, client: impl Stream, upstream: Box<dyn Stream>) {
        carry(client, upstream, self.set.limits.tunnel_idle, self.set.stopping.clone()).await;
    }

    /// What stands in for `host`, with a leaf in its name.
    fn stand_in(&self, host: &str) -> Door {
        let tls = tls::for_name(&self.tls, &self.set.leaves, host);
        Door { tls: Some(tls), ..self.door(self.set.answer.clone()) }
    }

    fn door(&self, answer: Answer) -> Door {
        Door { tls: None, answer, limits: self.set.limits.clone() }
    }
}
