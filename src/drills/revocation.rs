//! *revocation*: access ends, by the policy, the key's state, its time or the identity; and comes back.

use std::sync::Arc;

use serde_json::json;

use super::capability::Lever;
use super::drilled_factory::{Denied, Plant};
use super::environment::Ground;
use super::key::{DrilledKey, Probe};
use super::step::{Outcome, Play, Wrong, refused};
use crate::remote::Failure;

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
        name: "withdraw-policy",
        done: "the access policy of the factory's identity is withdrawn",
        expected: "from the next request on every entry is refused for want of permission",
        after: &["make-factory"],
        levers: &[Lever::Policy],
        act: Scene::withdraw_policy,
    },
    Play {
        name: "grant-policy",
        done: "the policy is granted again",
        expected: "with the next request all entries read",
        after: &["make-factory"],
        levers: &[Lever::Policy],
        act: Scene::grant_policy,
    },
    Play {
        name: "disable-key",
        done: "the key is disabled",
        expected: "from the next request on every entry is refused as KeyDisabled",
        after: &["make-factory"],
        levers: &[],
        act: Scene::disable_key,
    },
    Play {
        name: "enable-key",
        done: "the key is enabled again",
        expected: "with the next request all entries read",
        after: &["make-factory"],
        levers: &[],
        act: Scene::enable_key,
    },
    Play {
        name: "expire-key",
        done: "the key is to expire in an hour, and the vault clock is moved on by two",
        expected: "wrapping is refused from the next request on; unwrapping goes on, as the service has it, so all entries read",
        after: &["make-factory"],
        levers: &[Lever::Clock],
        act: Scene::expire_key,
    },
    Play {
        name: "prolong-key",
        done: "the key is to expire in a year",
        expected: "wrapping works with the next request, and all entries read",
        after: &["expire-key"],
        levers: &[Lever::Clock],
        act: Scene::prolong_key,
    },
    Play {
        name: "delete-identity",
        done: "the factory's identity is deleted",
        expected: "from the next request on every entry is refused: it gets no token, and those it has count no more",
        after: &["make-factory"],
        levers: &[Lever::Identity],
        act: Scene::delete_identity,
    },
    Play {
        name: "restore-identity",
        done: "the identity is made again, with the ids it had",
        expected: "with the next request all entries read",
        after: &["make-factory"],
        levers: &[Lever::Identity],
        act: Scene::restore_identity,
    },
];

impl Scene {
    pub(super) fn new(ground: &Arc<Ground>) -> Self {
        let key = DrilledKey::new(ground, ground.name("revocation"));
        Self { ground: ground.clone(), key, plant: None }
    }

    fn make_factory(&mut self) -> Outcome {
        let plant = Plant::stocked(&self.ground, &self.key)?;
        let seen = plant.read_all();
        self.plant = Some(plant);
        seen
    }

    fn withdraw_policy(&mut self) -> Outcome {
        self.ground.levers()?.withdraw()?;
        self.plant()?.all_refused(Denied::Permission)
    }

    fn grant_policy(&mut self) -> Outcome {
        self.ground.levers()?.grant()?;
        self.plant()?.read_all()
    }

    fn disable_key(&mut self) -> Outcome {
        self.key.set(None, &json!({"enabled": false}))?;
        self.plant()?.all_refused(Denied::Key(403, Some("KeyDisabled")))
    }

    fn enable_key(&mut self) -> Outcome {
        self.key.set(None, &json!({"enabled": true}))?;
        self.plant()?.read_all()
    }

    fn expire_key(&mut self) -> Outcome {
        self.expires_in(3600)?;
        self.wrap()?.unwraps()?;
        let now = self.ground.levers()?.advance("PT2H")?;
        let seen = refused("wrapping under the expired key", self.wrap(), 403, None)?;
        let read = self.plant()?.read_all()?;
        Ok(format!("{seen}; {read}; the vault clock shows {now}"))
    }

    fn prolong_key(&mut self) -> Outcome {
        self.expires_in(365 * 86_400)?;
        self.wrap()?.unwraps()?;
        self.plant()?.read_all()
    }

    fn delete_identity(&mut self) -> Outcome {
        self.ground.levers()?.delete_factory()?;
        self.plant()?.all_refused(Denied::SignIn)
    }

    fn restore_identity(&mut self) -> Outcome {
        self.ground.levers()?.restore_factory()?;
        self.plant()?.read_all()
    }

    fn plant(&self) -> Result<&Plant, Wrong> {
        self.plant.as_ref().ok_or_else(|| Wrong::seen("there is no factory"))
    }

    fn expires_in(&self, seconds: i64) -> Result<(), Wrong> {
        let at = self.ground.now()?.plus_seconds(seconds).unix();
        self.key.set(None, &json!({"exp": at}))
    }

    fn wrap(&self) -> Result<Probe, Failure> {
        self.key.probe("")
    }
}
