//! Connections of this server's own, for what it sends as a service of the cloud: by the same rules as those of clients.

use hyper::Uri;

use super::Proxy;
use super::error::ProxyError;
use super::route::{Route, only_https_port};
use super::target::Target;
use super::traffic::Outcome;
use crate::http::byte_stream::ByteStream;

/// Where a URL leads.
pub(crate) enum Reached {
    /// To this server, in the cloud's place.
    Here,
    /// To its host, over TLS where the URL says `https`.
    Host(Box<dyn ByteStream>),
}

impl Proxy {
    /// Connects to the host of `url`, which is absolute.
    ///
    /// # Errors
    /// A sentence that says why: the host is refused, or not reached.
    pub(crate) async fn reach(&self, url: &Uri) -> Result<Reached, String> {
        let target = Target::from_absolute_form(url).map_err(|error| error.reason)?;
        let reached = self.connect_to(url, &target).await;
        reached.map_err(|error| {
            self.count(error.outcome(), &target);
            error.reason
        })
    }

    async fn connect_to(&self, url: &Uri, target: &Target) -> Result<Reached, ProxyError> {
        let is_secure = url.scheme_str() == Some("https");
        match self.route_absolute(target, is_secure)? {
            Route::Local => only_https_port(target).map(|()| Reached::Here),
            // The metadata address is link-local: the service has none.
            Route::Metadata | Route::Upstream => {
                let stream = self.dialer.dial_tunnel(target).await?;
                self.count(Outcome::Tunnelled, target);
                match is_secure {
                    true => Ok(Reached::Host(self.tls_client.connect(stream, target).await?)),
                    false => Ok(Reached::Host(stream)),
                }
            }
        }
    }
}
