//! *recovery*: the key is deleted, recovered and restored elsewhere; connections are cut and the server dies in the middle of
//! a rotation and of a re-wrap.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::capability::Lever;
use super::drilled_factory::{Denied, Plant};
use super::environment::Ground;
use super::interruption::{MOMENTS, Undone, killed_while};
use super::key::{DrilledKey, short};
use super::polling;
use super::step::{Outcome, Play, Wrong, refused};

pub(super) struct Scene {
    ground: Arc<Ground>,
    key: DrilledKey,
    plant: Option<Plant>,
}

pub(super) const PLAYS: &[Play<Scene>] = &[
    Play {
        name: "make-factory",
        done: "a factory is given a new key, and three entries are written",
        expected: "each reads back as it was written",
        after: &[],
        levers: &[],
        act: Scene::make_factory,
    },
    Play {
        name: "delete-key",
        done: "the key is deleted",
        expected: "from the next request on every entry is refused as KeyNotFound",
        after: &["make-factory"],
        levers: &[],
        act: Scene::delete_key,
    },
    Play {
        name: "purge-refused",
        done: "the deleted key is to be purged",
        expected: "that is refused with 403, and the deleted key is still there",
        after: &["delete-key"],
        levers: &[],
        act: Scene::purge_refused,
    },
    Play {
        name: "recover-key",
        done: "the key is recovered",
        expected: "its versions are those it had, and all entries read",
        after: &["delete-key"],
        levers: &[],
        act: Scene::recover_key,
    },
    Play {
        name: "cut-rotation",
        done: "the connection is cut before a rotation's work, and then after another one's",
        expected: "the first added no version, the second exactly one, and all entries read",
        after: &["make-factory"],
        levers: &[Lever::Faults],
        act: Scene::cut_rotation,
    },
    Play {
        name: "cut-re-wrap",
        done: "the connection is cut before a re-wrap's work, and then after another one's",
        expected: "all entries read after each, and the next re-wrap without a cut succeeds",
        after: &["make-factory"],
        levers: &[Lever::Faults],
        act: Scene::cut_re_wrap,
    },
    Play {
        name: "kill-in-rotation",
        done: "the server is killed in the middle of a rotation, five times, each time later in its work, and started again",
        expected: "every version that was answered is there, none is half there, and all entries read",
        after: &["make-factory"],
        levers: &[Lever::Process],
        act: Scene::kill_in_rotation,
    },
    Play {
        name: "kill-in-re-wrap",
        done: "the server is killed in the middle of a re-wrap, five times, each time later in its work, and started again",
        expected: "all entries read each time, and the next re-wrap succeeds",
        after: &["make-factory"],
        levers: &[Lever::Process],
        act: Scene::kill_in_re_wrap,
    },
    Play {
        name: "restore-elsewhere",
        done: "the key's backup is restored into a second vault",
        expected: "it has the same versions there, and what the first vault wrapped under each unwraps in the second",
        after: &["make-factory"],
        levers: &[Lever::SecondVault],
        act: Scene::restore_elsewhere,
    },
    Play {
        name: "move-elsewhere",
        done: "the factory is moved to the restored key, and the first one is deleted",
        expected: "all entries read, from the second vault alone",
        after: &["restore-elsewhere"],
        levers: &[Lever::SecondVault],
        act: Scene::move_elsewhere,
    },
];

impl Scene {
    pub(super) fn new(ground: &Arc<Ground>) -> Self {
        let key = DrilledKey::new(ground, ground.name("recovery"));
        Self { ground: ground.clone(), key, plant: None }
    }

    fn make_factory(&mut self) -> Outcome {
        let plant = Plant::stocked(&self.ground, &self.key)?;
        let seen = plant.read_all();
        self.plant = Some(plant);
        seen
    }

    fn delete_key(&mut self) -> Outcome {
        self.key.vault().delete_key(self.key.name())?;
        let seen = self.plant()?.all_refused(Denied::Key(404, None))?;
        polling::shown(|| self.key.vault().deleted_key(self.key.name()))?;
        Ok(seen)
    }

    fn purge_refused(&mut self) -> Outcome {
        let seen = refused("the purge", self.key.vault().purge_key(self.key.name()), 403, None)?;
        let deleted = self.key.vault().deleted_key(self.key.name())?;
        match deleted["recoveryId"].as_str() {
            Some(_) => Ok(format!("{seen}; the deleted key is there")),
            None => Err(Wrong::seen("the deleted key is shown without a recoveryId")),
        }
    }

    fn recover_key(&mut self) -> Outcome {
        self.key.vault().recover_key(self.key.name())?;
        polling::shown(|| self.key.vault().key(self.key.name(), None))?;
        let versions = self.key.versions()?.len();
        let read = self.plant()?.read_all()?;
        Ok(format!("{versions} version{}; {read}", if versions == 1 { "" } else { "s" }))
    }

    fn cut_rotation(&mut self) -> Outcome {
        let before = self.key.versions()?;
        let rotate = || self.rotate();
        self.cut("KeyRotate", "before", rotate)?;
        if self.key.versions()? != before {
            return Err(Wrong::seen("a version was added, though nothing had been done when the connection was cut"));
        }
        self.cut("KeyRotate", "after", rotate)?;
        let added = self.key.added(&before)?;
        let read = self.plant()?.read_all()?;
        Ok(format!("version {} was added by the second; {read}", short(&added)))
    }

