//! *credentials*: a stored secret gets new versions while readers run; it is deleted, and recovered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use zeroize::Zeroizing;

use super::drilled_factory::Plant;
use super::environment::Ground;
use super::polling;
use super::readers::{Read, while_reading};
use super::step::{Outcome, Play, Wrong, brief};
use crate::factory::Refusal;
use crate::remote::Vault;

/// How many versions the secret gets while it is read.
const VERSIONS: usize = 10;
/// The linked service that names the first version.
const PINNED: &str = "pinned";
/// The linked service that names none.
const LATEST: &str = "latest";

pub(super) struct Scene {
    operator: Arc<Vault>,
    ground: Arc<Ground>,
    name: String,
    plant: Option<Plant>,
    /// The first version.
    pinned: String,
}

pub(super) const PLAYS: &[Play<Scene>] = &[
    Play {
        name: "store-secret",
        done: "a credential is stored as a secret; a linked service names its first version, another the latest",
        expected: "both resolve to what was stored",
        after: &[],
        levers: &[],
        act: Scene::store_secret,
    },
    Play {
        name: "new-versions",
        done: "ten versions follow each other while two readers of each linked service run",
        expected: "no read fails; the pinned ones see the first version only, the others never one that is older than the last stored",
        after: &["store-secret"],
        levers: &[],
        act: Scene::new_versions,
    },
    Play {
        name: "disable-pinned",
        done: "the pinned version is disabled",
        expected: "the pinned linked service is refused as SecretDisabled, the other resolves to the latest version",
        after: &["new-versions"],
        levers: &[],
        act: Scene::disable_pinned,
    },
    Play {
        name: "enable-pinned",
        done: "the pinned version is enabled again",
        expected: "both resolve as before",
        after: &["new-versions"],
        levers: &[],
        act: Scene::enable_pinned,
    },
    Play {
        name: "delete-secret",
        done: "the secret is deleted",
        expected: "both linked services are refused with the next request: 404",
        after: &["store-secret"],
        levers: &[],
        act: Scene::delete_secret,
    },
    Play {
        name: "recover-secret",
        done: "the secret is recovered",
        expected: "every version is back, and both linked services resolve as before",
        after: &["delete-secret"],
        levers: &[],
        act: Scene::recover_secret,
    },
];

impl Scene {
    pub(super) fn new(ground: &Arc<Ground>) -> Self {
        let (operator, name) = (ground.operator(), ground.name("credentials"));
        Self { operator, ground: ground.clone(), name, plant: None, pinned: String::new() }
    }

    fn store_secret(&mut self) -> Outcome {
        let stored = self.operator.set_secret(&self.name, &value(0))?;
        self.ground.made_secret(&self.name);
        stored.version().clone_into(&mut self.pinned);
        let plant = Plant::empty(&self.ground)?;
        plant.link_vault(&self.ground)?;
        plant.link_secret(&self.ground, PINNED, &self.name, Some(stored.version()))?;
        plant.link_secret(&self.ground, LATEST, &self.name, None)?;
        self.plant = Some(plant);
        self.resolve(0)
    }

