//! The bound sockets of the listeners.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::StartError;
use super::options::Listen;
use super::server_details::Addresses;

/// Systems keep the ports below it for the administrator.
const FIRST_FREE_PORT: u16 = 1024;

/// All sockets. They are bound before anything else, so that a port in use is reported at once.
pub(super) struct Sockets {
    pub(super) vaults: TcpListener,
    pub(super) identity: TcpListener,
    pub(super) admin: Option<TcpListener>,
    pub(super) proxy: Option<TcpListener>,
    /// Why the optional proxy has none.
    pub(super) proxy_off: Option<String>,
}

impl Sockets {
    pub(super) async fn bind(listen: Listen) -> Result<Self, StartError> {
        let bind_if = async |flag, address: Option<SocketAddr>| match address {
            Some(address) => bind(flag, address).await.map(Some),
            None => Ok(None),
        };
        let vaults = bind("--listen", listen.vaults).await?;
        let identity = bind("--identity-listen", listen.identity).await?;
        let admin = bind_if("--admin-listen", listen.admin).await?;
        let (proxy, proxy_off) = bind_proxy(listen).await?;
        Ok(Self { vaults, identity, admin, proxy, proxy_off })
    }

    pub(super) fn addresses(&self) -> Result<Addresses, StartError> {
        let optional = |socket: &Option<TcpListener>| socket.as_ref().map(TcpListener::local_addr).transpose();
        let addresses = || -> std::io::Result<Addresses> {
            Ok(Addresses {
                vaults: self.vaults.local_addr()?,
                identity: self.identity.local_addr()?,
                admin: optional(&self.admin)?,
                proxy: optional(&self.proxy)?,
            })
        };
        addresses().map_err(StartError::new)
    }
}

/// Binds the proxy's socket; a proxy that is optional is left out when that fails, for the reason answered besides.
async fn bind_proxy(listen: Listen) -> Result<(Option<TcpListener>, Option<String>), StartError> {
    let Some(address) = listen.proxy else { return Ok((None, None)) };
    match bind("--proxy-listen", address).await {
        Err(error) if listen.proxy_is_optional => {
            tracing::warn!(why = %error, "the takeover's proxy is off");
            Ok((None, Some(error.to_string())))
        }
        bound => Ok((Some(bound?), None)),
    }
}

async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::new(refused(flag, address, &error)))
}

/// Why nothing can listen on `address`, and what to do.
fn refused(flag: &str, address: SocketAddr, error: &std::io::Error) -> String {
    let text = format!("cannot listen on {address} ({flag}): {error}");
    match error.kind() {
        ErrorKind::AddrInUse => {
            format!("{address} is in use ({flag}); stop the other program or give another address")
        }
        ErrorKind::PermissionDenied if address.port() < FIRST_FREE_PORT => format!(
            "{text}; for a port below {FIRST_FREE_PORT} allow it by the sysctl net.ipv4.ip_unprivileged_port_start=0 or \
             CAP_NET_BIND_SERVICE, or give another port"
        ),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_takes_a_right_is_said_to_take_it() {
        let why = |address: &str| refused("--listen", address.parse().unwrap(), &ErrorKind::PermissionDenied.into());
        let text = why("0.0.0.0:443");
        assert!(
            text.starts_with("cannot listen on 0.0.0.0:443 (--listen): permission denied; for a port below 1024"),
            "{text}"
        );
        assert_eq!(why("0.0.0.0:8443"), "cannot listen on 0.0.0.0:8443 (--listen): permission denied");
    }
}
