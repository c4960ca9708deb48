//! The drills by name.

/// A drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drill {
    /// A key gets new versions, by hand and by policy.
    Rotation,
    /// Access ends and comes back.
    Revocation,
    /// Keys are deleted, recovered and restored; the server dies.
    Recovery,
    /// A stored secret gets new versions.
    Credentials,
    /// The factory's own key is renewed.
    SystemKey,
    /// The way between a factory and its nodes is closed.
    Network,
}

impl Drill {
    /// All drills, in the order in which `all` runs them.
    pub const ALL: [Self; 6] =
        [Self::Rotation, Self::Revocation, Self::Recovery, Self::Credentials, Self::SystemKey, Self::Network];

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Revocation => "revocation",
            Self::Recovery => "recovery",
            Self::Credentials => "credentials",
            Self::SystemKey => "system-key",
            Self::Network => "network",
        }
    }
}
