//! Drills: rehearsals of key handling. A reference factory, which is a client like any other, lives through what keys and
//! credentials live through, and each step says what was done, what was expected and what was seen.
//!
//! They know the vault as its clients do, over HTTPS, and its server by the admin API; nothing of what is inside.

mod admin;
mod capability;
mod credentials;
mod drilled_factory;
mod environment;
mod hooks;
mod interruption;
mod key;
mod linked_services;
mod polling;
mod private_server;
mod readers;
mod recovery;
mod report;
mod revocation;
mod rotation;
mod runner;
mod step;
mod system_key;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub use admin::AdminDoor;
pub use capability::Lever;
pub use environment::{Aim, Ground};
pub use hooks::Hooks;
pub use private_server::OwnServer;
pub use report::{Counts, Played, Report, Text};
pub use runner::Listener;
pub use step::{Step, Verdict};

use runner::Stage;
use step::Play;

/// The drills there are.
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
}

impl Drill {
    /// Each of them, in the order that `all` plays them in.
    pub const ALL: [Self; 5] = [Self::Rotation, Self::Revocation, Self::Recovery, Self::Credentials, Self::SystemKey];

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Revocation => "revocation",
            Self::Recovery => "recovery",
            Self::Credentials => "credentials",
            Self::SystemKey => "system-key",
        }
    }
}

/// Plays `drills` on `ground`, puts everything back and tells what was seen. `hooks` are run around each step; `stop` ends it
/// before the next step; `listener` is told how it goes on.
pub fn run(
    ground: Ground,
    drills: &[Drill],
    mut hooks: Option<Hooks>,
    stop: &AtomicBool,
    listener: &mut dyn Listener,
) -> Report {
    let (started, ground) = (Instant::now(), Arc::new(ground));
    let (mut played, mut notes) = (Vec::with_capacity(drills.len()), Vec::new());
    for drill in drills {
        let began = Instant::now();
        if let Some(hooks) = &mut hooks {
            hooks.of_drill(drill.variables(&ground));
        }
        let missing = |lever| ground.missing(lever);
        let mut stage = Stage { drill: drill.name(), missing: &missing, hooks: hooks.as_ref(), stop, listener };
        let steps = drill.play(&ground, &mut stage);
        notes.extend(ground.tidy());
        played.push(Played { drill: *drill, steps, took: began.elapsed() });
    }
    notes.extend(ground.put_back());
    Report { vault: ground.vault(), place: ground.place().to_owned(), drills: played, notes, took: started.elapsed() }
}

impl Drill {
    /// What a command finds in its environment about the drill's own objects.
    fn variables(self, ground: &Ground) -> Vec<(&'static str, String)> {
        let (vault, name) = (ground.vault(), ground.name(self.name()));
        let object = match self {
            Self::Rotation | Self::Revocation | Self::Recovery => {
                Some(("KEYHAVEN_DRILL_KEY", format!("{vault}/keys/{name}")))
            }
            Self::Credentials => Some(("KEYHAVEN_DRILL_SECRET", format!("{vault}/secrets/{name}"))),
            Self::SystemKey => None,
        };
        let client = ground.client_id().map(|id| ("KEYHAVEN_DRILL_CLIENT_ID", id.to_owned()));
        [Some(("KEYHAVEN_VAULT_URL", vault)), object, client].into_iter().flatten().collect()
    }

    fn play(self, ground: &Arc<Ground>, stage: &mut Stage<'_>) -> Vec<Step> {
        fn at<S>(stage: &mut Stage<'_>, mut scene: S, plays: &[Play<S>]) -> Vec<Step> {
            stage.play(&mut scene, plays)
        }
        match self {
            Self::Rotation => at(stage, rotation::Scene::new(ground), rotation::PLAYS),
            Self::Revocation => at(stage, revocation::Scene::new(ground), revocation::PLAYS),
            Self::Recovery => at(stage, recovery::Scene::new(ground), recovery::PLAYS),
            Self::Credentials => at(stage, credentials::Scene::new(ground), credentials::PLAYS),
            Self::SystemKey => at(stage, system_key::Scene::new(ground), system_key::PLAYS),
        }
    }
}
