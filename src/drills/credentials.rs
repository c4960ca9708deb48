//! The drill *credentials*: three ways for a credential. A stored secret gets new versions while readers run, is deleted, and is recovered;
//! definitions bring credentials, and refer to one that was encrypted elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use zeroize::Zeroizing;

use super::drilled_factory::DrilledFactory;
use super::environment::Environment;
use super::polling::poll_until_visible;
use super::readers::{Read, while_reading};
use super::step::{Outcome, StepError, StepPlan, summary};
use crate::factory::Refusal;
use crate::remote::VaultClient;

/// The number of versions that are stored while readers run.
const VERSIONS: usize = 10;
/// The linked service that refers to the first version.
const PINNED: &str = "pinned";
/// The linked service that refers to the latest version.
const LATEST: &str = "latest";
/// The linked service whose connection string has a credential.
const IN_STRING: &str = "in-string";
/// The linked service that brings a credential as a SecureString.
const SECURE: &str = "secure-string";
/// The linked service whose credential was encrypted elsewhere.
const ELSEWHERE: &str = "elsewhere";
/// The JSON pointer of a connection string in a definition.
const CONNECTION_STRING: &str = "/typeProperties/connectionString";

pub(super) struct State {
    operator: Arc<VaultClient>,
    environment: Arc<Environment>,
    name: String,
    factory: Option<DrilledFactory>,
    /// The first version.
    pinned: String,
}

pub(super) const STEPS: &[StepPlan<State>] = &[
    StepPlan {
        name: "store-secret",
        done: "a credential is stored as a secret; a linked service names its first version, another the latest",
        expected: "both resolve to what was stored",
        depends_on: &[],
        needs: &[],
        run: State::store_secret,
    },
    StepPlan {
        name: "new-versions",
        done: "ten versions follow each other while two readers of each linked service run",
        expected: "no read fails; the pinned ones see the first version only, the others never one that is older than the last stored",
        depends_on: &["store-secret"],
        needs: &[],
        run: State::new_versions,
    },
    StepPlan {
        name: "disable-pinned",
        done: "the pinned version is disabled",
        expected: "the pinned linked service is refused as SecretDisabled, the other resolves to the latest version",
        depends_on: &["new-versions"],
        needs: &[],
        run: State::disable_pinned,
    },
    StepPlan {
        name: "enable-pinned",
        done: "the pinned version is enabled again",
        expected: "both resolve as before",
        depends_on: &["new-versions"],
        needs: &[],
        run: State::enable_pinned,
    },
    StepPlan {
        name: "delete-secret",
        done: "the secret is deleted",
        expected: "both linked services are refused with the next request: 404",
        depends_on: &["store-secret"],
        needs: &[],
        run: State::delete_secret,
    },
    StepPlan {
        name: "recover-secret",
        done: "the secret is recovered",
        expected: "every version is back, and both linked services resolve as before",
        depends_on: &["delete-secret"],
        needs: &[],
        run: State::recover_secret,
    },
    StepPlan {
        name: "take-credentials",
        done: "two linked services bring their credentials, one in its connection string, one as a SecureString",
        expected: "what the factory shows of them has none, and refers to them; both resolve, also when what is shown comes back changed",
        depends_on: &["store-secret"],
        needs: &[],
        run: State::take_credentials,
    },
    StepPlan {
        name: "encrypted-elsewhere",
        done: "a definition that refers to a credential encrypted elsewhere is linked",
        expected: "it is kept as it is, and its use is refused with the credential's id",
        depends_on: &["take-credentials"],
        needs: &[],
        run: State::encrypted_elsewhere,
    },
];

impl State {
    pub(super) fn new(environment: &Arc<Environment>) -> Self {
        let (operator, name) = (environment.operator(), environment.name("credentials"));
        Self { operator, environment: environment.clone(), name, factory: None, pinned: String::new() }
    }

