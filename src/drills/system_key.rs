//! *system-key*: the factory's own, certificate-protected key is renewed after its two years, and everything stored migrates.

use std::sync::Arc;

use super::capability::Lever;
use super::drilled_factory::Plant;
use super::environment::Ground;
use super::key::DrilledKey;
use super::readers::{Read, while_reading};
use super::step::{Outcome, Play, Wrong};
use crate::clock::Timestamp;
use crate::factory::{Refusal, Renewal, Status};

/// How many entries and how many credentials of its own the factory stores, each.
const STORED: usize = 5;
/// The linked service whose credential is a secret of the vault.
const REFERENCE: &str = "by-reference";
/// Two years, in seconds, give or take two days for leap years.
const TWO_YEARS: std::ops::RangeInclusive<i64> = 729 * 86_400..=733 * 86_400;

pub(super) struct Scene {
    ground: Arc<Ground>,
    key: DrilledKey,
    secret: String,
    plant: Option<Plant>,
}

pub(super) const PLAYS: &[Play<Scene>] = &[
    Play {
        name: "make-factory",
        done: "a factory under both keys stores five entries, five credentials of its own and one that refers to the vault",
        expected: "all read as stored; the certificate of its system key is good for two years from now on",
        after: &[],
        levers: &[],
        act: Scene::make_factory,
    },
    Play {
        name: "not-due",
        done: "the vault clock is moved on by 22 months",
        expected: "the system key is not due, and a renewal that is only done when due does nothing",
        after: &["make-factory"],
        levers: &[Lever::Clock],
        act: Scene::not_due,
    },
    Play {
        name: "expired",
        done: "the vault clock is moved on by two more months and two days",
        expected: "the certificate has expired: nothing new is stored under it, and all that is stored reads",
        after: &["not-due"],
        levers: &[Lever::Clock],
        act: Scene::expired,
    },
    Play {
        name: "renew",
        done: "the system key is renewed while two readers read everything",
        expected: "no read fails; all ten move, and the new certificate is good for two years from now on",
        after: &["expired"],
        levers: &[Lever::Clock],
        act: Scene::renew,
    },
    Play {
        name: "store-again",
        done: "a new entry is stored, the factory is closed and opened anew",
        expected: "the old system key is gone, and all reads under the new one alone",
        after: &["renew"],
        levers: &[Lever::Clock],
        act: Scene::store_again,
    },
];

impl Scene {
    pub(super) fn new(ground: &Arc<Ground>) -> Self {
        let key = DrilledKey::new(ground, ground.name("system-key"));
        Self { ground: ground.clone(), key, secret: ground.name("system-key"), plant: None }
    }

    fn make_factory(&mut self) -> Outcome {
        self.key.make()?;
        let plant = Plant::with_key(&self.ground, &self.key)?;
        plant.write(STORED)?;
        for at in 0..STORED {
            plant.link_plain(&self.ground, &own(at), &password(at))?;
        }
        self.ground.operator().set_secret(&self.secret, &password(STORED))?;
        self.ground.made_secret(&self.secret);
        plant.link_vault(&self.ground)?;
        plant.link_secret(&self.ground, REFERENCE, &self.secret, None)?;
        let until = self.good_for_two_years(&plant)?;
        let seen = everything_reads(&plant).map(|read| format!("{read}; the certificate expires at {until}"));
        self.plant = Some(plant);
        seen
    }

    fn not_due(&mut self) -> Outcome {
        let now = self.ground.levers()?.advance("P22M")?;
        match self.plant()?.factory().renew_if_due(now)? {
            None => Ok(format!("nothing is due at {now}")),
            Some(_) => Err(Wrong::seen(format!("it was renewed at {now} already"))),
        }
    }

    fn expired(&mut self) -> Outcome {
        self.ground.levers()?.advance("P2M2D")?;
        let now = self.ground.now()?;
        let stored = self.plant()?.factory().put("too-late", b"", now);
        let Err(Refusal::SystemKeyExpired { since }) = stored else {
            let told = stored.map_or_else(|refusal| refusal.to_string(), |()| "a new entry was stored".to_owned());
            return Err(Wrong::seen(format!("{told}, when the vault clock shows {now}")));
        };
        Ok(format!("expired at {since}; {}", everything_reads(self.plant()?)?))
    }

    fn renew(&mut self) -> Outcome {
        let (plant, now) = (self.plant()?, self.ground.now()?);
        let read = || {
            everything_reads(plant).map(drop).map_err(|wrong| format!("a read during the renewal: {}", wrong.told()))
        };
        let readers: [Read<'_>; 2] = [&read, &read];
        let (renewed, reads) = while_reading(&readers, || plant.factory().renew_if_due(now));
        let Some(Renewal { moved, not_after, .. }) = renewed? else { return Err(Wrong::seen("nothing was due")) };
        let reads = reads.map_err(Wrong::Seen)?;
        if moved != 2 * STORED {
            return Err(Wrong::seen(format!("{moved} of {} moved", 2 * STORED)));
        }
        self.good_for_two_years(plant)?;
        Ok(format!(
            "{moved} moved, {reads} times everything was read meanwhile; the new certificate expires at {not_after}"
        ))
    }

    fn store_again(&mut self) -> Outcome {
        self.plant()?.write(1)?;
        let plant = self.plant.take().ok_or_else(absent)?.opened_again()?;
        let seen = self.status(&plant).and_then(|status| match status.system_key.renewal_under_way {
            true => Err(Wrong::seen("the old system key is still there")),
            false => everything_reads(&plant),
        });
        self.plant = Some(plant);
        seen
    }

    /// The certificate must be; until when it is.
    fn good_for_two_years(&self, plant: &Plant) -> Result<Timestamp, Wrong> {
        let (until, now) = (self.status(plant)?.system_key.not_after, self.ground.now()?);
        match TWO_YEARS.contains(&(until.unix() - now.unix())) {
            true => Ok(until),
            false => Err(Wrong::seen(format!("the certificate is good until {until}, and it is {now}"))),
        }
    }

    fn status(&self, plant: &Plant) -> Result<Status, Wrong> {
        Ok(plant.factory().status(self.ground.now()?)?)
    }

    fn plant(&self) -> Result<&Plant, Wrong> {
        self.plant.as_ref().ok_or_else(absent)
    }
}

fn everything_reads(plant: &Plant) -> Outcome {
    let read = plant.read_all()?;
    let names = (0..STORED).map(own).chain([REFERENCE.to_owned()]);
    for (at, name) in names.enumerate() {
        let resolved = plant.password(&name).map_err(|refusal| Wrong::seen(format!("{name}: {refusal}")))?;
        if *resolved != password(at) {
            return Err(Wrong::seen(format!("the credential of '{name}' is not what was stored")));
        }
    }
    Ok(format!("{read}, {} credentials resolved", STORED + 1))
}

/// The name of a linked service whose credential the factory keeps itself.
fn own(at: usize) -> String {
    format!("own-{at}")
}

fn password(at: usize) -> String {
    format!("credential number {at}")
}

fn absent() -> Wrong {
    Wrong::seen("there is no factory")
}
