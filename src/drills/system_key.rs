//! The drill *system-key*: the factory's certificate-protected key is renewed after two years, and all stored data is moved.

use std::sync::Arc;

use super::capability::Capability;
use super::drilled_factory::DrilledFactory;
use super::environment::Environment;
use super::key::DrilledKey;
use super::readers::{Read, while_reading};
use super::step::{Outcome, StepError, StepPlan};
use crate::clock::Timestamp;
use crate::factory::{Refusal, Renewal, Status};

/// The number of entries, and of secure strings, that the factory stores.
const STORED: usize = 5;
/// The linked service whose credential is a secret of the vault.
const REFERENCE: &str = "by-reference";
/// Two years, in seconds, give or take two days for leap years.
const TWO_YEARS: std::ops::RangeInclusive<i64> = 729 * 86_400..=733 * 86_400;

pub(super) struct State {
    environment: Arc<Environment>,
    key: DrilledKey,
    secret: String,
    factory: Option<DrilledFactory>,
}

pub(super) const STEPS: &[StepPlan<State>] = &[
    StepPlan {
        name: "make-factory",
        done: "a factory under both keys stores five entries, five credentials of its own and one that refers to the vault",
        expected: "all read as stored; the certificate of its system key is good for two years from now on",
        depends_on: &[],
        needs: &[],
        run: State::make_factory,
    },
    StepPlan {
        name: "not-due",
        done: "the vault clock is moved on by 22 months",
        expected: "the system key is not due, and a renewal that is only done when due does nothing",
        depends_on: &["make-factory"],
        needs: &[Capability::Clock],
        run: State::not_due,
    },
    StepPlan {
        name: "expired",
        done: "the vault clock is moved on by two more months and two days",
        expected: "the certificate has expired: nothing new is stored under it, and all that is stored reads",
        depends_on: &["not-due"],
        needs: &[Capability::Clock],
        run: State::expired,
    },
    StepPlan {
        name: "renew",
        done: "the system key is renewed while two readers read everything",
        expected: "no read fails; all ten move, and the new certificate is good for two years from now on",
        depends_on: &["expired"],
        needs: &[Capability::Clock],
        run: State::renew,
    },
    StepPlan {
        name: "store-again",
        done: "a new entry is stored, the factory is closed and opened anew",
        expected: "the old system key is gone, and all reads under the new one alone",
        depends_on: &["renew"],
        needs: &[Capability::Clock],
        run: State::store_again,
    },
];

impl State {
    pub(super) fn new(environment: &Arc<Environment>) -> Self {
        let key = DrilledKey::new(environment, environment.name("system-key"));
        Self { environment: environment.clone(), key, secret: environment.name("system-key"), factory: None }
    }

    fn make_factory(&mut self) -> Outcome {
        self.key.create()?;
        let factory = DrilledFactory::with_key(&self.environment, &self.key)?;
        factory.write(STORED)?;
        for at in 0..STORED {
            factory.link_secure_string(&self.environment, &secure_string_name(at), &password(at))?;
        }
        self.environment.operator().set_secret(&self.secret, &password(STORED))?;
        self.environment.record_secret(&self.secret);
        factory.link_vault(&self.environment)?;
        factory.link_secret(&self.environment, REFERENCE, &self.secret, None)?;
        let until = self.expect_two_years(&factory)?;
        let seen = expect_all_readable(&factory).map(|read| format!("{read}; the certificate expires at {until}"));
        self.factory = Some(factory);
        seen
    }

    fn not_due(&mut self) -> Outcome {
        let now = self.environment.controls()?.advance("P22M")?;
        match self.factory()?.inner().renew_if_due(now)? {
            None => Ok(format!("nothing is due at {now}")),
            Some(_) => Err(StepError::unexpected(format!("it was renewed at {now} already"))),
        }
    }

    fn expired(&mut self) -> Outcome {
        self.environment.controls()?.advance("P2M2D")?;
        let now = self.environment.now()?;
        let stored = self.factory()?.inner().put("too-late", b"", now);
        let Err(Refusal::SystemKeyExpired { since }) = stored else {
            let text = stored.map_or_else(|refusal| refusal.to_string(), |()| "a new entry was stored".to_owned());
            return Err(StepError::unexpected(format!("{text}, when the vault clock shows {now}")));
        };
        Ok(format!("expired at {since}; {}", expect_all_readable(self.factory()?)?))
    }

    fn renew(&mut self) -> Outcome {
        let (factory, now) = (self.factory()?, self.environment.now()?);
        let read = || {
            expect_all_readable(factory)
                .map(drop)
                .map_err(|wrong| format!("a read during the renewal: {}", wrong.into_text()))
        };
        let readers: [Read<'_>; 2] = [&read, &read];
        let (renewed, reads) = while_reading(&readers, || factory.inner().renew_if_due(now));
        let Some(Renewal { moved, not_after, .. }) = renewed? else {
            return Err(StepError::unexpected("nothing was due"));
        };
        let reads = reads.map_err(StepError::Unexpected)?;
        if moved != 2 * STORED {
            return Err(StepError::unexpected(format!("{moved} of {} moved", 2 * STORED)));
        }
        self.expect_two_years(factory)?;
        Ok(format!(
            "{moved} moved, {reads} times everything was read meanwhile; the new certificate expires at {not_after}"
        ))
    }

    fn store_again(&mut self) -> Outcome {
        self.factory()?.write(1)?;
        let factory = self.factory.take().ok_or_else(no_factory)?.reopen()?;
        let seen = self.status(&factory).and_then(|status| match status.system_key.renewal_under_way {
            true => Err(StepError::unexpected("the old system key is still there")),
            false => expect_all_readable(&factory),
        });
        self.factory = Some(factory);
        seen
    }

    /// Expects that the certificate is valid for two years from now; returns its end.
    fn expect_two_years(&self, factory: &DrilledFactory) -> Result<Timestamp, StepError> {
        let (until, now) = (self.status(factory)?.system_key.not_after, self.environment.now()?);
        match TWO_YEARS.contains(&(until.unix() - now.unix())) {
            true => Ok(until),
            false => Err(StepError::unexpected(format!("the certificate is good until {until}, and it is {now}"))),
        }
    }

    fn status(&self, factory: &DrilledFactory) -> Result<Status, StepError> {
        Ok(factory.inner().status(self.environment.now()?)?)
    }

    fn factory(&self) -> Result<&DrilledFactory, StepError> {
        self.factory.as_ref().ok_or_else(no_factory)
    }
}

fn expect_all_readable(factory: &DrilledFactory) -> Outcome {
    let read = factory.read_all()?;
    let names = (0..STORED).map(secure_string_name).chain([REFERENCE.to_owned()]);
    for (at, name) in names.enumerate() {
        let resolved =
            factory.password(&name).map_err(|refusal| StepError::unexpected(format!("{name}: {refusal}")))?;
        if *resolved != password(at) {
            return Err(StepError::unexpected(format!("the credential of '{name}' is not what was stored")));
        }
    }
    Ok(format!("{read}, {} credentials resolved", STORED + 1))
}

/// The name of a linked service whose credential the factory seals.
fn secure_string_name(at: usize) -> String {
    format!("own-{at}")
}

fn password(at: usize) -> String {
    format!("credential number {at}")
}

fn no_factory() -> StepError {
    StepError::unexpected("there is no factory")
}
