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
    let unset = r#"eval "$(keyhaven env --unset)""#;
    assert_eq!(found.find("variables", "lead to a server that is gone"), ("wrong", unset));
    assert_eq!(found.find("proxy", "where nothing answers; programs that use it fail"), ("wrong", unset));
    let mut command = keyhaven(&["doctor"]);
    let output = command.envs(&environment).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("  WRONG  ") && text.contains("  -> eval \"$(keyhaven env --unset)\"\n"), "{text}");
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
