//! Capabilities of an environment that steps use besides the vault itself.

/// Something besides the vault that a step uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    /// Changes access policies of a vault.
    Policy,
    /// Changes role assignments of a vault in which roles decide.
    Roles,
    /// Creates and deletes identities.
    Identity,
    /// Moves the vault clock.
    Clock,
    /// Injects faults into requests.
    Faults,
    /// A second vault of the same tenant.
    SecondVault,
    /// A data factory of the server, and a node of it beside the server.
    Node,
    /// Kills and restarts the server's process.
    Process,
}

impl Capability {
    /// What a step needs, in reports.
    const fn words(self) -> &'static str {
        match self {
            Self::Policy => "changes of access policies",
            Self::Roles => "changes of role assignments",
            Self::Identity => "identities of its own",
            Self::Clock => "a clock that can be moved",
            Self::Faults => "faults on demand",
            Self::SecondVault => "a second vault",
            Self::Node => "a data factory of the server, and a node beside it",
            Self::Process => "a server that may be killed",
        }
    }

    /// Says that this capability is missing; `how` says how to provide it.
    pub(super) fn missing(self, how: &str) -> String {
        format!("it needs {}: {how}", self.words())
    }
}
