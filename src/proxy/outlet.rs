//! Connections to hosts by the proxy's rules, for a program that is no proxy: link-local addresses and the listeners of a server are
//! never connected to, whatever a name resolves to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;

use super::dialer::Dialer;
use super::error::ProxyError;
use super::own_listeners::OwnListeners;
use super::parent_proxy::ParentProxy;
use super::target::Target;
use super::tls_client::{LoadRoots, ShownCertificate, TlsClient};
use crate::http::byte_stream::ByteStream;

/// How long resolving, connecting and the handshake of TLS may take, each.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens connections. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outlet {
    parent_proxy: ParentProxy,
    tls_client: Arc<TlsClient>,
}

impl Outlet {
    /// Connections through `parent_proxy`, if it serves the host; TLS trusts what `load_roots` returns.
    pub(crate) fn new(parent_proxy: ParentProxy, load_roots: LoadRoots) -> Self {
        Self { parent_proxy, tls_client: Arc::new(TlsClient::new(load_roots, CONNECT_TIMEOUT)) }
    }

    /// Connects to the host of `url`, which is absolute, over TLS where the URL says `https`; never to one of `listeners`.
    ///
    /// # Errors
    /// A sentence that says why: the host is refused, or not reached.
    pub(crate) async fn connect(
        &self,
        url: &Uri,
        listeners: Vec<SocketAddr>,
        certificate: Option<ShownCertificate>,
    ) -> Result<Box<dyn ByteStream>, String> {
        let connecting = async {
            let target = Target::from_absolute_form(url)?;
            let dialer = Dialer {
                own_listeners: OwnListeners::new(listeners),
                parent_proxy: self.parent_proxy.clone(),
                parent_may_be_own: true,
                connect_timeout: CONNECT_TIMEOUT,
            };
            // A parent proxy resolves names itself, but an address is known here.
            if let Some(address) = target.address() {
                dialer.check_allowed(&target, (address, target.port()).into())?;
            }
            let stream = dialer.dial_tunnel(&target).await?;
            match url.scheme_str() {
                Some("https") => self.tls_client.connect(stream, &target, certificate).await,
                _ => Ok(stream),
            }
        };
        connecting.await.map_err(|error: ProxyError| error.reason)
    }
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;

    use super::*;
    use crate::addresses::tests::every_form;

    #[tokio::test]
    async fn neither_link_local_addresses_nor_listeners_are_connected_to_in_any_form() {
        let parent = [("HTTP_PROXY".to_owned(), "http://127.0.0.1:9".to_owned())].into_iter().collect();
        for parent in [ParentProxy::default(), ParentProxy::from_variables(&parent).unwrap()] {
            let outlet = Outlet::new(parent, Arc::new(RootCertStore::empty));
            let listeners: Vec<SocketAddr> = vec!["127.0.0.1:8081".parse().unwrap()];
            let reason = async |host: &str| {
                let url = format!("http://{host}/").parse().unwrap();
                outlet.connect(&url, listeners.clone(), None).await.err().unwrap()
            };
            for address in every_form([169, 254, 169, 254].into(), 0x2001_0db8_u128 << 96) {
                let why = reason(&format!("[{address}]")).await;
                assert!(why.contains("link-local addresses are never forwarded"), "{address}: {why}");
            }
            for address in every_form([127, 0, 0, 1].into(), 0x2001_0db8_u128 << 96) {
                let why = reason(&format!("[{address}]:8081")).await;
                assert!(why.contains("it is one of Keyhaven's own listeners"), "{address}: {why}");
            }
            for host in
                ["127.9.9.9:8081", "localhost:8081", "a.localhost:8081", "0.0.0.0:8081", "[::]:8081", "[::1]:8081"]
            {
                let why = reason(host).await;
                assert!(why.contains("it is one of Keyhaven's own listeners"), "{host}: {why}");
            }
        }
    }
}
