//! The command itself: its exit statuses, its one-line errors, its ready file, its signals.

mod apply;
mod ca;
mod clients;
mod credential;
mod data;
mod doctor;
mod env;
mod ground;
mod help;
mod init;
mod look;
mod node;
mod node_runs;
mod node_secrecy;
mod nodes_killed;
mod objects;
mod policy;
mod powershell;
mod run;
mod serve;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The command with nothing of this environment that could change it.
pub fn keyhaven(args: &[&str]) -> Command {
    let mut command = program();
    command.args(args);
    let ours = |name: &str| name.starts_with("KEYHAVEN_") || name.starts_with("AZURE_") || name == "JAVA_TOOL_OPTIONS";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name) || name.to_uppercase().ends_with("_PROXY")) {
        command.env_remove(name);
    }
    command
}

/// The options of a server whose listeners take free ports; it has no proxy.
pub const ON_FREE_PORTS: [&str; 8] =
    ["--listen", ":0", "--identity-listen", ":0", "--admin-listen", ":0", "--proxy-listen", "off"];

/// The program. Where these tests run below `nohup`, what they start would ignore hang-ups too: `env` of GNU coreutils has it
/// listen to them again, and becomes the program.
fn program() -> Command {
    let program = env!("CARGO_BIN_EXE_keyhaven");
    if !hang_ups_are_ignored() {
        return Command::new(program);
    }
    let mut command = Command::new("/usr/bin/env");
    command.args(["--default-signal=HUP", program]);
    command
}

fn hang_ups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0").trim();
    u64::from_str_radix(mask, 16).unwrap() & 1 == 1
}

fn output(args: &[&str]) -> Output {
    keyhaven(args).output().unwrap()
}

/// A server on free ports in `data`; killed when dropped.
pub struct Served {
    pub child: Child,
    pub ready: Value,
}

impl Served {
    pub fn start(data: &Path, more: &[&str]) -> Self {
        Self::start_with(data, more, &[])
    }

