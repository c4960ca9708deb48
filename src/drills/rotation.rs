//! *rotation*: a key gets new versions, by hand and by policy; data is re-wrapped, and old versions are disabled.

use std::sync::Arc;

use serde_json::{Value, json};

use super::capability::Lever;
use super::drilled_factory::{Denied, Plant};
use super::environment::Ground;
use super::key::{DrilledKey, Probe, short};
use super::step::{Outcome, Play, Wrong, refused};
use crate::remote::Key;

/// How many entries the factory writes.
const ENTRIES: usize = 10;

pub(super) struct Scene {
    ground: Arc<Ground>,
    key: DrilledKey,
    plant: Option<Plant>,
    /// One for each version, in the order the versions came.
    probes: Vec<Probe>,
}

pub(super) const PLAYS: &[Play<Scene>] = &[
    Play {
        name: "make-key",
        done: "an RSA key of 2048 bits is made in the vault",
        expected: "it has one version, and may be recovered but not purged when it is deleted",
        after: &[],
        levers: &[],
        act: Scene::make_key,
    },
    Play {
        name: "enable",
        done: "an empty factory is given the key, without a version",
        expected: "its data key is wrapped under the key's first version",
        after: &["make-key"],
        levers: &[],
        act: Scene::enable,
    },
    Play {
        name: "write-data",
        done: "ten entries are written",
        expected: "each reads back as it was written",
        after: &["enable"],
        levers: &[],
        act: Scene::write_data,
    },
    Play {
        name: "rotate-by-hand",
        done: "the key is rotated by hand",
        expected: "exactly one version is added, of the same type and size with another modulus; it is the latest and in use",
        after: &["enable"],
        levers: &[],
        act: Scene::rotate_by_hand,
    },
    Play {
        name: "read-before-re-wrap",
        done: "the entries are read before anything is re-wrapped",
        expected: "all read, under the first version",
        after: &["write-data", "rotate-by-hand"],
        levers: &[],
        act: Scene::read_before,
    },
    Play {
        name: "re-wrap",
        done: "the factory follows the key: its data key is re-wrapped",
        expected: "it is wrapped under the latest version, and all entries read",
        after: &["write-data", "rotate-by-hand"],
        levers: &[],
        act: Scene::re_wrap,
    },
    Play {
        name: "set-policy",
        done: "a policy is set: rotate 30 days after creation",
        expected: "it reads back so, and has changed no version yet",
        after: &["rotate-by-hand"],
        levers: &[],
        act: Scene::set_policy,
    },
    Play {
        name: "rotate-by-policy",
        done: "the vault clock is moved on by 29 days, and then by two more",
        expected: "no version is added in the 29 days, exactly one after them, and it is the latest",
        after: &["set-policy"],
        levers: &[Lever::Clock],
        act: Scene::rotate_by_policy,
    },
    Play {
        name: "re-wrap-again",
        done: "the factory follows the key again, and writes another entry",
        expected: "it is wrapped under the version that the policy made, and all entries read",
        after: &["re-wrap", "rotate-by-policy"],
        levers: &[],
        act: Scene::re_wrap,
    },
    Play {
        name: "disable-old",
        done: "every version but the latest is disabled",
        expected: "what was wrapped under them is refused as KeyDisabled, what is wrapped under the latest unwraps",
        after: &["re-wrap"],
        levers: &[],
        act: Scene::disable_old,
    },
    Play {
        name: "read-after-disable",
        done: "the entries are read while the old versions are disabled",
        expected: "all read: nothing of the factory needs an old version any more",
        after: &["disable-old"],
        levers: &[],
        act: Scene::read_all,
    },
    Play {
        name: "disable-latest",
        done: "the version in use is disabled too",
        expected: "every entry is refused as KeyDisabled",
        after: &["disable-old"],
        levers: &[],
        act: Scene::disable_latest,
    },
    Play {
        name: "enable-again",
        done: "all versions are enabled again",
        expected: "all entries read, and what was wrapped under each version unwraps",
        after: &["disable-old"],
        levers: &[],
        act: Scene::enable_again,
    },
];

impl Scene {
    pub(super) fn new(ground: &Arc<Ground>) -> Self {
        let key = DrilledKey::new(ground, ground.name("rotation"));
        Self { ground: ground.clone(), key, plant: None, probes: Vec::new() }
    }

    fn make_key(&mut self) -> Outcome {
        let key = self.key.make()?;
        match self.key.versions()?.len() {
            1 => Ok(format!("{}, {}", key.kid(), key.recovery_level())),
            versions => Err(Wrong::seen(format!("{versions} versions"))),
        }
    }

    fn enable(&mut self) -> Outcome {
        let plant = Plant::with_key(&self.ground, &self.key)?;
        let first = self.probe()?;
        let seen = plant.is_under(&first);
        self.plant = Some(plant);
        seen
    }

    fn write_data(&mut self) -> Outcome {
        self.plant()?.write(ENTRIES)?;
        self.read_all()
    }

