//! `keyhaven env`: a running server's variables, for every shell.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::{Served, keyhaven, output, refused};

/// The variables of the server that keeps its data in `data`, as `env` prints them for an environment with `own`.
fn variables(data: &Path, args: &[&str], own: &[(&str, &str)]) -> (Value, String) {
    let mut command = keyhaven(&["env", "--format", "json", "--data", data.to_str().unwrap()]);
    let output = command.args(args).envs(own.iter().copied()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (serde_json::from_slice(&output.stdout).unwrap(), stderr)
}

#[test]
fn env_and_health_find_the_server_by_its_data_or_its_ready_file() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    let ready_file = data.with_extension("ready");
    for target in [["--data", data.to_str().unwrap()], ["--ready-file", ready_file.to_str().unwrap()]] {
        let health = output(&["health", target[0], target[1]]);
        assert_eq!(health.status.code(), Some(0));
        let env = output(&["env", "--format", "json", target[0], target[1]]);
        let mut env: Value = serde_json::from_slice(&env.stdout).unwrap();
        let file = env.as_object_mut().unwrap().remove("KEYHAVEN_READY_FILE").unwrap();
        let expected = if target[0] == "--data" { data.join("ready.json") } else { ready_file.clone() };
        assert_eq!((file, &env), (Value::from(expected.to_str().unwrap()), &served.ready["env"]));
    }
    let sh = String::from_utf8(output(&["env", "--data", data.to_str().unwrap()]).stdout).unwrap();
    let read_back =
        Command::new("sh").arg("-c").arg(format!("{sh}\nprintf %s \"$KEYHAVEN_VAULT_URL\"")).output().unwrap();
    assert_eq!(String::from_utf8(read_back.stdout).unwrap(), served.ready["vaults"]["local"].as_str().unwrap());
    let left = std::fs::read(data.join("ready.json")).unwrap();
    drop(served);
    std::fs::write(data.join("ready.json"), left).unwrap();
    let printed = refused(&["env", "--data", data.to_str().unwrap()], 1);
    assert!(printed.contains("the server of this ready file is gone"), "as after a kill: {printed}");
    let printed = refused(&["health", "--data", data.to_str().unwrap()], 1);
    assert!(printed.contains("no server answers at"), "{printed}");
    let printed = refused(&["env", "--data", dir.path().join("other").to_str().unwrap()], 1);
    assert!(printed.contains("no running server found"), "{printed}");
}

#[test]
fn without_a_proxy_programs_go_straight_to_what_this_server_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    let (env, _) = variables(&data, &[], &[("NO_PROXY", "*")]);
    let port = served.ready["listen"].as_str().unwrap().rsplit(':').next().unwrap();
    assert_eq!(env["AZURE_AUTHORITY_HOST"], format!("https://login.localhost:{port}"));
    assert_eq!(env["KEYHAVEN_VAULT_URL"], format!("https://local.vault.localhost:{port}"));
    assert_eq!(env["AZURE_IDENTITY_DISABLE_MULTITENANTAUTH"], "1");
    assert_eq!(env["AZURE_ADDITIONALLY_ALLOWED_TENANTS"], "*");
    for absent in ["HTTPS_PROXY", "no_proxy", "NODE_USE_ENV_PROXY", "AZURE_CONFIG_DIR", "AZURE_TOKEN_CREDENTIALS"] {
        assert_eq!(env[absent], Value::Null, "{absent}");
    }
    let java = env["JAVA_TOOL_OPTIONS"].as_str().unwrap();
    assert!(java.starts_with("-Djavax.net.ssl.trustStore=/") && !java.contains("proxyHost"), "{java}");
}

