//! Opens connections to hosts: directly, or through the parent proxy of the environment. It checks every address that a
//! name resolves to before it connects, so that a name cannot hide an address that is refused.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{HOST, PROXY_AUTHORIZATION};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::ProxyError;
use super::own_listeners::OwnListeners;
use super::parent_proxy::ParentProxy;
use super::target::Target;
use crate::addresses::is_link_local;
use crate::http::byte_stream::ByteStream;

/// Opens connections, and refuses those that must not be opened.
pub(super) struct Dialer {
    /// Never connected to: a request would go round in a circle.
    pub(super) own_listeners: OwnListeners,
    /// The proxy that the environment named before this one.
    pub(super) parent_proxy: ParentProxy,
    /// Whether the parent proxy may be one of our own listeners: that of another program on this machine is.
    pub(super) parent_may_be_own: bool,
    /// How long resolving and connecting may take, each.
    pub(super) connect_timeout: Duration,
}

impl Dialer {
    /// Opens a tunnel to `target`.
    pub(super) async fn dial_tunnel(&self, target: &Target) -> Result<Box<dyn ByteStream>, ProxyError> {
        match self.parent_proxy_for("https", target).await? {
            Some((found, proxy)) => {
                let stream = self.dial_parent(&proxy).await.map_err(|error| through_parent(target, error))?;
                self.within_timeout(target, connect_through(stream, &found, target)).await?
            }
            None => Ok(Box::new(self.dial_direct(target).await?)),
        }
    }

    /// Opens a connection for requests to `target` in absolute form; also returns the parent proxy, if it goes to one.
    pub(super) async fn dial_http(
        &self,
        target: &Target,
    ) -> Result<(Box<dyn ByteStream>, Option<Intercept>), ProxyError> {
        match self.parent_proxy_for("http", target).await? {
            Some((found, proxy)) => {
                let stream = self.dial_parent(&proxy).await.map_err(|error| through_parent(target, error))?;
                Ok((Box::new(stream), Some(found)))
            }
            None => Ok((Box::new(self.dial_direct(target).await?), None)),
        }
    }

    /// Refuses an address of `target` that must not be connected to.
    pub(super) fn check_allowed(&self, target: &Target, address: SocketAddr) -> Result<(), ProxyError> {
        check_not_link_local(target, address)?;
        if self.own_listeners.accept(address) { Err(own_listener(target)) } else { Ok(()) }
    }

    /// The parent proxy that serves `target`, and its address. Loopback never goes through one; nor does a target on a port of
    /// our own listeners before it is resolved, because the parent would lead it back here.
    async fn parent_proxy_for(&self, scheme: &str, target: &Target) -> Result<Option<(Intercept, Target)>, ProxyError> {
        if target.is_loopback() {
            return Ok(None);
        }
        let Some(found) = target.url(scheme).and_then(|url| self.parent_proxy.for_url(&url)) else { return Ok(None) };
        let proxy = Target::from_absolute_form(found.uri())?;
        // A shell that evaluated our own variables restarts the server with itself as its parent proxy.
        if !self.parent_may_be_own && self.is_own_listener(&proxy).await {
            return Ok(None);
        }
        if self.is_own_listener(target).await {
            return Err(own_listener(target));
        }
        Ok(Some((found, proxy)))
    }

    /// Whether `target` resolves to one of our own listeners; a name is resolved only when a listener has its port.
    async fn is_own_listener(&self, target: &Target) -> bool {
        if !self.own_listeners.have_port(target.port()) {
            return false;
        }
        let addresses = timeout(self.connect_timeout, resolve(target)).await;
        let is_own = |addresses: Vec<SocketAddr>| addresses.iter().any(|address| self.own_listeners.accept(*address));
        addresses.is_ok_and(|found| found.is_ok_and(is_own))
    }

    async fn dial_direct(&self, target: &Target) -> Result<TcpStream, ProxyError> {
        self.dial(target, |address| self.check_allowed(target, address)).await
    }

    async fn dial_parent(&self, proxy: &Target) -> Result<TcpStream, ProxyError> {
        match self.parent_may_be_own {
            true => self.dial(proxy, |address| check_not_link_local(proxy, address)).await,
            false => self.dial_direct(proxy).await,
        }
    }

