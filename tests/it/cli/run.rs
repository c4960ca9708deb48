//! `keyhaven run`: a command's environment, its end, and what is printed of it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{config, keyhaven, refused};

/// The last line of a run whose command asked for no vault.
const NO_VAULT: &str =
    "keyhaven: no vault was asked for; if the program asked one, it went past the proxy to real Azure\n";

/// The environment that `run` gives its command, started with `args` in an environment with `own`; and stderr.
fn given(args: &[&str], own: &[(&str, &str)]) -> (BTreeMap<String, String>, String) {
    let output = ended(args, own, &["env", "-0"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    let variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (variables, String::from_utf8(output.stderr).unwrap())
}

fn ended(args: &[&str], own: &[(&str, &str)], command: &[&str]) -> Output {
    let mut run = keyhaven(&["run"]);
    let output = run.args(args).arg("--").args(command).envs(own.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A run whose command waits until it is let go.
struct Waiting {
    child: Child,
    ready: Value,
}

impl Waiting {
    fn start(dir: &Path, args: &[&str]) -> Self {
        let file = dir.join("ready.json");
        let mut command = keyhaven(&["run", "--ready-file", file.to_str().unwrap()]);
        command.args(args).args(["--", "cat"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !file.exists() {
            assert!(Instant::now() < deadline, "the server did not become ready");
            std::thread::sleep(Duration::from_millis(10));
        }
        let ready = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        Self { child, ready }
    }

    /// The status line of what the proxy answers to `request`.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.ready["proxy"].as_str().unwrap()).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Lets the command end; what was printed on stderr.
    fn end(mut self) -> String {
        drop(self.child.stdin.take());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let mut printed = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
        printed
    }
}

#[test]
fn run_gives_its_command_a_vault_and_passes_on_its_status() {
    let script = r#"test "$KEYHAVEN_VAULT_URL" = https://local.vault.azure.net && test -n "$IDENTITY_HEADER" \
        && test "${AZURE_CLIENT_SECRET#keyhaven-}" != "$AZURE_CLIENT_SECRET" && test -r "$REQUESTS_CA_BUNDLE" && echo "$HTTPS_PROXY" && exit 7"#;
    let output = keyhaven(&["run", "--", "sh", "-c", script]).env("AZURE_CLIENT_SECRET", "real").output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("http://127.0.0.1:"));
    let killed = keyhaven(&["run", "--", "sh", "-c", "kill -9 $$"]).output().unwrap();
    assert_eq!(killed.status.code(), Some(137));
    assert!(refused(&["run", "--", "/no/such/command"], 127).contains("/no/such/command cannot be started"));
}

#[test]
fn the_command_needs_no_dashes_before_it_and_keeps_its_own_options() {
    let said = |args: &[&str]| {
        let output = keyhaven(args).env("AZURE_TENANT_ID", "").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let script = "import os, sys; print(sys.argv[1:], 'HTTPS_PROXY' in os.environ)";
    let (status, printed) =
        said(&["run", "--offline", "python3", "-c", script, "--flag", "--offline", "-h", "--", "--seed=x", "a b"]);
    let expected = "['--flag', '--offline', '-h', '--', '--seed=x', 'a b'] True\n";
    assert_eq!((status, printed.as_str()), (Some(0), expected));
    assert_eq!(said(&["run", "--seed", "1", "--", "echo", "--", "x"]), (Some(0), "-- x\n".to_owned()));
    assert_eq!(said(&["run", "--no-such-option", "true"]).0, Some(2), "an option before the command is run's own");
    assert_eq!(said(&["run"]).0, Some(2));
}

#[test]
fn an_option_of_run_after_the_command_is_named_unless_dashes_are_before_it() {
    let said = |args: &[&str]| String::from_utf8(keyhaven(args).output().unwrap().stderr).unwrap();
    let line = "keyhaven: --offline is after echo, so it is echo's; options of run are before it\n";
    assert!(said(&["run", "echo", "x", "--offline"]).starts_with(line));
    assert!(said(&["run", "echo", "--offline=true"]).starts_with(line));
    for args in
        [&["run", "--", "echo", "--offline"][..], &["run", "echo", "--", "--offline"], &["run", "echo", "--help"]]
    {
        assert!(!said(args).contains("is after echo"), "{args:?}");
    }
}

#[test]
fn create_vaults_takes_no_names() {
    let said = |args: &[&str]| String::from_utf8(keyhaven(args).output().unwrap().stderr).unwrap();
    let why = "--create-vaults takes no names";
    for args in [&["serve", "--create-vaults", "billing"][..], &["run", "--create-vaults", "no-such-billing", "true"]] {
        assert!(said(args).contains(why), "{args:?}: {}", said(args));
    }
    assert!(!said(&["serve", "billing"]).contains(why));
}

#[test]
fn a_command_keeps_the_vault_of_its_own_environment() {
    let own = [("VAULT_URL", "https://contoso.vault.azure.net"), ("AZURE_KEYVAULT_URL", "https://vault.example")];
    let (env, _) = given(&[], &own);
    for name in ["VAULT_URL", "AZURE_KEYVAULT_URL"] {
        assert_eq!(env[name], "https://contoso.vault.azure.net", "{name}");
    }
    assert_eq!(env["KEYHAVEN_VAULT_URL"], "https://local.vault.azure.net", "the server's own stays");
    assert_eq!(env["KEY_VAULT_NAME"], "contoso");
}

#[test]
fn with_a_data_directory_other_commands_find_the_server_there() {
    let dir = tempfile::tempdir().unwrap();
    let (data, bin) = (dir.path().join("data"), env!("CARGO_BIN_EXE_keyhaven"));
    let script = r#"echo "$KEYHAVEN_READY_FILE" && unset KEYHAVEN_READY_FILE && "$0" vault list --data "$1""#;
    let data = data.to_str().unwrap();
    let output = ended(&["--data", data], &[], &["sh", "-c", script, bin, data]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with(&format!("{data}/ready.json\n")) && printed.contains("local"), "{printed}");
    assert!(!Path::new(data).join("ready.json").exists(), "it goes with the server");
    let (env, _) = given(&["--data", data, "--ephemeral"], &[]);
    assert!(!env["KEYHAVEN_READY_FILE"].starts_with(data), "nothing is kept");
}

#[test]
fn run_leaves_nothing_behind_and_passes_signals_on() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap 'echo caught; exit 3' TERM; echo up; while :; do sleep 0.05; done";
    let mut command = keyhaven(&["run", "--", "sh", "-c", script]);
    let mut child = command.env("TMPDIR", dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "up");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "one private directory");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "caught");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "and it is gone");
}

#[test]
fn the_command_of_run_does_not_get_the_key_that_opens_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = keyhaven(&["run", "--data"]);
    command
        .arg(dir.path())
        .args(["--", "env"])
        .env("KEYHAVEN_SEAL_KEY", "ab".repeat(32))
        .env("KEYHAVEN_BACKUP_KEY", "ab".repeat(32));
    let shown = command.env("AZURE_CLIENT_SECRET", "real").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("KEYHAVEN_VAULT_URL=") && !shown.contains("abababab") && !shown.contains("real"), "{shown}");
}

