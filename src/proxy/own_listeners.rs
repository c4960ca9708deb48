//! Recognizes addresses that lead back to this server's own listeners, in every form of an address.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::addresses::with_embedded_ipv4;

/// The addresses that this server listens on.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnListeners(Vec<SocketAddr>);

impl OwnListeners {
    pub(super) const fn new(listeners: Vec<SocketAddr>) -> Self {
        Self(listeners)
    }

    /// Whether a listener has this port.
    pub(super) fn have_port(&self, port: u16) -> bool {
        self.0.iter().any(|listener| listener.port() == port)
    }

    /// Whether a connection to `address` would reach one of the listeners.
    pub(super) fn accept(&self, address: SocketAddr) -> bool {
        self.0.iter().any(|listener| accepts(*listener, address))
    }
}

/// Whether a connection to `address` reaches `listener`, also by an IPv4 address inside an IPv6 one.
fn accepts(listener: SocketAddr, address: SocketAddr) -> bool {
    let listening = listener.ip().to_canonical();
    listener.port() == address.port() && with_embedded_ipv4(address.ip()).any(|dialed| covers(listening, dialed))
}

/// Whether a listener on `listening` accepts connections to `dialed`. Linux accepts all of 127.0.0.0/8, and an unspecified
/// address, on loopback; a listener on the unspecified address accepts connections to every address of this machine.
fn covers(listening: IpAddr, dialed: IpAddr) -> bool {
    let is_loopback = dialed.is_loopback() || dialed.is_unspecified();
    if listening.is_unspecified() {
        is_loopback || is_on_this_machine(dialed)
    } else {
        listening == dialed || (is_loopback && listening.is_loopback())
    }
}

/// Only an address of this machine can be bound.
fn is_on_this_machine(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_listeners_are_known_in_every_spelling() {
        let own = |own: &str, asked: &str| accepts(own.parse().unwrap(), asked.parse().unwrap());
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
}
