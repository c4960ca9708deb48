//! The drill *rotation*: a key gets new versions, by hand and by policy; data is re-wrapped, and old versions are disabled.

use std::sync::Arc;

use serde_json::{Value, json};

use super::capability::Capability;
use super::drilled_factory::{Denial, DrilledFactory};
use super::environment::Environment;
use super::key::{DrilledKey, Probe, short};
use super::step::{Outcome, StepError, StepPlan, expect_refused};
use crate::remote::Key;

/// The number of entries that the factory writes.
const ENTRIES: usize = 10;

pub(super) struct State {
    environment: Arc<Environment>,
    key: DrilledKey,
    factory: Option<DrilledFactory>,
    /// One for each version, from the oldest to the latest.
    probes: Vec<Probe>,
}

pub(super) const STEPS: &[StepPlan<State>] = &[
    StepPlan {
        name: "make-key",
        done: "an RSA key of 2048 bits is made in the vault",
        expected: "it has one version, and may be recovered but not purged when it is deleted",
        depends_on: &[],
        needs: &[],
        run: State::make_key,
    },
    StepPlan {
        name: "enable",
        done: "an empty factory is given the key, without a version",
        expected: "its data key is wrapped under the key's first version",
        depends_on: &["make-key"],
        needs: &[],
        run: State::enable,
    },
    StepPlan {
        name: "write-data",
        done: "ten entries are written",
        expected: "each reads back as it was written",
        depends_on: &["enable"],
        needs: &[],
        run: State::write_data,
    },
    StepPlan {
        name: "rotate-by-hand",
        done: "the key is rotated by hand",
        expected: "exactly one version is added, of the same type and size with another modulus; it is the latest and in use",
        depends_on: &["enable"],
        needs: &[],
        run: State::rotate_by_hand,
    },
    StepPlan {
        name: "read-before-re-wrap",
        done: "the entries are read before anything is re-wrapped",
        expected: "all read, under the first version",
        depends_on: &["write-data", "rotate-by-hand"],
        needs: &[],
        run: State::read_before,
    },
    StepPlan {
        name: "re-wrap",
        done: "the factory follows the key: its data key is re-wrapped",
        expected: "it is wrapped under the latest version, and all entries read",
        depends_on: &["write-data", "rotate-by-hand"],
        needs: &[],
        run: State::re_wrap,
    },
    StepPlan {
        name: "set-policy",
        done: "a policy is set: rotate 30 days after creation",
        expected: "it reads back so, and has changed no version yet",
        depends_on: &["rotate-by-hand"],
        needs: &[],
        run: State::set_policy,
    },
    StepPlan {
        name: "rotate-by-policy",
        done: "the vault clock is moved on by 29 days, and then by two more",
        expected: "no version is added in the 29 days, exactly one after them, and it is the latest",
        depends_on: &["set-policy"],
        needs: &[Capability::Clock],
        run: State::rotate_by_policy,
    },
    StepPlan {
        name: "re-wrap-again",
        done: "the factory follows the key again, and writes another entry",
        expected: "it is wrapped under the version that the policy made, and all entries read",
        depends_on: &["re-wrap", "rotate-by-policy"],
        needs: &[],
        run: State::re_wrap,
    },
    StepPlan {
        name: "disable-old",
        done: "every version but the latest is disabled",
        expected: "what was wrapped under them is refused as KeyDisabled, what is wrapped under the latest unwraps",
        depends_on: &["re-wrap"],
        needs: &[],
        run: State::disable_old,
    },
    StepPlan {
        name: "read-after-disable",
        done: "the entries are read while the old versions are disabled",
        expected: "all read: nothing of the factory needs an old version any more",
        depends_on: &["disable-old"],
        needs: &[],
        run: State::read_all,
    },
    StepPlan {
        name: "disable-latest",
        done: "the version in use is disabled too",
        expected: "every entry is refused as KeyDisabled",
        depends_on: &["disable-old"],
        needs: &[],
        run: State::disable_latest,
    },
    StepPlan {
        name: "enable-again",
        done: "all versions are enabled again",
        expected: "all entries read, and what was wrapped under each version unwraps",
        depends_on: &["disable-old"],
        needs: &[],
        run: State::enable_again,
    },
];

impl State {
    pub(super) fn new(environment: &Arc<Environment>) -> Self {
        let key = DrilledKey::new(environment, environment.name("rotation"));
        Self { environment: environment.clone(), key, factory: None, probes: Vec::new() }
    }

    fn make_key(&mut self) -> Outcome {
        let key = self.key.create()?;
        match self.key.versions()?.len() {
            1 => Ok(format!("{}, {}", key.kid(), key.recovery_level())),
            versions => Err(StepError::unexpected(format!("{versions} versions"))),
        }
    }

    fn enable(&mut self) -> Outcome {
        let factory = DrilledFactory::with_key(&self.environment, &self.key)?;
        let first = self.probe()?;
        let seen = factory.expect_wrapped_by(&first);
        self.factory = Some(factory);
        seen
    }

    fn write_data(&mut self) -> Outcome {
        self.factory()?.write(ENTRIES)?;
        self.read_all()
    }