    fn rotate_by_hand(&mut self) -> Outcome {
        let (before, old) = (self.key.versions()?, self.key.latest()?);
        let rotated = self.key.vault().rotate_key(self.key.name())?;
        let added = self.key.added(&before)?;
        if added != rotated.version() {
            return Err(Wrong::seen(format!(
                "version {} was answered, {} was added",
                short(rotated.version()),
                short(&added)
            )));
        }
        differ_in_modulus_alone(&old, &rotated)?;
        self.probe()?;
        Ok(format!("version {} follows {}", short(&added), short(old.version())))
    }

    fn read_before(&mut self) -> Outcome {
        let read = self.read_all()?;
        let first = self.probes.first().map(Probe::version).unwrap_or_default();
        Ok(format!("{read}; {}", self.plant()?.is_under(first)?))
    }

    fn re_wrap(&mut self) -> Outcome {
        let (latest, plant) = (self.key.latest()?, self.plant()?);
        plant.follow()?;
        plant.write(1)?;
        let read = plant.read_all()?;
        Ok(format!("{}; {read}", plant.is_under(latest.version())?))
    }

    fn set_policy(&mut self) -> Outcome {
        let (vault, name, before) = (self.key.vault(), self.key.name(), self.key.versions()?);
        let rotate = json!({"trigger": {"timeAfterCreate": "P30D"}, "action": {"type": "Rotate"}});
        vault.set_rotation_policy(name, &json!({"lifetimeActions": [rotate]}))?;
        let policy = vault.rotation_policy(name)?;
        let actions = policy["lifetimeActions"].as_array().cloned().unwrap_or_default();
        if !actions.iter().any(is_rotation_after_30_days) {
            return Err(Wrong::seen(format!("the policy reads back as {policy}")));
        }
        match self.key.versions()? == before {
            true => Ok("Rotate, timeAfterCreate P30D".to_owned()),
            false => Err(Wrong::seen("setting the policy changed the versions")),
        }
    }

    fn rotate_by_policy(&mut self) -> Outcome {
        let before = self.key.versions()?;
        self.ground.levers()?.advance("P29D")?;
        if self.key.versions()? != before {
            return Err(Wrong::seen("the versions changed after 29 days already"));
        }
        let now = self.ground.levers()?.advance("P2D")?;
        let added = self.key.added(&before)?;
        self.probe()?;
        Ok(format!("version {}; the vault clock shows {now}", short(&added)))
    }

    fn disable_old(&mut self) -> Outcome {
        let Some((latest, old)) = self.probes.split_last() else { return Err(Wrong::seen("there is no version")) };
        for probe in old {
            self.key.set(Some(probe.version()), &json!({"enabled": false}))?;
        }
        for probe in old {
            let what = format!("unwrapping under the disabled version {}", short(probe.version()));
            refused(&what, probe.unwrap(), 403, Some("KeyDisabled"))?;
        }
        latest.unwraps()?;
        Ok(format!("{} old versions refuse with 403 KeyDisabled, {} unwraps", old.len(), short(latest.version())))
    }

    fn read_all(&mut self) -> Outcome {
        self.plant()?.read_all()
    }

    fn disable_latest(&mut self) -> Outcome {
        let latest = self.key.latest()?;
        self.key.set(Some(latest.version()), &json!({"enabled": false}))?;
        self.plant()?.all_refused(Denied::Key(403, Some("KeyDisabled")))
    }

    fn enable_again(&mut self) -> Outcome {
        for probe in &self.probes {
            self.key.set(Some(probe.version()), &json!({"enabled": true}))?;
        }
        for probe in &self.probes {
            probe.unwraps()?;
        }
        Ok(format!("{}; {} versions unwrap", self.read_all()?, self.probes.len()))
    }

    fn plant(&self) -> Result<&Plant, Wrong> {
        self.plant.as_ref().ok_or_else(|| Wrong::seen("there is no factory"))
    }

    /// Wraps something under the latest version, to be unwrapped later; answers the version.
    fn probe(&mut self) -> Result<String, Wrong> {
        let version = self.key.latest()?.version().to_owned();
        let probe = self.key.probe(&version)?;
        // Whatever lies between here and the vault has seen it unwrapped then, and must not answer from memory later.
        probe.unwraps()?;
        self.probes.push(probe);
        Ok(version)
    }
}

fn is_rotation_after_30_days(action: &Value) -> bool {
    let kind = action["action"]["type"].as_str().unwrap_or_default();
    kind.eq_ignore_ascii_case("rotate") && action["trigger"]["timeAfterCreate"] == "P30D"
}

fn differ_in_modulus_alone(old: &Key, new: &Key) -> Result<(), Wrong> {
    let of = |key: &Key, member: &str| key.json()["key"][member].as_str().unwrap_or_default().to_owned();
    let size = |key: &Key| of(key, "n").len();
    if of(old, "n") == of(new, "n") {
        return Err(Wrong::seen("the new version has the modulus of the old one"));
    }
    if (old.kty(), size(old)) != (new.kty(), size(new)) {
        return Err(Wrong::seen(format!("{} became {}", old.kty(), new.kty())));
    }
    Ok(())
}