#[test]
fn a_command_finds_the_cloud_and_a_trust_store_of_its_own() {
    let (env, _) =
        given(&[], &[("AZURE_CONFIG_DIR", "/home/me/.azure"), ("REQUEST_METHOD", "GET"), ("GATEWAY_INTERFACE", "x")]);
    for (name, value) in [
        ("KEYHAVEN_VAULT_URL", "https://local.vault.azure.net"),
        ("AZURE_KEYVAULT_URL", "https://local.vault.azure.net"),
        ("VAULT_URL", "https://local.vault.azure.net"),
        ("KEY_VAULT_NAME", "local"),
        ("NO_PROXY", "localhost,127.0.0.1,::1"),
        ("no_proxy", "localhost,127.0.0.1,::1"),
        ("NODE_USE_ENV_PROXY", "1"),
        ("AZURE_IDENTITY_DISABLE_MULTITENANTAUTH", "1"),
        ("AZURE_ADDITIONALLY_ALLOWED_TENANTS", "*"),
        ("AZURE_CORE_COLLECT_TELEMETRY", "no"),
    ] {
        assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
    }
    for name in ["AZURE_AUTHORITY_HOST", "REQUEST_METHOD", "GATEWAY_INTERFACE"] {
        assert!(!env.contains_key(name), "{name}");
    }
    let private = Path::new(&env["PIP_CERT"]).parent().unwrap().to_owned();
    assert_eq!(Path::new(&env["AZURE_CONFIG_DIR"]), private.join("azure"));
    assert_eq!(Path::new(&env["KEYHAVEN_READY_FILE"]), private.join("ready.json"));
    let java = &env["JAVA_TOOL_OPTIONS"];
    assert!(java.contains(&format!("-Djavax.net.ssl.trustStore={}", private.join("trust.p12").display())), "{java}");
    assert!(java.contains("-Dhttps.proxyHost=127.0.0.1") && java.contains("-Dhttp.proxyPort="), "{java}");
    for (name, file) in [("SYSTEM_WGETRC", "wgetrc"), ("SYSTEM_WGET2RC", "wget2rc")] {
        assert_eq!(Path::new(&env[name]), private.join(file));
    }
    assert!(!private.exists(), "it goes with the server");
}

