//! Events of what happens: in the same commit, once, in order, for each vault that it happens in.

use uuid::Uuid;

use super::super::keys::rotation::{IsoPeriod, NewRotationPolicy, RotationTrigger};
use super::super::keys::{KeySpec, KeyType, NewKey};
use super::super::object::AttributesPatch;
use super::super::secrets::{NewSecret, SecretUpdate, SecretValue};
use super::super::*;
use super::{memory, open};
use crate::access::{AccessPolicy, Permissions};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Curve;
use crate::store::Store;

const START: Timestamp = Timestamp::from_unix(1_700_000_000);
const DAY: i64 = 86_400;

struct World {
    store: Store,
    vaults: Vaults,
}

impl World {
    async fn new() -> Self {
        let store = memory();
        let vaults = open(&store, &Pool::start(1, 10), 1);
        vaults.apply(InitialVault::named(VaultName::local(), Sku::Premium), START).await.unwrap();
        Self { store, vaults }
    }

    async fn call(&self, vault: &str, day: i64) -> Call {
        let vault = self.vaults.find(&VaultName::parse(vault).unwrap()).await.unwrap().unwrap();
        Call::by_server(vault, START.plus_seconds(day * DAY))
    }

    async fn secret(&self, name: &str, day: i64, ends: Option<i64>) {
        let attributes = AttributesPatch { exp: ends.map(at), ..AttributesPatch::default() };
        let new = NewSecret { value: SecretValue::from("v".to_owned()), content_type: None, attributes, tags: None };
        self.vaults.secrets(&self.call("local", day).await).set(&named(name), &new).await.unwrap();
    }

    async fn key(&self, name: &str, policy: &NewRotationPolicy) {
        let (call, new) = (self.call("local", 0).await, NewKey::of(KeyType::Ec));
        self.vaults.keys(&call).create(&named(name), new, KeySpec::Ec(Curve::P256)).await.unwrap();
        self.vaults.keys(&call).set_rotation_policy(&named(name), policy).await.unwrap();
    }

    /// Does what is due until `day`.
    async fn pass(&self, day: i64) {
        while let Some(NextDue { key, due }) = self.vaults.next_due(None).await.unwrap() {
            let due = due.unwrap().unwrap();
            if due.at > at(day) {
                break;
            }
            self.vaults.run_due(&due, &key).await.unwrap();
        }
    }

    /// The events since the last call, as `DAY VAULT WHAT NAME`.
    async fn new_events(&self) -> Vec<String> {
        let events = self.vaults.events(0, usize::MAX - 1).await.unwrap();
        let numbers: Vec<u64> = events.iter().map(|(number, _)| *number).collect();
        self.vaults.delete_events(&numbers).await.unwrap();
        let line = |event: &Event| {
            let day = (event.at.unix() - START.unix()) / DAY;
            let name = event.subject.as_ref().map_or("-", |subject| subject.name.as_str());
            format!("{day} {} {:?} {name}", event.vault, event.occurrence)
        };
        events.iter().map(|(_, event)| line(event)).collect()
    }
}

fn at(day: i64) -> Timestamp {
    START.plus_seconds(day * DAY)
}

fn named(name: &str) -> ObjectName {
    ObjectName::parse(name).unwrap()
}

fn lasting(text: &str) -> IsoPeriod {
    IsoPeriod::parse(text).unwrap()
}

#[tokio::test]
async fn a_version_has_events_when_it_is_made_nears_its_end_and_expires() {
    let world = World::new().await;
    world.secret("s", 0, Some(40)).await;
    world.pass(100).await;
    let expected = ["0 local NewVersionCreated s", "10 local NearExpiry s", "40 local Expired s"];
    assert_eq!(world.new_events().await, expected);
    world.pass(1000).await;
    assert_eq!(world.new_events().await, [""; 0], "once");
}

