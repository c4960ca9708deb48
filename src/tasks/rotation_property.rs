//! The schedule as a property: whatever is done with keys and secrets, and whether the clock moves in one jump, in steps
//! with restarts between, or faster than the scheduler runs, the same versions are added and the same events appended, at
//! the same moments.

use std::sync::Arc;

use proptest::prelude::*;

use super::Tasks;
use super::tests::{DAY, START, vaults};
use crate::clock::{Clock, Timestamp, VirtualClock};
use crate::crypto::algorithm::Curve;
use crate::random;
use crate::store::{DataKey, Store};
use crate::vault::keys::rotation::{IsoPeriod, NewRotationPolicy, RotationTrigger};
use crate::vault::keys::{KeySpec, KeyType, KeyUpdate, NewKey};
use crate::vault::object::{AttributesPatch, PageRequest};
use crate::vault::secrets::{NewSecret, SecretUpdate, SecretValue};
use crate::vault::{Call, InitialVault, ObjectName, Refusal, Sku, VaultName, Vaults};

/// What is asked of one of a few objects.
#[derive(Clone, Debug)]
enum Deed {
    Create { exp: Option<u16> },
    Policy { rotate: Option<(bool, u16)>, notify: Option<u16>, expiry: Option<u16> },
    Expire { days: u16 },
    Rotate,
    Delete,
    Recover,
    Purge,
}

/// A deed for an object (the last is a secret), after some days.
#[derive(Clone, Debug)]
struct Step {
    days: u16,
    object: u8,
    deed: Deed,
}

/// How the days before a step pass.
#[derive(Clone, Copy, Debug)]
enum Passing {
    AtOnce,
    /// In so many pieces, with a restart after each.
    Pieces(u8),
    /// At once, and what fell due is not done yet when something is asked.
    Untended,
}

const SECRET: u8 = 2;

fn deed() -> impl Strategy<Value = Deed> {
    let days = || 7_u16..120;
    prop_oneof![
        4 => prop::option::of(1_u16..120).prop_map(|exp| Deed::Create { exp }),
        4 => (prop::option::of((any::<bool>(), days())), prop::option::of(days()), prop::option::of(28_u16..200))
            .prop_map(|(rotate, notify, expiry)| Deed::Policy { rotate, notify, expiry }),
        2 => (1_u16..120).prop_map(|days| Deed::Expire { days }),
        1 => Just(Deed::Rotate),
        1 => Just(Deed::Delete),
        2 => Just(Deed::Recover),
        1 => Just(Deed::Purge),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u16..60, 0..=SECRET, deed()).prop_map(|(days, object, deed)| Step { days, object, deed });
    prop::collection::vec(step, 1..14)
}

struct Server {
    store: Store,
    clock: Arc<VirtualClock>,
    vaults: Vaults,
    tasks: Tasks,
}

impl Server {
    fn start(store: Store, now: Timestamp) -> Self {
        let (clock, vaults) = (Arc::new(VirtualClock::frozen_at(now)), vaults(&store));
        Self { tasks: Tasks::new(vaults.clone(), clock.clone()), store, clock, vaults }
    }

    fn restarted(self) -> Self {
        let now = self.clock.now();
        Self::start(self.store, now)
    }

    async fn pass(mut self, days: u16, passing: Passing) -> Self {
        let pieces = match passing {
            Passing::Untended => {
                self.clock.advance(i64::from(days) * DAY);
                return self;
            }
            Passing::AtOnce => 1,
            Passing::Pieces(pieces) => i64::from(pieces),
        };
        let mut left = i64::from(days) * DAY;
        for piece in (1..=pieces).rev() {
            let length = left / piece;
            left -= length;
            self.tasks.run_due_after(|| self.clock.advance(length)).await.unwrap();
            if pieces > 1 {
                self = self.restarted();
            }
        }
        self
    }

    async fn call(&self) -> Call {
        let vault = self.vaults.find(&VaultName::local()).await.unwrap().unwrap();
        Call::by_server(vault, self.clock.now())
    }

