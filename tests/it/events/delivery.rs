//! Which events are delivered, to whom, in which order, and what becomes of those that no webhook takes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use keyhaven::Storage;
use serde_json::{Value, json};

use super::receiver::{Heard, Receiver, Reply, agreeable, until};
use super::{accepted, except, listening, quick, set, standing, world, world_of};
use crate::world::{START, World};

fn dead_letters(directory: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("dead-letters.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_event_can_be_read_by_the_admin_api() {
    let receiver = Receiver::new().await;
    let world = listening(&receiver, Storage::Memory).await;
    let none = json!({"keys": [], "secrets": [], "certificates": []});
    let entry = json!({"accessPolicies": [{"identity": "nobody", "permissions": none}]});
    world.key("k", r#"{"kty":"EC"}"#).await;
    let body = format!(r#"{{"value":"v","attributes":{{"exp":{}}}}}"#, START + 40 * 86_400);
    world.ask("PUT /secrets/s", &body).await;
    world.admin("PUT /admin/vaults/plain", &entry.to_string()).await;
    world.admin("POST /admin/clock", r#"{"advance":"P41D"}"#).await;
    receiver.hears(5).await;
    let mut summaries = receiver.summaries();
    summaries.sort();
    let expected = [
        "k KeyNewVersionCreated",
        "plain VaultAccessPolicyChanged",
        "s SecretExpired",
        "s SecretNearExpiry",
        "s SecretNewVersionCreated",
    ];
    assert_eq!(summaries, expected);
    let secrets: Vec<_> = receiver.summaries().into_iter().filter(|summary| summary.starts_with("s ")).collect();
    assert_eq!(secrets, ["s SecretNewVersionCreated", "s SecretNearExpiry", "s SecretExpired"]);

    let listed = world.admin("GET /admin/events?limit=2", "").await.json();
    let (events, numbers) = (listed["events"].as_array().unwrap(), [1, 2].map(Value::from));
    assert_eq!(events.iter().map(|event| event["number"].clone()).collect::<Vec<_>>(), numbers);
    let mut first = receiver.events()[0].event();
    first["number"] = 1.into();
    assert_eq!(events[0], first);
    let rest = world.admin("GET /admin/events?after=2", "").await.json();
    assert_eq!(rest["events"].as_array().unwrap().len(), 3);
    assert_eq!(rest["events"][0]["number"], 3);
    let webhook = standing(&world, "told", |webhook| webhook["told"] == 5).await[0].clone();
    let types = keyhaven::testing::event_types();
    assert_eq!(
        webhook,
        json!({"url": receiver.url("/in"), "schema": "eventgrid", "types": types, "validated": true, "waiting": 0,
               "told": 5, "deadLetters": 0, "lastFailure": null})
    );
}

#[tokio::test]
async fn the_admin_api_says_what_it_does_not_understand() {
    let world = world(json!([]), Storage::Memory).await;
    for (query, why) in [
        ("limit=0", "limit: must be 1 to 1000"),
        ("limit=1001", "limit: must be 1 to 1000"),
        ("after=-1", "after: must be a number"),
        ("since=1", "there is no parameter 'since'; give after and limit"),
    ] {
        let refused = world.admin(&format!("GET /admin/events?{query}"), "").await;
        assert_eq!(refused.error(), format!("400 BadRequest {why}"));
    }
    assert_eq!(world.admin_with("GET /admin/events", b"", &[]).await.status, 401);
    set(&world, "s").await;
    let listed = world.admin("GET /admin/events", "").await.json();
    assert_eq!(listed["events"].as_array().unwrap().len(), 1, "events are kept without webhooks too");
    assert_eq!(listed["webhooks"], json!([]));
}

#[tokio::test]
async fn a_webhook_of_some_types_gets_no_others() {
    let receiver = Receiver::new().await;
    let types = json!(["Microsoft.KeyVault.KeyNewVersionCreated", "Microsoft.KeyVault.VaultAccessPolicyChanged"]);
    let world = world(json!([{ "url": receiver.url("/in"), "types": types }]), Storage::Memory).await;
    accepted(&world).await;
    set(&world, "s").await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    world.admin("PUT /admin/vaults/plain", r#"{"accessPolicies":[]}"#).await;
    receiver.hears(2).await;
    standing(&world, "nothing waits", |webhook| webhook["waiting"] == 0).await;
    let mut summaries = receiver.summaries();
    summaries.sort();
    assert_eq!(summaries, ["k KeyNewVersionCreated", "plain VaultAccessPolicyChanged"]);
}

#[tokio::test]
async fn the_events_of_an_object_come_in_order_whatever_fails_and_others_do_not_wait() {
    let failures = Mutex::new(HashMap::<String, usize>::new());
    let receiver = Receiver::that(move |heard| {
        if heard.is_question() {
            return agreeable(heard);
        }
        // The first two attempts for each event of "slow" fail, and the first for each of "a".
        let event = heard.event();
        let most = match event["subject"].as_str().unwrap() {
            "slow" => 2,
            "a" => 1,
            _ => 0,
        };
        let mut failures = failures.lock().unwrap();
        let count = failures.entry(event["id"].to_string()).or_default();
        *count += 1;
        if *count <= most { Reply::status(500) } else { Reply::status(200) }
    });
    let receiver = receiver.await;
    let policy = keyhaven::RetryPolicy { retry_delays: vec![Duration::from_millis(300)], ..quick() };
    let world = world_of(json!([{ "url": receiver.url("/in") }]), Storage::Memory, policy).await;
    accepted(&world).await;
    let mut versions = HashMap::<&str, Vec<String>>::new();
    for name in ["slow", "slow", "a", "b", "slow", "a", "b", "c"] {
        let version = set(&world, name).await;
        versions.entry(name).or_default().push(version);
    }
    let webhooks = standing(&world, "all told", |webhook| webhook["told"] == 8).await;
    assert_eq!(webhooks[0]["deadLetters"], 0);
    let heard = receiver.events();
    let of = |name: &str| heard.iter().map(Heard::event).filter(|event| event["subject"] == name).collect::<Vec<_>>();
    for (name, versions) in &versions {
        let mut delivered: Vec<_> =
            of(name).iter().map(|event| event["data"]["Version"].as_str().unwrap().to_owned()).collect();
        delivered.dedup();
        assert_eq!(&delivered, versions, "{name}: one after the other");
    }
    assert_eq!((of("slow").len(), of("a").len(), of("b").len()), (9, 4, 2));
    let position = |name: &str, last: bool| {
        let mut all = heard.iter().enumerate().filter(|(_, heard)| heard.event()["subject"] == name).map(|(at, _)| at);
        if last { all.next_back() } else { all.next() }.unwrap()
    };
    assert!(position("c", false) < position("slow", true), "c does not wait for slow");
    let counts: Vec<_> = heard
        .iter()
        .filter(|heard| heard.summary().starts_with("slow"))
        .map(|heard| heard.header("aeg-delivery-count").to_owned())
        .collect();
    assert_eq!(counts, ["0", "1", "2", "0", "1", "2", "0", "1", "2"]);
}

#[tokio::test]
async fn what_will_never_be_taken_goes_to_the_dead_letters() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::that(except(&["bad"], 400)).await;
    let hooks = json!([{ "url": receiver.url("/grid?code=hush") }, { "url": receiver.url("/cloud?code=hush"), "schema": "cloudevents" }]);
    let world = world(hooks, Storage::MemoryIn(directory.path().to_owned())).await;
    accepted(&world).await;
    let first = set(&world, "bad").await;
    set(&world, "good").await;
    let second = set(&world, "bad").await;
    let letters =
        until("four dead letters", || Some(dead_letters(directory.path())).filter(|all| all.len() == 4)).await;
    let webhooks = standing(&world, "given up", |webhook| webhook["deadLetters"] == 2 && webhook["told"] == 1).await;
    assert_eq!(webhooks[0]["lastFailure"]["why"], "answered 400");

    let grid: Vec<_> = letters.iter().filter(|letter| letter["webhook"] == receiver.url("/grid")).collect();
    assert_eq!([&grid[0]["data"]["Version"], &grid[1]["data"]["Version"]], [&first, &second]);
    let mut event = receiver.events().iter().find(|heard| heard.path.starts_with("/grid")).unwrap().event();
    let (event, letter) = (event.as_object_mut().unwrap(), grid[0]);
    event.extend([
        ("deadLetterReason".to_owned(), "UndeliverableDueToClientError".into()),
        ("deliveryAttempts".to_owned(), 1.into()),
        ("lastDeliveryOutcome".to_owned(), "BadRequest".into()),
        ("lastHttpStatusCode".to_owned(), 400.into()),
        ("publishTime".to_owned(), "2023-11-14T22:13:20Z".into()),
        ("lastDeliveryAttemptTime".to_owned(), letter["lastDeliveryAttemptTime"].clone()),
        ("webhook".to_owned(), receiver.url("/grid").into()),
    ]);
    assert_eq!(letter.as_object().unwrap(), event);
    let cloud = letters.iter().find(|letter| letter["webhook"] == receiver.url("/cloud")).unwrap();
    assert_eq!((&cloud["deadletterreason"], &cloud["lasthttpstatuscode"]), (&letter["deadLetterReason"], &400.into()));
}

#[tokio::test]
async fn attempts_end_by_number_and_by_time() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::that(except(&["s"], 503)).await;
    let storage = || Storage::MemoryIn(directory.path().to_owned());
    let hooks = || json!([{ "url": receiver.url("/in") }]);
    // A 503 is not tried again within 30 s, so that the time is over first.
    let briefly = keyhaven::RetryPolicy { time_to_live: Duration::from_millis(200), ..quick() };
    let world = world_of(hooks(), storage(), briefly).await;
    accepted(&world).await;
    set(&world, "s").await;
    let letter = until("a dead letter", || dead_letters(directory.path()).pop()).await;
    assert_eq!((&letter["deadLetterReason"], &letter["deliveryAttempts"]), (&"TimeToLiveExceeded".into(), &1.into()));
    assert_eq!((&letter["lastDeliveryOutcome"], &letter["lastHttpStatusCode"]), (&"Busy".into(), &503.into()));
    world.server.stop().await;

    receiver.behaves(except(&["s"], 404));
    let world = world_of(hooks(), storage(), quick()).await;
    accepted(&world).await;
    set(&world, "s").await;
    let letter = until("another", || Some(dead_letters(directory.path())).filter(|all| all.len() == 2)?.pop()).await;
    assert_eq!(
        (&letter["deadLetterReason"], &letter["deliveryAttempts"], &letter["lastDeliveryOutcome"]),
        (&"MaxDeliveryAttemptsExceeded".into(), &4.into(), &"NotFound".into())
    );
    assert_eq!(receiver.events().len(), 1 + 4);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Receiver::new().await;
    let there = elsewhere.url("/stolen");
    let receiver = Receiver::that(move |heard| match heard.is_question() {
        true => agreeable(heard),
        false => Reply { headers: vec![("location", there.clone())], ..Reply::status(302) },
    });
    let receiver = receiver.await;
    let world = listening(&receiver, Storage::Memory).await;
    set(&world, "s").await;
    let webhooks = standing(&world, "given up", |webhook| webhook["deadLetters"] == 1).await;
    assert_eq!(webhooks[0]["lastFailure"]["why"], "answered 302");
    assert_eq!((receiver.events().len(), elsewhere.all().len()), (4, 0));
}

#[tokio::test]
async fn a_receiver_that_hangs_or_is_dead_slows_no_request_and_no_other_webhook() {
    let mut hanging = Receiver::new().await;
    let receiver = Receiver::new().await;
    let dead = Receiver::new().await.address;
    let hooks =
        json!([{ "url": hanging.url("/in") }, { "url": format!("http://{dead}/in") }, { "url": receiver.url("/in") }]);
    let with = world(hooks, Storage::Memory).await;
    let without = world(json!([]), Storage::Memory).await;
    until("questions", || (hanging.questions().len() + receiver.questions().len() >= 2).then_some(())).await;
    hanging.behaves(|_| Reply::status(200).after(Duration::from_secs(25)));
    const CREATES: usize = 150;
    let quietly = slowest(&without, CREATES).await;
    let loudly = slowest(&with, CREATES).await;
    assert!(loudly < quietly * 4 + Duration::from_millis(100), "{quietly:?} without, {loudly:?} with dead receivers");
    receiver.hears(CREATES).await;
    let ids: std::collections::HashSet<_> =
        receiver.events().iter().map(|heard| heard.event()["id"].to_string()).collect();
    assert_eq!(ids.len(), CREATES);
    assert!(hanging.events().len() <= 8, "no more are under way at once");
    hanging.dies().await;
    with.server.stop().await;
}

/// The 99th percentile of so many creates, one after the other.
async fn slowest(world: &World, creates: usize) -> Duration {
    let token = world.token("owner").await;
    let mut times = Vec::new();
    for number in 0..creates {
        let line = format!("PUT /secrets/s{number}");
        let begun = Instant::now();
        let set = world.send(world.request(&world.host("acme"), &line, r#"{"value":"v"}"#, Some(&token))).await;
        times.push(begun.elapsed());
        assert_eq!(set.status, 200, "{}", set.text);
    }
    times.sort();
    times[creates * 99 / 100]
}

#[tokio::test]
async fn a_webhook_that_is_down_is_tried_with_one_event_at_a_time() {
    let mut receiver = Receiver::new().await;
    let policy =
        keyhaven::RetryPolicy { probe_delays: vec![Duration::from_millis(400)], max_attempts: 1000, ..quick() };
    let world = world_of(json!([{ "url": receiver.url("/in") }]), Storage::Memory, policy).await;
    accepted(&world).await;
    receiver.behaves(|_| Reply::status(500));
    for number in 0..40 {
        set(&world, &format!("s{number}")).await;
    }
    // By now more than ten have failed, and what was under way has come back soon after.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = receiver.events().len();
    tokio::time::sleep(Duration::from_millis(900)).await;
    let meanwhile = receiver.events().len() - before;
    assert!((1..=3).contains(&meanwhile), "one after each pause of 400 ms, not {meanwhile}");
    receiver.dies().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    receiver.comes_back().await;
    receiver.behaves(agreeable);
    standing(&world, "all told", |webhook| webhook["told"] == 40 && webhook["waiting"] == 0).await;
}