#[test]
fn with_a_proxy_what_the_shell_had_is_kept_where_it_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &["--proxy-listen", ":0"]);
    let own = [
        ("NO_PROXY", "corp.example,.azure.net,169.254.0.0/16"),
        ("JAVA_TOOL_OPTIONS", "-Xmx1g -Dhttps.proxyHost=corp"),
        ("AZURE_TOKEN_CREDENTIALS", "dev"),
    ];
    let (mut env, printed) = variables(&data, &[], &own);
    let proxy = format!("http://{}", served.ready["proxy"].as_str().unwrap());
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        assert_eq!(env[name], proxy, "{name}");
    }
    for name in ["NO_PROXY", "no_proxy"] {
        assert_eq!(env[name], "localhost,127.0.0.1,::1,corp.example", "{name}");
    }
    let dropped = "left out of NO_PROXY, because it could name what is taken over: .azure.net, 169.254.0.0/16";
    assert_eq!(printed, format!("keyhaven: {dropped}\n"));
    let java = env["JAVA_TOOL_OPTIONS"].as_str().unwrap();
    assert!(java.starts_with("-Xmx1g -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort="), "{java}");
    assert!(java.contains(" -Dhttp.nonProxyHosts=localhost|127.* ") && !java.contains("corp"), "{java}");
    assert_eq!((&env["AZURE_TOKEN_CREDENTIALS"], &env["NODE_USE_ENV_PROXY"]), (&"prod".into(), &"1".into()));
    assert_eq!(env["AZURE_AUTHORITY_HOST"], Value::Null, "sign-in is taken over");
    // Evaluated twice, it says the same; the credentials are those for production by then.
    env.as_object_mut().unwrap().remove("AZURE_TOKEN_CREDENTIALS");
    let again: Vec<(&str, &str)> =
        env.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    assert_eq!(variables(&data, &[], &again), (env.clone(), String::new()));
}

#[test]
fn an_identity_is_named_by_its_client_id() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &[]);
    let (env, _) = variables(&data, &["--identity", "nobody"], &[]);
    assert_eq!(env["AZURE_CLIENT_ID"], "6b9e7c1a-0000-4000-8000-00000000c11f");
    let printed = refused(&["env", "--data", data.to_str().unwrap(), "--identity", "me"], 2);
    assert!(printed.contains("--identity me: no identity is called so; there are default, nobody"), "{printed}");
}

/// Every variable that names the bundle.
const BUNDLES: [&str; 5] = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"];

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn stopped(mut served: Served) {
    served.signal(rustix::process::Signal::TERM);
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_it_printed_stays_good_over_restarts_of_the_same_data() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let more = ["--proxy-listen", ":0"];
    let served = Served::start(&data, &more);
    let (env, _) = variables(&data, &[], &[]);
    stopped(served);
    let bundle = Path::new(env["SSL_CERT_FILE"].as_str().unwrap()).to_owned();
    assert_eq!(bundle, data.join("trust/bundle.pem"));
    for name in BUNDLES {
        assert_eq!(env[name], bundle.to_str().unwrap(), "{name}");
    }
    let ca = std::fs::read_to_string(data.join("takeover/ca.pem")).unwrap();
    let (trusted, inode) = (std::fs::read_to_string(&bundle).unwrap(), std::fs::metadata(&bundle).unwrap().ino());
    assert!(trusted.ends_with(&ca), "the bundle holds the takeover's CA");
    for (file, expected) in
        [("takeover", 0o700), ("takeover/ca.key", 0o600), ("trust", 0o700), ("identity.header", 0o600)]
    {
        assert_eq!(mode(&data.join(file)), expected, "{file}");
    }
    // As in the shell that evaluated it: what it names is not taken for the system's.
    let own = [("SSL_CERT_FILE", bundle.to_str().unwrap()), ("KEYHAVEN_FORMER_UNSET", "SSL_CERT_FILE")];
    let _served = Served::start_with(&data, &more, &own);
    let (again, _) = variables(&data, &[], &[]);
    for name in BUNDLES.into_iter().chain(["IDENTITY_HEADER", "SYSTEM_WGETRC", "KEYHAVEN_ADMIN_KEY"]) {
        assert_eq!(again[name], env[name], "{name}");
    }
    let store = |env: &Value| env["JAVA_TOOL_OPTIONS"].as_str().unwrap().split(" -Djavax").nth(1).unwrap().to_owned();
    assert_eq!(store(&again), store(&env));
    assert_eq!(std::fs::read_to_string(data.join("takeover/ca.pem")).unwrap(), ca);
    assert_eq!(std::fs::metadata(&bundle).unwrap().ino(), inode, "what has not changed is not written again");
}

