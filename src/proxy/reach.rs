//! Connections of this server's own, for what it sends as a service of the cloud: by the same rules as those of clients.

use hyper::Uri;

use super::Proxy;
use super::error::ProxyError;
use super::route::{Route, only_https_port};
use super::target::Target;
use super::tls_client::ShownCertificate;
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
    /// Whether this server answers for the host of `url`, which is absolute, in the cloud's place: for who connects elsewhere.
    ///
    /// # Errors
    /// A sentence that says why the host is refused.
    pub(crate) fn is_here(&self, url: &Uri) -> Result<bool, String> {
        let target = Target::from_absolute_form(url).map_err(|error| error.reason)?;
        let route = self.route_absolute(&target, is_secure(url)).map_err(|error| error.reason)?;
        Ok(route == Route::Local)
    }

    /// Connects to the host of `url`, which is absolute, and shows it `certificate` if it asks for one.
    ///
    /// # Errors
    /// A sentence that says why: the host is refused, or not reached.
    pub(crate) async fn reach(&self, url: &Uri, certificate: Option<ShownCertificate>) -> Result<Reached, String> {
        let target = Target::from_absolute_form(url).map_err(|error| error.reason)?;
        let reached = self.connect_to(url, &target, certificate).await;
        reached.map_err(|error| {
            self.count(error.outcome(), &target);
            error.reason
        })
    }

    async fn connect_to(
        &self,
        url: &Uri,
        target: &Target,
        certificate: Option<ShownCertificate>,
    ) -> Result<Reached, ProxyError> {
        let is_secure = is_secure(url);
        match self.route_absolute(target, is_secure)? {
            Route::Local => only_https_port(target).map(|()| Reached::Here),
            // The metadata address is link-local: the service has none.
            Route::Metadata | Route::Upstream => {
                let stream = self.dialer.dial_tunnel(target).await?;
                self.count(Outcome::Tunnelled, target);
                match is_secure {
                    true => Ok(Reached::Host(self.tls_client.connect(stream, target, certificate).await?)),
                    false => Ok(Reached::Host(stream)),
                }
            }
        }
    }
}

fn is_secure(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}
