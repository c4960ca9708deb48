//! `keyhaven doctor`: what keeps programs from a server, and what to do about it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::ground::Ground;
use super::keyhaven;

type Environment = BTreeMap<String, String>;

/// What the doctor finds in a shell with these variables, by area.
struct Findings {
    status: Option<i32>,
    all: Vec<Value>,
}

impl Findings {
    fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        Self { status: output.status.code(), all: answer["findings"].as_array().unwrap().clone() }
    }

    /// The verdict, the finding and the remedy of the one that says `part` in an area.
    fn find(&self, area: &str, part: &str) -> (&str, &str) {
        let says = |finding: &&Value| finding["area"] == area && finding["finding"].as_str().unwrap().contains(part);
        let finding = self.all.iter().find(says).unwrap_or_else(|| panic!("{area} {part}: {:#?}", self.all));
        (finding["verdict"].as_str().unwrap(), finding["do"].as_str().unwrap_or_default())
    }

    fn wrong(&self) -> Vec<&Value> {
        self.all.iter().filter(|finding| finding["verdict"] == "wrong").collect()
    }
}

/// The doctor, with nothing on the PATH but what `programs` holds.
fn doctor(data: &Path, programs: &Path, environment: &Environment) -> Findings {
    let mut command = keyhaven(&["doctor", "--json"]);
    command.env("PATH", programs).envs(environment);
    if !environment.contains_key("KEYHAVEN_READY_FILE") {
        command.arg("--data").arg(data);
    }
    Findings::of(&command.output().unwrap())
}

/// The variables that `keyhaven env` prints for the server of `ground`.
fn variables(ground: &Ground) -> Environment {
    serde_json::from_str(&ground.ok("env --format json")).unwrap()
}

