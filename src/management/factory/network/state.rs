//! How far the two sides of a private endpoint agree.

use serde::{Deserialize, Serialize};

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 140;

/// The approval of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ConnectionStatus {
    /// The other side has not decided yet.
    Pending,
    /// The connection is approved.
    Approved,
    /// It was refused, or ended.
    Rejected,
}

/// The state of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionState {
    /// The approval.
    pub status: ConnectionStatus,
    /// Why it was approved or rejected.
    pub description: String,
    /// What the one that asked for it must do besides.
    pub actions_required: String,
}

impl ConnectionStatus {
    /// The status called so, whatever the case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Approved, Self::Rejected].into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// Its name in the service.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Approved => "Approved",
            Self::Rejected => "Rejected",
        }
    }
}

impl ConnectionState {
    /// This status, with a description of at most 140 characters; what is longer is cut.
    pub(crate) fn of(status: ConnectionStatus, description: &str) -> Self {
        let description = description.chars().take(MAX_DESCRIPTION).collect();
        Self { status, description, actions_required: "None".to_owned() }
    }
}