    /// The same, in an environment with `own`.
    pub fn start_with(data: &Path, more: &[&str], own: &[(&str, &str)]) -> Self {
        let file = data.with_extension("ready");
        // That of a server that was killed.
        let _ = std::fs::remove_file(&file);
        // The default port of the proxy could be another test's.
        let proxy: &[&str] = if more.contains(&"--proxy-listen") { &[] } else { &["--proxy-listen", "off"] };
        let args = ["serve", "--listen", ":0", "--identity-listen", ":0", "--admin-listen", ":0", "--ready-file"];
        let mut command = keyhaven(&args);
        command
            .envs(own.iter().copied())
            .arg(&file)
            .arg("--data")
            .arg(data)
            .args(proxy)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let ready = loop {
            if let Ok(text) = std::fs::read_to_string(&file) {
                break serde_json::from_str(&text).unwrap();
            }
            assert!(Instant::now() < deadline, "the server did not become ready");
            std::thread::sleep(Duration::from_millis(10));
        };
        Self { child, ready }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a plain listener answers, head and all.
pub fn http_get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub fn refused(args: &[&str], status: i32) -> String {
    let output = output(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "one line: {stderr}");
    stderr
}

fn config(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("config.json");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn alone_it_prints_help_and_a_wrong_line_is_2() {
    let help = output(&[]);
    assert_eq!(help.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&help.stderr).contains("Usage: keyhaven <COMMAND>"));
    assert_eq!(output(&["--help"]).status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output(&["--version"]).stdout).unwrap(),
        concat!("keyhaven ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(output(&["serve", "--no-such-flag"]).status.code(), Some(2));
    assert_eq!(output(&["serve", "--listen", "nowhere"]).status.code(), Some(2));
    let range = output(&["serve", "--client-address", "10.0.0.0/8"]);
    assert_eq!(range.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&range.stderr).contains("not an address; write one such as 203.0.113.7"));
}

#[test]
fn a_bad_configuration_is_one_line_with_its_path_and_status_2() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path(), r#"{"vaults":[{"name":"acme","tags":{}}]}"#);
    let printed = refused(&["serve", "--ephemeral", "--config", path.to_str().unwrap()], 2);
    assert!(printed.contains("config.json: vaults[0].tags: unknown field"), "{printed}");
    let printed = refused(&["serve", "--ephemeral", "--config", "/nowhere/at/all"], 2);
    assert!(
        printed.contains("/nowhere/at/all: No such file; give another one, or write an example: keyhaven init"),
        "{printed}"
    );
    let printed = refused(&["run", "--config", dir.path().to_str().unwrap(), "--", "true"], 2);
    assert!(printed.contains("is a directory; give a file in it, such as "), "{printed}");
    config(dir.path(), "vaults:\n  - name: acme\n");
    let printed = refused(&["serve", "--ephemeral", "--config", path.to_str().unwrap()], 2);
    assert!(printed.contains("config.json: this is YAML; the configuration is JSON with comments"), "{printed}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let flags = ["--listen", "--identity-listen", "--admin-listen", "--proxy-listen"];
    for flag in flags {
        let mut args = vec!["serve", "--ephemeral"];
        for other in flags {
            args.extend([other, if other == flag { &address } else { ":0" }]);
        }
        let printed = refused(&args, 1);
        assert!(printed.contains(&format!("{address} is in use ({flag})")), "{printed}");
    }
}

#[test]
fn the_ready_file_says_what_the_contract_says() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut served = Served::start(&data, &[]);
    let ready = &served.ready;
    let members: Vec<_> = ready.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["admin", "adminKey", "ca", "env", "identity", "listen", "pid", "proxy", "tenant", "vaults"]);
    assert_eq!(ready["pid"], served.child.id());
    assert_eq!(ready["proxy"], Value::Null);
    assert!(Path::new(ready["ca"].as_str().unwrap()).is_absolute());
    let port = ready["listen"].as_str().unwrap().rsplit(':').next().unwrap();
    assert_eq!(ready["vaults"]["local"], format!("https://local.vault.localhost:{port}"));
    assert_eq!(ready["env"]["KEYHAVEN_VAULT_URL"], ready["vaults"]["local"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(data.with_extension("ready")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);

    let key = ready["adminKey"].as_str().unwrap().to_owned();
    served.signal(rustix::process::Signal::TERM);
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    let lines: Vec<_> = BufReader::new(served.child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(lines[0].starts_with("keyhaven ") && lines[0].contains(" is ready (") && lines[0].ends_with(" ms)"));
    assert!(!lines.iter().any(|line| line.contains(&key)), "no secret is printed");
    assert!(!data.with_extension("ready").exists(), "the ready file goes with the server");
}

#[test]
fn each_signal_stops_it_with_0() {
    use rustix::process::Signal;
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let dir = tempfile::tempdir().unwrap();
        let mut served = Served::start(&dir.path().join("data"), &[]);
        let started = Instant::now();
        served.signal(signal);
        assert_eq!(served.child.wait().unwrap().code(), Some(0));
        assert!(started.elapsed() < Duration::from_secs(3), "nothing was in flight");
    }
}

#[test]
fn flags_have_variables_and_win_over_them() {
    let dir = tempfile::tempdir().unwrap();
    let (by_variable, by_flag) = (dir.path().join("variable"), dir.path().join("flag"));
    let args = ["serve", "--data", by_flag.to_str().unwrap(), "--store", "memory"];
    let mut command = keyhaven(&args);
    let variables = [
        ("KEYHAVEN_LISTEN", ":0"),
        ("KEYHAVEN_IDENTITY_LISTEN", ":0"),
        ("KEYHAVEN_ADMIN_LISTEN", ""),
        ("KEYHAVEN_PROXY_LISTEN", "off"),
        ("KEYHAVEN_SEED", "1"),
    ];
    let mut child = command.envs(variables).env("KEYHAVEN_DATA", &by_variable).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    let ready: Value = serde_json::from_str(&std::fs::read_to_string(by_flag.join("ready.json")).unwrap()).unwrap();
    assert_eq!(ready["admin"], Value::Null, "the empty address switches the admin API off");
    assert!(!by_variable.exists());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn one_version_of_tls_can_be_chosen() {
    use rustls::version::{TLS12, TLS13};
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&dir.path().join("data"), &["--tls", "1.2"]);
    assert!(handshake(&served.ready, &TLS12).is_ok());
    let refused = handshake(&served.ready, &TLS13).unwrap_err().to_string();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    let unknown = output(&["serve", "--tls", "1.1"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("use 1.2 or 1.3"));
}

/// A TLS handshake of one version with the server of `ready`.
fn handshake(ready: &Value, version: &'static rustls::SupportedProtocolVersion) -> std::io::Result<()> {
    let roots = crate::world::roots(Path::new(ready["ca"].as_str().unwrap()));
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = "local.vault.localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut stream = std::net::TcpStream::connect(ready["listen"].as_str().unwrap())?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(())
}

#[test]
fn without_a_home_a_place_to_keep_things_must_be_given() {
    let mut command = keyhaven(&["serve"]);
    let output = command.env_remove("HOME").env_remove("XDG_DATA_HOME").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("no place to keep things: give --data DIR, or --ephemeral to keep nothing"), "{said}");
}

#[test]
fn an_admin_listener_beyond_loopback_needs_a_key() {
    let args = ["serve", "--ephemeral", "--listen", ":0", "--identity-listen", ":0", "--admin-listen", "0.0.0.0:0"];
    assert!(refused(&args, 2).contains("set KEYHAVEN_ADMIN_KEY"));
}

#[test]
fn a_ready_file_replaces_files_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (target, link, part) = (dir.path().join("target"), dir.path().join("link"), dir.path().join("link.part"));
    std::fs::write(&target, "mine").unwrap();
    std::fs::write(&part, "mine").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    for place in [link.as_path(), dir.path()] {
        // At info the removal of what a killed server has left could be a line besides.
        let refused = keyhaven(&["serve", "--ephemeral"])
            .args(ON_FREE_PORTS)
            .args(["--log-level", "warn", "--ready-file"])
            .arg(place)
            .output()
            .unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains("there is something else than a file"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine");
    assert_eq!(std::fs::read_to_string(&part).unwrap(), "mine");
}

#[test]
fn an_unknown_log_level_and_a_missing_command_are_reported() {
    let said = |refused: &Output| String::from_utf8(refused.stderr.clone()).unwrap();
    let level = output(&["serve", "--ephemeral", "--log-level", "loud"]);
    assert_eq!(level.status.code(), Some(2), "{}", said(&level));
    assert!(said(&level).contains("--log-level loud: use off, error"), "{}", said(&level));
    let absent = output(&["run", "--", "no-such-command"]);
    assert_eq!(absent.status.code(), Some(127), "{}", said(&absent));
    let folder = output(&["run", "--", "/"]);
    assert_eq!(folder.status.code(), Some(126), "{}", said(&folder));
    let unsure = keyhaven(&["serve"]).env("KEYHAVEN_EPHEMERAL", "maybe").output().unwrap();
    assert_eq!(unsure.status.code(), Some(2), "{}", said(&unsure));
}

#[test]
fn a_ready_file_that_is_none_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let printed = refused(&["run", "--ready-file", pipe.to_str().unwrap(), "--", "true"], 1);
    assert!(printed.contains("there is something else than a file"), "{printed}");
}

#[test]
fn the_header_of_app_service_can_be_fixed() {
    let shown =
        keyhaven(&["run", "--", "sh", "-c", "echo $IDENTITY_HEADER"]).env("KEYHAVEN_IDENTITY_HEADER", "mine").output();
    assert_eq!(String::from_utf8(shown.unwrap().stdout).unwrap(), "mine\n");
}

#[cfg(target_os = "linux")]
#[test]
fn the_command_of_run_may_open_as_many_files_as_before() {
    let bin = env!("CARGO_BIN_EXE_keyhaven");
    let script =
        format!("ulimit -Sn 512; {bin} run -- sh -c 'sleep 0.2; ulimit -Sn; grep Max.open /proc/$PPID/limits'");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (command, server) = said.split_once('\n').unwrap();
    let server: u64 = server.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(command == "512" && server > 512, "{said}");
}

#[test]
fn hosts_to_pass_are_whole_names() {
    let printed = refused(&["run", "--pass", "*.blob.core.windows.net", "--", "true"], 2);
    let why = "--pass *.blob.core.windows.net: wildcards are not taken; name each HOST or HOST:PORT";
    assert!(printed.contains(why), "{printed}");
    let printed = refused(&["run", "--pass", "https://dev.azure.com", "--", "true"], 2);
    assert!(printed.contains("https://dev.azure.com: not a host; write HOST or HOST:PORT"), "{printed}");
}

#[test]
fn a_ready_file_that_a_kill_left_behind_is_not_taken_for_another_server() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ready.json");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let args = ["run", "--identity-listen", &format!(":{port}"), "--ready-file", file.to_str().unwrap(), "--", "cat"];
    let first = keyhaven(&[&args[..], &[file.to_str().unwrap()]].concat()).output().unwrap();
    let mut ready: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    // Another process has its number by now, and the server that starts answers at its address.
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    ready["pid"] = other.id().into();
    std::fs::write(&file, ready.to_string()).unwrap();
    let second = keyhaven(&[&args[..], &[file.to_str().unwrap()]].concat()).output().unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(second.status.code(), Some(0), "{}", String::from_utf8_lossy(&second.stderr));
}

#[test]
fn a_tenant_is_a_guid() {
    let output = keyhaven(&["run", "--tenant", "contoso.com", "--", "true"]).output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(printed.contains("not a GUID; the tenant answers to every domain name"), "{printed}");
}

#[test]
fn a_vault_that_lets_no_identity_in_is_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), r#"{"vaults":[{"name":"acme","accessPolicies":[]},{"name":"open"}]}"#);
    let output = keyhaven(&["run", "--config", config.to_str().unwrap(), "--", "true"]).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("accessPolicies of this vault are empty: it lets no identity in") && log.contains("acme"),
        "{log}"
    );
    assert!(!log.contains("open"), "{log}");
}