    fn rotate_by_hand(&mut self) -> Outcome {
        let (before, old) = (self.key.versions()?, self.key.latest()?);
        let rotated = self.key.vault().rotate_key(self.key.name())?;
        let added = self.key.single_added(&before)?;
        if added != rotated.version() {
            return Err(StepError::unexpected(format!(
                "version {} was answered, {} was added",
                short(rotated.version()),
                short(&added)
            )));
        }
        expect_other_modulus_only(&old, &rotated)?;
        self.probe()?;
        Ok(format!("version {} follows {}", short(&added), short(old.version())))
    }

    fn read_before(&mut self) -> Outcome {
        let read = self.read_all()?;
        let first = self.probes.first().map(Probe::version).unwrap_or_default();
        Ok(format!("{read}; {}", self.factory()?.expect_wrapped_by(first)?))
    }

    fn re_wrap(&mut self) -> Outcome {
        let (latest, factory) = (self.key.latest()?, self.factory()?);
        factory.rewrap()?;
        factory.write(1)?;
        let read = factory.read_all()?;
        Ok(format!("{}; {read}", factory.expect_wrapped_by(latest.version())?))
    }

    fn set_policy(&mut self) -> Outcome {
        let (vault, name, before) = (self.key.vault(), self.key.name(), self.key.versions()?);
        let rotate = json!({"trigger": {"timeAfterCreate": "P30D"}, "action": {"type": "Rotate"}});
        vault.set_rotation_policy(name, &json!({"lifetimeActions": [rotate]}))?;
        let policy = vault.rotation_policy(name)?;
        let actions = policy["lifetimeActions"].as_array().cloned().unwrap_or_default();
        if !actions.iter().any(is_rotation_after_30_days) {
            return Err(StepError::unexpected(format!("the policy reads back as {policy}")));
        }
        match self.key.versions()? == before {
            true => Ok("Rotate, timeAfterCreate P30D".to_owned()),
            false => Err(StepError::unexpected("setting the policy changed the versions")),
        }
    }

    fn rotate_by_policy(&mut self) -> Outcome {
        let before = self.key.versions()?;
        self.environment.controls()?.advance("P29D")?;
        if self.key.versions()? != before {
            return Err(StepError::unexpected("the versions changed after 29 days already"));
        }
        let now = self.environment.controls()?.advance("P2D")?;
        let added = self.key.single_added(&before)?;
        self.probe()?;
        Ok(format!("version {}; the vault clock shows {now}", short(&added)))
    }

    fn disable_old(&mut self) -> Outcome {
        let Some((latest, old)) = self.probes.split_last() else {
            return Err(StepError::unexpected("there is no version"));
        };
        for probe in old {
            self.key.set(Some(probe.version()), &json!({"enabled": false}))?;
        }
        for probe in old {
            let what = format!("unwrapping under the disabled version {}", short(probe.version()));
            expect_refused(&what, probe.unwrap(), 403, Some("KeyDisabled"))?;
        }
        latest.expect_unwraps()?;
        Ok(format!("{} old versions refuse with 403 KeyDisabled, {} unwraps", old.len(), short(latest.version())))
    }

    fn read_all(&mut self) -> Outcome {
        self.factory()?.read_all()
    }

    fn disable_latest(&mut self) -> Outcome {
        let latest = self.key.latest()?;
        self.key.set(Some(latest.version()), &json!({"enabled": false}))?;
        self.factory()?.expect_all_denied(Denial::Key(403, Some("KeyDisabled")))
    }

    fn enable_again(&mut self) -> Outcome {
        for probe in &self.probes {
            self.key.set(Some(probe.version()), &json!({"enabled": true}))?;
        }
        for probe in &self.probes {
            probe.expect_unwraps()?;
        }
        Ok(format!("{}; {} versions unwrap", self.read_all()?, self.probes.len()))
    }

    fn factory(&self) -> Result<&DrilledFactory, StepError> {
        self.factory.as_ref().ok_or_else(|| StepError::unexpected("there is no factory"))
    }

    /// Adds a probe of the latest version; returns the version.
    fn probe(&mut self) -> Result<String, StepError> {
        let version = self.key.latest()?.version().to_owned();
        let probe = self.key.probe(&version)?;
        // A caching intermediary has seen this unwrap, and must not answer later ones from its cache.
        probe.expect_unwraps()?;
        self.probes.push(probe);
        Ok(version)
    }
}

fn is_rotation_after_30_days(action: &Value) -> bool {
    let kind = action["action"]["type"].as_str().unwrap_or_default();
    kind.eq_ignore_ascii_case("rotate") && action["trigger"]["timeAfterCreate"] == "P30D"
}

fn expect_other_modulus_only(old: &Key, new: &Key) -> Result<(), StepError> {
    let of = |key: &Key, member: &str| key.json()["key"][member].as_str().unwrap_or_default().to_owned();
    let size = |key: &Key| of(key, "n").len();
    if of(old, "n") == of(new, "n") {
        return Err(StepError::unexpected("the new version has the modulus of the old one"));
    }
    if (old.kty(), size(old)) != (new.kty(), size(new)) {
        return Err(StepError::unexpected(format!("{} became {}", old.kty(), new.kty())));
    }
    Ok(())
}
