//! The kit that all doors share: TLS, connections, routing, bodies, errors. There is no word of Key Vault in it.

mod accept_failures;
mod accepted_stream;
pub(crate) mod allowed_hosts;
pub(crate) mod authority;
pub(crate) mod body;
pub(crate) mod budget;
pub(crate) mod byte_stream;
pub(crate) mod ca;
pub(crate) mod claims_challenge;
pub(crate) mod error;
mod incoming;
mod keep_alive;
pub(crate) mod limits;
mod plain_http;
pub(crate) mod routes;
pub(crate) mod server;
pub(crate) mod tls;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Body, Bytes};

pub(crate) use incoming::Incoming;

/// A request as it arrives: its body has not been read.
pub(crate) type Request = hyper::Request<Incoming>;
/// An answer: a whole one, unless it is said to be of another kind.
pub(crate) type Response<B = Full<Bytes>> = hyper::Response<B>;
/// A future that may be sent between threads.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Answers requests: a door, or several behind one listener.
pub type RequestHandler<B = Full<Bytes>> = Arc<dyn Fn(Request, ConnectionInfo) -> BoxFuture<Response<B>> + Send + Sync>;
/// Why a body broke off.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that listeners can send.
pub trait Payload: Body<Data = Bytes, Error: Into<BoxError>> + Default + Unpin + Send + 'static {}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Default + Unpin + Send + 'static> Payload for B {}

/// An extension of an answer that is not sent: the connection is cut instead, as a network failure would.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CutConnection;

impl std::fmt::Display for CutConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection was cut, as was asked")
    }
}

impl std::error::Error for CutConnection {}

/// The connection that a request came on.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInfo {
    /// The client's address.
    pub peer: SocketAddr,
    /// The address the client reached.
    pub local: SocketAddr,
    /// Whether it came through the takeover proxy, for a name that belongs to the cloud.
    pub taken_over: bool,
    /// Whether there is no client: this server itself sends it, as a service of the cloud would. Its addresses say nothing then.
    pub is_service: bool,
}

impl ConnectionInfo {
    /// A request of this server to itself, for a name of the cloud.
    pub(crate) fn of_service() -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { peer: nowhere, local: nowhere, taken_over: true, is_service: true }
    }

    /// Whether the request was made on this machine: to a loopback address, or through the takeover, which listens there
    /// alone.
    pub fn is_local(&self) -> bool {
        self.taken_over || self.local.ip().to_canonical().is_loopback()
    }
}