#[test]
fn wget_reads_the_systems_settings_and_our_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("wgetrc");
    std::fs::write(&own, "tries = 7\nhttps_proxy = corp.example:1\n").unwrap();
    let script = r#"echo "$SSL_CERT_FILE" && cat "$SYSTEM_WGETRC""#;
    let output = ended(&[], &[("SYSTEM_WGETRC", own.to_str().unwrap())], &["sh", "-c", script]);
    let text = String::from_utf8(output.stdout).unwrap();
    let (bundle, settings) = text.split_once('\n').unwrap();
    assert_eq!(settings, format!("tries = 7\nca_certificate = {bundle}\n"));
}

#[test]
fn its_directory_has_no_blanks_and_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let blanks = dir.path().join("with blanks");
    std::fs::create_dir(&blanks).unwrap();
    let script = r#"stat -c %a "$AZURE_CONFIG_DIR" "${AZURE_CONFIG_DIR%/*}" && echo "$AZURE_CONFIG_DIR""#;
    let output = ended(&[], &[("TMPDIR", blanks.to_str().unwrap())], &["sh", "-c", script]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["700", "700"]);
    assert!(!lines[2].contains(' ') && lines[2].starts_with("/tmp/keyhaven-"), "{}", lines[2]);
}

#[test]
fn real_credentials_go_unless_they_are_to_be_kept() {
    let own = [
        ("AZURE_CLIENT_SECRET", "real"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", "real"),
        ("AZURE_PASSWORD", "real"),
        ("AZURE_FEDERATED_TOKEN_FILE", "real"),
        ("MSI_ENDPOINT", "real"),
        ("MSI_SECRET", "real"),
        ("IMDS_ENDPOINT", "real"),
        ("IDENTITY_SERVER_THUMBPRINT", "real"),
    ];
    let (env, _) = given(&[], &own);
    assert!(!env.values().any(|value| value == "real"), "{env:?}");
    let (env, _) = given(&["--keep-secrets"], &own);
    for (name, _) in own {
        assert_eq!(env.get(name).map(String::as_str), Some("real"), "{name}");
    }
}

#[test]
fn a_credential_that_is_no_text_goes_too() {
    use std::os::unix::ffi::OsStringExt;
    let mut command = keyhaven(&["run", "--", "sh", "-c", r#"printf %s "$AZURE_CLIENT_SECRET" | grep -q real"#]);
    let secret = std::ffi::OsString::from_vec(b"real\xff".to_vec());
    assert_eq!(command.env("AZURE_CLIENT_SECRET", secret).output().unwrap().status.code(), Some(1));
}

#[test]
fn the_users_exceptions_stay_where_they_cannot_lead_past_the_proxy() {
    let (env, printed) = given(&[], &[("no_proxy", "corp.example,azure.net,*.windows.net,db")]);
    assert_eq!(env["NO_PROXY"], "localhost,127.0.0.1,::1,corp.example,db");
    assert_eq!(env["NO_PROXY"], env["no_proxy"]);
    assert!(
        printed.contains("left out of NO_PROXY, because it could name what is taken over: azure.net, *.windows.net"),
        "{printed}"
    );
}

#[test]
fn an_identity_becomes_the_client_id() {
    let (env, _) = given(&["--identity", "nobody"], &[("AZURE_CLIENT_ID", "11111111-2222-3333-4444-555555555555")]);
    assert_eq!(env["AZURE_CLIENT_ID"], "6b9e7c1a-0000-4000-8000-00000000c11f");
    let printed = refused(&["run", "--identity", "me", "--", "true"], 2);
    assert!(printed.contains("--identity me: no identity is called so; there are default, nobody"), "{printed}");
}

#[test]
fn the_tenant_is_the_configurations_else_the_flags_else_the_environments() {
    let [in_file, in_flag, in_own] = [
        "6b9e7c1a-0000-4000-8000-00000000000a",
        "6b9e7c1a-0000-4000-8000-00000000000b",
        "6b9e7c1a-0000-4000-8000-00000000000c",
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), &format!(r#"{{"tenantId":"{in_file}"}}"#));
    let file = file.to_str().unwrap();
    let own = [("AZURE_TENANT_ID", in_own)];
    let tenant = |args: &[&str], own: &[(&str, &str)]| given(args, own).0["AZURE_TENANT_ID"].clone();
    assert_eq!(tenant(&[], &own), in_own);
    assert_eq!(tenant(&["--tenant", in_flag], &own), in_flag);
    assert_eq!(tenant(&[], &[("AZURE_TENANT_ID", "contoso.example")]), "6b9e7c1a-0000-4000-8000-000000000001");
    let (env, printed) = given(&["--config", file], &own);
    assert_eq!(env["AZURE_TENANT_ID"], in_file);
    assert!(printed.contains("AZURE_TENANT_ID is another tenant than the configuration's"), "{printed}");
    let printed = refused(&["run", "--config", file, "--tenant", in_flag, "--", "true"], 2);
    assert!(printed.contains(&format!("tenantId is {in_file}, --tenant {in_flag}: give one of them")), "{printed}");
    assert!(refused(&["serve", "--ephemeral", "--config", file, "--tenant", in_flag], 2).contains("give one of them"));
}

#[test]
fn the_end_tells_what_was_taken_over_tunnelled_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let run = Waiting::start(dir.path(), &["--pass", "dev.azure.com"]);
    assert_eq!(run.ask("CONNECT acme.vault.azure.net:443"), "HTTP/1.1 200 OK");
    assert_eq!(run.ask("CONNECT acme.vault.azure.net:443"), "HTTP/1.1 200 OK");
    assert_eq!(run.ask("GET http://169.254.169.254/metadata/"), "HTTP/1.1 404 Not Found");
    assert_eq!(run.ask(&format!("CONNECT {}", elsewhere.local_addr().unwrap())), "HTTP/1.1 200 OK");
    assert_eq!(run.ask("CONNECT acme.blob.core.windows.net:443"), "HTTP/1.1 403 Forbidden");
    let printed = run.end();
    let summary = format!(
        "keyhaven: taken over: 169.254.169.254:80 (1 request), acme.vault.azure.net:443 (no request)\n\
         keyhaven: tunnelled: {} (1 connection)\n\
         keyhaven: refused: acme.blob.core.windows.net:443 (1 attempt)\n\
         keyhaven: (no request): connected and asked nothing; mostly the program does not trust this server's certificates: \
         keyhaven run -- keyhaven doctor (Java: did it set -Djavax.net.ssl.trustStore?)\n",
        elsewhere.local_addr().unwrap()
    );
    assert!(printed.ends_with(&summary), "{printed}");
    assert!(
        printed.contains("start with --pass acme.blob.core.windows.net"),
        "the option is printed at once: {printed}"
    );
}

#[test]
fn who_asks_for_no_vault_hears_what_that_may_mean() {
    let printed = |output: Output| String::from_utf8(output.stderr).unwrap();
    assert_eq!(printed(ended(&[], &[], &["true"])), NO_VAULT);
    let offline = "keyhaven: no vault was asked for; with --offline the proxy let nothing out to Azure\n";
    assert_eq!(printed(ended(&["--offline"], &[], &["true"])), offline);
    let failed = keyhaven(&["run", "--", "sh", "-c", "exit 3"]).output().unwrap();
    assert_eq!(failed.status.code(), Some(3));
    assert_eq!(printed(failed), "keyhaven: sh failed (3) before it asked a vault here\n");
    assert_eq!(printed(ended(&["--log-level", "error"], &[], &["true"])), "", "who wants errors alone gets them alone");
    assert_eq!(printed(ended(&["--proxy-listen", ""], &[], &["true"])), "", "without a proxy there is nothing to tell");

    let dir = tempfile::tempdir().unwrap();
    let run = Waiting::start(dir.path(), &[]);
    assert_eq!(run.ask("CONNECT acme.blob.core.windows.net:443"), "HTTP/1.1 403 Forbidden");
    let printed = run.end();
    assert!(
        printed.ends_with(&format!("keyhaven: refused: acme.blob.core.windows.net:443 (1 attempt)\n{NO_VAULT}")),
        "{printed}"
    );
}

#[test]
fn who_asks_the_proxy_for_what_it_cannot_do_has_used_it() {
    for (line, why) in [
        ("CONNECT 0x7f.1:443", "The host is neither a name nor an address"),
        ("GET ftp://example.com/", "Use CONNECT for anything but http:// and https://."),
        ("GET /", "This is a proxy: set it as HTTPS_PROXY and HTTP_PROXY."),
        ("NO HTTP AT ALL", "the proxy refused a malformed request"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let run = Waiting::start(dir.path(), &[]);
        assert_eq!(run.ask(line), "HTTP/1.1 400 Bad Request", "{line}");
        let printed = run.end();
        assert!(printed.ends_with(&format!("keyhaven: malformed: 1 request\n{NO_VAULT}")), "{line}: {printed}");
        assert!(printed.contains(why), "{line}: {printed}");
    }
}

#[test]
fn an_absolute_https_url_is_taken_over_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let run = Waiting::start(dir.path(), &["--offline"]);
    assert_eq!(run.ask("GET https://acme.vault.azure.net/secrets?api-version=7.4"), "HTTP/1.1 401 Unauthorized");
    assert_eq!(run.ask("GET https://example.com/"), "HTTP/1.1 403 Forbidden");
    let printed = run.end();
    let summary =
        "keyhaven: taken over: acme.vault.azure.net:443 (1 request)\nkeyhaven: refused: example.com:443 (1 attempt)\n";
    assert!(printed.ends_with(summary), "{printed}");
}

#[test]
fn offline_lets_out_what_is_passed() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (other, refused) = (TcpListener::bind("127.0.0.1:0").unwrap(), "HTTP/1.1 403 Forbidden");
    let run = Waiting::start(dir.path(), &["--offline", "--pass", &other.local_addr().unwrap().to_string()]);
    assert_eq!(run.ask(&format!("CONNECT {}", other.local_addr().unwrap())), "HTTP/1.1 200 OK");
    assert_eq!(run.ask(&format!("CONNECT {elsewhere}")), refused);
    assert_eq!(run.ask("CONNECT dev.azure.com:443"), refused);
    assert!(run.end().contains("keyhaven: tunnelled: 127.0.0.1:"));
}

#[test]
fn who_asks_the_vault_directly_is_not_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let run = Waiting::start(dir.path(), &[]);
    let roots = crate::world::roots(Path::new(run.ready["ca"].as_str().unwrap()));
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let settings = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let settings = settings.with_root_certificates(roots).with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(std::sync::Arc::new(settings), name).unwrap();
    let mut stream = TcpStream::connect(run.ready["listen"].as_str().unwrap()).unwrap();
    let mut tls = rustls::Stream::new(&mut session, &mut stream);
    tls.write_all(b"GET /keys HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    tls.read_exact(&mut [0; 12]).unwrap();
    assert_eq!(run.end(), "");
}

#[test]
fn the_log_is_shown_when_it_is_asked_for() {
    let quiet = String::from_utf8(ended(&[], &[], &["true"]).stderr).unwrap();
    assert_eq!(quiet.lines().count(), 1, "{quiet}");
    let shown = given(&["--show-log", "--log-level", "debug"], &[]).1;
    assert!(shown.lines().count() > 1, "{shown}");
}

#[test]
fn a_wrong_option_of_the_takeover_is_one_line_that_says_what_to_do() {
    for (args, printed) in [
        (&["--proxy-listen", "0.0.0.0:0"][..], "--proxy-listen 0.0.0.0:0: the proxy listens on loopback alone"),
        (
            &["--takeover", "vault", "--pass", "acme.vault.azure.net"],
            "--pass acme.vault.azure.net: this server takes it over; narrow --takeover",
        ),
        (&["--pass", "https://dev.azure.com"], "--pass https://dev.azure.com: not a host; write HOST or HOST:PORT"),
    ] {
        let args: Vec<_> = ["run"].iter().chain(args).chain(&["--", "true"]).copied().collect();
        let said = refused(&args, 2);
        assert!(said.contains(printed), "{said}");
    }
    assert!(
        refused(&["serve", "--ephemeral", "--listen", "0.0.0.0:0", "--offline"], 2).contains("give --proxy-listen too")
    );
    let mut socks = keyhaven(&["run", "--", "true"]);
    let output = socks.env("ALL_PROXY", "socks5://me:hush@127.0.0.1:1").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("ALL_PROXY names a proxy of the scheme socks5") && !said.contains("hush"), "{said}");
    ended(&["--offline"], &[("ALL_PROXY", "socks5://127.0.0.1:1")], &["true"]);
}

#[test]
fn the_options_of_the_takeover_have_variables() {
    let (env, _) =
        given(&[], &[("KEYHAVEN_TAKEOVER", "vault,arm"), ("KEYHAVEN_TENANT", "6b9e7c1a-0000-4000-8000-00000000000d")]);
    assert!(env.contains_key("AZURE_AUTHORITY_HOST"));
    assert_eq!(env["AZURE_TENANT_ID"], "6b9e7c1a-0000-4000-8000-00000000000d");
    assert!(!given(&[], &[("KEYHAVEN_PROXY_LISTEN", "")]).0.contains_key("HTTPS_PROXY"));
    let mut wrong = keyhaven(&["run", "--", "true"]);
    let output = wrong.env("KEYHAVEN_PASS", "dev.azure.com,acme.vault.azure.net").output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && printed.contains("--pass acme.vault.azure.net"), "{printed}");
}