    fn cut_re_wrap(&mut self) -> Outcome {
        for moment in ["before", "after"] {
            let (plant, version) = (self.plant()?, self.version_to_move_to()?);
            let uri = format!("{}/{version}", self.key.uri());
            self.cut("KeyWrap", moment, || Ok(plant.factory().move_key(&uri)?))?;
            plant.read_all()?;
            plant.factory().move_key(&uri)?;
            plant.is_under(&version)?;
        }
        self.plant()?.read_all()
    }

    fn kill_in_rotation(&mut self) -> Outcome {
        let (before, mut answered) = (self.key.versions()?, BTreeSet::new());
        for moment in MOMENTS {
            answered.extend(killed_while(&self.ground, moment, || self.rotate())?);
            self.all_whole(&before, &answered)?;
            self.plant()?.read_all()?;
        }
        let (versions, read) = (self.key.versions()?.len(), self.plant()?.read_all()?);
        Ok(format!("{} rotations were answered, {versions} versions wrap and unwrap; {read}", answered.len()))
    }

    /// Each version that there was or that was answered must be there, and each that is there be whole. A rotation that was
    /// under way may have come to its end or not.
    fn all_whole(&self, before: &BTreeSet<String>, answered: &BTreeSet<String>) -> Result<(), Wrong> {
        let versions = self.key.versions()?;
        if let Some(lost) = before.union(answered).find(|version| !versions.contains(*version)) {
            return Err(Wrong::seen(format!("version {} is lost", short(lost))));
        }
        if versions.len() > before.len() + answered.len() + MOMENTS.len() {
            return Err(Wrong::seen(format!("{} versions, of which {} were answered", versions.len(), answered.len())));
        }
        let latest = self.key.latest()?;
        if !versions.contains(latest.version()) {
            return Err(Wrong::seen(format!("the latest version {} is not listed", short(latest.version()))));
        }
        versions.iter().try_for_each(|version| self.key.probe(version)?.unwraps())
    }

    fn kill_in_re_wrap(&mut self) -> Outcome {
        let mut wraps = 0;
        for moment in MOMENTS {
            let plant = self.plant()?;
            let versions: Vec<String> = self.key.versions()?.into_iter().collect();
            let turn = AtomicUsize::new(0);
            // From one version to the next, so that each request does something.
            let move_on = || {
                let version = &versions[turn.fetch_add(1, Ordering::Relaxed) % versions.len()];
                Ok(plant.factory().move_key(&format!("{}/{version}", self.key.uri()))?)
            };
            wraps += killed_while(&self.ground, moment, move_on)?.len();
            plant.read_all()?;
            let version = self.version_to_move_to()?;
            plant.factory().move_key(&format!("{}/{version}", self.key.uri()))?;
            plant.is_under(&version)?;
        }
        Ok(format!("{wraps} re-wraps were answered; {}", self.plant()?.read_all()?))
    }

    fn restore_elsewhere(&mut self) -> Outcome {
        let (second, versions) = (self.ground.second()?, self.key.versions()?);
        let probes = versions.iter().map(|version| self.key.probe(version)).collect::<Result<Vec<_>, _>>()?;
        let backup = self.key.vault().backup_key(self.key.name())?;
        self.ground.operator_at(second).restore_key(&backup)?;
        self.ground.made_key(second, self.key.name());
        for probe in &probes {
            probe.unwraps_at(&self.ground, second)?;
        }
        let restored = self.ground.operator_at(second).key_versions(self.key.name())?.len();
        match restored == versions.len() {
            true => Ok(format!("{restored} version{} in {second}", if restored == 1 { "" } else { "s" })),
            false => Err(Wrong::seen(format!("{restored} versions were restored of {}", versions.len()))),
        }
    }

    fn move_elsewhere(&mut self) -> Outcome {
        let uri = format!("{}/keys/{}", self.ground.second()?, self.key.name());
        self.plant()?.factory().move_key(&uri)?;
        self.key.vault().delete_key(self.key.name())?;
        let read = self.plant()?.read_all()?;
        Ok(format!("{read} under {uri}"))
    }

    /// `work` must find its connection cut, before or after the vault has done `operation`.
    fn cut<T>(&self, operation: &str, moment: &str, work: impl FnOnce() -> Result<T, Undone>) -> Result<(), Wrong> {
        let levers = self.ground.levers()?;
        levers.fault(&json!({"operation": operation, "times": 1, "then": {"cut": moment}}))?;
        let ended = work();
        levers.lift_faults()?;
        match ended {
            Err(Undone::Unanswered) => Ok(()),
            Err(Undone::Refused(why)) => Err(Wrong::seen(why)),
            Ok(_) => {
                Err(Wrong::seen(format!("{operation} was answered: its connection was not cut {moment} the work")))
            }
        }
    }

    /// Rotates the key; answers the version.
    fn rotate(&self) -> Result<String, Undone> {
        Ok(self.key.vault().rotate_key(self.key.name())?.version().to_owned())
    }

    /// A version that the data key is not wrapped under: a rotation makes one where there is none.
    fn version_to_move_to(&self) -> Result<String, Wrong> {
        let other = |version: &String| self.plant().is_ok_and(|plant| plant.is_under(version).is_err());
        match self.key.versions()?.into_iter().find(other) {
            Some(version) => Ok(version),
            None => Ok(self.key.vault().rotate_key(self.key.name())?.version().to_owned()),
        }
    }

    fn plant(&self) -> Result<&Plant, Wrong> {
        self.plant.as_ref().ok_or_else(|| Wrong::seen("there is no factory"))
    }
}
