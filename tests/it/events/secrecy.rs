//! The query of a webhook's URL often holds a code: nothing shows it but the request to the webhook.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use keyhaven::{Config, Options, Storage};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;

use super::durability::ask_at;
use super::receiver::{Receiver, Reply, agreeable, until};
use super::{accepted, except, quick, set, standing, with_webhooks};
use crate::cli::{ON_FREE_PORTS, keyhaven};
use crate::world::World;

const HUSH: &str = "code-that-nobody-may-see";

#[tokio::test]
async fn the_query_of_a_url_is_nowhere_to_be_found() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::that(except(&["bad"], 413)).await;
    let url = receiver.url(&format!("/in?code={HUSH}"));
    let config = Config::parse(&with_webhooks(&json!([{ "url": url }]))).unwrap();
    assert!(!format!("{config:?}").contains(HUSH));
    let storage = Storage::Redb(directory.path().join("data"));
    let world = World::with(Options { config, storage, delivery: quick(), ..Options::default() }).await;
    accepted(&world).await;
    set(&world, "bad").await;
    let shown = world.admin("GET /admin/events", "").await.text;
    assert!(shown.contains("\"url\":") && !shown.contains(HUSH), "{shown}");
    standing(&world, "given up", |webhook| webhook["deadLetters"] == 1).await;
    assert!(receiver.events()[0].path.contains(HUSH));
    world.server.stop().await;
    let mut found = Vec::new();
    files(directory.path(), &mut found);
    assert!(found.iter().any(|path| path.ends_with("dead-letters.jsonl")));
    for path in found {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(HUSH.len()).any(|window| window == HUSH.as_bytes()), "{}", path.display());
    }
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Waits for a file that is written whole, and reads it.
async fn written(path: &Path) -> serde_json::Value {
    let text = until("a ready file", || std::fs::read_to_string(path).ok()).await;
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_and_with_everything_in_the_log_it_is_not_in_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("root.pem"), cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let behaves = |heard: &super::receiver::Heard| match heard.is_question() || heard.event()["subject"] == "acme" {
        true => agreeable(heard),
        false => Reply::status(400),
    };
    let receiver = Receiver::over_tls(cert.der().clone(), key, behaves).await;
    let url = format!("https://localhost:{}/in?code={HUSH}", receiver.address.port());
    std::fs::write(path("config.json"), with_webhooks(&json!([{ "url": url }]))).unwrap();
    let mut command = keyhaven(&["serve"]);
    command.args(ON_FREE_PORTS).args(["--log", "json", "--log-level", "trace", "--config"]).arg(path("config.json"));
    command.arg("--ready-file").arg(path("ready")).arg("--data").arg(path("data"));
    command.env("SSL_CERT_FILE", path("root.pem")).stdout(Stdio::null());
    let mut child = command.stderr(std::fs::File::create(path("log")).unwrap()).spawn().unwrap();
    let ready = written(&path("ready")).await;
    let (admin, key) = (ready["admin"].as_str().unwrap(), ready["adminKey"].as_str().unwrap());
    for vault in ["acme", "plain"] {
        assert_eq!(ask_at(admin, key, &format!("PUT /admin/vaults/{vault}"), r#"{"accessPolicies":[]}"#), 200);
    }
    let heard = receiver.hears(2).await;
    assert!(heard.iter().all(|heard| heard.path.contains(HUSH)));
    until("a dead letter", || path("data").join("dead-letters.jsonl").exists().then_some(())).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let log = std::fs::read_to_string(path("log")).unwrap();
    assert!(log.contains(r#""target":"ureq"#) && log.contains("an event was given up"), "{log}");
    assert!(!log.contains(HUSH), "{}", log.lines().find(|line| line.contains(HUSH)).unwrap_or_default());
}