#[test]
fn of_a_server_that_keeps_nothing_it_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &["--ephemeral", "--proxy-listen", ":0"]);
    let bundle = Path::new(served.ready["env"]["SSL_CERT_FILE"].as_str().unwrap()).to_owned();
    let private = bundle.parent().unwrap();
    assert_eq!(mode(private), 0o700);
    assert!(private.join("trust.p12").exists() && !data.exists());
    stopped(served);
    assert!(!private.exists());
}

/// Runs `script` in a shell whose `keyhaven` is the program, with the variables `own`; `$1` is `argument`.
fn in_shell(script: &str, argument: &Path, own: &[(&str, &str)]) -> Output {
    let clean = keyhaven(&[]);
    let mut shell = Command::new("sh");
    for (name, _) in clean.get_envs() {
        shell.env_remove(name);
    }
    let script = format!("keyhaven() {{ \"$0\" \"$@\"; }}\nset -e\n{script}");
    let script = script.replace("\"$0\"", env!("CARGO_BIN_EXE_keyhaven"));
    shell.args(["-c", &script, "sh"]).arg(argument).envs(own.iter().copied()).output().unwrap()
}

#[test]
fn unset_puts_back_what_the_shell_had_before_the_first_env() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &["--proxy-listen", ":0"]);
    let script = r#"env | sort >"$1/before"
        eval "$(keyhaven env --data "$1/data")"
        echo "$HTTPS_PROXY $KEYHAVEN_FORMER_HTTPS_PROXY"
        eval "$(keyhaven env --credential client-secret)"
        test -z "$IDENTITY_HEADER"; test "$AZURE_CLIENT_SECRET" != theirs
        eval "$(keyhaven env --unset)"
        env | sort >"$1/after"
        keyhaven env --unset
    "#;
    let own = [
        ("HTTPS_PROXY", "http://corp.example:1"),
        ("NO_PROXY", "corp.example"),
        ("AZURE_CLIENT_SECRET", "their's"),
        ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
    ];
    let ended = in_shell(script, dir.path(), &own);
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{stderr}");
    let proxy = format!("http://{} http://corp.example:1\n", served.ready["proxy"].as_str().unwrap());
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), proxy);
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("after"), read("before"));
    assert!(
        stderr.ends_with("there is nothing to put back: `keyhaven env` has set nothing in this shell\n"),
        "{stderr}"
    );
}

#[test]
fn a_file_for_programs_does_not_hold_what_the_shell_had() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &[]);
    for format in ["dotenv", "json"] {
        let args = ["env", "--format", format, "--credential", "client-secret", "--data", data.to_str().unwrap()];
        let printed = keyhaven(&args).env("AZURE_CLIENT_SECRET", "theirs").output().unwrap().stdout;
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.contains("AZURE_CLIENT_SECRET") && !printed.contains("theirs"), "{printed}");
        assert!(!printed.contains("KEYHAVEN_FORMER"), "{printed}");
    }
}

#[test]
fn what_a_shell_has_of_a_server_that_is_gone_is_named_and_never_fatal() {
    let dir = tempfile::tempdir().unwrap();
    let gone = Served::start(&dir.path().join("gone"), &["--proxy-listen", ":0"]);
    let printed = keyhaven(&["env", "--data"]).arg(dir.path().join("gone")).output().unwrap().stdout;
    drop(gone);
    std::fs::write(dir.path().join("env"), printed).unwrap();
    let _other = Served::start(&dir.path().join("home/keyhaven"), &[]);
    let script = r#"eval "$(cat "$1/env")"
        export XDG_DATA_HOME="$1/home"
        keyhaven --version
        keyhaven health
        keyhaven run -- sh -c 'test -z "$KEYHAVEN_FORMER_UNSET" && echo "$HTTPS_PROXY"'
        eval "$(keyhaven env --unset)"
        keyhaven health
    "#;
    let ended = in_shell(script, dir.path(), &[]);
    let (stdout, stderr) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap());
    assert!(ended.status.success(), "{stdout}{stderr}");
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines[1].starts_with("ok (127.0.0.1:") && lines[2].starts_with("http://127.0.0.1:"), "{stdout}");
    let named = "keyhaven: KEYHAVEN_READY_FILE, HTTPS_PROXY: of a server that is gone, and left aside; start the server again \
                 (keyhaven serve ...), or leave it: eval \"$(keyhaven env --unset)\"\n";
    assert_eq!(stderr.matches(named).count(), 2, "of health and of run, not of the others: {stderr}");
}

