//! The bound sockets of the listeners.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::StartError;
use super::options::Listen;
use super::server_details::Addresses;

/// All sockets. They are bound before anything else, so that a port in use is reported at once.
pub(super) struct Sockets {
    pub(super) vaults: TcpListener,
    pub(super) identity: TcpListener,
    pub(super) admin: Option<TcpListener>,
    pub(super) proxy: Option<TcpListener>,
}

impl Sockets {
    pub(super) async fn bind(listen: Listen) -> Result<Self, StartError> {
        let bind_if = async |flag, address: Option<SocketAddr>| match address {
            Some(address) => bind(flag, address).await.map(Some),
            None => Ok(None),
        };
        Ok(Self {
            vaults: bind("--listen", listen.vaults).await?,
            identity: bind("--identity-listen", listen.identity).await?,
            admin: bind_if("--admin-listen", listen.admin).await?,
            proxy: bind_proxy(listen).await?,
        })
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

/// Binds the proxy's socket; a proxy that is optional is left out when that fails.
async fn bind_proxy(listen: Listen) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = listen.proxy else { return Ok(None) };
    match bind("--proxy-listen", address).await {
        Err(error) if listen.proxy_is_optional => {
            tracing::warn!(why = %error, "the takeover's proxy is off");
            Ok(None)
        }
        bound => bound.map(Some),
    }
}

async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            StartError::new(format!("{address} is in use ({flag}); stop the other program or give another address"))
        }
        _ => StartError::new(format!("cannot listen on {address} ({flag}): {error}")),
    })
}