    /// Does it; what is refused is refused in every world alike.
    async fn does(&self, step: &Step) -> Result<(), Refusal> {
        let (call, now) = (&self.call().await, self.clock.now());
        let name = &ObjectName::parse(&format!("o{}", step.object)).unwrap();
        let ends = |days: u16| now.plus_seconds(i64::from(days) * DAY);
        let given = |exp: Option<u16>| AttributesPatch { exp: exp.map(ends), ..AttributesPatch::default() };
        let (vaults, is_key) = (&self.vaults, step.object != SECRET);
        match &step.deed {
            Deed::Create { exp } if is_key => {
                let new = NewKey { attributes: given(*exp), ..NewKey::of(KeyType::Ec) };
                vaults.keys(call).create(name, new, KeySpec::Ec(Curve::P256)).await.map(drop)
            }
            Deed::Create { exp } => {
                let value = SecretValue::from("v".to_owned());
                let new = NewSecret { value, content_type: None, attributes: given(*exp), tags: None };
                vaults.secrets(call).set(name, &new).await.map(drop)
            }
            Deed::Policy { rotate, notify, expiry } if is_key => {
                let lasting = |days: &u16| IsoPeriod::parse(&format!("P{days}D")).unwrap();
                let trigger = |(after, days): &(bool, u16)| match after {
                    true => RotationTrigger::AfterCreate(lasting(days)),
                    false => RotationTrigger::BeforeExpiry(lasting(days)),
                };
                let (rotate, notify) = (rotate.as_ref().map(trigger), notify.as_ref().map(lasting));
                let wanted = NewRotationPolicy { rotate, notify, expiry_time: expiry.as_ref().map(lasting) };
                vaults.keys(call).set_rotation_policy(name, &wanted).await.map(drop)
            }
            Deed::Expire { days } if is_key => {
                let change = KeyUpdate { attributes: given(Some(*days)), ..KeyUpdate::default() };
                vaults.keys(call).update(name, None, &change).await.map(drop)
            }
            Deed::Expire { days } => {
                let change = SecretUpdate { attributes: given(Some(*days)), ..SecretUpdate::default() };
                vaults.secrets(call).update(name, None, &change).await.map(drop)
            }
            Deed::Rotate if is_key => vaults.keys(call).rotate(name).await.map(drop),
            Deed::Rotate | Deed::Policy { .. } => Ok(()),
            Deed::Delete if is_key => vaults.keys(call).delete(name).await.map(drop),
            Deed::Delete => vaults.secrets(call).delete(name).await.map(drop),
            Deed::Recover if is_key => vaults.keys(call).recover(name).await.map(drop),
            Deed::Recover => vaults.secrets(call).recover(name).await.map(drop),
            Deed::Purge if is_key => vaults.keys(call).purge(name).await,
            Deed::Purge => vaults.secrets(call).purge(name).await,
        }
    }

    /// Everything that does not depend on chance: versions by their dates, and the events.
    async fn seen(&self) -> Vec<String> {
        let (call, page) = (self.call().await, PageRequest { after: None, limit: usize::MAX - 1 });
        let mut seen = Vec::new();
        for object in 0..SECRET {
            let name = ObjectName::parse(&format!("o{object}")).unwrap();
            let listed = self.vaults.keys(&call).list_versions(&name, &page).await;
            let versions = listed.into_iter().flat_map(|page| page.items);
            let dates = versions.map(|found| (found.record.attributes.created, found.record.attributes.exp));
            let mut lines: Vec<_> = dates.map(|dates| format!("{name} {dates:?}")).collect();
            lines.sort();
            seen.extend(lines);
        }
        let events = self.vaults.events(0, usize::MAX).await.unwrap();
        let mut events: Vec<_> = events
            .iter()
            .map(|(_, event)| {
                let subject = event.subject.as_ref().unwrap();
                format!("{} {:?} {} {:?}", event.at, event.occurrence, subject.name, subject.exp)
            })
            .collect();
        events.sort();
        seen.extend(events);
        seen
    }
}

async fn played(steps: &[Step], passing: Passing) -> Vec<String> {
    let store = Store::memory(DataKey::from_bytes(random::secret())).unwrap();
    let mut server = Server::start(store, START);
    let initial = InitialVault { retention_days: 30, ..InitialVault::named(VaultName::local(), Sku::Standard) };
    server.vaults.apply(initial, START).await.unwrap();
    let mut outcomes = Vec::new();
    for step in steps {
        server = server.pass(step.days, passing).await;
        outcomes.push(format!("{:?}", server.does(step).await.map_err(|refusal| std::mem::discriminant(&refusal))));
        // What was due already is done at the same moment, before the clock moves on.
        server.tasks.run_due_after(|| ()).await.unwrap();
    }
    server = server.pass(200, passing).await;
    server.tasks.run_due_after(|| ()).await.unwrap();
    outcomes.extend(server.seen().await);
    outcomes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn time_in_pieces_with_restarts_comes_to_the_same_as_one_jump(
        steps in steps(),
        passing in prop_oneof![(2_u8..9).prop_map(Passing::Pieces), Just(Passing::Untended)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let expected = played(&steps, Passing::AtOnce).await;
            prop_assert_eq!(expected, played(&steps, passing).await);
            Ok(())
        })?;
    }
}
