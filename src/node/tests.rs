//! Nodes that listen, and who comes to them: those who bring credentials, and other nodes of the runtime.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::credentials::CredentialStore;
use super::destination::Destination;
use super::home::NodeHome;
use super::keys::NodeKeys;
use super::listener::{NodeHealth, Remote, Serving, bind, serve};
use super::peers::Receiver;
use super::pinned::PinnedNode;
use super::tokens::TokenKey;
use crate::clock::{Clock, Timestamp, VirtualClock};
use crate::crypto::aes::AesKey;
use crate::crypto::rsa::RsaKey;
use crate::crypto::signed_token;
use crate::node_protocol::{Peer, Reader, ServiceToken};

const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
const NODE: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

/// A node that listens, and whose tokens are checked with a key of this byte.
struct Listening {
    serving: Serving,
    store: CredentialStore,
    key: Arc<RsaKey>,
    public_key: String,
    uri: String,
    thumbprint: String,
}

impl Listening {
    async fn at(home: &Path, id: Uuid, token_key: u8) -> Self {
        let keys = NodeKeys::generate("n", "machine", NOW).unwrap();
        let (tcp, address) = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let store = CredentialStore::new(Arc::new(NodeHome::open(home).unwrap()), id);
        let certificate = keys.certificate().unwrap();
        let (uri, thumbprint) = (format!("https://{address}/HostServiceRemote.svc/"), certificate.thumbprint());
        let (tokens, public_key) = (TokenKey::default(), keys.public_key().unwrap());
        tokens.set(&STANDARD.encode([token_key; 32]));
        let key = Arc::new(keys.credential_key().unwrap());
        let remote = Remote {
            health: NodeHealth { node: "n".to_owned(), version: "1", public_key: public_key.clone() },
            node: id,
            key: key.clone(),
            store: store.clone(),
            tokens,
            clock: Arc::new(VirtualClock::frozen_at(NOW)) as Arc<dyn Clock>,
        };
        Self { serving: serve(tcp, certificate, remote).unwrap(), store, key, public_key, uri, thumbprint }
    }

    fn destination(&self, token: Zeroizing<String>) -> Destination {
        let (uri, thumbprint, public_key) = (self.uri.clone(), self.thumbprint.clone(), self.public_key.clone());
        Destination { uri, thumbprint, public_key, token }
    }

    /// It as the service names it to another node.
    fn peer(&self, id: Uuid, token: Zeroizing<String>) -> Peer {
        let (uri, thumbprint) = (self.uri.clone(), self.thumbprint.clone());
        Peer { node: id, name: "n".to_owned(), uri, thumbprint, token }
    }

    fn receiver(&self, id: Uuid) -> Receiver<'_> {
        Receiver { node: id, key: &self.key, store: &self.store }
    }
}

fn token(key: u8, claims: &ServiceToken) -> Zeroizing<String> {
    let claims = serde_json::to_vec(claims).unwrap();
    Zeroizing::new(signed_token::sign(&AesKey::from_bytes(&[key; 32]).unwrap(), &claims))
}

/// The claims of a token for `node` that is good one second more.
fn claims(node: Uuid) -> ServiceToken {
    ServiceToken { node, expires: NOW.unix() + 1, reader: None, only_new: false }
}

fn value(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

#[tokio::test]
async fn a_credential_reaches_the_node_that_the_service_names_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let node = Listening::at(dir.path(), NODE, 7).await;
    let good = || token(7, &claims(NODE));
    node.destination(good()).bring("DATAFACTORY@A_1", "hunter2").await.unwrap();
    assert_eq!(node.store.ids().unwrap(), ["DATAFACTORY@A_1"]);

    let other = Destination { thumbprint: "AB".repeat(32), ..node.destination(good()) };
    let refused = other.bring("2", "hunter2").await.unwrap_err();
    assert!(refused.contains("has another certificate than the service says: nothing was sent to it"), "{refused}");
    let others_key = NodeKeys::generate("o", "machine", NOW).unwrap().public_key().unwrap();
    let unreadable = Destination { public_key: others_key, ..node.destination(good()) };
    let refused = unreadable.bring("2", "hunter2").await.unwrap_err();
    assert!(refused.contains("the credential is not encrypted for this node and this id (400"), "{refused}");
    let reader = Some(Reader { node: OTHER, public_key: node.public_key.clone() });
    for forged in [
        token(8, &claims(NODE)),
        token(7, &claims(OTHER)),
        token(7, &ServiceToken { expires: NOW.unix(), ..claims(NODE) }),
        token(7, &ServiceToken { reader, ..claims(NODE) }),
        Zeroizing::default(),
    ] {
        let refused = node.destination(forged).bring("2", "hunter2").await.unwrap_err();
        assert!(refused.contains("The service token is invalid, has expired, or is another node's"), "{refused}");
    }
    assert_eq!(node.store.ids().unwrap().len(), 1, "nothing else was kept");
    let destination = node.destination(good());
    node.serving.stop(Duration::from_secs(1)).await;
    let gone = destination.bring("3", "hunter2").await.unwrap_err();
    assert!(gone.contains("cannot be reached: "), "{gone}");
    for link_local in
        ["169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]", "168.63.129.16", "[2002:a9fe:a9fe::1]"]
    {
        let uri = format!("https://{link_local}:80/");
        let refused = Destination { uri, ..node_of(&destination) }.bring("3", "hunter2").await.unwrap_err();
        assert!(refused.ends_with("cannot be reached: it has no address that is a node's"), "{refused}");
    }
}

