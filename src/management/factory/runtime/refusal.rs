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
    /// A runtime of another factory's, which is not built.
    LinkedInfo,
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
