//! Who calls, as far as decisions need to know.

use uuid::Uuid;

/// A caller whose token has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The directory that vouches for the caller (`tid`).
    pub tenant: Uuid,
    /// The principal that policies name (`oid`).
    pub object_id: Uuid,
    /// The application the token was given to (`appid`).
    pub app_id: Uuid,
    /// Further principals whose grants are the caller's too: its groups.
    pub groups: Vec<Uuid>,
}
