//! One who brings a credential to a node that the service has named.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use zeroize::Zeroizing;

use super::pinned::PinnedNode;
use crate::crypto::envelope::Envelope;
use crate::crypto::rsa::RsaPublic;
use crate::node_protocol::CREDENTIALS;

/// A node as the service describes it to who brings a credential; deliberately no `Debug`.
pub(crate) struct Destination {
    /// The URL of its listener, which ends in a slash.
    pub uri: String,
    /// SHA-256 of its certificate, hex.
    pub thumbprint: String,
    /// The key that credentials are encrypted for: SubjectPublicKeyInfo (DER) in base64.
    pub public_key: String,
    /// A token of the service for this node.
    pub token: Zeroizing<String>,
}

impl Destination {
    /// Brings `value` to the node, which keeps it as the credential `id`.
    ///
    /// # Errors
    /// What went wrong, in a sentence without an end.
    pub(crate) async fn bring(&self, id: &str, value: &str) -> Result<(), String> {
        let key = STANDARD.decode(&self.public_key).map_err(|error| error.to_string())?;
        let key = RsaPublic::from_der(&key).map_err(|error| error.to_string())?;
        let envelope = Envelope::seal(&key, id, value.as_bytes()).map_err(|error| error.to_string())?;
        let body = serde_json::to_vec(&envelope).map_err(|error| error.to_string())?;
        let node = PinnedNode { uri: &self.uri, thumbprint: &self.thumbprint, token: &self.token };
        node.ask(Method::POST, &format!("{CREDENTIALS}/{id}"), body).await.map(drop)
    }
}