fn program(dir: &Path, name: &str, prints: &str) {
    let file = dir.join(name);
    std::fs::write(&file, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn a_shell_with_the_variables_of_its_server_is_well() {
    let ground = Ground::start(&["--proxy-listen", ":0"]);
    let programs = tempfile::tempdir().unwrap();
    program(programs.path(), "node", "v20.11.1");
    program(programs.path(), "java", "openjdk version \"17.0.2\" 2022-01-18");
    let mut environment = variables(&ground);
    let found = doctor(&ground.data, programs.path(), &environment);
    assert_eq!((found.status, found.wrong()), (Some(0), vec![]));
    for (area, part) in [
        ("server", "answers at"),
        ("variables", "this shell has those of the server that runs"),
        ("ports", ground.served.ready["listen"].as_str().unwrap()),
        ("trust", "is valid until"),
        ("trust", "the certificate of vault local is of this CA"),
        ("trust", "is there"),
        ("proxy", "HTTPS_PROXY is the server's"),
        ("clock", "the vaults have the machine's time"),
        ("java", "Java 17.0.2 reads proxy and trust store"),
    ] {
        assert_eq!(found.find(area, part).0, "ok", "{area} {part}");
    }
    assert_eq!(found.find("node", "the built-in fetch does not").0, "note");

    environment.insert("NO_PROXY".to_owned(), "localhost,.azure.net".to_owned());
    environment.insert("IDENTITY_HEADER".to_owned(), "of yesterday".to_owned());
    environment.insert("CURL_CA_BUNDLE".to_owned(), "/nowhere/bundle.pem".to_owned());
    let found = doctor(&ground.data, programs.path(), &environment);
    assert_eq!((found.status, found.wrong().len()), (Some(1), 3), "{:#?}", found.wrong());
    assert_eq!(found.find("proxy", "NO_PROXY names .azure.net").1, r#"eval "$(keyhaven env)""#);
    assert_eq!(found.find("variables", "IDENTITY_HEADER is of an earlier start").0, "wrong");
    let bundle = found.find("trust", "CURL_CA_BUNDLE: /nowhere/bundle.pem cannot be read");
    assert!(bundle.1.starts_with(r#"eval "$(keyhaven env --unset)""#), "{bundle:?}");
}

#[test]
fn what_java_reads_is_looked_at() {
    let ground = Ground::start(&["--proxy-listen", ":0"]);
    let programs = tempfile::tempdir().unwrap();
    program(programs.path(), "java", "openjdk version \"17.0.2\" 2022-01-18");
    let mut environment = variables(&ground);
    let (env, options) = (r#"eval "$(keyhaven env)""#, environment["JAVA_TOOL_OPTIONS"].clone());
    let foreign = programs.path().join("foreign.p12");
    std::fs::write(&foreign, "no store").unwrap();
    let store = ground.data.join("trust/trust.p12");
    let elsewhere = |file: &Path| options.replace(store.to_str().unwrap(), file.to_str().unwrap());
    let other = Ground::start(&["--proxy-listen", ":0"]);
    for (given, part, remedy) in [
        (String::new(), "JAVA_TOOL_OPTIONS is not set", env),
        ("-Xmx1g".to_owned(), "names no proxy", env),
        (options.replace("-Dhttps.proxyPort=", "-Dhttps.proxyPort=9"), "the server's is 127.0.0.1:", env),
        (options.replace("-Djavax.net.ssl.trustStore=", "-Dx="), "names no trust store", env),
        (elsewhere(&other.data.join("trust/trust.p12")), "does not hold the server's CA", env),
        (elsewhere(&foreign), "is no PKCS#12 file that opens", "stop the server and start it again"),
        (elsewhere(Path::new("/nowhere/trust.p12")), "cannot be read: Java trusts nothing", "stop the server"),
    ] {
        environment.insert("JAVA_TOOL_OPTIONS".to_owned(), given);
        let found = doctor(&ground.data, programs.path(), &environment);
        let (verdict, said) = found.find("java", part);
        assert!(found.status == Some(1) && verdict == "wrong" && said.starts_with(remedy), "{part}: {said}");
    }
    let found = doctor(&ground.data, programs.path(), &Environment::new());
    assert_eq!(found.find("java", "JAVA_TOOL_OPTIONS is not set"), ("note", env), "as the other variables");
}

#[test]
fn quotes_of_an_env_file_are_named_as_the_cause() {
    let ground = Ground::start(&["--proxy-listen", ":0"]);
    let (programs, mut environment) = (tempfile::tempdir().unwrap(), variables(&ground));
    environment.values_mut().for_each(|value| *value = format!("\"{value}\""));
    let found = doctor(&ground.data, programs.path(), &environment);
    let part = "SSL_CERT_FILE, SYSTEM_WGET2RC, SYSTEM_WGETRC, VAULT_URL, http_proxy, https_proxy, no_proxy: the quotes of a \
                .env file are part of the value here";
    let (verdict, remedy) = found.find("variables", part);
    assert!(verdict == "wrong" && remedy.contains("set -a; . ./.env"), "{remedy}");
}

#[test]
fn variables_of_a_server_that_is_gone_are_named() {
    let mut ground = Ground::start(&["--proxy-listen", ":0", "--clock", "virtual=2040-01-01T00:00:00Z"]);
    let (programs, environment) = (tempfile::tempdir().unwrap(), variables(&ground));
    let found = doctor(&ground.data, programs.path(), &Environment::new());
    assert_eq!(found.find("variables", "this shell has none").0, "note");
    assert_eq!(found.find("proxy", "this shell does not use the server's").1, r#"eval "$(keyhaven env)""#);
    assert_eq!(found.find("clock", "the vaults have 2040-01-01").0, "note");
    assert_eq!(found.find("java", "not on the PATH").0, "ok");
    ground.served.child.kill().unwrap();
    ground.served.child.wait().unwrap();
    let found = doctor(&ground.data, programs.path(), &environment);
    assert_eq!(found.status, Some(1));
    let unset = r#"start the server again (keyhaven serve ...), or leave it: eval "$(keyhaven env --unset)""#;
    assert_eq!(found.find("variables", "lead to a server that is gone"), ("wrong", unset));
    let proxy = found.find("proxy", "where nothing answers; programs that use it fail");
    assert_eq!(proxy, ("wrong", r#"eval "$(keyhaven env --unset)", or start it again"#));
    let mut command = keyhaven(&["doctor"]);
    let output = command.envs(&environment).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("  WRONG  ") && text.contains("or leave it: eval \"$(keyhaven env --unset)\"\n"), "{text}");
    assert!(text.ends_with(" things are wrong\n"), "{text}");
}

/// In a network of its own, so that a doctor that asked it would not reach it.
#[test]
fn a_link_local_proxy_is_not_asked() {
    let programs = tempfile::tempdir().unwrap();
    let data = programs.path().join("data");
    let allowed = |flags: &str| Command::new("unshare").args([flags, "true"]).status().is_ok_and(|s| s.success());
    let flags = if allowed("-n") { "-n" } else { "-rn" };
    let mut command = Command::new("unshare");
    command.args([flags, env!("CARGO_BIN_EXE_keyhaven"), "doctor", "--json", "--data"]).arg(&data).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HTTPS_PROXY", "http://user:hush@169.254.169.254:80");
    let output = command.output().unwrap();
    let found = Findings::of(&output);
    let proxy = found.find("proxy", "HTTPS_PROXY is 169.254.169.254:80, which is link-local: not asked");
    assert_eq!(proxy.0, "note");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("hush"), "a proxy's password is not shown");
}

#[test]
fn variables_of_a_former_configuration_are_wrong() {
    let ground = Ground::start(&[]);
    ground.ok("vault create orders");
    let mut environment: Environment = serde_json::from_str(&ground.ok("env --format json --vault orders")).unwrap();
    let programs = tempfile::tempdir().unwrap();
    let found = doctor(&ground.data, programs.path(), &environment);
    assert_eq!(found.find("identity", "programs sign in as 'default', which vault 'orders' lets in").0, "ok");
    let file = ground.dir.path().join("another.json");
    let text = r#"{"identities": [{"name": "orders-app", "systemAssigned": true}], "vaults": [{"name": "orders", "sku": "premium"}]}"#;
    std::fs::write(&file, text).unwrap();
    ground.ok(&format!("apply {}", file.display()));
    let found = doctor(&ground.data, programs.path(), &environment);
    let refused = found.find("identity", "programs sign in as 'default', which may do nothing in vault 'orders'");
    let lets_in = r#"eval "$(keyhaven env --identity orders-app --vault orders)", and write .env files anew"#;
    assert_eq!(refused, ("wrong", lets_in));
    let anew = variables(&ground);
    assert_eq!(anew["KEY_VAULT_NAME"], "orders", "the first of the configuration");
    let found = doctor(&ground.data, programs.path(), &anew);
    assert_eq!(found.find("identity", "programs sign in as 'orders-app', which vault 'orders' lets in").0, "ok");
    std::fs::write(&file, text.replace(r#""sku""#, r#""accessPolicies": [], "sku""#)).unwrap();
    ground.ok(&format!("apply {}", file.display()));
    let found = doctor(&ground.data, programs.path(), &anew);
    let remedy = found.find("identity", "programs sign in as 'orders-app', which may do nothing in vault 'orders'").1;
    assert_eq!(remedy, "it lets no identity in: give one permissions (keyhaven vault show orders)");
    environment.insert("AZURE_CLIENT_ID".to_owned(), "11111111-2222-4333-8444-555555555555".to_owned());
    assert_eq!(doctor(&ground.data, programs.path(), &environment).find("identity", "is no identity here").0, "wrong");
    environment.insert("VAULT_URL".to_owned(), "https://ordres.vault.azure.net".to_owned());
    let found = doctor(&ground.data, programs.path(), &environment);
    let hint = "VAULT_URL names a vault that is not here: no vault 'ordres' (did you mean 'orders'?)";
    assert!(found.find("identity", hint).1.starts_with("keyhaven vault create ordres, or "));
    assert_eq!(found.status, Some(1));
    environment.insert("KEYHAVEN_ADMIN_URL".to_owned(), "http://127.0.0.1:1".to_owned());
    let found = doctor(&ground.data, programs.path(), &environment);
    let ports = found.find("variables", "KEYHAVEN_ADMIN_URL lead nowhere: the server has other ports now");
    assert_eq!(ports, ("wrong", r#"take them anew: eval "$(keyhaven env)""#));
}

/// In a network of its own, where the default ports are free.
#[test]
fn a_port_of_the_proxy_that_another_has_and_a_server_whose_data_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"ip link set lo up
        exec 3<>"$1/stop"
        "$2" run --proxy-listen 127.0.0.1:8082 sh -c 'read line' <"$1/stop" & other=$!
        until grep -q ':1F92 ' /proc/net/tcp; do sleep 0.05; done
        "$2" serve --data "$1/data" >/dev/null 2>&1 & server=$!
        until [ -e "$1/data/ready.json" ]; do sleep 0.05; done
        "$2" doctor --json --data "$1/data" >"$1/taken"
        HOME="$1/other-home" "$2" doctor --json >"$1/elsewhere"
        kill $server $other"#;
    let made = Command::new("mkfifo").arg(dir.path().join("stop")).status().unwrap();
    assert!(made.success());
    let allowed = |flags: &str| Command::new("unshare").args([flags, "true"]).status().is_ok_and(|s| s.success());
    let flags = if allowed("-n") { "-n" } else { "-rn" };
    let mut command = Command::new("unshare");
    command.args([flags, "sh", "-c", script, "sh"]).arg(dir.path()).arg(env!("CARGO_BIN_EXE_keyhaven"));
    let ended = command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap();
    let read = |name: &str| {
        let text = std::fs::read(dir.path().join(name)).unwrap();
        Findings::of(&Output { stdout: text, ..ended.clone() })
    };
    let taken = read("taken");
    let remedy = taken.find("ports", "8082 is taken by keyhaven (process ");
    assert_eq!(remedy, ("wrong", "stop it, start the server again; or: keyhaven serve --proxy-listen :0"));
    assert!(!taken.wrong().iter().any(|finding| finding["area"] == "names"), "{:#?}", taken.wrong());
    let elsewhere = read("elsewhere");
    assert_eq!(
        elsewhere.find("server", "a server answers at 127.0.0.1:8080; its data cannot be read from here").0,
        "note"
    );
    assert_eq!(elsewhere.find("ports", "the default ones are the server's that answers").0, "ok");
}
