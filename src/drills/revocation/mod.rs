//! The drill *revocation*: access ends, by the policy, the role, the firewall, the state of the key, its expiry or the identity;
//! and returns.

mod firewall;
mod roles;

use std::sync::Arc;

use serde_json::json;

use super::capability::Capability;
use super::drilled_factory::{Denial, DrilledFactory};
use super::environment::{Environment, Mode};
use super::key::{DrilledKey, Probe};
use super::step::{Outcome, StepError, StepPlan, expect_refused};
use crate::remote::RequestError;

pub(super) struct State {
    environment: Arc<Environment>,
    key: DrilledKey,
    factory: Option<DrilledFactory>,
    /// Under a key of the second vault.
    second: Option<DrilledFactory>,
    /// Whether the second vault's firewall was changed.
    is_firewall_set: bool,
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
        name: "make-second-factory",
        done: "a second factory is given a key of a second vault, in which roles decide if policies do in the first",
        expected: "each of its three entries reads back as it was written",
        depends_on: &["make-factory"],
        needs: &[Capability::SecondVault],
        run: State::make_second_factory,
    },
    StepPlan {
        name: "withdraw-policy",
        done: "the access policy of the factory's identity is withdrawn",
        expected: "from the next request on every entry is refused for want of permission",
        depends_on: &["make-factory"],
        needs: &[Capability::Policy],
        run: State::withdraw_policy,
    },
    StepPlan {
        name: "grant-policy",
        done: "the policy is granted again",
        expected: "with the next request all entries read",
        depends_on: &["make-factory"],
        needs: &[Capability::Policy],
        run: State::grant_policy,
    },
    StepPlan {
        name: "withdraw-role",
        done: "the role Key Vault Crypto Service Encryption User is withdrawn from the factory's identity, in the vault in which roles decide",
        expected: "from the next request on every entry is refused for want of permission",
        depends_on: &["make-factory"],
        needs: &[Capability::Roles],
        run: State::withdraw_role,
    },
    StepPlan {
        name: "data-factory-contributor",
        done: "the identity is made Data Factory Contributor at that vault",
        expected: "every entry is refused as before: that role gives nothing in a vault",
        depends_on: &["withdraw-role"],
        needs: &[Capability::Roles],
        run: State::make_contributor,
    },
    StepPlan {
        name: "assign-role",
        done: "the role that was withdrawn is assigned again",
        expected: "with the next request all entries read",
        depends_on: &["make-factory"],
        needs: &[Capability::Roles],
        run: State::assign_role,
    },
    StepPlan {
        name: "trusted-service",
        done: "the firewall of the second vault is closed, with a bypass for trusted services",
        expected: "all entries read, because the factory's identity is one; another identity is refused as ForbiddenByFirewall",
        depends_on: &["make-second-factory"],
        needs: &[Capability::SecondVault],
        run: State::pass_as_trusted_service,
    },
    StepPlan {
        name: "shut-out",
        done: "the bypass is taken away",
        expected: "from the next request on every entry is refused as ForbiddenByFirewall",
        depends_on: &["make-second-factory"],
        needs: &[Capability::SecondVault],
        run: State::shut_out,
    },
    StepPlan {
        name: "let-in",
        done: "the address that a refusal names is added to the IP rules",
        expected: "with the next request all entries read",
        depends_on: &["shut-out"],
        needs: &[Capability::SecondVault],
        run: State::let_in,
    },
    StepPlan {
        name: "disable-key",
        done: "the key is disabled",
        expected: "from the next request on every entry is refused as KeyDisabled",
        depends_on: &["make-factory"],
        needs: &[],
        run: State::disable_key,
    },
    StepPlan {
        name: "enable-key",
        done: "the key is enabled again",
        expected: "with the next request all entries read",
        depends_on: &["make-factory"],
        needs: &[],
        run: State::enable_key,
    },
    StepPlan {
        name: "expire-key",
        done: "the key is to expire in an hour, and the vault clock is moved on by two",
        expected: "wrapping is refused from the next request on; unwrapping goes on, as the service has it, so all entries read",
        depends_on: &["make-factory"],
        needs: &[Capability::Clock],
        run: State::expire_key,
    },
    StepPlan {
        name: "prolong-key",
        done: "the key is to expire in a year",
        expected: "wrapping works with the next request, and all entries read",
        depends_on: &["expire-key"],
        needs: &[Capability::Clock],
        run: State::prolong_key,
    },
    StepPlan {
        name: "delete-identity",
        done: "the factory's identity is deleted",
        expected: "from the next request on every entry is refused: it gets no token, and those it has count no more",
        depends_on: &["make-factory"],
        needs: &[Capability::Identity],
        run: State::delete_identity,
    },
    StepPlan {
        name: "restore-identity",
        done: "the identity is made again, with the ids it had",
        expected: "with the next request all entries read",
        depends_on: &["make-factory"],
        needs: &[Capability::Identity],
        run: State::restore_identity,
    },
];