#[test]
fn a_key_of_another_server_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&dir.path().join("data"), &[]);
    let url = format!("http://{}", served.ready["admin"].as_str().unwrap());
    let mut command = keyhaven(&["vault", "list"]);
    let output =
        command.env("KEYHAVEN_ADMIN_URL", url).env("KEYHAVEN_ADMIN_KEY", "another-key-0123456789").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let why = "the server has another admin key: name its --ready-file or --data, or set KEYHAVEN_ADMIN_KEY";
    assert!(output.status.code() == Some(1) && said.contains(why), "{said}");
}

/// `script` of util-linux gives the command a terminal.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_a_value_that_is_missing_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &[]);
    let line = format!("{} secret set x --data {}", env!("CARGO_BIN_EXE_keyhaven"), data.display());
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let why = "the value is missing: give it after the name, on standard input, or with --file FILE";
    assert!(output.status.code() == Some(2) && said.contains(why), "{said}");
}

#[test]
fn a_secret_of_the_shell_that_would_win_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &[]);
    let (_, printed) = variables(&data, &[], &[("AZURE_CLIENT_SECRET", "real")]);
    let why =
        "AZURE_CLIENT_SECRET is set: programs sign in with it, not as the identity that these variables name; unset it";
    assert!(printed.contains(why), "{printed}");
}

/// The variables that name a vault, as a program finds them.
const VAULT: [&str; 4] = ["VAULT_URL", "AZURE_KEYVAULT_URL", "KEYHAVEN_VAULT_URL", "KEY_VAULT_NAME"];

#[test]
fn the_vault_is_the_users_own_where_that_is_taken_over_or_the_one_that_is_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &["--proxy-listen", ":0"]);
    let (local, orders) = ("https://local.vault.azure.net", "https://orders.vault.azure.net");
    let own = [("VAULT_URL", orders), ("KEY_VAULT_NAME", "orders")];
    let named = |env: &Value| VAULT.map(|name| env[name].as_str().unwrap().to_owned());
    let (env, said) = variables(&data, &[], &own);
    assert_eq!(named(&env), [orders, orders, local, "orders"]);
    let stays =
        format!("keyhaven: VAULT_URL stays {orders}, which leads to this server now; --vault NAME names another\n");
    assert!(said.starts_with(&stays) && said.lines().count() == 2, "{said}");
    let chosen = ["https://shop.vault.azure.net"; 3].into_iter().chain(["shop"]);
    let (env, said) = variables(&data, &["--vault", "shop"], &own);
    assert_eq!((named(&env).to_vec(), said.as_str()), (chosen.map(str::to_owned).collect(), ""));
    let wrong = output(&["env", "--vault", "a/b"]);
    assert!(wrong.status.code() == Some(2) && String::from_utf8_lossy(&wrong.stderr).contains("not a vault's name"));

    let (env, _) = variables(&data, &["--vault", "https://shop.vault.azure.net/"], &[]);
    assert_eq!(named(&env), ["https://shop.vault.azure.net"; 3].into_iter().chain(["shop"]).collect::<Vec<_>>()[..]);
    for url in ["https://vault.example", "http://shop.vault.azure.net", "https://a_b.vault.azure.net"] {
        let wrong = output(&["env", "--vault", url]);
        let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
        assert!(
            wrong.status.code() == Some(2) && said.contains("not the URL of a vault; write it as https://"),
            "{said}"
        );
    }

    let script = "echo $VAULT_URL $KEY_VAULT_NAME $KEYHAVEN_VAULT_URL";
    let shop = "https://shop.vault.azure.net";
    let output = keyhaven(&["run", "--vault", shop, "sh", "-c", script]).envs(own).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{shop} shop {shop}\n"));
}

