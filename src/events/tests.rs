//! Thousands of events, written straight into the store and delivered to a fake courier.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::courier::{Answer, HookRequest, Method, Reply, ReplyFuture};
use super::*;
use crate::clock::{SystemClock, Timestamp};
use crate::crypto::pool::Pool;
use crate::random::{self, SeededRandom};
use crate::records::encode;
use crate::resource_id::SubscriptionId;
use crate::store::{Batch, DataKey, Store};
use crate::vault::{Deps as VaultDeps, Event, EventSubject, Kind, ObjectName, Occurrence, VaultName, Version};

/// Answers each request with the status of `answers`, and keeps the ids of the delivered events.
struct Fake {
    answers: fn(&HookRequest) -> u16,
    delivered: Mutex<Vec<String>>,
}

impl Courier for Fake {
    fn send(&self, request: HookRequest) -> ReplyFuture {
        let status = (self.answers)(&request);
        if request.method == Method::Post && status == 200 {
            let event: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            self.delivered.lock().unwrap().push(event["id"].as_str().unwrap().to_owned());
        }
        let allowed_origin = (request.method == Method::Options && status == 200).then(|| "*".to_owned());
        Box::pin(async move { Reply::Answer(Answer { status, allowed_origin, ..Answer::default() }) })
    }
}

fn store() -> Store {
    Store::memory(DataKey::from_bytes(random::secret())).unwrap()
}

fn vaults(store: &Store) -> Vaults {
    Vaults::new(VaultDeps {
        records: Records::new(store.clone()),
        pool: Pool::start(1, 10),
        random: Arc::new(SeededRandom::new(1)),
        backup_key: Arc::new(|| Err(crate::store::StoreError::Closed)),
        parsed_keys: 1,
        observer: Arc::new(|_| ()),
    })
}

fn event(number: u64) -> Event {
    let name = ObjectName::parse(&format!("s{}", number % 500)).unwrap();
    let version = Version::parse(&format!("{number:032x}")).unwrap();
    let subject = EventSubject { kind: Kind::Secret, name, version, nbf: None, exp: None };
    let (id, at) = (Uuid::from_u128(number.into()), Timestamp::from_unix(1_700_000_000));
    let (vault, resource_group) = (VaultName::local(), "keyhaven".to_owned());
    Event { id, at, occurrence: Occurrence::NewVersionCreated, vault, resource_group, subject: Some(subject) }
}

/// Puts events of these numbers into the store, where the vaults put theirs.
async fn happen(store: &Store, numbers: std::ops::RangeInclusive<u64>) {
    let mut batch = Batch::default();
    for number in numbers {
        batch = batch.put(format!("event/{number:020}"), encode(&event(number)).unwrap());
    }
    store.commit_pieces(batch).await.unwrap();
}

fn events(store: &Store, vaults: &Vaults, hooks: usize, directory: &Path, courier: Arc<Fake>) -> Arc<Events> {
    let hook = |number| Webhook::new(&format!("http://localhost/{number}"), Schema::CloudEvents, vec![]).unwrap();
    let deps = Deps {
        vaults: vaults.clone(),
        records: Records::new(store.clone()),
        webhooks: (0..hooks).map(hook).collect(),
        format: WireFormat { subscription: SubscriptionId(Uuid::nil()) },
        retry_policy: RetryPolicy::default(),
        clock: Arc::new(SystemClock),
        dead_letters: directory.join("dead-letters.jsonl"),
        accept_url: None,
    };
    Arc::new(Events::with_courier(deps, courier))
}

fn courier(answers: fn(&HookRequest) -> u16) -> Arc<Fake> {
    Arc::new(Fake { answers, delivered: Mutex::default() })
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not seen in time: {what}");
}

async fn marks(store: &Store) -> usize {
    store.view().await.unwrap().keys(&crate::store::EntryKey::from("handled/"), None, usize::MAX).await.unwrap().len()
}

#[tokio::test]
async fn without_webhooks_the_newest_events_are_kept_and_old_ones_go_in_one_go() {
    let (store, directory) = (store(), tempfile::tempdir().unwrap());
    let vaults = vaults(&store);
    let events = events(&store, &vaults, 0, directory.path(), courier(|_| 200));
    happen(&store, 1..=11_000).await;
    assert_eq!(events.prune().await.unwrap(), 1000, "there is room for no more");
    assert_eq!(vaults.event_numbers().await.unwrap().len(), 11_000);
    happen(&store, 11_001..=11_001).await;
    assert_eq!(events.prune().await.unwrap(), 0);
    assert_eq!(vaults.event_numbers().await.unwrap(), (1002..=11_001).collect::<Vec<_>>());
}

#[tokio::test]
async fn waiting_events_are_not_pruned_and_marks_go_with_their_events() {
    let (store, directory) = (store(), tempfile::tempdir().unwrap());
    let vaults = vaults(&store);
    let courier = courier(|request| if is_first(request) { 500 } else { 200 });
    let events = events(&store, &vaults, 1, directory.path(), courier.clone());
    events.subscribe().await.unwrap();
    let running = tokio::spawn(events.clone().keep_running());
    let delivered = || courier.delivered.lock().unwrap().len();
    // The later events of an object wait for its first, of which number 1 is one.
    let behind_the_first = |last: u64| (1..=last).filter(|number| number % 500 == 1).count();
    for (first, last) in [(1, 600), (601, 6_000), (6_001, 11_200)] {
        happen(&store, first..=last).await;
        vaults.events_replaced();
        until("all others", || delivered() == last as usize - behind_the_first(last)).await;
    }
    until("marks", || events.hooks[0].with(|state| state.handled.is_empty())).await;
    events.prune().await.unwrap();
    let left = vaults.event_numbers().await.unwrap();
    let expected: BTreeSet<_> = [1, 501, 1001].into_iter().chain(1201..=11_200).collect();
    assert_eq!(left, expected.into_iter().collect::<Vec<_>>());
    assert_eq!(marks(&store).await, 10_000 - (behind_the_first(11_200) - 3));
    events.stop();
    running.await.unwrap();
}

fn is_first(request: &HookRequest) -> bool {
    request.body.windows(38).any(|id| id == br#""00000000-0000-0000-0000-000000000001""#)
}

#[tokio::test]
async fn when_too_many_wait_the_oldest_are_given_up() {
    let (store, directory) = (store(), tempfile::tempdir().unwrap());
    let vaults = vaults(&store);
    let events = events(&store, &vaults, 1, directory.path(), courier(|_| 404));
    events.subscribe().await.unwrap();
    happen(&store, 1..=10_300).await;
    let running = tokio::spawn(events.clone().keep_running());
    let path = directory.path().join("dead-letters.jsonl");
    let letters = || std::fs::read_to_string(&path).unwrap_or_default().lines().count();
    until("dead letters", || letters() == 300).await;
    until("marks", || events.hooks[0].with(|state| state.handled.is_empty())).await;
    assert_eq!((events.webhook_statuses()[0].waiting, events.webhook_statuses()[0].dead_letters), (10_000, 300));
    assert_eq!(marks(&store).await, 300);
    let text = std::fs::read_to_string(&path).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&first["deadletterreason"], &first["deliveryattempts"]), (&"TooManyWaiting".into(), &0.into()));
    assert_eq!(first["id"], Uuid::from_u128(1).to_string());
    events.stop();
    running.await.unwrap();
}
