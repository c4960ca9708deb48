//! Why something was not done with an integration runtime.

use super::host::FactoryHost;

/// Why something was not done with an integration runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeRefusal {
    /// There is no such type of runtime.
    UnknownType(String),
    /// A runtime keeps its type.
    FixedType,
    /// This member of a definition is no text.
    NoText(&'static str),
    /// A runtime is shared by an authorization key, which is not built.
    KeyAuthorization,
    /// This member of what links a runtime to another is missing or no such thing.
    LinkedInfo(&'static str),
    /// The factory has no identity by which it could use a runtime of another's.
    NoLinkingIdentity {
        /// The runtime that is to be linked.
        runtime: String,
        /// Its factory.
        factory: String,
    },
    /// The runtime of this name is another factory's, which does not share it, or there is none.
    SharedAccess(String),
    /// The runtime of this name is the service's, or linked itself.
    NotShareable(String),
    /// The runtime of this name had no node yet.
    NoRegisteredNode(String),
    /// The runtime of this name has nodes of its own, so that it cannot become another's.
    HasNodes(String),
    /// The runtime is shared with as many as it can be.
    TooManyLinks(usize),
    /// It has no nodes and no keys: it is linked.
    Linked {
        /// Its name.
        name: String,
        /// The id of the runtime that has them.
        runtime: String,
    },
    /// It has no nodes and no keys: it is the service's.
    NotSelfHosted(String),
    /// There is no auth key of this name.
    KeyName(String),
    /// `autoUpdate` is neither on nor off.
    AutoUpdate(String),
    /// The time of day for updates is none.
    UpdateDelay(String),
    /// There is no node of this name.
    NoNode(String),
    /// No node runs so many activities at once.
    JobsLimit(u32),
    /// There is no factory of this name in this region.
    NoFactoryHere(FactoryHost),
    /// An auth key that is none, or no more.
    AuthKey,
    /// A node that is none, or no more, or the secret of another.
    NodeSecret,
    /// No node can be called so.
    NodeName(String),
    /// This member of what a node says of itself is empty, too long, or no such thing.
    NodeDescription(&'static str),
    /// Another node is called so.
    NodeNameTaken(String),
    /// The runtime has as many nodes as it can have.
    TooManyNodes,
    /// No node of the runtime of this name is connected.
    NoNodeOnline(String),
    /// The node of this name has remote access off.
    NoRemoteAccess(String),
    /// A node did not answer in time.
    NoAnswer,
    /// A node could not do what it was given to do.
    TaskFailed(String),
    /// Another node has remote access off, so that it cannot share what it holds.
    RemoteAccessOff,
}