    fn new_versions(&mut self) -> Outcome {
        let plant = self.plant()?;
        let stored = AtomicUsize::new(0);
        let latest = [Follower::of(plant, &stored), Follower::of(plant, &stored)];
        let [one, other] = [0, 1].map(|at: usize| {
            let follower = &latest[at];
            move || follower.read()
        });
        let pinned = || self.pinned();
        let readers: [Read<'_>; 4] = [&one, &other, &pinned, &pinned];
        let (written, read) = while_reading(&readers, || self.store_versions(&stored));
        written?;
        let count = read.map_err(Wrong::Seen)?;
        Ok(format!("{count} reads; {}", self.resolve(VERSIONS)?))
    }

    fn store_versions(&self, stored: &AtomicUsize) -> Result<(), Wrong> {
        for version in 1..=VERSIONS {
            self.operator.set_secret(&self.name, &value(version))?;
            stored.store(version, Ordering::Release);
        }
        Ok(())
    }

    fn disable_pinned(&mut self) -> Outcome {
        self.enabled(false)?;
        let seen = self.refused(PINNED, 403, Some("SecretDisabled"))?;
        let latest = number(&self.plant()?.password(LATEST)?);
        match latest == Some(VERSIONS) {
            true => Ok(format!("{seen}; the latest resolves")),
            false => Err(Wrong::seen("the other linked service does not resolve to the latest version")),
        }
    }

    fn enable_pinned(&mut self) -> Outcome {
        self.enabled(true)?;
        self.resolve(VERSIONS)
    }

    fn delete_secret(&mut self) -> Outcome {
        self.operator.delete_secret(&self.name)?;
        self.refused(PINNED, 404, None)?;
        let seen = self.refused(LATEST, 404, None)?;
        polling::shown(|| self.operator.deleted_secret(&self.name))?;
        Ok(seen)
    }

    fn recover_secret(&mut self) -> Outcome {
        self.operator.recover_secret(&self.name)?;
        let latest = polling::shown(|| self.operator.secret(&self.name, None))?;
        let versions = self.operator.secret_versions(&self.name)?.len();
        let written = number(&latest.value).unwrap_or_default();
        if versions != written + 1 {
            return Err(Wrong::seen(format!("{versions} versions of {}", written + 1)));
        }
        Ok(format!("{versions} versions; {}", self.resolve(written)?))
    }

    /// Both linked services, the pinned one at the first version and the other at `latest`.
    fn resolve(&self, latest: usize) -> Outcome {
        self.pinned().map_err(Wrong::Seen)?;
        match number(&self.plant()?.password(LATEST)?) {
            Some(seen) if seen == latest => Ok(format!("pinned: number 0; latest: number {latest}")),
            seen => Err(Wrong::seen(format!("the linked service of the latest version sees {}", told(seen)))),
        }
    }

    fn pinned(&self) -> Result<(), String> {
        let plant = self.plant.as_ref().ok_or("there is no linked service")?;
        match number(&plant.password(PINNED).map_err(|refusal| format!("a pinned read failed: {refusal}"))?) {
            Some(0) => Ok(()),
            seen => Err(format!("a reader pinned to the first version saw {}", told(seen))),
        }
    }

    fn enabled(&self, enabled: bool) -> Result<(), Wrong> {
        let changes = json!({"attributes": {"enabled": enabled}});
        Ok(self.operator.update_secret(&self.name, Some(&self.pinned), &changes).map(drop)?)
    }

    /// A linked service must be refused its secret with `status` and the inner code `inner`.
    fn refused(&self, linked: &str, status: u16, inner: Option<&str>) -> Outcome {
        match self.plant()?.password(linked) {
            Ok(_) => Err(Wrong::seen(format!("the linked service '{linked}' resolved"))),
            Err(Refusal::Secret { failure, .. })
                if failure.status() == Some(status) && (inner.is_none() || failure.inner() == inner) =>
            {
                Ok(brief(&failure))
            }
            Err(refusal) => Err(Wrong::seen(format!("the linked service '{linked}': {refusal}"))),
        }
    }

    fn plant(&self) -> Result<&Plant, Wrong> {
        self.plant.as_ref().ok_or_else(|| Wrong::seen("there is no linked service"))
    }
}

/// A reader of the latest version, which never goes back.
struct Follower<'f> {
    plant: &'f Plant,
    stored: &'f AtomicUsize,
    seen: AtomicUsize,
}

impl<'f> Follower<'f> {
    const fn of(plant: &'f Plant, stored: &'f AtomicUsize) -> Self {
        Self { plant, stored, seen: AtomicUsize::new(0) }
    }

    fn read(&self) -> Result<(), String> {
        let least = self.stored.load(Ordering::Acquire).max(self.seen.load(Ordering::Relaxed));
        let read =
            self.plant.password(LATEST).map_err(|refusal| format!("a read of the latest version failed: {refusal}"))?;
        match number(&read) {
            Some(seen) if seen >= least => {
                self.seen.store(seen, Ordering::Relaxed);
                Ok(())
            }
            seen => Err(format!("a reader of the latest version saw {} when number {least} was stored", told(seen))),
        }
    }
}

/// What is stored as number `version`.
fn value(version: usize) -> Zeroizing<String> {
    Zeroizing::new(format!("credential number {version}"))
}

/// Which of them `text` is.
fn number(text: &Zeroizing<String>) -> Option<usize> {
    text.strip_prefix("credential number ")?.parse().ok()
}

fn told(seen: Option<usize>) -> String {
    seen.map_or_else(|| "something that was never stored".to_owned(), |number| format!("number {number}"))
}
