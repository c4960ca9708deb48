//! The factory as a program: `cargo run --example factory`.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

use super::{Yard, client_id};

/// The program, built by the cargo that runs these tests: what cargo builds for tests does not always have it. With the
/// features of these tests, so that what it is built of is there already.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let build = ["build", "--quiet", "--offline", "--locked", "--example", "factory", "--message-format", "json"];
    let features: &[&str] = if cfg!(feature = "sled") { &["--features", "sled"] } else { &[] };
    let built = Command::new(env!("CARGO"))
        .args(build)
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let text = String::from_utf8(built.stdout).unwrap();
    let artifacts = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs = artifacts.filter_map(|artifact| artifact["executable"].as_str().map(PathBuf::from));
    programs.next().unwrap()
});

struct Program<'y> {
    yard: &'y Yard,
    bundle: PathBuf,
}

impl<'y> Program<'y> {
    fn new(yard: &'y Yard) -> Self {
        let bundle = yard.dir.path().join("ca.pem");
        std::fs::write(&bundle, yard.ground.server.ca_pem()).unwrap();
        Self { yard, bundle }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&*PROGRAM)
            .arg("--home")
            .arg(self.yard.home())
            .args(arguments)
            .env_clear()
            .env("SSL_CERT_FILE", &self.bundle)
            .env("AZURE_TENANT_ID", self.yard.tenant())
            .env("AZURE_CLIENT_ID", client_id("factory"))
            .env("AZURE_CLIENT_SECRET", "let me in")
            .output()
            .unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn it_is_used_from_one_invocation_to_the_next() {
    let yard = Yard::new();
    let program = Program::new(&yard);
    let created = program.ok(&["create", "--name", "demo"]);
    assert!(
        created.starts_with("factory         demo (tenant ") && created.contains("customer's key  none"),
        "{created}"
    );
    let uri = yard.key("safe", "cmk");
    program.ok(&["enable-key", &uri]);
    program.ok(&["put", "a", "datum"]);
    assert_eq!(program.ok(&["show", "a"]), "datum");
    assert_eq!(program.ok(&["refresh"]), "the latest version is in use already\n");
    program.ok(&["move-key", &yard.key("other", "cmk")]);

    let store = format!(r#"{{"type": "AzureKeyVault", "typeProperties": {{"baseUrl": "{}"}}}}"#, yard.url("safe"));
    program.ok(&["link", "vault", &store]);
    let reference = r#"{"type": "X", "typeProperties": {"password": {"type": "AzureKeyVaultSecret",
        "store": {"referenceName": "vault", "type": "LinkedServiceReference"}, "secretName": "sql"}}}"#;
    std::fs::write(yard.dir.path().join("db.json"), reference).unwrap();
    program.ok(&["link", "db", &format!("@{}", yard.dir.path().join("db.json").display())]);
    assert_eq!(program.ok(&["resolve", "db"]), "/typeProperties/password=first\n");
    program.ok(&["require-references"]);
    assert!(program.ok(&["renew-system-key", "--if-due"]).starts_with("the system key is not due"));
    let renewed = program.ok(&["renew-system-key", "--if-due", "--now", "2099-01-01T00:00:00Z"]);
    assert!(renewed.contains("good until 2101-01-01T00:00:00Z; 1 moved"), "{renewed}");
    assert!(program.ok(&["export", "--include-key"]).contains("\"keyName\": \"cmk\""));
    let status: serde_json::Value = serde_json::from_str(&program.ok(&["status", "--json"])).unwrap();
    assert_eq!(status["credentialsOnlyFromVault"], true);
    assert_eq!(status["data"], serde_json::json!(["a"]));
    assert_eq!(program.ok(&["show", "a"]), "datum");
}

#[test]
fn what_it_refuses_is_one_line() {
    let yard = Yard::new();
    let program = Program::new(&yard);
    let absent = program.refused(&["status"]);
    assert_eq!(absent, format!("factory: {} holds no factory; create one there first\n", yard.home().display()));
    program.ok(&["create"]);
    let ec = program.refused(&["enable-key", &yard.key("safe", "ec")]);
    assert_eq!(ec, "factory: the key is of type EC; use a key of type RSA or RSA-HSM\n");
    assert_eq!(program.refused(&["disable-key"]), "factory: no customer-managed key is enabled\n");
    assert_eq!(program.run(&["create", "--key", "https://v/keys/k"]).status.code(), Some(2));
    assert!(program.ok(&["--help"]).contains("renew-system-key"));
}