#[tokio::test]
async fn only_the_latest_version_is_spoken_of() {
    let world = World::new().await;
    world.secret("s", 0, Some(40)).await;
    world.secret("s", 5, Some(90)).await;
    world.new_events().await;
    world.pass(80).await;
    assert_eq!(world.new_events().await, ["60 local NearExpiry s"]);
    world.secret("s", 81, None).await;
    world.pass(200).await;
    assert_eq!(world.new_events().await, ["81 local NewVersionCreated s"]);
}

#[tokio::test]
async fn what_is_past_already_has_its_event_at_once_and_never_again() {
    let world = World::new().await;
    world.secret("soon", 0, Some(10)).await;
    world.secret("over", 1, Some(0)).await;
    world.new_events().await;
    world.pass(2).await;
    assert_eq!(world.new_events().await, ["0 local NearExpiry soon", "1 local Expired over"]);
    // A change of something else tells nothing anew; another end does.
    let (call, name) = (world.call("local", 3).await, named("soon"));
    let tagged = SecretUpdate { tags: Some([("a".to_owned(), "b".to_owned())].into()), ..SecretUpdate::default() };
    world.vaults.secrets(&call).update(&name, None, &tagged).await.unwrap();
    world.pass(9).await;
    assert_eq!(world.new_events().await, [""; 0]);
    let attributes = AttributesPatch { exp: Some(at(60)), ..AttributesPatch::default() };
    let later = SecretUpdate { attributes, ..SecretUpdate::default() };
    world.vaults.secrets(&world.call("local", 9).await).update(&name, None, &later).await.unwrap();
    world.pass(70).await;
    assert_eq!(world.new_events().await, ["30 local NearExpiry soon", "60 local Expired soon"]);
    // Even at one moment, and then as another event.
    for days in [5, 6] {
        let attributes = AttributesPatch { exp: Some(at(70 + days)), ..AttributesPatch::default() };
        let sooner = SecretUpdate { attributes, ..SecretUpdate::default() };
        world.vaults.secrets(&world.call("local", 70).await).update(&name, None, &sooner).await.unwrap();
        world.pass(70).await;
    }
    let events = world.vaults.events(0, 10).await.unwrap();
    assert_eq!(events.len(), 2);
    assert_ne!(events[0].1.id, events[1].1.id);
}

#[tokio::test]
async fn a_keys_policy_says_when_it_is_near_its_end_and_the_notice_comes_before_the_rotation() {
    let world = World::new().await;
    let rotate = Some(RotationTrigger::BeforeExpiry(lasting("P20D")));
    let policy = NewRotationPolicy { rotate, notify: Some(lasting("P20D")), expiry_time: Some(lasting("P50D")) };
    world.key("k", &policy).await;
    world.vaults.keys(&world.call("local", 0).await).rotate(&named("k")).await.unwrap();
    world.pass(35).await;
    let made = "0 local NewVersionCreated k";
    let expected = [made, made, "30 local NearExpiry k", "30 local NewVersionCreated k"];
    assert_eq!(world.new_events().await, expected);
}

#[tokio::test]
async fn a_deleted_object_has_no_events_until_it_is_recovered() {
    let world = World::new().await;
    world.secret("s", 0, Some(40)).await;
    world.vaults.secrets(&world.call("local", 1).await).delete(&named("s")).await.unwrap();
    world.pass(50).await;
    assert_eq!(world.new_events().await, ["0 local NewVersionCreated s"]);
    world.vaults.secrets(&world.call("local", 50).await).recover(&named("s")).await.unwrap();
    world.pass(60).await;
    assert_eq!(world.new_events().await, ["50 local Expired s", "50 local NearExpiry s"]);
}

