//! What a runtime does: its state, by its kind and its nodes.

use std::net::IpAddr;

use super::definition::RuntimeKind;
use super::node::Node;
use super::record::Runtime;
use super::refusal::RuntimeRefusal;
use crate::clock::Timestamp;

/// What a runtime does.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeStatus {
    /// Its name, as it was made.
    pub name: String,
    /// The name of its factory, as it was made.
    pub factory: String,
    /// Its kind.
    pub kind: RuntimeKind,
    /// Its state.
    pub state: RuntimeState,
    /// The host that its nodes register at.
    pub endpoint: String,
    /// What it has besides its definition, when it is self-hosted.
    pub own: Option<Runtime>,
    /// Its nodes, in the order in which they registered.
    pub nodes: Vec<NodeStatus>,
}

/// The state of a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeState {
    /// A self-hosted one without nodes.
    NeedRegistration,
    /// It runs activities.
    Online,
    /// Some of its nodes are connected, others are not.
    Limited,
    /// None of its nodes is connected.
    Offline,
    /// It is linked to one that its factory may not use.
    AccessDenied,
}

/// What a node does.
#[derive(Clone, Debug)]
pub(crate) struct NodeStatus {
    /// The node.
    pub node: Node,
    /// Whether it is connected.
    pub is_online: bool,
    /// Whether it has the credentials of the dispatcher, as far as both have said.
    pub is_in_sync: bool,
    /// When it was seen last, on the system clock.
    pub last_seen: Timestamp,
    /// The address that it was seen at.
    pub address: IpAddr,
    /// How many activities it runs.
    pub jobs: u32,
}

impl RuntimeStatus {
    /// The status of the runtime called `name` in `factory`.
    pub(super) fn of(
        (name, factory): (String, String),
        (kind, endpoint): (RuntimeKind, String),
        own: Option<Runtime>,
        nodes: Vec<NodeStatus>,
    ) -> Self {
        let state = state(kind, nodes.iter().map(|node| node.is_online));
        Self { name, factory, kind, state, endpoint, own, nodes }
    }

    /// The status of a linked runtime whose factory may not use the shared one.
    pub(super) fn denied(self) -> Self {
        Self { state: RuntimeState::AccessDenied, ..self }
    }

    /// The node that the others get their credentials from: the first that is connected, else the first of all.
    pub(crate) fn dispatcher(&self) -> Option<&NodeStatus> {
        self.nodes.iter().find(|node| node.is_online).or_else(|| self.nodes.first())
    }

    /// The dispatcher, which must be connected.
    pub(super) fn online_dispatcher(&self) -> Result<&NodeStatus, RuntimeRefusal> {
        let online = self.dispatcher().filter(|node| node.is_online);
        online.ok_or_else(|| RuntimeRefusal::NoNodeOnline(self.name.clone()))
    }
}

impl RuntimeState {
    /// Its name at the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NeedRegistration => "NeedRegistration",
            Self::Online => "Online",
            Self::Limited => "Limited",
            Self::Offline => "Offline",
            Self::AccessDenied => "AccessDenied",
        }
    }
}

/// The state of a runtime of this kind with nodes of which these are connected.
fn state(kind: RuntimeKind, connected: impl Iterator<Item = bool>) -> RuntimeState {
    let (online, offline): (Vec<bool>, Vec<bool>) = connected.partition(|online| *online);
    match (kind, online.len(), offline.len()) {
        (RuntimeKind::Managed, ..) => RuntimeState::Online,
        (_, 0, 0) => RuntimeState::NeedRegistration,
        (_, 0, _) => RuntimeState::Offline,
        (_, _, 0) => RuntimeState::Online,
        _ => RuntimeState::Limited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_what_its_nodes_are() {
        let of = |nodes: &[bool]| state(RuntimeKind::SelfHosted, nodes.iter().copied()).as_str();
        assert_eq!(of(&[]), "NeedRegistration");
        assert_eq!(of(&[true, true]), "Online");
        assert_eq!(of(&[true, false]), "Limited");
        assert_eq!(of(&[false]), "Offline");
        assert_eq!(state(RuntimeKind::Managed, std::iter::empty()), RuntimeState::Online);
    }
}
