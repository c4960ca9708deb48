//! Which drills are run, and what is left out of them.

use clap::{Args, ValueEnum};

use crate::cli::Failure;
use crate::drills::{Drill, Selection, Skip};

/// The options that choose steps.
#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// Which drills
    #[arg(value_name = "DRILL", default_value = "all", hide_default_value = true)]
    drills: Vec<DrillChoice>,

    /// Leave out drills, steps, or single steps as DRILL/STEP; the report says so of each
    #[arg(long, value_name = "DRILL|STEP", value_delimiter = ',')]
    skip: Vec<String>,

    /// Fail each step that is not run, for a CI job that must not leave one out; one of --skip does not fail
    #[arg(long)]
    require_all: bool,
}

/// The drills by name, and all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DrillChoice {
    /// A key gets new versions, by hand and by policy; data is re-wrapped, and old versions are disabled
    Rotation,
    /// Access ends: the policy or the role withdrawn, the firewall closed, the key disabled or expired, the identity deleted; and
    /// comes back
    Revocation,
    /// A key is deleted, recovered, restored elsewhere; the server dies in the middle of a rotation and of a re-wrap
    Recovery,
    /// A stored secret gets new versions while readers run; it is deleted and recovered
    Credentials,
    /// The factory's own certificate-protected key is renewed after two years, and all stored credentials migrate
    SystemKey,
    /// A data factory's public access goes off and private link on; a node's credential moves into the vault
    Network,
    /// All of them
    All,
}

impl StepArgs {
    /// What is chosen, each drill once.
    pub(super) fn selection(&self) -> Result<Selection, Failure> {
        let mut drills = Vec::new();
        for drill in self.drills.iter().flat_map(|choice| choice.drills()) {
            if !drills.contains(drill) {
                drills.push(*drill);
            }
        }
        let skip = Skip::parse(self.skip.clone()).map_err(|why| Failure::usage(format!("--skip: {why}")))?;
        Ok(Selection { drills, skip, require_all: self.require_all })
    }
}

impl DrillChoice {
    const fn drills(self) -> &'static [Drill] {
        match self {
            Self::Rotation => &[Drill::Rotation],
            Self::Revocation => &[Drill::Revocation],
            Self::Recovery => &[Drill::Recovery],
            Self::Credentials => &[Drill::Credentials],
            Self::SystemKey => &[Drill::SystemKey],
            Self::Network => &[Drill::Network],
            Self::All => &Drill::ALL,
        }
    }
}