#[tokio::test]
async fn a_change_of_policies_has_an_event_and_other_changes_have_none() {
    let world = World::new().await;
    let vault = async || world.vaults.find(&VaultName::local()).await.unwrap().unwrap();
    let put = async |wanted: InitialVault| {
        world.vaults.put_vault(wanted, Some(&*vault().await), at(1)).await.unwrap();
        world.new_events().await
    };
    let plain = InitialVault::named(VaultName::local(), Sku::Premium);
    let everything = AccessPolicy {
        tenant_id: Uuid::nil(),
        object_id: Uuid::nil(),
        application_id: None,
        permissions: Permissions::everything(),
    };
    let open = InitialVault { access_policies: vec![everything], ..plain.clone() };
    assert_eq!(put(InitialVault { purge_protection: true, ..plain.clone() }).await, [""; 0]);
    let open = InitialVault { purge_protection: true, ..open };
    assert_eq!(put(open.clone()).await, ["1 local AccessPolicyChanged -"]);
    assert_eq!(put(open).await, [""; 0]);
    let closed = InitialVault { purge_protection: true, ..plain };
    assert_eq!(put(closed.clone()).await, ["1 local AccessPolicyChanged -"]);
    assert_eq!(
        put(InitialVault { role_based: true, ..closed }).await,
        ["1 local AccessPolicyChanged -"],
        "another mode"
    );
}

#[tokio::test]
async fn a_copy_tells_of_its_own_objects_however_deep_they_lie() {
    let world = World::new().await;
    world.secret("s", 0, Some(40)).await;
    let copy = async |name: &str| {
        let wanted = InitialVault::named(VaultName::parse(name).unwrap(), Sku::Premium);
        let source = world.vaults.find(&VaultName::local()).await.unwrap().unwrap();
        world.vaults.copy_vault(&source, wanted, at(0)).await.unwrap();
    };
    // The layers of the source are folded on the way.
    for number in 0..7 {
        copy(&format!("copy-{number}")).await;
        world.secret(&format!("s{number}"), 0, Some(40)).await;
    }
    for number in 0..6 {
        world.vaults.delete_vault(&VaultName::parse(&format!("copy-{number}")).unwrap()).await.unwrap();
    }
    world.vaults.sweep().await.unwrap();
    world.new_events().await;
    world.pass(10).await;
    let mut new = world.new_events().await;
    new.sort();
    let near = |vault: &str, name: &str| format!("10 {vault} NearExpiry {name}");
    let mut expected: Vec<_> = (0..7).map(|number| near("local", &format!("s{number}"))).collect();
    expected.extend((0..6).map(|number| near("copy-6", &format!("s{number}"))));
    expected.extend([near("local", "s"), near("copy-6", "s")]);
    expected.sort();
    assert_eq!(new, expected);
}

#[tokio::test]
async fn events_are_numbered_on_behind_those_that_are_there_and_have_ids_of_their_own() {
    let world = World::new().await;
    world.secret("a", 0, None).await;
    assert_eq!(world.vaults.take_new_events(), NewEvents::All, "no caller has asked before");
    world.secret("a", 0, None).await;
    world.secret("b", 0, None).await;
    assert_eq!(world.vaults.take_new_events(), NewEvents::Numbers(vec![2, 3]));
    assert_eq!(world.vaults.take_new_events(), NewEvents::Numbers(vec![]));
    // As after a restart, with the same seed.
    let again = open(&world.store, &Pool::start(1, 10), 1);
    let again = World { store: world.store.clone(), vaults: again };
    again.secret("a", 0, None).await;
    let events = again.vaults.events(1, 10).await.unwrap();
    assert_eq!(events.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 3, 4]);
    let ids: std::collections::HashSet<_> = events.iter().map(|(_, event)| event.id).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(again.vaults.event_numbers().await.unwrap(), [1, 2, 3, 4]);
    // In what is to replace everything too: who asks for later events than the fourth misses none.
    let replacement = Records::new(memory());
    let replacement = World { store: memory(), vaults: again.vaults.with_records(replacement) };
    replacement.vaults.apply(InitialVault::named(VaultName::local(), Sku::Premium), START).await.unwrap();
    replacement.secret("a", 0, None).await;
    assert_eq!(replacement.vaults.event_numbers().await.unwrap(), [5]);
    assert_eq!(again.vaults.event(3).await.unwrap().unwrap().subject.unwrap().name, named("b"));
}
