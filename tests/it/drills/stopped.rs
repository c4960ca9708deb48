//! A server that stops in the middle of a drill, or before its first step: what is left behind is named, with what removes it.

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::proxy::{Asked, FAITHFUL, Memory, Proxy, Tampering, Way};
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

/// Refuses everything from the first request on whose path begins so.
fn refuse_from(start: &str, asked: &Asked, memory: &Memory) -> Way {
    if asked.path.starts_with(start) {
        memory.put("refuses", Bytes::new());
    }
    match memory.find("refuses") {
        Some(_) => Way::Answer(400, Bytes::new()),
        None => Way::On,
    }
}

/// The line of a drill that cannot begin, because what is at the other end of a proxy ceases to answer; and the admin API's URL.
fn unbegun(server: &Server, before: fn(&Asked, &Memory) -> Way) -> (String, String) {
    let ca = server.dir.path().join("proxy.pem");
    let proxy = Proxy::start(server.ready(), &ca, Tampering { before, ..FAITHFUL });
    let (vault, admin) =
        (format!("https://local.vault.localhost:{}", proxy.vaults), format!("http://127.0.0.1:{}", proxy.admin));
    let mut command = server.drill(&["credentials", "--vault", &vault, "--admin", &admin]);
    let output = command.env("SSL_CERT_FILE", &ca).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).lines().count()), (Some(1), 1), "{}", stderr(&output));
    (plain(stderr(&output).trim_end()), admin)
}

const LEFT: &str = "the vault drill-N: keyhaven vault delete drill-N; the vault drill-N-second: keyhaven vault delete drill-N-second; \
     the identity drill-N-factory: keyhaven identity remove drill-N-factory; \
     the identity drill-N-operator: keyhaven identity remove drill-N-operator";

#[test]
fn what_a_server_keeps_that_stops_before_the_first_step_is_named_too() {
    let server = Server::start();
    let of = |admin: &str| {
        let why = format!("the admin API at {admin}: it answers 400 Bad Request");
        (
            format!("keyhaven: {why}; "),
            format!("not everything could be put back: {why}; left behind are, with what removes them: "),
        )
    };
    let (line, admin) = unbegun(&server, |asked, memory| refuse_from("/admin/identities", asked, memory));
    let (why, notes) = of(&admin);
    assert_eq!(line, format!("{why}{notes}{LEFT}"), "the first change");
    let (line, admin) = unbegun(&server, |asked, memory| refuse_from("/admin/vaults/drill-", asked, memory));
    let (why, notes) = of(&admin);
    assert_eq!(line, format!("{why}{notes}{LEFT}"), "a vault of the run's own");
    let (line, admin) = unbegun(&server, |asked, memory| match asked.path.starts_with("/admin/") {
        true => refuse_from("never", asked, memory),
        false => refuse_from("/", asked, memory),
    });
    assert!(line.ends_with(&format!("; {}{LEFT}", of(&admin).1)), "the vault itself: {line}");
}
