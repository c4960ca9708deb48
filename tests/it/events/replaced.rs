//! Events, when everything is replaced: by a reset, by a snapshot.

use keyhaven::Storage;
use serde_json::json;

use super::receiver::{Receiver, Reply, agreeable, until};
use super::{listening, set, standing};

#[tokio::test]
async fn after_a_reset_only_later_events_are_delivered() {
    let receiver = Receiver::new().await;
    let world = listening(&receiver, Storage::Memory).await;
    set(&world, "told").await;
    receiver.hears(1).await;
    receiver.behaves(|_| Reply::status(500));
    set(&world, "gone").await;
    until("an attempt", || (receiver.events().len() >= 2).then_some(())).await;
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    set(&world, "fresh").await;
    receiver.behaves(agreeable);
    let fresh = || receiver.events().iter().filter(|heard| heard.event()["subject"] == "fresh").count();
    until("the new event", || (fresh() >= 1).then_some(())).await;
    let webhooks = standing(&world, "nothing waits", |webhook| webhook["waiting"] == 0).await;
    assert_eq!(webhooks[0]["deadLetters"], 0);
    assert_eq!(receiver.questions().len(), 1, "it has accepted");
    let again = receiver.events().len();
    set(&world, "fresh").await;
    receiver.hears(again + 1).await;
    assert_eq!(receiver.summaries().last().unwrap(), "fresh SecretNewVersionCreated");
    let listed = world.admin("GET /admin/events", "").await.json();
    let subjects: Vec<_> = listed["events"].as_array().unwrap().iter().map(|event| event["subject"].clone()).collect();
    assert_eq!(json!(subjects), json!(["fresh", "fresh"]));
}

#[tokio::test]
async fn a_snapshot_restores_which_events_were_delivered() {
    let receiver = Receiver::new().await;
    let world = listening(&receiver, Storage::Memory).await;
    set(&world, "told").await;
    standing(&world, "told", |webhook| webhook["told"] == 1).await;
    // A delivered event is marked within a moment.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    let snapshot = world.admin_bytes("GET /admin/snapshot").await;
    set(&world, "later").await;
    standing(&world, "told", |webhook| webhook["told"] == 2).await;
    let key = format!("Bearer {}", world.server.ready.admin_key);
    let loaded = world.admin_with("PUT /admin/snapshot", &snapshot, &[("authorization", &key)]).await;
    assert_eq!(loaded.status, 204, "{}", loaded.text);
    let version = set(&world, "again").await;
    let heard = receiver.hears(3).await;
    assert_eq!(receiver.summaries()[..2], ["told SecretNewVersionCreated", "later SecretNewVersionCreated"]);
    assert_eq!(heard[2].event()["data"]["Version"], version);
    standing(&world, "nothing waits", |webhook| webhook["waiting"] == 0).await;
    assert_eq!(receiver.events().len(), 3);
}
