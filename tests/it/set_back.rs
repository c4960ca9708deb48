//! The machine's clock is set back: what was written since is there, and can be recovered.

use std::path::Path;
use std::sync::Arc;

use keyhaven::clock::{Clock, SystemClock, Timestamp, VirtualClock};
use keyhaven::{ClockChoice, Config, Options, Storage};

use crate::world::{Answer, CONFIG, World};

/// Certificates and tokens are checked against the real time, so these tests set the machine's clock near it.
fn machine() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::frozen_at(SystemClock.now()))
}

fn options(storage: Storage) -> Options {
    Options { config: Config::parse(CONFIG).unwrap(), storage, ..Options::default() }
}

fn in_dir(dir: &Path) -> Options {
    options(Storage::Redb(dir.to_owned()))
}

fn names(listed: &Answer) -> Vec<String> {
    let listed = listed.json();
    let id = |one: &serde_json::Value| one["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    listed["value"].as_array().unwrap().iter().map(id).collect()
}

/// What was deleted is in the list of deleted objects alone, and comes back at once.
async fn assert_recoverable(world: &World) {
    assert_eq!(names(&world.ask("GET /deletedsecrets", "").await), ["s"]);
    assert_eq!(names(&world.ask("GET /secrets", "").await), Vec::<String>::new());
    assert_eq!(world.ask("GET /deletedsecrets/s", "").await.status, 200);
    assert_eq!(world.ask("POST /deletedsecrets/s/recover", "").await.status, 200);
    assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], "v");
}

#[tokio::test]
async fn what_was_deleted_before_a_restart_can_be_recovered_by_an_earlier_clock() {
    let (dir, machine) = (tempfile::tempdir().unwrap(), machine());
    let world = World::on_machine_clock(machine.clone(), in_dir(dir.path())).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    machine.advance(60);
    let deleted = world.ask("DELETE /secrets/s", "").await.json()["deletedDate"].as_i64().unwrap();
    assert_eq!(deleted, machine.now().unix());
    world.server.stop().await;

    machine.set(machine.now().plus_seconds(-3600));
    let world = World::on_machine_clock(machine.clone(), in_dir(dir.path())).await;
    assert!(world.server.now() >= Timestamp::from_unix(deleted), "the vault's now is not behind");
    assert_recoverable(&world).await;
    machine.set(Timestamp::from_unix(deleted + 100));
    assert_eq!(world.server.now().unix(), deleted + 100, "and goes on when the machine's clock has caught up");
    world.server.stop().await;
}

#[tokio::test]
async fn what_was_deleted_can_be_recovered_when_the_clock_is_set_back_meanwhile() {
    let machine = machine();
    let world = World::on_machine_clock(machine.clone(), options(Storage::Memory)).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    machine.advance(60);
    world.ask("DELETE /secrets/s", "").await;
    machine.set(machine.now().plus_seconds(-3600));
    assert_recoverable(&world).await;
}

#[tokio::test]
async fn a_snapshot_that_is_loaded_after_a_reset_brings_its_latest_moment() {
    let (dir, machine) = (tempfile::tempdir().unwrap(), machine());
    let world = World::on_machine_clock(machine.clone(), in_dir(dir.path())).await;
    machine.advance(60);
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    world.ask("DELETE /secrets/s", "").await;
    let written = machine.now();
    let file = world.admin_bytes("GET /admin/snapshot").await;
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    let bearer = format!("Bearer {}", world.server.ready.admin_key);
    assert_eq!(world.admin_with("PUT /admin/snapshot", &file, &[("authorization", &bearer)]).await.status, 204);
    world.server.stop().await;
    machine.set(written.plus_seconds(-3600));
    let world = World::on_machine_clock(machine.clone(), in_dir(dir.path())).await;
    assert_recoverable(&world).await;
    world.server.stop().await;
}

#[tokio::test]
async fn a_reset_begins_anew_by_the_clock_of_today_though_it_was_ahead_once() {
    let (dir, machine) = (tempfile::tempdir().unwrap(), machine());
    let today = machine.now();
    machine.advance(3600);
    let world = World::on_machine_clock(machine.clone(), in_dir(dir.path())).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    machine.set(today);
    let set = world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await.json();
    assert!(set["attributes"]["created"].as_i64().unwrap() >= today.unix() + 3600, "{set}");
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    let set = world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await.json();
    assert_eq!(set["attributes"]["created"], today.unix(), "{set}");
    world.server.stop().await;
    let world = World::on_machine_clock(machine.clone(), in_dir(dir.path())).await;
    let set = world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await.json();
    assert!(set["attributes"]["created"].as_i64().unwrap() <= today.unix() + 1, "{set}");
    world.server.stop().await;
}

#[tokio::test]
async fn a_snapshot_of_a_later_clock_brings_its_moment_along() {
    let (later, earlier) = (machine(), machine());
    later.advance(3600);
    let key = || Some(keyhaven::BackupKey::from_bytes(zeroize::Zeroizing::new([0xab; 32])));
    let with_key = || Options { backup_key: key(), ..options(Storage::Memory) };
    let source = World::on_machine_clock(later, with_key()).await;
    source.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    source.ask("DELETE /secrets/s", "").await;
    let file = source.admin_bytes("GET /admin/snapshot").await;
    let world = World::on_machine_clock(earlier, with_key()).await;
    let bearer = format!("Bearer {}", world.server.ready.admin_key);
    assert_eq!(world.admin_with("PUT /admin/snapshot", &file, &[("authorization", &bearer)]).await.status, 204);
    assert_recoverable(&world).await;
}

#[tokio::test]
async fn a_virtual_clock_still_goes_where_it_is_put() {
    let (dir, machine) = (tempfile::tempdir().unwrap(), machine());
    let world = World::on_machine_clock(machine.clone(), in_dir(dir.path())).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    world.server.stop().await;
    let start = Some(machine.now().plus_seconds(-86_400));
    let clock = ClockChoice::Virtual { start, frozen: Some(true) };
    let world = World::with(Options { clock, ..in_dir(dir.path()) }).await;
    assert_eq!(Some(world.clock.now()), start);
    world.server.stop().await;
}
