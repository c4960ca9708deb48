//! A node of a self-hosted runtime, as it is kept: what it says of itself, and the hash of its secret.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::refusal::RuntimeRefusal;
use super::secrets::SECRET_BYTES;
use crate::addresses::is_link_local;
use crate::clock::Timestamp;
use crate::crypto::credential;
use crate::crypto::rsa::RsaPublic;
use crate::node_protocol::NodeDescription;

/// The most nodes of a runtime (Azure Data Factory, self-hosted integration runtime).
pub(crate) const MAX_NODES: usize = 4;
/// The longest name of a node, in characters (the service's API).
const MAX_NAME: usize = 150;
/// The longest of what else a node says of itself, in bytes: a key of 4096 bits takes 740.
const MAX_TEXT: usize = 2048;
/// The most activities that a node runs at once, unless it is limited further.
pub(crate) const MAX_JOBS: u32 = 20;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    /// Its id.
    pub id: Uuid,
    /// What it said of itself last.
    pub description: NodeDescription,
    /// When it registered, on the system clock.
    pub registered: Timestamp,
    /// When its program started last, on the system clock.
    pub started: Timestamp,
    /// The address that it registered from.
    pub address: IpAddr,
    /// The most activities that it runs at once, where that was limited.
    pub concurrent_jobs_limit: Option<u32>,
    /// SHA-256 of its secret, base64url.
    secret_hash: String,
}

/// What a node is made of; deliberately no `Debug`.
pub(crate) struct NewNode {
    /// Its id.
    pub id: Uuid,
    /// Fresh bytes of its secret.
    pub secret: Zeroizing<[u8; SECRET_BYTES]>,
    /// The address that it registers from.
    pub address: IpAddr,
    /// The moment, on the system clock.
    pub now: Timestamp,
}

impl Node {
    /// The node that is `new` and describes itself so, and its secret.
    pub(super) fn registered(new: &NewNode, description: &NodeDescription) -> (Self, Zeroizing<String>) {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(new.secret.as_slice()));
        let node = Self {
            id: new.id,
            description: description.clone(),
            registered: new.now,
            started: new.now,
            address: new.address,
            concurrent_jobs_limit: None,
            secret_hash: hash(&secret),
        };
        (node, secret)
    }

    /// Whether `given` is its secret.
    pub(super) fn has_secret(&self, given: &str) -> bool {
        !given.is_empty() && credential::matches(hash(given).as_bytes(), self.secret_hash.as_bytes())
    }

    /// Whether it is called `name`.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.description.name.eq_ignore_ascii_case(name)
    }

    /// The URL of its own listener.
    pub(crate) fn host_service_uri(&self) -> String {
        format!("https://{}/HostServiceRemote.svc/", self.description.host)
    }
}

fn hash(secret: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref())
}

/// Checks what a node says of itself.
pub(super) fn check(description: &NodeDescription) -> Result<(), RuntimeRefusal> {
    let NodeDescription { name, machine, version, host, thumbprint, public_key, remote_access } = description;
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !begins || name.len() > MAX_NAME || !name.bytes().all(is_fine) {
        return Err(RuntimeRefusal::NodeName(name.chars().take(MAX_NAME).collect()));
    }
    for (member, is_one) in [
        ("machine", is_text(machine)),
        ("version", is_text(version)),
        ("host", is_text(host) && is_host(host, *remote_access)),
        ("thumbprint", is_thumbprint(thumbprint)),
        ("publicKey", is_text(public_key) && is_public_key(public_key)),
    ] {
        if !is_one {
            return Err(RuntimeRefusal::NodeDescription(member));
        }
    }
    Ok(())
}

fn is_text(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// SHA-256 in hex.
fn is_thumbprint(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A key that credentials can be encrypted for: with another one no node of the runtime would share them, and none could be brought.
fn is_public_key(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|der| RsaPublic::from_der(&der).is_ok())
}

/// `HOST:PORT`. Who brings a credential connects there: a link-local address, such as the metadata service's, is no node's. The port is 0 until it
/// listens.
fn is_host(text: &str, listens: bool) -> bool {
    let is_port = |port: u16| port != 0 || !listens;
    if let Ok(address) = text.parse::<SocketAddr>() {
        return is_port(address.port()) && !is_link_local(address.ip());
    }
    let Some((name, port)) = text.split_once(':') else { return false };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !name.is_empty() && name.bytes().all(is_name) && port.parse().is_ok_and(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(name: &str) -> NodeDescription {
        NodeDescription {
            name: name.to_owned(),
            machine: "m".to_owned(),
            version: "1".to_owned(),
            host: "m:8060".to_owned(),
            remote_access: true,
            thumbprint: "AB".repeat(32),
            public_key: STANDARD
                .encode(RsaPublic::from_components(&[0xff; 256], &[1, 0, 1]).unwrap().to_der().unwrap()),
        }
    }

    #[test]
    fn a_node_knows_its_secret_by_the_hash_alone() {
        let new = NewNode {
            id: Uuid::nil(),
            secret: Zeroizing::new([7; SECRET_BYTES]),
            address: [127, 0, 0, 1].into(),
            now: Timestamp::from_unix(0),
        };
        let (node, secret) = Node::registered(&new, &description("n"));
        assert!(node.has_secret(&secret));
        assert!(!node.has_secret("") && !node.has_secret(&secret[1..]) && !node.has_secret(&node.secret_hash));
        assert!(!serde_json::to_string(&node).unwrap().contains(secret.as_str()));
    }

    #[test]
    fn what_a_node_says_of_itself_is_bounded() {
        assert_eq!(check(&description("Node_1-a")), Ok(()));
        for name in ["", "_a", "a b", "a/b", &"n".repeat(151)] {
            assert!(matches!(check(&description(name)), Err(RuntimeRefusal::NodeName(_))), "{name}");
        }
        let with_host = |host: &str| NodeDescription { host: host.to_owned(), ..description("n") };
        for host in ["a.b-c:1", "127.0.0.1:8060", "[::1]:8060"] {
            assert_eq!(check(&with_host(host)), Ok(()), "{host}");
        }
        let closed = NodeDescription { remote_access: false, ..with_host("127.0.0.1:0") };
        assert_eq!(check(&closed), Ok(()), "it does not listen");
        let long = format!("{}:1", "h".repeat(MAX_TEXT));
        for host in
            ["", "a b", "m", "m:", "m:0", "m:65536", "127.0.0.1:0", ":1", "m:1/x", "m_n:1", "u@m:1", "a:b:1", &long]
        {
            assert_eq!(check(&with_host(host)), Err(RuntimeRefusal::NodeDescription("host")), "{host}");
        }
        for host in [
            "169.254.169.254:80",
            "[::ffff:169.254.169.254]:80",
            "[fe80::1]:80",
            "168.63.129.16:80",
            "[64:ff9b::a9fe:a9fe]:80",
        ] {
            assert_eq!(check(&with_host(host)), Err(RuntimeRefusal::NodeDescription("host")), "{host}");
        }
        for thumbprint in ["", "AB", "<script>", &"XY".repeat(32), &"AB".repeat(33)] {
            let given = NodeDescription { thumbprint: thumbprint.to_owned(), ..description("n") };
            assert_eq!(check(&given), Err(RuntimeRefusal::NodeDescription("thumbprint")), "{thumbprint}");
        }
        for public_key in ["", "AAAA", "k", &description("n").public_key[4..]] {
            let given = NodeDescription { public_key: public_key.to_owned(), ..description("n") };
            assert_eq!(check(&given), Err(RuntimeRefusal::NodeDescription("publicKey")), "{public_key}");
        }
    }
}
