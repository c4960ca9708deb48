//! The vault clock: moved by the admin API, kept with the data, followed by everything that falls due.

use keyhaven::clock::{Clock, Timestamp};
use keyhaven::{ClockChoice, Config, Options, Storage};

use crate::world::{CONFIG, START, World};

const DAY: i64 = 86_400;
const RUNNING: ClockChoice = ClockChoice::Virtual { start: None, frozen: None };

async fn in_dir(dir: &std::path::Path, clock: ClockChoice) -> World {
    let config = Config::parse(CONFIG).unwrap();
    let storage = Storage::Redb(dir.to_owned());
    World::with(Options { config, storage, clock, ..Options::default() }).await
}

fn frozen_at(seconds: i64) -> ClockChoice {
    ClockChoice::Virtual { start: Some(Timestamp::from_unix(seconds)), frozen: Some(true) }
}

#[tokio::test]
async fn it_is_shown_and_moved() {
    let world = World::new().await;
    let ask = async |body: &str| world.admin("POST /admin/clock", body).await.exactly();
    let shown = |now: &str, ran| format!(r#"200 {{"now":"{now}","clock":"virtual","frozen":true,"ran":{ran}}}"#);
    assert_eq!(world.admin("GET /admin/clock", "").await.exactly(), shown("2023-11-14T22:13:20Z", 0));
    assert_eq!(ask(r#"{"advance":"P1DT1S"}"#).await, shown("2023-11-15T22:13:21Z", 0));
    assert_eq!(ask(r#"{"advance":"P1M"}"#).await, shown("2023-12-15T22:13:21Z", 0));
    assert_eq!(ask(r#"{"set":"2024-01-01T00:00:00+01:00"}"#).await, shown("2023-12-31T23:00:00Z", 0));
    assert_eq!(ask(r#"{"freeze":true}"#).await, shown("2023-12-31T23:00:00Z", 0));
    let running = world.admin("POST /admin/clock", r#"{"run":true}"#).await.json();
    assert_eq!(running["frozen"], false);
    assert!(
        world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await.json()["attributes"]["created"].as_i64() > Some(START)
    );
}

#[tokio::test]
async fn it_goes_forward_alone_and_takes_nothing_else() {
    let world = World::new().await;
    let ask = async |body: &str| world.admin("POST /admin/clock", body).await.error();
    let one_of =
        r#"400 BadRequest give one of {"advance": "P90D"}, {"set": RFC3339}, {"freeze": true} and {"run": true}"#;
    for (body, expected) in [
        (
            r#"{"set":"2023-11-14T22:13:19Z"}"#,
            "409 Conflict the clock stands at 2023-11-14T22:13:20Z already and only goes forward",
        ),
        (r#"{"set":"tomorrow"}"#, "400 BadRequest set: not a time; write it as 2030-01-31T00:00:00Z"),
        (
            r#"{"advance":"-P1D"}"#,
            "400 BadRequest advance: not a length of time; write it as 90d, P90D, P1Y6M or PT30M",
        ),
        (r#"{"advance":"P9999Y"}"#, "400 BadRequest no calendar goes so far"),
        ("{}", one_of),
        (r#"{"freeze":false}"#, one_of),
        (r#"{"freeze":true,"run":true}"#, one_of),
    ] {
        assert_eq!(ask(body).await, expected, "{body}");
    }
    let unknown = ask(r#"{"back":"P1D"}"#).await;
    assert!(unknown.starts_with("400 BadRequest back: unknown field `back`"), "{unknown}");
    assert_eq!(world.clock.now().unix(), START, "nothing has moved");
}

#[tokio::test]
async fn a_real_clock_is_not_moved() {
    let config = Config::parse(CONFIG).unwrap();
    let server = keyhaven::testing::start(Options { config, ..Options::default() }).await.unwrap();
    let period = "P1D".parse().unwrap();
    let refused = server.advance(&period).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "this server lives by the machine's clock; start it with --clock virtual to move time"
    );
    server.stop().await;
}

#[tokio::test]
async fn advancing_does_what_falls_due_in_order_and_once() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.ask(&format!("PUT /secrets/{name}"), r#"{"value":"v"}"#).await;
        world.ask(&format!("DELETE /secrets/{name}"), "").await;
        world.clock.advance(DAY);
    }
    world.ask("POST /deletedsecrets/b/recover", "").await;
    let ran = async |body: &str| world.admin("POST /admin/clock", body).await.json()["ran"].as_u64().unwrap();
    // The clock stands at day 3; what was deleted on day 0 goes on day 90.
    assert_eq!(ran(r#"{"advance":"P86DT23H59M59S"}"#).await, 0);
    assert_eq!(ran(r#"{"advance":"PT1S"}"#).await, 1);
    assert_eq!(ran(r#"{"advance":"P400D"}"#).await, 1, "b was recovered");
    assert_eq!(ran(r#"{"advance":"P400D"}"#).await, 0);
    assert_eq!(world.ask("GET /secrets/b", "").await.json()["value"], "v");
}

#[tokio::test]
async fn windows_follow_it_and_tokens_do_not() {
    let world = World::new().await;
    let token = world.token("owner").await;
    let ask =
        async |line: &str, body: &str| world.send(world.request(&world.host("acme"), line, body, Some(&token))).await;
    let exp = START + 10 * DAY;
    ask("POST /keys/k/create", &format!(r#"{{"kty":"EC","attributes":{{"exp":{exp}}}}}"#)).await;
    let sign = format!(r#"{{"alg":"ES256","value":"{}"}}"#, crate::base64url::encode(&[1; 32]));
    assert_eq!(ask("POST /keys/k/sign", &sign).await.status, 200);
    world.admin("POST /admin/clock", r#"{"advance":"P10D"}"#).await;
    assert!(
        ask("POST /keys/k/sign", &sign).await.error().starts_with("403 Forbidden/KeyExpired"),
        "with the same token"
    );
}

#[tokio::test]
async fn it_shows_the_same_time_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let world = in_dir(dir.path(), frozen_at(START)).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    world.ask("DELETE /secrets/s", "").await;
    world.admin("POST /admin/clock", r#"{"advance":"P89D"}"#).await;
    world.server.stop().await;

    let world = in_dir(dir.path(), RUNNING).await;
    assert_eq!(world.clock.now().unix(), START + 89 * DAY);
    assert!(world.clock.is_frozen());
    assert_eq!(world.ask("GET /deletedsecrets/s", "").await.status, 200);
    let ran = world.admin("POST /admin/clock", r#"{"advance":"P1D"}"#).await.json()["ran"].as_u64();
    assert_eq!(ran, Some(1), "what was due before the restart is due after it");
    world.server.stop().await;

    let world = in_dir(dir.path(), frozen_at(START)).await;
    assert_eq!(world.clock.now().unix(), START, "unless the start gives a time");
    world.server.stop().await;
}

#[tokio::test]
async fn one_that_runs_goes_on_from_where_it_stood() {
    let dir = tempfile::tempdir().unwrap();
    let later = ClockChoice::Virtual { start: Some(Timestamp::from_unix(START)), frozen: None };
    let world = in_dir(dir.path(), later).await;
    assert!(!world.clock.is_frozen());
    world.admin("POST /admin/clock", r#"{"advance":"P1000D"}"#).await;
    world.server.stop().await;
    let world = in_dir(dir.path(), RUNNING).await;
    let run = world.clock.now().unix() - START - 1000 * DAY;
    assert!((0..60).contains(&run), "{run}");
    assert!(!world.clock.is_frozen());
    world.server.stop().await;
}

#[tokio::test]
async fn what_falls_due_happens_without_anybody_asking() {
    let dir = tempfile::tempdir().unwrap();
    let world = in_dir(dir.path(), frozen_at(START)).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    world.ask("DELETE /secrets/s", "").await;
    // Two seconds before the end of its retention the clock begins to run, and nobody asks for anything.
    world.admin("POST /admin/clock", r#"{"advance":"P89DT23H59M58S"}"#).await;
    world.admin("POST /admin/clock", r#"{"run":true}"#).await;
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    world.admin("POST /admin/clock", r#"{"freeze":true}"#).await;
    let ran = world.admin("POST /admin/clock", r#"{"advance":"P1D"}"#).await.json()["ran"].as_u64();
    assert_eq!(ran, Some(0), "it was done when it fell due");
    world.server.stop().await;
}

#[tokio::test]
async fn parts_of_seconds_add_up_and_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let world = in_dir(dir.path(), frozen_at(START)).await;
    for _ in 0..2 {
        world.admin("POST /admin/clock", r#"{"advance":"PT0.5S"}"#).await;
    }
    assert_eq!(world.clock.now().unix(), START + 1);
    world.server.stop().await;
    let world = in_dir(dir.path(), RUNNING).await;
    assert_eq!(world.clock.now().unix(), START + 1);
    world.server.stop().await;
}
