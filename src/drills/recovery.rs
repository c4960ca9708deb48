//! The drill *recovery*: the key is deleted, recovered and restored into another vault; connections are cut, and the server
//! is killed, during a rotation and during a re-wrap.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::capability::Capability;
use super::drilled_factory::{Denial, DrilledFactory};
use super::environment::Environment;
use super::interruption::{Interrupted, KILL_DELAYS_MS, kill_server_during};
use super::key::{DrilledKey, short};
use super::polling::poll_until_visible;
use super::step::{Outcome, StepError, StepPlan, expect_refused};

pub(super) struct State {
    environment: Arc<Environment>,
    key: DrilledKey,
    factory: Option<DrilledFactory>,
}

pub(super) const STEPS: &[StepPlan<State>] = &[
    StepPlan {
        name: "make-factory",
        done: "a factory is given a new key, and three entries are written",
        expected: "each reads back as it was written",
        depends_on: &[],
        needs: &[],
        run: State::make_factory,
    },
    StepPlan {
        name: "delete-key",
        done: "the key is deleted",
        expected: "from the next request on every entry is refused as KeyNotFound",
        depends_on: &["make-factory"],
        needs: &[],
        run: State::delete_key,
    },
    StepPlan {
        name: "purge-refused",
        done: "the deleted key is to be purged",
        expected: "that is refused with 403, and the deleted key is still there",
        depends_on: &["delete-key"],
        needs: &[],
        run: State::purge_refused,
    },
    StepPlan {
        name: "recover-key",
        done: "the key is recovered",
        expected: "its versions are those it had, and all entries read",
        depends_on: &["delete-key"],
        needs: &[],
        run: State::recover_key,
    },
    StepPlan {
        name: "cut-rotation",
        done: "the connection is cut before a rotation's work, and then after another one's",
        expected: "the first added no version, the second exactly one, and all entries read",
        depends_on: &["make-factory"],
        needs: &[Capability::Faults],
        run: State::cut_rotation,
    },
    StepPlan {
        name: "cut-re-wrap",
        done: "the connection is cut before a re-wrap's work, and then after another one's",
        expected: "all entries read after each, and the next re-wrap without a cut succeeds",
        depends_on: &["make-factory"],
        needs: &[Capability::Faults],
        run: State::cut_re_wrap,
    },
    StepPlan {
        name: "kill-in-rotation",
        done: "the server is killed in the middle of a rotation, five times, each time later in its work, and started again",
        expected: "every version that was answered is there, none is half there, and all entries read",
        depends_on: &["make-factory"],
        needs: &[Capability::Process],
        run: State::kill_in_rotation,
    },
    StepPlan {
        name: "kill-in-re-wrap",
        done: "the server is killed in the middle of a re-wrap, five times, each time later in its work, and started again",
        expected: "all entries read each time, and the next re-wrap succeeds",
        depends_on: &["make-factory"],
        needs: &[Capability::Process],
        run: State::kill_in_re_wrap,
    },
    StepPlan {
        name: "restore-elsewhere",
        done: "the key's backup is restored into a second vault",
        expected: "it has the same versions there, and what the first vault wrapped under each unwraps in the second",
        depends_on: &["make-factory"],
        needs: &[Capability::SecondVault],
        run: State::restore_elsewhere,
    },
    StepPlan {
        name: "move-elsewhere",
        done: "the factory is moved to the restored key, and the first one is deleted",
        expected: "all entries read, from the second vault alone",
        depends_on: &["restore-elsewhere"],
        needs: &[Capability::SecondVault],
        run: State::move_elsewhere,
    },
];

impl State {
    pub(super) fn new(environment: &Arc<Environment>) -> Self {
        let key = DrilledKey::new(environment, environment.name("recovery"));
        Self { environment: environment.clone(), key, factory: None }
    }

    fn make_factory(&mut self) -> Outcome {
        let factory = DrilledFactory::with_entries(&self.environment, &self.key)?;
        let seen = factory.read_all();
        self.factory = Some(factory);
        seen
    }

    fn delete_key(&mut self) -> Outcome {
        self.key.vault().delete_key(self.key.name())?;
        let seen = self.factory()?.expect_all_denied(Denial::Key(404, None))?;
        poll_until_visible(|| self.key.vault().deleted_key(self.key.name()))?;
        Ok(seen)
    }

    fn purge_refused(&mut self) -> Outcome {
        let seen = expect_refused("the purge", self.key.vault().purge_key(self.key.name()), 403, None)?;
        let deleted = self.key.vault().deleted_key(self.key.name())?;
        match deleted["recoveryId"].as_str() {
            Some(_) => Ok(format!("{seen}; the deleted key is there")),
            None => Err(StepError::unexpected("the deleted key is shown without a recoveryId")),
        }
    }

    fn recover_key(&mut self) -> Outcome {
        self.key.vault().recover_key(self.key.name())?;
        poll_until_visible(|| self.key.vault().key(self.key.name(), None))?;
        let versions = self.key.versions()?.len();
        let read = self.factory()?.read_all()?;
        Ok(format!("{versions} version{}; {read}", if versions == 1 { "" } else { "s" }))
    }

    fn cut_rotation(&mut self) -> Outcome {
        let before = self.key.versions()?;
        let rotate = || self.rotate();
        self.expect_cut("KeyRotate", "before", rotate)?;
        if self.key.versions()? != before {
            return Err(StepError::unexpected(
                "a version was added, though nothing had been done when the connection was cut",
            ));
        }
        self.expect_cut("KeyRotate", "after", rotate)?;
        let added = self.key.single_added(&before)?;
        let read = self.factory()?.read_all()?;
        Ok(format!("version {} was added by the second; {read}", short(&added)))
    }

