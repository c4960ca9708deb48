//! What a runtime does: its state, by its kind and its nodes.

use super::definition::RuntimeKind;
use super::record::Runtime;

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
}

/// The state of a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeState {
    /// A self-hosted one without nodes.
    NeedRegistration,
    /// It runs activities.
    Online,
}

impl RuntimeState {
    /// Its name at the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NeedRegistration => "NeedRegistration",
            Self::Online => "Online",
        }
    }
}

impl RuntimeKind {
    /// The state of a runtime of this kind that has no nodes of its own.
    pub(super) const fn state_without_nodes(self) -> RuntimeState {
        match self {
            Self::SelfHosted => RuntimeState::NeedRegistration,
            Self::Managed => RuntimeState::Online,
        }
    }
}
