//! What makes a node one of a runtime: the host of its factory, ids and secret, as they are kept.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::node_protocol::Registered;

/// What makes a node one of a runtime; deliberately no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Membership {
    /// The node's name, when it registered.
    pub(super) name: String,
    /// The host of its factory.
    pub(super) endpoint: String,
    /// The id of its runtime.
    pub(super) runtime: Uuid,
    /// Its id.
    pub(super) node: Uuid,
    /// Its secret.
    secret: Zeroizing<String>,
}

impl Membership {
    /// That of the node called `name`, which registered at `endpoint`.
    pub(super) fn of(name: &str, endpoint: &str, registered: Registered) -> Self {
        let Registered { runtime, node, secret } = registered;
        Self { name: name.to_owned(), endpoint: endpoint.to_owned(), runtime, node, secret }
    }

    /// What the node shows the service: `NODE.SECRET`.
    pub(super) fn credential(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}.{}", self.node, self.secret.as_str()))
    }
}
