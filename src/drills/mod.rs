//! Drills: rehearsals of key handling. Each drill takes the reference factory through events in the life of a key or a
//! credential, and each of its steps reports what was done, what was expected and what was seen.
//!
//! Drills use a vault as its clients do, over HTTPS, and its server by the admin API; they know no internals of either.

mod admin;
mod capability;
mod credentials;
mod drill;
mod drilled_factory;
mod environment;
mod hooks;
mod interruption;
mod key;
mod linked_services;
mod managed_factory;
mod network;
mod polling;
mod private_server;
mod readers;
mod recovery;
mod report;
mod revocation;
mod rotation;
mod runner;
mod skip;
mod step;
mod system_key;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub(crate) use admin::AdminEndpoint;
pub use drill::Drill;
pub(crate) use environment::DrillTarget;
pub use environment::Environment;
use environment::Remains;
pub(crate) use hooks::Hooks;
pub use private_server::PrivateServer;
pub(crate) use report::{DrillResult, FailedStart, Report, TextReport};
pub use runner::Observer;
pub(crate) use skip::Skip;
pub use step::{Step, Verdict};

use capability::Capability;
use runner::Runner;
use step::StepPlan;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The drills, in this order.
    pub drills: Vec<Drill>,
    /// What is left out of them.
    pub skip: Skip,
    /// Whether a step that cannot run has failed; one that is left out has not.
    pub require_all: bool,
}

impl Selection {
    /// The steps that can never run in `environment`, as `DRILL/STEP`, each with how it can.
    pub fn impossible(&self, environment: &Environment) -> Vec<(String, String)> {
        let of_drill = |drill: Drill| {
            let steps = drill.steps().filter(move |step| !self.skip.has(drill.name(), step.name));
            steps.filter_map(move |step| {
                let missing = |need: &Capability| environment.missing(*need).map(|how| need.missing(&how));
                let why = step.needs.iter().find_map(missing)?;
                Some((format!("{}/{}", drill.name(), step.name), why))
            })
        };
        self.drills.iter().copied().flat_map(of_drill).collect()
    }
}

/// Runs what is selected in `environment` and restores everything afterwards. `hooks` run around each step; setting `stop` ends
/// the run before the next step; `observer` follows the progress.
pub fn run(
    environment: Environment,
    selection: &Selection,
    mut hooks: Option<Hooks>,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Report {
    let (started, environment) = (Instant::now(), Arc::new(environment));
    let Selection { drills, skip, require_all } = selection;
    let (mut results, mut notes) = (Vec::with_capacity(drills.len()), Vec::new());
    for drill in drills {
        let began = Instant::now();
        if let Some(hooks) = &mut hooks {
            hooks.set_drill_variables(drill.variables(&environment));
        }
        let missing = |capability| environment.missing(capability);
        let (drill_name, hooks) = (drill.name(), hooks.as_ref());
        let require_all = *require_all;
        let mut runner = Runner { drill: drill_name, skip, missing: &missing, require_all, hooks, stop, observer };
        let steps = drill.run(&environment, &mut runner);
        notes.extend(environment.delete_created().notes);
        results.push(DrillResult { drill: *drill, steps, took: began.elapsed() });
    }
    let Remains { notes: more, left_behind } = environment.restore();
    notes.extend(more);
    Report {
        vault: environment.vault(),
        description: environment.description().to_owned(),
        drills: results,
        notes,
        left_behind,
        took: started.elapsed(),
    }
}

/// What can be said of a step before its drill runs.
struct PlannedStep {
    name: &'static str,
    needs: &'static [Capability],
}

impl Drill {
    /// The environment variables of hooks that name the drill's objects.
    fn variables(self, environment: &Environment) -> Vec<(&'static str, String)> {
        let (vault, name) = (environment.vault(), environment.name(self.name()));
        let object = match self {
            Self::Rotation | Self::Revocation | Self::Recovery => {
                Some(("KEYHAVEN_DRILL_KEY", format!("{vault}/keys/{name}")))
            }
            Self::Credentials | Self::Network => Some(("KEYHAVEN_DRILL_SECRET", format!("{vault}/secrets/{name}"))),
            Self::SystemKey => None,
        };
        let client = environment.client_id().map(|id| ("KEYHAVEN_DRILL_CLIENT_ID", id.to_owned()));
        [Some(("KEYHAVEN_VAULT_URL", vault)), object, client].into_iter().flatten().collect()
    }

    /// Its steps, as planned.
    fn steps(self) -> Box<dyn Iterator<Item = PlannedStep>> {
        fn all<S>(plans: &'static [StepPlan<S>]) -> Box<dyn Iterator<Item = PlannedStep>> {
            Box::new(plans.iter().map(|plan| PlannedStep { name: plan.name, needs: plan.needs }))
        }
        match self {
            Self::Rotation => all(rotation::STEPS),
            Self::Revocation => all(revocation::STEPS),
            Self::Recovery => all(recovery::STEPS),
            Self::Credentials => all(credentials::STEPS),
            Self::SystemKey => all(system_key::STEPS),
            Self::Network => all(network::STEPS),
        }
    }

    fn run(self, environment: &Arc<Environment>, runner: &mut Runner<'_>) -> Vec<Step> {
        fn steps<S>(runner: &mut Runner<'_>, mut state: S, plans: &[StepPlan<S>]) -> Vec<Step> {
            runner.run(&mut state, plans)
        }
        match self {
            Self::Rotation => steps(runner, rotation::State::new(environment), rotation::STEPS),
            Self::Revocation => steps(runner, revocation::State::new(environment), revocation::STEPS),
            Self::Recovery => steps(runner, recovery::State::new(environment), recovery::STEPS),
            Self::Credentials => steps(runner, credentials::State::new(environment), credentials::STEPS),
            Self::SystemKey => steps(runner, system_key::State::new(environment), system_key::STEPS),
            Self::Network => steps(runner, network::State::new(environment), network::STEPS),
        }
    }
}
