//! A server that stops in the middle of a drill: what is left behind is named, with what removes it.

use serde_json::{Value, json};

use super::{Server, stderr};
use crate::cli::{Served, keyhaven};

/// The notes of a drill whose server is killed after `step`, and what it printed to stderr.
fn notes(server: &Server, step: &str, args: &[&str]) -> (Vec<String>, String) {
    let hook = format!(
        "test \"$KEYHAVEN_DRILL_STEP $KEYHAVEN_DRILL_MOMENT\" != \"{step} after\" || kill -9 {}",
        server.served.child.id()
    );
    let mut command = server.drill(&[args, &["--report", "json", "--exec", &hook]].concat());
    let env = server.ready()["env"].as_object().unwrap().iter();
    let output = command.envs(env.map(|(name, value)| (name, value.as_str().unwrap()))).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    (serde_json::from_value(report["notes"].clone()).unwrap(), stderr(&output))
}

/// `note` without the number of the run.
fn plain(note: &str) -> String {
    match note.split_once("drill-") {
        Some((before, after)) => format!("{before}drill-N{}", plain(&after[8..])),
        None => note.to_owned(),
    }
}

#[test]
fn what_a_stopped_server_keeps_is_named_with_the_commands_that_remove_it() {
    let mut server = Server::start();
    server.ask("PUT", "/admin/vaults/guarded", r#"{"sku": "premium", "enablePurgeProtection": true}"#);
    let before = ["/admin/vaults", "/admin/identities"].map(|path| server.ask("GET", path, ""));
    let admin = server.admin();
    let (notes, stderr) = notes(&server, "withdraw-policy", &["revocation", "--vault", "guarded", "--admin", &admin]);
    assert!(notes.iter().all(|note| stderr.contains(&format!("keyhaven: {note}\n"))), "{stderr}");
    let (key, rest): (Vec<_>, Vec<_>) = notes.iter().map(|note| plain(note)).enumerate().partition(|(at, _)| *at < 2);
    assert!(key[0].1.starts_with("not everything could be put back: no answer: guarded.vault.localhost:"), "{key:?}");
    assert_eq!(key[1].1, "the key drill-N-revocation: keyhaven key delete drill-N-revocation --vault guarded");
    let first = format!("not everything could be put back: the admin API at {admin}: ");
    assert!(rest[0].1.starts_with(&first) && rest[0].1.ends_with("; left behind are, with what removes them:"));
    assert!(rest[1].1.starts_with("access policies of the vault guarded for the object ids "), "{rest:?}");
    assert!(rest[1].1.contains(": PUT /admin/vaults/guarded of the admin API, "), "{rest:?}");
    let expected = [
        "the vault drill-N-second: keyhaven vault delete drill-N-second",
        "the identity drill-N-factory: keyhaven identity remove drill-N-factory",
        "the identity drill-N-operator: keyhaven identity remove drill-N-operator",
    ];
    assert_eq!(rest[2..].iter().map(|(_, note)| note.as_str()).collect::<Vec<_>>(), expected);

    let data = server.dir.path().join("data");
    server.served = Served::start(&data, &["--clock", "virtual", "--log-level", "warn"]);
    for note in &notes {
        let Some((_, command)) = note.split_once(": keyhaven ") else { continue };
        let output = keyhaven(&command.split(' ').collect::<Vec<_>>()).arg("--data").arg(&data).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}: {}", super::stderr(&output));
    }
    let policies = json!({"accessPolicies": before[0]["vaults"][0]["accessPolicies"]});
    server.ask("PUT", "/admin/vaults/guarded", &policies.to_string());
    assert_eq!(["/admin/vaults", "/admin/identities"].map(|path| server.ask("GET", path, "")), before);
}

#[test]
fn without_the_admin_api_the_object_is_named_by_its_url() {
    let server = Server::start();
    let (notes, _) = notes(&server, "store-secret", &["credentials", "--vault", "local"]);
    let vault = server.vault();
    assert!(notes[0].starts_with("not everything could be put back: no answer: local.vault.localhost:"), "{notes:?}");
    let expected =
        format!("the secret drill-N-credentials: az keyvault secret delete --id {vault}/secrets/drill-N-credentials");
    assert_eq!((plain(&notes[1]), notes.len()), (expected, 2));
}
