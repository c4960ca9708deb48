//! Decides where connections to a target go: to this server, to the real host, or nowhere.

use hyper::StatusCode;

use super::error::ProxyError;
use super::target::{HTTP, HTTPS, METADATA, Target};
use super::{HostClass, Proxy};

/// Where connections to a target go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To this server, in the cloud's place.
    Local,
    /// To this server, in the metadata service's place.
    Metadata,
    /// To the real host.
    Upstream,
}

impl Proxy {
    /// Decides where connections to `target` go.
    pub(super) fn route(&self, target: &Target) -> Result<Route, ProxyError> {
        if (target.address(), target.port()) == (Some(METADATA), HTTP) && self.set.metadata.is_some() {
            return Ok(Route::Metadata);
        }
        if let Some(address) = target.address() {
            self.dialer.check_allowed(target, (address, target.port()).into())?;
        }
        let forbidden = |why: String| Err(ProxyError::new(StatusCode::FORBIDDEN, why));
        let host = target.host();
        let likely = || (self.set.suggest)(host).map_or_else(String::new, |like| format!(" (did you mean {like}?)"));
        match (self.set.classify)(host, target.port()) {
            HostClass::TakenOver => Ok(Route::Local),
            HostClass::Allowed => Ok(Route::Upstream),
            HostClass::Misnamed(why) => forbidden(format!("{host}: {why}.")),
            _ if self.set.offline && !target.is_localhost() => {
                let (like, why) = (likely(), "is not answered here, and --offline lets nothing out");
                forbidden(format!("{host} {why}{like}; add --pass {target} if it should be reached."))
            }
            HostClass::NotEmulated => {
                let like = likely();
                forbidden(format!("{host} is not emulated{like}; start with --pass {host} to let it through to Azure."))
            }
            HostClass::External => Ok(Route::Upstream),
        }
    }
}

/// Refuses every port of a taken-over name but the one that the cloud listens on.
pub(super) fn only_https_port(target: &Target) -> Result<(), ProxyError> {
    if target.port() == HTTPS {
        return Ok(());
    }
    let why = format!("{} is Keyhaven itself, on port {HTTPS} alone.", target.host());
    Err(ProxyError::new(StatusCode::FORBIDDEN, why))
}