    fn store_secret(&mut self) -> Outcome {
        let stored = self.operator.set_secret(&self.name, &value(0))?;
        self.environment.record_secret(&self.name);
        stored.version().clone_into(&mut self.pinned);
        let factory = DrilledFactory::empty(&self.environment)?;
        factory.link_vault(&self.environment)?;
        factory.link_secret(&self.environment, PINNED, &self.name, Some(stored.version()))?;
        factory.link_secret(&self.environment, LATEST, &self.name, None)?;
        self.factory = Some(factory);
        self.expect_resolved(0)
    }

    fn new_versions(&mut self) -> Outcome {
        let factory = self.factory()?;
        let stored = AtomicUsize::new(0);
        let latest = [Follower::of(factory, &stored), Follower::of(factory, &stored)];
        let [one, other] = [0, 1].map(|at: usize| {
            let follower = &latest[at];
            move || follower.read()
        });
        let pinned = || self.expect_pinned();
        let readers: [Read<'_>; 4] = [&one, &other, &pinned, &pinned];
        let (written, read) = while_reading(&readers, || self.store_versions(&stored));
        written?;
        let count = read.map_err(StepError::Unexpected)?;
        Ok(format!("{count} reads; {}", self.expect_resolved(VERSIONS)?))
    }

    fn store_versions(&self, stored: &AtomicUsize) -> Result<(), StepError> {
        for version in 1..=VERSIONS {
            self.operator.set_secret(&self.name, &value(version))?;
            stored.store(version, Ordering::Release);
        }
        Ok(())
    }

    fn disable_pinned(&mut self) -> Outcome {
        self.set_enabled(false)?;
        let seen = self.expect_refusal(PINNED, 403, Some("SecretDisabled"))?;
        let latest = number(&self.factory()?.password(LATEST)?);
        match latest == Some(VERSIONS) {
            true => Ok(format!("{seen}; the latest resolves")),
            false => Err(StepError::unexpected("the other linked service does not resolve to the latest version")),
        }
    }

    fn enable_pinned(&mut self) -> Outcome {
        self.set_enabled(true)?;
        self.expect_resolved(VERSIONS)
    }

    fn delete_secret(&mut self) -> Outcome {
        self.operator.delete_secret(&self.name)?;
        self.expect_refusal(PINNED, 404, None)?;
        let seen = self.expect_refusal(LATEST, 404, None)?;
        poll_until_visible(|| self.operator.deleted_secret(&self.name))?;
        Ok(seen)
    }

    fn recover_secret(&mut self) -> Outcome {
        self.operator.recover_secret(&self.name)?;
        let latest = poll_until_visible(|| self.operator.secret(&self.name, None))?;
        let versions = self.operator.secret_versions(&self.name)?.len();
        let written = number(&latest.value).unwrap_or_default();
        if versions != written + 1 {
            return Err(StepError::unexpected(format!("{versions} versions of {}", written + 1)));
        }
        Ok(format!("{versions} versions; {}", self.expect_resolved(written)?))
    }

    fn take_credentials(&mut self) -> Outcome {
        let (factory, environment) = (self.factory()?, &self.environment);
        factory.link_connection_string(environment, IN_STRING, &value(1))?;
        factory.link_secure_string(environment, SECURE, &value(2))?;
        factory.expect_shown(SECURE, json!({"password": {"type": "SecureString", "value": "**********"}}))?;
        let own = json!({"connectionString": "Server=db;User ID=app;Timeout=60"});
        let mut shown = factory.expect_shown(IN_STRING, own)?;
        shown["typeProperties"]["connectionString"] = json!("Server=other;User ID=app;Timeout=60");
        factory.inner().link(IN_STRING, &shown, environment.now()?)?;
        let string = factory.resolved(IN_STRING, CONNECTION_STRING)?;
        let expected = format!("Server=other;User ID=app;Password={};Timeout=60", *value(1));
        match (*string == expected, number(&factory.password(SECURE)?)) {
            (true, Some(2)) => Ok("2 definitions without credentials; both resolve".to_owned()),
            (false, _) => Err(StepError::unexpected("the connection string does not resolve to what it was made of")),
            (_, seen) => Err(StepError::unexpected(format!("the SecureString resolves to {}", describe(seen)))),
        }
    }

    fn encrypted_elsewhere(&mut self) -> Outcome {
        let factory = self.factory()?;
        let made = factory.inner().definition(IN_STRING)?;
        factory.inner().link(ELSEWHERE, &made, self.environment.now()?)?;
        if factory.inner().definition(ELSEWHERE)? != made {
            return Err(StepError::unexpected("the definition was changed"));
        }
        match factory.resolved(ELSEWHERE, CONNECTION_STRING) {
            Err(Refusal::CredentialElsewhere { credential: Some(id), .. }) => Ok(format!("{id} is not here")),
            Err(refusal) => Err(StepError::unexpected(format!("the linked service '{ELSEWHERE}': {refusal}"))),
            Ok(_) => Err(StepError::unexpected("a credential that another linked service brought was used")),
        }
    }

    /// Expects that both linked services resolve: the pinned one to the first version, the other to `latest`.
    fn expect_resolved(&self, latest: usize) -> Outcome {
        self.expect_pinned().map_err(StepError::Unexpected)?;
        match number(&self.factory()?.password(LATEST)?) {
            Some(seen) if seen == latest => Ok(format!("pinned: number 0; latest: number {latest}")),
            seen => {
                Err(StepError::unexpected(format!("the linked service of the latest version sees {}", describe(seen))))
            }
        }
    }

    fn expect_pinned(&self) -> Result<(), String> {
        let factory = self.factory.as_ref().ok_or("there is no linked service")?;
        match number(&factory.password(PINNED).map_err(|refusal| format!("a pinned read failed: {refusal}"))?) {
            Some(0) => Ok(()),
            seen => Err(format!("a reader pinned to the first version saw {}", describe(seen))),
        }
    }

    fn set_enabled(&self, enabled: bool) -> Result<(), StepError> {
        let changes = json!({"attributes": {"enabled": enabled}});
        Ok(self.operator.update_secret(&self.name, Some(&self.pinned), &changes).map(drop)?)
    }

    /// Expects that `linked` is refused its secret with `status`, and with the inner code `inner` if one is given.
    fn expect_refusal(&self, linked: &str, status: u16, inner: Option<&str>) -> Outcome {
        match self.factory()?.password(linked) {
            Ok(_) => Err(StepError::unexpected(format!("the linked service '{linked}' resolved"))),
            Err(Refusal::Secret { failure, .. })
                if failure.status() == Some(status) && (inner.is_none() || failure.inner() == inner) =>
            {
                Ok(summary(&failure))
            }
            Err(refusal) => Err(StepError::unexpected(format!("the linked service '{linked}': {refusal}"))),
        }
    }

    fn factory(&self) -> Result<&DrilledFactory, StepError> {
        self.factory.as_ref().ok_or_else(|| StepError::unexpected("there is no linked service"))
    }
}

/// A reader of the latest version, which expects never to see an older one again.
struct Follower<'f> {
    factory: &'f DrilledFactory,
    stored: &'f AtomicUsize,
    seen: AtomicUsize,
}

impl<'f> Follower<'f> {
    const fn of(factory: &'f DrilledFactory, stored: &'f AtomicUsize) -> Self {
        Self { factory, stored, seen: AtomicUsize::new(0) }
    }

    fn read(&self) -> Result<(), String> {
        let least = self.stored.load(Ordering::Acquire).max(self.seen.load(Ordering::Relaxed));
        let read = self
            .factory
            .password(LATEST)
            .map_err(|refusal| format!("a read of the latest version failed: {refusal}"))?;
        match number(&read) {
            Some(seen) if seen >= least => {
                self.seen.store(seen, Ordering::Relaxed);
                Ok(())
            }
            seen => {
                Err(format!("a reader of the latest version saw {} when number {least} was stored", describe(seen)))
            }
        }
    }
}

/// The value of version number `version`.
fn value(version: usize) -> Zeroizing<String> {
    Zeroizing::new(format!("credential number {version}"))
}

/// The version number of a value.
fn number(text: &Zeroizing<String>) -> Option<usize> {
    text.strip_prefix("credential number ")?.parse().ok()
}

fn describe(seen: Option<usize>) -> String {
    seen.map_or_else(|| "something that was never stored".to_owned(), |number| format!("number {number}"))
}
