//! `keyhaven serve`: the proxy that it has by default, and whom it makes known on the spot.

use std::io::{BufRead, BufReader, Read, Write};
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
            "$bin" serve --log-level "${LEVEL:-warn}" --data "$name" "$@" >"$name.out" 2>"$name.err" & pids="$pids $!"
            until [ -e "$name/ready.json" ] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
            cp "$name/ready.json" "$name.json" 2>/dev/null
        }
        ALL_PROXY=socks5://me:hush@127.0.0.1:1 started socks
        LEVEL=info KEYHAVEN_LISTEN=0.0.0.0:0 started wide
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
    let why = text(dir, "wide.err");
    assert!(
        why.contains("the takeover's proxy is off") && why.contains("another listener is beyond loopback"),
        "{why}"
    );
    assert_eq!(text(dir, "none.err"), "");
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

/// A server that was started with `args` and `variables`; killed when dropped. And the lines of its banner.
struct Announced {
    child: std::process::Child,
    lines: Vec<String>,
}

impl Announced {
    fn start(args: &[&str], variables: &[(&str, &Path)]) -> Self {
        let free = ["--listen", ":0", "--identity-listen", ":0", "--admin-listen", ":0"];
        let mut command = keyhaven(&[&["serve", "--log-level", "warn"][..], &free, args].concat());
        command.envs(variables.iter().copied()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = Vec::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !lines.last().is_some_and(|line: &String| line.starts_with("  CA certificate")) {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "{lines:?}");
            lines.push(line.trim_end().to_owned());
        }
        Self { child, lines }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_banner_says_what_to_do_next() {
    let dir = tempfile::tempdir().unwrap();
    let vault = |number: u8| {
        let secrets = r#"[{"name": "a", "value": "hush"}, {"name": "b", "value": "hush"}]"#;
        format!(r#"{{"name": "vault-{number}", "sku": "premium", "keys": [{{"name": "k"}}], "secrets": {secrets}}}"#)
    };
    let vaults: Vec<_> = (1..=7).map(vault).collect();
    let file = config(dir.path(), &format!(r#"{{"vaults": [{}]}}"#, vaults.join(",")));
    let data = dir.path().join("data");
    let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
    let served = Announced::start(&["--proxy-listen", ":0", "--data", data, "--config", file], &[]);
    let lines = &served.lines;
    assert!(lines[0].starts_with("keyhaven ") && lines[0].contains(" is ready (") && lines[0].ends_with(" ms)"));
    assert_eq!(lines[1], "  programs use      https://vault-1.vault.azure.net");
    assert_eq!(lines[2], format!("  in their shell    eval \"$(keyhaven env --data {data})\""));
    assert_eq!(lines[3], format!("  look inside       keyhaven secret list --data {data} [--identity NAME]"));
    assert_eq!(lines[4], format!("  data              {data} (7 keys, 14 secrets in 7 vaults)"));
    assert!(lines[5].starts_with("  vault vault-1     https://vault-1.vault.localhost:"), "{}", lines[5]);
    assert_eq!(lines[10], format!("  other vaults      2, see keyhaven vault list --data {data}"));
    assert!(lines[13].starts_with("  takeover proxy    http://127.0.0.1:"), "{}", lines[13]);
    assert_eq!(lines.len(), 16);
    assert!(!lines.iter().any(|line| line.contains("hush")));
    let shown = keyhaven(&["secret", "list", "--data", data]).output().unwrap();
    let names = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success() && names.contains("\na ") && names.contains("\nb "), "{names}");
}

#[test]
fn a_server_that_keeps_nothing_is_found_by_other_commands() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let found = |variables: &[(&str, &Path)]| {
        let output = keyhaven(&["env", "--format", "json"]).envs(variables.iter().copied()).output().unwrap();
        let env: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        env["KEYHAVEN_READY_FILE"].as_str().map(str::to_owned)
    };
    for (variable, directory) in [
        ("XDG_RUNTIME_DIR", "keyhaven".to_owned()),
        ("TMPDIR", format!("keyhaven-{}", rustix::process::geteuid().as_raw())),
    ] {
        let place = dir.path().join(variable);
        std::fs::create_dir(&place).unwrap();
        let none = Path::new("");
        let variables = [("XDG_RUNTIME_DIR", none), (variable, place.as_path()), ("XDG_DATA_HOME", &home)];
        let served = Announced::start(&["--ephemeral", "--proxy-listen", "off"], &variables);
        assert_eq!(served.lines[2], "  in their shell    eval \"$(keyhaven env)\"");
        assert!(
            served.lines[4].starts_with("  data              in memory, gone when the server stops ("),
            "{:?}",
            served.lines
        );
        let file = place.join(&directory).join("ready.json");
        assert_eq!(found(&variables), Some(file.to_str().unwrap().to_owned()));
        let mode = std::fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        std::fs::set_permissions(file.parent().unwrap(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(found(&variables), None, "others could have written it");
        std::fs::set_permissions(file.parent().unwrap(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let kept = Served::start(&home.join("keyhaven"), &[]);
        let expected = home.join("keyhaven/ready.json");
        assert_eq!(found(&variables), Some(expected.to_str().unwrap().to_owned()), "the data directory comes first");
        drop(kept);
        assert_eq!(found(&variables), Some(file.to_str().unwrap().to_owned()), "a killed server does not hide it");
    }
}

#[test]
fn who_waits_for_the_health_of_a_first_start_finds_its_variables() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"export XDG_DATA_HOME="$1"
        "$0" serve --ready-file "$1/named.json" >/dev/null 2>&1 & server=$!
        until "$0" health 2>/dev/null; do :; done
        test -e "$1/named.json" && "$0" env | grep "^export SSL_CERT_FILE=" && kill $server && wait $server"#;
    let ended = alone(script, dir.path());
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success() && stdout.contains("/trust/bundle.pem"), "{stdout}{stderr}");
}
