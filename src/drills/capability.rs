//! Levers: what a drill needs besides the vault itself, and how each is given.

/// Something that a step pulls beside the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lever {
    /// Who may do what in the vault.
    Policy,
    /// Who there is.
    Identity,
    /// The clock that vaults live by.
    Clock,
    /// Requests that go wrong when asked to.
    Faults,
    /// Another vault of the same tenant.
    SecondVault,
    /// The server's process, to kill and start.
    Process,
}

impl Lever {
    /// In the words of reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Identity => "identity",
            Self::Clock => "clock",
            Self::Faults => "faults",
            Self::SecondVault => "second vault",
            Self::Process => "process",
        }
    }

    /// What is said of a step that lacks this lever, which `how` gives.
    pub(super) fn missing(self, how: &str) -> String {
        format!("the lever '{}' is missing: {how}", self.name())
    }
}
