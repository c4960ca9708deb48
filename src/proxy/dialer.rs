//! Where connections may go, and how they get there: straight, or through the proxy that was set before.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{HOST, PROXY_AUTHORIZATION};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Refused;
use super::address::{forms, is_link_local};
use super::parent_proxy::Former;
use super::relay::Stream;
use super::target::Target;

/// Where connections may go.
pub(super) struct Reach {
    /// This server's own listeners.
    pub(super) own: Vec<SocketAddr>,
    /// The proxy that was set before.
    pub(super) former: Former,
    /// How long a connection may take.
    pub(super) patience: Duration,
}

impl Reach {
    /// A tunnel to `target`.
    pub(super) async fn tunnel(&self, target: &Target) -> Result<Box<dyn Stream>, Refused> {
        match self.former("https", target).await? {
            Some((found, proxy)) => {
                let stream = self.straight(&proxy).await.map_err(|refused| beyond(target, refused))?;
                self.in_time(target, through(stream, &found, target)).await?
            }
            None => Ok(Box::new(self.straight(target).await?)),
        }
    }

    /// A connection that requests for `target` in absolute form go out on, and the proxy it leads to, if it does.
    pub(super) async fn plain(&self, target: &Target) -> Result<(Box<dyn Stream>, Option<Intercept>), Refused> {
        match self.former("http", target).await? {
            Some((found, proxy)) => {
                let stream = self.straight(&proxy).await.map_err(|refused| beyond(target, refused))?;
                Ok((Box::new(stream), Some(found)))
            }
            None => Ok((Box::new(self.straight(target).await?), None)),
        }
    }

    /// Whether `address`, which `target` leads to, may be connected to.
    pub(super) fn permit(&self, target: &Target, address: SocketAddr) -> Result<(), Refused> {
        if is_link_local(address.ip()) {
            let why = format!("{target} is refused: link-local addresses are never forwarded.");
            return Err(Refused { status: StatusCode::FORBIDDEN, why });
        }
        if self.has(address) { Err(own(target)) } else { Ok(()) }
    }

    /// The former proxy that leads to `target`, and its address. What is on this machine never goes through one; nor does
    /// a port of our own before it is known that the name is not ours.
    async fn former(&self, scheme: &str, target: &Target) -> Result<Option<(Intercept, Target)>, Refused> {
        if target.is_loopback() {
            return Ok(None);
        }
        let Some(found) = target.url(scheme).and_then(|url| self.former.towards(&url)) else { return Ok(None) };
        let proxy = Target::of_absolute(found.uri())?;
        // A shell that has our own variables starts a server with itself as the proxy before.
        if self.is_ours(&proxy).await {
            return Ok(None);
        }
        if self.is_ours(target).await {
            return Err(own(target));
        }
        Ok(Some((found, proxy)))
    }

    /// Whether `target` is known to lead to one of our own listeners; a name is only looked up when the port is ours.
    async fn is_ours(&self, target: &Target) -> bool {
        if !self.own.iter().any(|own| own.port() == target.port()) {
            return false;
        }
        let addresses = timeout(self.patience, resolve(target)).await;
        addresses.is_ok_and(|found| found.is_ok_and(|found| found.iter().any(|address| self.has(*address))))
    }

    fn has(&self, address: SocketAddr) -> bool {
        self.own.iter().any(|own| is_own(*own, address))
    }