    async fn dial(
        &self,
        target: &Target,
        check: impl Fn(SocketAddr) -> Result<(), ProxyError>,
    ) -> Result<TcpStream, ProxyError> {
        let broken = |error: io::Error| unreachable(target, error);
        let addresses = self.within_timeout(target, resolve(target)).await?.map_err(broken)?;
        addresses.iter().try_for_each(|address| check(*address))?;
        let stream = self.connect_first(&addresses).await.map_err(broken)?;
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// Connects to the first address that answers. Each gets an equal share of the time, so that a dead one does not use it up.
    async fn connect_first(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let share = self.connect_timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }

    async fn within_timeout<T>(&self, target: &Target, work: impl Future<Output = T>) -> Result<T, ProxyError> {
        let seconds = self.connect_timeout.as_secs();
        let late = |_| {
            ProxyError::new(StatusCode::GATEWAY_TIMEOUT, format!("{target} did not answer within {seconds} seconds."))
        };
        timeout(self.connect_timeout, work).await.map_err(late)
    }
}

/// Opens a tunnel to `target` through the proxy at the other end of `stream`.
async fn connect_through(
    stream: TcpStream,
    proxy: &Intercept,
    target: &Target,
) -> Result<Box<dyn ByteStream>, ProxyError> {
    let name = "The proxy of the environment";
    let broken = |error: hyper::Error| unreachable(name, error);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection.with_upgrades());
    let mut request =
        Request::builder().method(Method::CONNECT).uri(target.to_string()).header(HOST, target.to_string());
    if let Some(credentials) = proxy.basic_auth() {
        request = request.header(PROXY_AUTHORIZATION, credentials);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| unreachable(name, error))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    if answer.status() != StatusCode::OK {
        return Err(unreachable(target, format!("the proxy of the environment answers {}", answer.status())));
    }
    Ok(Box::new(TokioIo::new(hyper::upgrade::on(answer).await.map_err(broken)?)))
}

async fn resolve(target: &Target) -> io::Result<Vec<SocketAddr>> {
    let port = target.port();
    match target.address() {
        Some(address) => Ok(vec![(address, port).into()]),
        None if target.is_localhost() => Ok(vec![(IpAddr::from([127, 0, 0, 1]), port).into()]),
        None => Ok(tokio::net::lookup_host((target.host(), port)).await?.collect()),
    }
}

fn check_not_link_local(target: &Target, address: SocketAddr) -> Result<(), ProxyError> {
    if is_link_local(address.ip()) {
        let why = format!("{target} is refused: link-local addresses are never forwarded.");
        return Err(ProxyError::new(StatusCode::FORBIDDEN, why));
    }
    Ok(())
}

fn own_listener(target: &Target) -> ProxyError {
    let why = format!("{target} is refused: it is one of Keyhaven's own listeners.");
    ProxyError::new(StatusCode::FORBIDDEN, why).advise("ask it without the proxy")
}

/// Says of an error of the parent proxy's that it is not the target's.
fn through_parent(target: &Target, error: ProxyError) -> ProxyError {
    let why = format!("{target} is reached through the proxy of the environment (HTTPS_PROXY): {}", error.reason);
    ProxyError { reason: why, ..error }
}

fn unreachable(what: impl std::fmt::Display, why: impl std::fmt::Display) -> ProxyError {
    ProxyError::new(StatusCode::BAD_GATEWAY, format!("{what} cannot be reached: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addresses::tests::every_form;

    #[test]
    fn a_name_that_resolves_to_any_form_of_a_link_local_address_is_refused() {
        let (own_listeners, parent_proxy) = (OwnListeners::default(), ParentProxy::default());
        let connect_timeout = Duration::from_secs(1);
        let dialer = Dialer { own_listeners, parent_proxy, parent_may_be_own: false, connect_timeout };
        let target = Target::from_absolute_form(&"http://rebound.example/".parse().unwrap()).unwrap();
        let forms = every_form([169, 254, 169, 254].into(), 0x2001_0db8_u128 << 96).into_iter().map(IpAddr::V6);
        for address in forms.chain([IpAddr::from([168, 63, 129, 16])]) {
            let error = dialer.check_allowed(&target, (address, 80).into()).unwrap_err();
            assert_eq!(
                error.reason, "rebound.example:80 is refused: link-local addresses are never forwarded.",
                "{address}"
            );
        }
    }
}
