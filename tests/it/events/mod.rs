//! Events, delivered to webhooks.

mod delivery;
mod durability;
mod handshake;
mod receiver;
mod replaced;
mod secrecy;

use std::time::Duration;

use keyhaven::{Config, Options, RetryPolicy, Storage};
use serde_json::Value;

use crate::world::{CONFIG, World};
use receiver::{Heard, Receiver, Reply, agreeable};

/// Pauses that a test can wait for.
fn quick() -> RetryPolicy {
    let milliseconds = |all: &[u64]| all.iter().copied().map(Duration::from_millis).collect();
    RetryPolicy {
        retry_delays: milliseconds(&[20, 50]),
        max_attempts: 4,
        handshake_delays: milliseconds(&[30]),
        probe_delays: milliseconds(&[50]),
        ..RetryPolicy::default()
    }
}

/// The usual configuration with these webhooks.
fn with_webhooks(webhooks: &Value) -> String {
    let mut config: Value = serde_json::from_str(CONFIG).unwrap();
    config["events"]["webhooks"] = webhooks.clone();
    config.to_string()
}

/// A server with these webhooks.
async fn world(webhooks: Value, storage: Storage) -> World {
    world_of(webhooks, storage, quick()).await
}

async fn world_of(webhooks: Value, storage: Storage, delivery: RetryPolicy) -> World {
    let config = Config::parse(&with_webhooks(&webhooks)).unwrap();
    World::with(Options { config, storage, delivery, ..Options::default() }).await
}

/// A server whose webhook has accepted.
async fn listening(receiver: &Receiver, storage: Storage) -> World {
    let world = world(serde_json::json!([{ "url": receiver.url("/in?code=hush") }]), storage).await;
    accepted(&world).await;
    world
}

/// Takes events whose subject is not among these, and answers `status` to those.
fn except(subjects: &'static [&'static str], status: u16) -> impl Fn(&Heard) -> Reply {
    move |heard| match !heard.is_question() && subjects.contains(&heard.event()["subject"].as_str().unwrap()) {
        true => Reply::status(status),
        false => agreeable(heard),
    }
}

/// Waits until every webhook has accepted.
async fn accepted(world: &World) {
    standing(world, "accepted", |webhook| webhook["validated"] == true).await;
}

/// Waits until `is_so` of the status of every webhook.
async fn standing(world: &World, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..4000 {
        let webhooks = world.admin("GET /admin/events", "").await.json()["webhooks"].clone();
        if webhooks.as_array().unwrap().iter().all(&is_so) {
            return webhooks;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not seen in time: {what}: {}", world.admin("GET /admin/events", "").await.text);
}

async fn set(world: &World, name: &str) -> String {
    let set = world.ask(&format!("PUT /secrets/{name}"), r#"{"value":"v"}"#).await;
    assert_eq!(set.status, 200, "{}", set.text);
    set.version()
}
