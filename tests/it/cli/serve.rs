//! `keyhaven serve`: the proxy that it has by default, and whom it makes known on the spot.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::{Served, config, keyhaven};

/// Runs `script` in a network of its own, where every port is free: `$0` is the program, `$1` a directory.
fn alone(script: &str, dir: &Path) -> Output {
    let is_good = |flags: &[&str]| Command::new("unshare").args(flags).arg("true").status().is_ok_and(|s| s.success());
    let flags: &[&str] = if is_good(&["-n"]) { &["-n"] } else { &["-r", "-n"] };
    assert!(is_good(flags), "install util-linux (unshare), and run as root or allow user namespaces to others");
    let mut command = Command::new("unshare");
    command.args(flags).args(["sh", "-c", &format!("ip link set lo up\n{script}"), env!("CARGO_BIN_EXE_keyhaven")]);
    let unset = keyhaven(&[]);
    for (name, _) in unset.get_envs() {
        command.env_remove(name);
    }
    command.arg(dir).output().unwrap()
}

fn ready(dir: &Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join(name)).unwrap()).unwrap()
}

fn text(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn the_proxy_is_on_by_default_where_its_port_is_free_and_the_environment_allows_it() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"cd "$1"
        bin=$0
        export KEYHAVEN_LISTEN=:0 KEYHAVEN_IDENTITY_LISTEN=:0 KEYHAVEN_ADMIN_LISTEN=:0
        started() {
            name=$1; shift
            "$bin" serve --log-level warn --data "$name" "$@" >"$name.out" 2>"$name.err" & pids="$pids $!"
            until [ -e "$name/ready.json" ] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
            cp "$name/ready.json" "$name.json" 2>/dev/null
        }
        ALL_PROXY=socks5://me:hush@127.0.0.1:1 started socks
        KEYHAVEN_LISTEN=0.0.0.0:0 started wide
        started none --proxy-listen off
        started first
        started second
        started asked --proxy-listen 127.0.0.1:8082
        started offline --offline
        kill $pids 2>/dev/null
        wait
        true
    "#;
    let ended = alone(script, dir.path());
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let dir = dir.path();

    let first = ready(dir, "first.json");
    assert_eq!(first["proxy"], "127.0.0.1:8082");
    assert_eq!(first["env"]["HTTPS_PROXY"], "http://127.0.0.1:8082");
    assert_eq!(first["env"]["KEYHAVEN_VAULT_URL"], "https://local.vault.azure.net");
    assert_eq!(text(dir, "first.err"), "");

    for name in ["socks", "wide", "none", "second"] {
        let ready = ready(dir, &format!("{name}.json"));
        assert_eq!((&ready["proxy"], &ready["env"]["HTTPS_PROXY"]), (&Value::Null, &Value::Null), "{name}");
    }
    let why = text(dir, "second.err");
    assert!(
        why.contains("the takeover's proxy is off") && why.contains("127.0.0.1:8082 is in use (--proxy-listen)"),
        "{why}"
    );
    let why = text(dir, "socks.err");
    assert!(
        why.contains("the takeover's proxy is off") && why.contains("scheme socks5") && !why.contains("hush"),
        "{why}"
    );
    for name in ["wide", "none"] {
        assert_eq!(text(dir, &format!("{name}.err")), "", "{name}");
    }
    for name in ["asked", "offline"] {
        assert!(!dir.join(format!("{name}.json")).exists(), "{name} asks for the proxy");
        let why = text(dir, &format!("{name}.err"));
        assert!(why.contains("127.0.0.1:8082 is in use (--proxy-listen)"), "{why}");
    }
}

/// The status line of the answer to a token request of the identity with this client id.
fn token_status(identity: &str, client_id: &str) -> String {
    let mut stream = std::net::TcpStream::connect(identity).unwrap();
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
    write!(
        stream,
        "GET {path}&client_id={client_id} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn identities_are_made_on_the_spot_unless_the_configuration_names_some() {
    let unknown = "31313131-0000-4000-8000-000000000009";
    let names_one = r#"{"identities": [{"name": "app"}]}"#;
    for (text, expected) in [("{}", "200 OK"), (names_one, "400 Bad Request")] {
        let dir = tempfile::tempdir().unwrap();
        let file = config(dir.path(), text);
        let more = ["--config", file.to_str().unwrap(), "--proxy-listen", ":0"];
        let served = Served::start(&dir.path().join("data"), &more);
        let status = token_status(served.ready["identity"].as_str().unwrap(), unknown);
        assert_eq!(status, format!("HTTP/1.1 {expected}"), "{text}");
    }
}