impl State {
    pub(super) fn new(environment: &Arc<Environment>) -> Self {
        let key = DrilledKey::new(environment, environment.name("revocation"));
        Self { environment: environment.clone(), key, factory: None, second: None, is_firewall_set: false }
    }

    fn make_factory(&mut self) -> Outcome {
        let factory = DrilledFactory::with_entries(&self.environment, &self.key)?;
        let seen = factory.read_all();
        self.factory = Some(factory);
        seen
    }

    fn make_second_factory(&mut self) -> Outcome {
        let key = DrilledKey::in_second(&self.environment, self.key.name().to_owned())?;
        let factory = DrilledFactory::with_entries(&self.environment, &key)?;
        let decide = match self.environment.controls()?.mode().other() {
            Mode::Policies => "policies decide",
            Mode::Roles => "roles decide",
        };
        let seen = format!("{}; {decide} in {}", factory.read_all()?, self.environment.second()?);
        self.second = Some(factory);
        Ok(seen)
    }

    fn withdraw_policy(&mut self) -> Outcome {
        let factory = self.factory_of(Mode::Policies)?;
        self.environment.controls()?.withdraw_policy()?;
        factory.expect_all_denied(Denial::Permission)
    }

    fn grant_policy(&mut self) -> Outcome {
        let factory = self.factory_of(Mode::Policies)?;
        self.environment.controls()?.grant_policy()?;
        factory.read_all()
    }

    fn disable_key(&mut self) -> Outcome {
        self.key.set(None, &json!({"enabled": false}))?;
        self.factory()?.expect_all_denied(Denial::Key(403, Some("KeyDisabled")))
    }

    fn enable_key(&mut self) -> Outcome {
        self.key.set(None, &json!({"enabled": true}))?;
        self.factory()?.read_all()
    }

    fn expire_key(&mut self) -> Outcome {
        self.set_expiry_in(3600)?;
        self.wrap()?.expect_unwraps()?;
        let now = self.environment.controls()?.advance("PT2H")?;
        let seen = expect_refused("wrapping under the expired key", self.wrap(), 403, None)?;
        let read = self.factory()?.read_all()?;
        Ok(format!("{seen}; {read}; the vault clock shows {now}"))
    }

    fn prolong_key(&mut self) -> Outcome {
        self.set_expiry_in(365 * 86_400)?;
        self.wrap()?.expect_unwraps()?;
        self.factory()?.read_all()
    }

    fn delete_identity(&mut self) -> Outcome {
        self.environment.controls()?.delete_factory()?;
        self.factory()?.expect_all_denied(Denial::SignIn)
    }

    fn restore_identity(&mut self) -> Outcome {
        self.environment.controls()?.restore_factory()?;
        self.factory()?.read_all()
    }

    fn factory(&self) -> Result<&DrilledFactory, StepError> {
        self.factory.as_ref().ok_or_else(|| StepError::unexpected("there is no factory"))
    }

    fn second_factory(&self) -> Result<&DrilledFactory, StepError> {
        self.second.as_ref().ok_or_else(|| StepError::NotRunnable("it needs make-second-factory".to_owned()))
    }

    /// The factory whose vault is of this mode.
    fn factory_of(&self, mode: Mode) -> Result<&DrilledFactory, StepError> {
        match self.environment.controls()?.mode() == mode {
            true => self.factory(),
            false => self.second_factory(),
        }
    }

    fn set_expiry_in(&self, seconds: i64) -> Result<(), StepError> {
        let at = self.environment.now()?.plus_seconds(seconds).unix();
        self.key.set(None, &json!({"exp": at}))
    }

    fn wrap(&self) -> Result<Probe, RequestError> {
        self.key.probe("")
    }
}
