//! The event of what was committed is delivered, whatever becomes of the server and of the receiver.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::time::Duration;

use keyhaven::{Config, Options, Server, Storage};
use serde_json::{Value, json};

use super::receiver::{Heard, Receiver, Reply, agreeable, until};
use super::{listening, set, standing, with_webhooks, world};
use crate::cli::Served;

fn ids(heard: &[Heard]) -> Vec<String> {
    heard.iter().map(|heard| heard.event()["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn only_undelivered_events_are_delivered_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let storage = || Storage::Redb(directory.path().to_owned());
    let receiver = Receiver::new().await;
    let hooks = json!([{ "url": receiver.url("/in?code=hush") }]);
    let first = listening(&receiver, storage()).await;
    set(&first, "before").await;
    receiver.hears(1).await;
    standing(&first, "told", |webhook| webhook["told"] == 1).await;
    receiver.behaves(|_| Reply::status(500));
    for name in ["a", "b"] {
        set(&first, name).await;
    }
    let tried =
        until("attempts", || Some(receiver.events()).filter(|all| ids(all).iter().collect::<HashSet<_>>().len() == 3))
            .await;
    first.server.stop().await;

    receiver.behaves(agreeable);
    let questions = receiver.questions().len();
    let before = receiver.events().len();
    let second = world(hooks.clone(), storage()).await;
    standing(&second, "told", |webhook| webhook["told"] == 2 && webhook["waiting"] == 0).await;
    let mut again = ids(&receiver.events()[before..]);
    let mut missed: Vec<_> = ids(&tried)[1..].to_vec();
    again.sort();
    missed.sort();
    missed.dedup();
    assert_eq!(again, missed, "the same ids, and nothing else");
    assert_eq!(receiver.questions().len(), questions, "it has accepted once and for all");
    second.server.stop().await;

    let third = world(hooks, storage()).await;
    set(&third, "after").await;
    standing(&third, "told", |webhook| webhook["told"] == 1 && webhook["waiting"] == 0).await;
    assert_eq!(receiver.summaries().last().unwrap(), "after SecretNewVersionCreated");
    assert_eq!(receiver.events().len(), before + 3);
}

#[tokio::test]
async fn a_webhook_gets_no_history_and_begins_anew_when_it_was_gone() {
    let directory = tempfile::tempdir().unwrap();
    let storage = || Storage::Redb(directory.path().to_owned());
    let receiver = Receiver::new().await;
    let of = |types: Value| json!([{ "url": receiver.url("/in"), "types": types }]);
    let first = world(json!([]), storage()).await;
    set(&first, "history").await;
    first.server.stop().await;

    // Of each type it hears from the moment on that it asks for it.
    let second = world(of(json!(["Microsoft.KeyVault.KeyNewVersionCreated"])), storage()).await;
    set(&second, "unasked").await;
    second.key("k", r#"{"kty":"EC"}"#).await;
    receiver.hears(1).await;
    second.server.stop().await;
    let third = world(of(json!([])), storage()).await;
    set(&third, "asked").await;
    receiver.hears(2).await;
    third.server.stop().await;

    world(json!([]), storage()).await.server.stop().await;
    let fourth = world(of(json!([])), storage()).await;
    set(&fourth, "anew").await;
    receiver.hears(3).await;
    let expected = ["k KeyNewVersionCreated", "asked SecretNewVersionCreated", "anew SecretNewVersionCreated"];
    assert_eq!(receiver.summaries(), expected);
    assert_eq!(receiver.questions().len(), 2, "once it was gone, it is asked again");
}

/// What the admin API of a server of its own process answers: its status.
fn ask(served: &Served, line: &str, body: &str) -> u16 {
    ask_at(served.ready["admin"].as_str().unwrap(), served.ready["adminKey"].as_str().unwrap(), line, body)
}

pub(super) fn ask_at(admin: &str, key: &str, line: &str, body: &str) -> u16 {
    let mut stream = std::net::TcpStream::connect(admin).unwrap();
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n");
    write!(stream, "{head}Authorization: Bearer {key}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_loses_no_event() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::that(|heard| agreeable(heard).after(Duration::from_millis(20))).await;
    let config = directory.path().join("config.json");
    std::fs::write(&config, with_webhooks(&json!([{ "url": receiver.url("/in?code=hush") }]))).unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    let data = directory.path().join("data");
    let permissions = |some: bool| {
        let policies = json!([{ "identity": "nobody", "permissions": { "keys": ["get"] } }]);
        json!({ "accessPolicies": if some { policies } else { json!([]) } }).to_string()
    };
    let mut changes = 0;
    for _ in 0..3 {
        let mut served = Served::start(&data, &arguments);
        for number in 0..6 {
            for vault in ["acme", "plain"] {
                assert_eq!(ask(&served, &format!("PUT /admin/vaults/{vault}"), &permissions(number % 2 == 0)), 200);
                changes += 1;
            }
        }
        // SIGKILL: an event is under way, or delivered and not yet marked, or not even read.
        served.child.kill().unwrap();
        served.child.wait().unwrap();
        std::fs::remove_file(data.with_extension("ready")).unwrap();
    }
    let _served = Served::start(&data, &arguments);
    let distinct = || ids(&receiver.events()).into_iter().collect::<HashSet<_>>().len();
    until("all events", || (distinct() == changes).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_inside_a_test_tells_webhooks_too() {
    let receiver = Receiver::new().await;
    let webhook = json!({ "url": receiver.url("/in"), "schema": "cloudevents" });
    let config = Config::parse(&json!({ "events": { "webhooks": [webhook] } }).to_string()).unwrap();
    let server = Server::with(Options { config, ..Options::default() }).unwrap();
    let variables = server.environment();
    let admin = variables["KEYHAVEN_ADMIN_URL"].strip_prefix("http://").unwrap();
    let changed =
        ask_at(admin, &variables["KEYHAVEN_ADMIN_KEY"], "PUT /admin/vaults/local", r#"{"accessPolicies":[]}"#);
    assert_eq!(changed, 200);
    receiver.hears(1).await;
    assert_eq!(receiver.summaries(), ["local VaultAccessPolicyChanged"]);
}