#[test]
fn without_entra_its_authority_is_this_servers_own_host() {
    let (env, _) =
        given(&["--takeover", "vault,arm"], &[("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com")]);
    let authority = &env["AZURE_AUTHORITY_HOST"];
    assert!(authority.starts_with("https://login.localhost:"), "{authority}");
}

#[test]
fn requests_count_as_coming_from_the_address_that_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let rules = r#"{"defaultAction":"Deny","ipRules":["203.0.113.7"]}"#;
    let file =
        config(dir.path(), &format!(r#"{{"vaults":[{{"name":"acme","networkAcls":{rules},"secrets":{{"s":"v"}}}}]}}"#));
    let ask = |args: &[&str], own: &[(&str, &str)]| {
        let command = ["--", env!("CARGO_BIN_EXE_keyhaven"), "secret", "get", "s"];
        let mut run = keyhaven(&["run", "--config", file.to_str().unwrap()]);
        let output = run.args(args).args(command).envs(own.iter().copied()).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (shown, said) = ask(&["--client-address", "203.0.113.7"], &[]);
    assert!(shown.starts_with("name "), "{said}");
    let (_, said) = ask(&[], &[("KEYHAVEN_CLIENT_ADDRESS", "203.0.113.8")]);
    assert!(said.contains("ForbiddenByFirewall: Client address is not authorized"), "{said}");
    assert!(said.contains("add 203.0.113.8/32 to the ipRules in the networkAcls of the vault 'acme'"), "{said}");
}
