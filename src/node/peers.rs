//! What nodes of one runtime give each other: all of their credentials, encrypted for the key of the node that asks, which the service names in
//! the token that it shows. The node that asks pins the other's certificate.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::credential_set::CredentialSet;
use super::credentials::CredentialStore;
use super::error::NodeError;
use super::pinned::PinnedNode;
use crate::crypto::envelope::Envelope;
use crate::crypto::rsa::{RsaKey, RsaPublic};
use crate::node_protocol::{Peer, Reader, SHARED};

/// A node that gets credentials of others.
pub(super) struct Receiver<'r> {
    /// Its id.
    pub(super) node: Uuid,
    /// The key that they are encrypted for.
    pub(super) key: &'r RsaKey,
    /// Where they are kept.
    pub(super) store: &'r CredentialStore,
}

impl Receiver<'_> {
    /// Asks `peer` for its credentials.
    ///
    /// # Errors
    /// What went wrong, in a sentence without an end.
    pub(super) async fn ask(peer: &Peer) -> Result<Envelope, String> {
        let node = PinnedNode { uri: &peer.uri, thumbprint: &peer.thumbprint, token: &peer.token };
        let answer = node.ask(Method::GET, SHARED, vec![]).await?;
        serde_json::from_slice(&answer).map_err(|_| format!("the node at {} answers no credentials", peer.uri))
    }

    /// Keeps what counts of the credentials that `peer` has given. May block.
    ///
    /// # Errors
    /// When they are not encrypted for this node by that one, or cannot be kept.
    pub(super) fn keep(&self, peer: &Peer, envelope: &Envelope) -> Result<(), NodeError> {
        let text = envelope.open(self.key, &context(peer.node, self.node));
        let set = text.ok().and_then(|text| serde_json::from_slice::<CredentialSet>(&text).ok());
        self.store.merge(set.ok_or(NodeError::CredentialUnreadable)?)
    }
}

/// The credentials in `store` of `node`, for `reader` alone. May block.
///
/// # Errors
/// When they cannot be read, or its key is none.
pub(super) fn shared(store: &CredentialStore, node: Uuid, reader: &Reader) -> Result<Envelope, NodeError> {
    let key = STANDARD.decode(&reader.public_key).ok().and_then(|der| RsaPublic::from_der(&der).ok());
    let key = key.ok_or(NodeError::ReaderKey)?;
    let failed = |error: &dyn std::fmt::Display| NodeError::Keys(error.to_string());
    let text = Zeroizing::new(serde_json::to_vec(&store.all()?).map_err(|error| failed(&error))?);
    Envelope::seal(&key, &context(node, reader.node), &text).map_err(|error| failed(&error))
}

/// What binds credentials on their way to the node that gives and to the one that gets them.
fn context(from: Uuid, to: Uuid) -> String {
    format!("credentials of {from} for {to}")
}
