//! The takeover: an HTTP proxy on loopback. `CONNECT` to a taken-over name ends in this server, as if it were the
//! cloud; any other name is tunnelled untouched. It knows no vaults: which names are taken over, it is told.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::authority::Authority;
use crate::http::server::{Door, Stopping};
use crate::http::tls::Ours;
use crate::http::{Arrival, Request, Response, body};

/// How long a tunnel may take to be connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Cloud names are taken over on this port.
const HTTPS: u16 = 443;

/// The proxy.
pub struct Proxy {
    /// Says which host names are taken over.
    pub taken_over: Ours,
    /// Where their connections end: TLS with leaves of the takeover's own CA.
    pub door: Arc<Door>,
    /// This server's own listeners, which the proxy does not connect to.
    pub own: Vec<SocketAddr>,
    /// Ends tunnels when the server stops.
    pub stopping: Stopping,
}

impl Proxy {
    /// Answers a request made to the proxy.
    pub async fn answer(self: Arc<Self>, request: Request, arrival: Arrival) -> Response {
        if request.method() != Method::CONNECT {
            return refused(StatusCode::BAD_REQUEST, "This proxy answers CONNECT alone; it carries HTTPS, not HTTP.");
        }
        let target = request.uri().authority().and_then(|authority| Authority::parse(authority.as_str()));
        let Some((target, port)) = target.and_then(|target| Some((target.clone(), target.port()?))) else {
            return refused(StatusCode::BAD_REQUEST, "CONNECT needs HOST:PORT.");
        };
        if (self.taken_over)(target.host()) {
            return self.take_over(request, arrival, &target, port);
        }
        self.tunnel(request, &target, port).await
    }

    /// Ends the connection here.
    fn take_over(self: Arc<Self>, request: Request, arrival: Arrival, target: &Authority, port: u16) -> Response {
        if port != HTTPS {
            let why = format!("{} is Keyhaven itself, on port {HTTPS} alone.", target.host());
            return refused(StatusCode::FORBIDDEN, &why);
        }
        tracing::debug!(host = target.host(), "taken over");
        tokio::spawn(async move {
            match hyper::upgrade::on(request).await {
                Ok(upgraded) => {
                    let arrival = Arrival { taken_over: true, ..arrival };
                    self.door.serve(TokioIo::new(upgraded), arrival, self.stopping.clone()).await;
                }
                Err(error) => tracing::debug!(%error, "a taken-over connection broke"),
            }
        });
        body::empty(StatusCode::OK)
    }

    /// Carries bytes to and fro, untouched.
    async fn tunnel(self: Arc<Self>, request: Request, target: &Authority, port: u16) -> Response {
        let upstream = match timeout(CONNECT_TIMEOUT, self.connect(target, port)).await {
            Ok(Ok(upstream)) => upstream,
            Ok(Err(answer)) => return answer,
            Err(_) => return refused(StatusCode::GATEWAY_TIMEOUT, &format!("{target} did not answer in time.")),
        };
        tracing::debug!(%target, "tunnelled");
        tokio::spawn(async move {
            match hyper::upgrade::on(request).await {
                Ok(upgraded) => carry(TokioIo::new(upgraded), upstream, self.stopping.clone()).await,
                Err(error) => tracing::debug!(%error, "a tunnel broke"),
            }
        });
        body::empty(StatusCode::OK)
    }

    async fn connect(&self, target: &Authority, port: u16) -> Result<TcpStream, Response> {
        let unreachable =
            |error: std::io::Error| refused(StatusCode::BAD_GATEWAY, &format!("{target} cannot be reached: {error}."));
        let addresses: Vec<_> = self.resolve(target, port).await.map_err(unreachable)?;
        if let Some(why) = addresses.iter().find_map(|address| self.forbidden(*address)) {
            return Err(refused(StatusCode::FORBIDDEN, &format!("{target} is refused: {why}.")));
        }
        TcpStream::connect(&addresses[..]).await.map_err(unreachable)
    }

    /// `*.localhost` is loopback (RFC 6761), whatever the resolver says.
    async fn resolve(&self, target: &Authority, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let host = target.host();
        if host == "localhost" || host.ends_with(".localhost") {
            return Ok(vec![(IpAddr::from([127, 0, 0, 1]), port).into()]);
        }
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    /// Why `address` is never connected to, if it is not.
    fn forbidden(&self, address: SocketAddr) -> Option<&'static str> {
        let ip = address.ip().to_canonical();
        let link_local = match ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        let own = |own: &SocketAddr| {
            own.port() == address.port() && (own.ip() == ip || own.ip().is_unspecified() || same_loopback(own.ip(), ip))
        };
        if link_local {
            return Some("link-local addresses are never forwarded");
        }
        self.own.iter().any(own).then_some("it is one of Keyhaven's own listeners; ask it without the proxy")
    }
}

/// Linux answers all of 127.0.0.0/8, and an unspecified target, on a loopback listener.
fn same_loopback(own: IpAddr, target: IpAddr) -> bool {
    own.is_loopback() && (target.is_loopback() || target.is_unspecified())
}

async fn carry(mut client: TokioIo<hyper::upgrade::Upgraded>, mut upstream: TcpStream, mut stopping: Stopping) {
    let _ = upstream.set_nodelay(true);
    tokio::select! {
        () = stopping.told() => {}
        carried = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {
            if let Err(error) = carried {
                tracing::debug!(%error, "a tunnel broke");
            }
        }
    }
}

fn refused(status: StatusCode, why: &str) -> Response {
    tracing::warn!(why, "the proxy refused a connection");
    body::text(status, format!("{why}\n"))
}