    async fn straight(&self, target: &Target) -> Result<TcpStream, Refused> {
        let broken = |error: io::Error| unreachable(target, error);
        let addresses = self.in_time(target, resolve(target)).await?.map_err(broken)?;
        addresses.iter().try_for_each(|address| self.permit(target, *address))?;
        let stream = self.first(&addresses).await.map_err(broken)?;
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// The first address that answers; each has its share of the time, so that a dead one does not use it up.
    async fn first(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let share = self.patience / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
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

    async fn in_time<T>(&self, target: &Target, work: impl Future<Output = T>) -> Result<T, Refused> {
        let late = |_| Refused {
            status: StatusCode::GATEWAY_TIMEOUT,
            why: format!("{target} did not answer within {} seconds.", self.patience.as_secs()),
        };
        timeout(self.patience, work).await.map_err(late)
    }
}

/// Asks the proxy at the other end of `stream` for a tunnel.
async fn through(stream: TcpStream, proxy: &Intercept, target: &Target) -> Result<Box<dyn Stream>, Refused> {
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

/// Whether `address` leads to the listener `own`, in any form.
fn is_own(own: SocketAddr, address: SocketAddr) -> bool {
    own.port() == address.port() && forms(address.ip()).any(|asked| leads_to(own.ip().to_canonical(), asked))
}

/// Whether who connects to `asked` reaches a listener on `listening`. Linux answers all of 127.0.0.0/8, and an unspecified
/// target, on loopback; a listener on every address answers on each that this machine has.
fn leads_to(listening: IpAddr, asked: IpAddr) -> bool {
    let here = asked.is_loopback() || asked.is_unspecified();
    if listening.is_unspecified() {
        here || is_this_machines(asked)
    } else {
        listening == asked || (here && listening.is_loopback())
    }
}

/// Only an address of this machine can be bound.
fn is_this_machines(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

fn own(target: &Target) -> Refused {
    let why = format!("{target} is refused: it is one of Keyhaven's own listeners; ask it without the proxy.");
    Refused { status: StatusCode::FORBIDDEN, why }
}

/// What is wrong with the way to `target`, not with `target`.
fn beyond(target: &Target, refused: Refused) -> Refused {
    let why = format!("{target} is reached through the proxy of the environment (HTTPS_PROXY): {}", refused.why);
    Refused { why, ..refused }
}

fn unreachable(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Refused {
    Refused { status: StatusCode::BAD_GATEWAY, why: format!("{what} cannot be reached: {why}.") }
}

#[cfg(test)]
mod tests {
    use super::super::address::tests::every_form;
    use super::*;

    #[test]
    fn own_listeners_are_known_in_every_spelling() {
        let own = |own: &str, asked: &str| is_own(own.parse().unwrap(), asked.parse().unwrap());
        for asked in [
            "127.0.0.1:8443",
            "127.9.9.9:8443",
            "0.0.0.0:8443",
            "[::1]:8443",
            "[::]:8443",
            "[::ffff:127.0.0.1]:8443",
            "[::ffff:0:127.0.0.1]:8443",
            "[64:ff9b::7f00:1]:8443",
        ] {
            assert!(own("127.0.0.1:8443", asked), "{asked}");
            assert!(own("0.0.0.0:8443", asked), "{asked}");
        }
        assert!(own("192.0.2.7:8443", "192.0.2.7:8443"));
        assert!(!own("192.0.2.7:8443", "127.0.0.1:8443"));
        assert!(!own("127.0.0.1:8443", "127.0.0.1:8444"));
        assert!(!own("0.0.0.0:443", "192.0.2.7:443"), "a listener on every address is not every host");
    }

    #[test]
    fn a_name_that_resolves_to_any_form_of_a_link_local_address_is_refused() {
        let reach = Reach { own: vec![], former: Former::default(), patience: Duration::from_secs(1) };
        let target = Target::of_absolute(&"http://rebound.example/".parse().unwrap()).unwrap();
        let forms = every_form([169, 254, 169, 254].into(), 0x2001_0db8_u128 << 96).into_iter().map(IpAddr::V6);
        for address in forms.chain([IpAddr::from([168, 63, 129, 16])]) {
            let refused = reach.permit(&target, (address, 80).into()).unwrap_err();
            assert_eq!(
                refused.why, "rebound.example:80 is refused: link-local addresses are never forwarded.",
                "{address}"
            );
        }
    }
}