/// `node --env-file` and a shell that reads the file both have a Node that trusts the server.
#[test]
fn a_file_for_programs_has_node_trust_the_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    let said = |own: &str| {
        let mut command = keyhaven(&["env", "--format", "dotenv", "--data", data.to_str().unwrap()]);
        let output = command.env("NODE_OPTIONS", own).env_remove("SSL_CERT_FILE").output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (file, _) = said("--enable-source-maps");
    assert!(file.contains("\nNODE_OPTIONS=\"--enable-source-maps --use-openssl-ca\"\n"), "{file}");
    let (file, note) = said("--use-bundled-ca");
    assert!(!file.contains("NODE_OPTIONS"), "{file}");
    assert!(note.contains("NODE_OPTIONS has --use-bundled-ca, with which node --env-file does not trust"), "{note}");
    std::fs::write(dir.path().join(".env"), said("").0).unwrap();
    let port = served.ready["listen"].as_str().unwrap().rsplit(':').next().unwrap();
    let script = format!(
        "fetch('https://localhost:{port}/secrets?api-version=7.4').then(r => console.log(r.status), e => console.log(e.cause.code))"
    );
    for shell in [r#"node --env-file="$1/.env" -e "$SCRIPT""#, r#"set -a; . "$1/.env"; set +a; node -e "$SCRIPT""#] {
        let shell = format!("unset SSL_CERT_FILE NODE_EXTRA_CA_CERTS NODE_OPTIONS\n{shell}");
        let ended = in_shell(&shell, dir.path(), &[("SCRIPT", &script)]);
        let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert_eq!((&*stdout, &*stderr), ("401\n", ""), "{shell}");
    }
}

/// `eval` of nothing succeeds, and a script would go on with the real Azure.
#[test]
fn a_script_does_not_go_on_after_an_env_that_failed() {
    let dir = tempfile::tempdir().unwrap();
    for args in ["", "--vault", "--nonsense", "--vault a/b", "--format fish", "--unset --vault a"] {
        let script = format!(r#"eval "$(keyhaven env {args} --data "$1/none")"; echo on"#);
        let ended = in_shell(&script, dir.path(), &[]);
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), &*ended.stdout), (Some(1), &b""[..]), "{args}: {stderr}");
        assert!(!stderr.is_empty(), "{args}");
    }
    for (format, printed) in [("powershell", "throw 'keyhaven env failed'\n"), ("dotenv", ""), ("json", "")] {
        let failed = output(&["env", "--format", format, "--data", dir.path().join("none").to_str().unwrap()]);
        assert_eq!((failed.status.code(), &*failed.stdout), (Some(1), printed.as_bytes()), "{format}");
    }
}

/// `rm -rf` of the files while the server runs.
#[test]
fn files_that_are_missing_are_written_again_when_env_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &["--proxy-listen", ":0"]);
    let (env, _) = variables(&data, &[], &[]);
    let bundle = Path::new(env["SSL_CERT_FILE"].as_str().unwrap());
    let trusted = std::fs::read(bundle).unwrap();
    std::fs::remove_dir_all(data.join("trust")).unwrap();
    let own: Vec<_> = env.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap())).collect();
    let doctor = keyhaven(&["doctor", "--data", data.to_str().unwrap()]).envs(own).output().unwrap();
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("bundle.pem cannot be read") && said.contains("trust.p12 cannot be read"), "{said}");
    let wrong = said.lines().skip_while(|line| !line.contains("bundle.pem cannot be read"));
    assert_eq!(wrong.take(2).last().unwrap().trim(), r#"-> eval "$(keyhaven env)""#, "{said}");
    assert!(!said.contains("--unset") && !said.contains("start it again"), "{said}");
    assert_eq!(variables(&data, &[], &[]).0, env);
    assert_eq!(std::fs::read(bundle).unwrap(), trusted);
    std::fs::write(data.join("trust/trust.p12"), "").unwrap();
    variables(&data, &[], &[]);
    assert_ne!(std::fs::metadata(data.join("trust/trust.p12")).unwrap().len(), 0, "and what was cut short");
}

#[test]
fn files_that_are_missing_are_named_where_the_server_cannot_be_asked() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut served = Served::start(&data, &[]);
    served.ready["admin"] = Value::Null;
    std::fs::write(data.join("ready.json"), served.ready.to_string()).unwrap();
    std::fs::remove_dir_all(data.join("trust")).unwrap();
    let said = refused(&["env", "--data", data.to_str().unwrap()], 1);
    let why = "files by which programs trust the server are missing; start it again, which writes them";
    assert!(said.contains(why) && said.contains("the server's admin API is switched off"), "{said}");
}
