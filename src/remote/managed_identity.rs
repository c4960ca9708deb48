//! Which managed identity a client is.

/// Selects one of the managed identities of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ManagedIdentity {
    /// The system-assigned one.
    #[default]
    SystemAssigned,
    /// The user-assigned one of this client id.
    ClientId(String),
    /// The user-assigned one of this resource id, `/subscriptions/…/userAssignedIdentities/NAME`.
    ResourceId(String),
}