fn node_of(destination: &Destination) -> Destination {
    let Destination { uri, thumbprint, public_key, token } = destination;
    Destination {
        uri: uri.clone(),
        thumbprint: thumbprint.clone(),
        public_key: public_key.clone(),
        token: token.clone(),
    }
}

#[tokio::test]
async fn who_shares_a_node_brings_credentials_and_changes_none() {
    let dir = tempfile::tempdir().unwrap();
    let node = Listening::at(dir.path(), NODE, 7).await;
    node.store.put("1", value("owner's")).unwrap();
    let sharing = || token(7, &ServiceToken { only_new: true, ..claims(NODE) });
    node.destination(sharing()).bring("2", "sharer's").await.unwrap();
    let refused = node.destination(sharing()).bring("1", "sharer's").await.unwrap_err();
    assert_eq!(refused, "the node refuses it: the node has a credential of this id already (409 Conflict)");
    for (method, path) in [(Method::GET, "credentials"), (Method::DELETE, "credentials/1"), (Method::GET, "shared")] {
        let asked = PinnedNode { uri: &node.uri, thumbprint: &node.thumbprint, token: &sharing() };
        let refused = asked.ask(method, path, vec![]).await.unwrap_err();
        assert!(
            refused.contains("The service token is invalid, has expired, or is another node's"),
            "{path}: {refused}"
        );
    }
    let owning = PinnedNode { uri: &node.uri, thumbprint: &node.thumbprint, token: &token(7, &claims(NODE)) };
    let listed = owning.ask(Method::GET, "credentials", vec![]).await.unwrap();
    assert_eq!(listed.as_ref(), br#"{"credentials":["1","2"]}"#);
    assert_eq!(node.store.value("1").unwrap(), Some(value("owner's")));
}

#[tokio::test]
async fn a_node_gets_the_credentials_of_another_and_no_one_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let from = Listening::at(&dir.path().join("from"), NODE, 7).await;
    let to = Listening::at(&dir.path().join("to"), OTHER, 8).await;
    from.store.put("1", value("hunter2")).unwrap();
    to.store.put("2", value("own")).unwrap();
    let reader = |public_key: &str| Some(Reader { node: OTHER, public_key: public_key.to_owned() });
    let reading = ServiceToken { reader: reader(&to.public_key), ..claims(NODE) };
    let peer = from.peer(NODE, token(7, &reading));
    let envelope = Receiver::ask(&peer).await.unwrap();
    assert!(!serde_json::to_string(&envelope).unwrap().contains("hunter2"));

    let thief = Listening::at(&dir.path().join("thief"), Uuid::from_u128(3), 9).await;
    let unreadable = thief.receiver(OTHER).keep(&peer, &envelope).unwrap_err();
    assert_eq!(unreadable.to_string(), "the credential is not encrypted for this node and this id");
    let other_source = to.peer(Uuid::from_u128(3), Zeroizing::default());
    assert!(to.receiver(OTHER).keep(&other_source, &envelope).is_err(), "they are bound to the node that gives them");
    to.receiver(OTHER).keep(&peer, &envelope).unwrap();
    assert_eq!(to.store.ids().unwrap(), ["1", "2"]);
    assert_eq!(to.store.value("1").unwrap(), Some(value("hunter2")));

    let imposter = Peer { thumbprint: "AB".repeat(32), ..from.peer(NODE, token(7, &reading)) };
    let refused = Receiver::ask(&imposter).await.unwrap_err();
    assert!(refused.contains("has another certificate than the service says: nothing was sent to it"), "{refused}");
    for forged in [
        // Of another runtime, whose service token keys are others.
        token(8, &reading),
        token(7, &ServiceToken { node: OTHER, ..reading.clone() }),
        token(7, &ServiceToken { expires: NOW.unix(), ..reading.clone() }),
        // Of one who brings credentials.
        token(7, &claims(NODE)),
        Zeroizing::default(),
    ] {
        let refused = Receiver::ask(&from.peer(NODE, forged)).await.unwrap_err();
        assert!(refused.contains("The service token is invalid, has expired, or is another node's"), "{refused}");
    }
    let keyless = ServiceToken { reader: reader("AAAA"), ..claims(NODE) };
    let refused = Receiver::ask(&from.peer(NODE, token(7, &keyless))).await.unwrap_err();
    assert!(refused.contains("the key of the node that asks for the credentials is none (400"), "{refused}");
}