    fn cut_re_wrap(&mut self) -> Outcome {
        for moment in ["before", "after"] {
            let (factory, version) = (self.factory()?, self.other_version()?);
            let uri = format!("{}/{version}", self.key.uri());
            self.expect_cut("KeyWrap", moment, || Ok(factory.inner().move_key(&uri)?))?;
            factory.read_all()?;
            factory.inner().move_key(&uri)?;
            factory.expect_wrapped_by(&version)?;
        }
        self.factory()?.read_all()
    }

    fn kill_in_rotation(&mut self) -> Outcome {
        let (before, mut answered) = (self.key.versions()?, BTreeSet::new());
        for moment in KILL_DELAYS_MS {
            answered.extend(kill_server_during(&self.environment, moment, || self.rotate())?);
            self.expect_all_usable(&before, &answered)?;
            self.factory()?.read_all()?;
        }
        let (versions, read) = (self.key.versions()?.len(), self.factory()?.read_all()?);
        Ok(format!("{} rotations were answered, {versions} versions wrap and unwrap; {read}", answered.len()))
    }

    /// Expects that every version from before and every answered one exists, and that each version wraps and unwraps. A rotation
    /// that was interrupted may have added one more.
    fn expect_all_usable(&self, before: &BTreeSet<String>, answered: &BTreeSet<String>) -> Result<(), StepError> {
        let versions = self.key.versions()?;
        if let Some(lost) = before.union(answered).find(|version| !versions.contains(*version)) {
            return Err(StepError::unexpected(format!("version {} is lost", short(lost))));
        }
        if versions.len() > before.len() + answered.len() + KILL_DELAYS_MS.len() {
            return Err(StepError::unexpected(format!(
                "{} versions, of which {} were answered",
                versions.len(),
                answered.len()
            )));
        }
        let latest = self.key.latest()?;
        if !versions.contains(latest.version()) {
            return Err(StepError::unexpected(format!("the latest version {} is not listed", short(latest.version()))));
        }
        versions.iter().try_for_each(|version| self.key.probe(version)?.expect_unwraps())
    }

    fn kill_in_re_wrap(&mut self) -> Outcome {
        let mut wraps = 0;
        for moment in KILL_DELAYS_MS {
            let factory = self.factory()?;
            let versions: Vec<String> = self.key.versions()?.into_iter().collect();
            let next = AtomicUsize::new(0);
            // Each request moves to another version, so that each one has work to do.
            let move_on = || {
                let version = &versions[next.fetch_add(1, Ordering::Relaxed) % versions.len()];
                Ok(factory.inner().move_key(&format!("{}/{version}", self.key.uri()))?)
            };
            wraps += kill_server_during(&self.environment, moment, move_on)?.len();
            factory.read_all()?;
            let version = self.other_version()?;
            factory.inner().move_key(&format!("{}/{version}", self.key.uri()))?;
            factory.expect_wrapped_by(&version)?;
        }
        Ok(format!("{wraps} re-wraps were answered; {}", self.factory()?.read_all()?))
    }

    fn restore_elsewhere(&mut self) -> Outcome {
        let (second, versions) = (self.environment.second()?, self.key.versions()?);
        let probes = versions.iter().map(|version| self.key.probe(version)).collect::<Result<Vec<_>, _>>()?;
        let backup = self.key.vault().backup_key(self.key.name())?;
        self.environment.operator_at(second).restore_key(&backup)?;
        self.environment.record_key(second, self.key.name());
        for probe in &probes {
            probe.expect_unwraps_at(&self.environment, second)?;
        }
        let restored = self.environment.operator_at(second).key_versions(self.key.name())?.len();
        match restored == versions.len() {
            true => Ok(format!("{restored} version{} in {second}", if restored == 1 { "" } else { "s" })),
            false => Err(StepError::unexpected(format!("{restored} versions were restored of {}", versions.len()))),
        }
    }

    fn move_elsewhere(&mut self) -> Outcome {
        let uri = format!("{}/keys/{}", self.environment.second()?, self.key.name());
        self.factory()?.inner().move_key(&uri)?;
        self.key.vault().delete_key(self.key.name())?;
        let read = self.factory()?.read_all()?;
        Ok(format!("{read} under {uri}"))
    }

    /// Expects that `work` finds its connection cut, before or after the vault has done `operation`.
    fn expect_cut<T>(
        &self,
        operation: &str,
        moment: &str,
        work: impl FnOnce() -> Result<T, Interrupted>,
    ) -> Result<(), StepError> {
        let controls = self.environment.controls()?;
        controls.fault(&json!({"operation": operation, "times": 1, "then": {"cut": moment}}))?;
        let ended = work();
        controls.lift_faults()?;
        match ended {
            Err(Interrupted::NoAnswer) => Ok(()),
            Err(Interrupted::Refused(why)) => Err(StepError::unexpected(why)),
            Ok(_) => Err(StepError::unexpected(format!(
                "{operation} was answered: its connection was not cut {moment} the work"
            ))),
        }
    }

    /// Rotates the key; returns the new version.
    fn rotate(&self) -> Result<String, Interrupted> {
        Ok(self.key.vault().rotate_key(self.key.name())?.version().to_owned())
    }

    /// A version that the data key is not wrapped under; rotates the key if there is none.
    fn other_version(&self) -> Result<String, StepError> {
        let other = |version: &String| self.factory().is_ok_and(|factory| factory.expect_wrapped_by(version).is_err());
        match self.key.versions()?.into_iter().find(other) {
            Some(version) => Ok(version),
            None => Ok(self.key.vault().rotate_key(self.key.name())?.version().to_owned()),
        }
    }

    fn factory(&self) -> Result<&DrilledFactory, StepError> {
        self.factory.as_ref().ok_or_else(|| StepError::unexpected("there is no factory"))
    }
}
