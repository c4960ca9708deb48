//! Capabilities of an environment that steps use besides the vault itself.

/// Something besides the vault that a step uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    /// Changes access policies of the vault.
    Policy,
    /// Creates and deletes identities.
    Identity,
    /// Moves the vault clock.
    Clock,
    /// Injects faults into requests.
    Faults,
    /// A second vault of the same tenant.
    SecondVault,
    /// Kills and restarts the server's process.
    Process,
}

impl Capability {
    /// The name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Identity => "identity",
            Self::Clock => "clock",
            Self::Faults => "faults",
            Self::SecondVault => "second vault",
            Self::Process => "process",
        }
    }

    /// Says that this capability is missing; `how` says how to provide it.
    pub(super) fn missing(self, how: &str) -> String {
        format!("the capability '{}' is missing: {how}", self.name())
    }
}
