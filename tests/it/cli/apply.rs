//! `keyhaven apply`, `serve --watch` and `reset`: a running server follows its file.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::ground::Ground;
use super::{Served, config, http_get, keyhaven, refused};

const FIRST: &str = r#"{"vaults": [{"name": "shop", "secrets": {"db": "v1"}}]} // the first"#;
const SECOND: &str = r#"{"vaults": [{"name": "shop", "secrets": {"db": "v2", "new": "n"}}, {"name": "more"}]}"#;

/// A server with a configuration, and the files of both.
struct Server {
    dir: tempfile::TempDir,
    served: Served,
}

impl Server {
    fn start(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = config(dir.path(), FIRST);
        let served = Served::start(&dir.path().join("data"), &[&["--config", file.to_str().unwrap()], more].concat());
        Self { dir, served }
    }

    fn write(&self, text: &str) -> PathBuf {
        config(self.dir.path(), text)
    }

    fn run(&self, args: &[&str]) -> Output {
        keyhaven(args).arg("--data").arg(self.dir.path().join("data")).output().unwrap()
    }

    fn said(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn vaults(&self) -> Vec<String> {
        let listed: Value = serde_json::from_str(&self.said(&["vault", "list", "--json"])).unwrap();
        listed["vaults"].as_array().unwrap().iter().map(|vault| vault["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn it_shows_what_changes_and_changes_it() {
    let server = Server::start(&[]);
    let file = server.write(SECOND);
    let file = file.to_str().unwrap();
    let status = http_get(server.served.ready["admin"].as_str().unwrap(), "/admin/status");
    assert!(status.contains(&format!(r#""configuration":"{file}""#)), "{status}");
    let columns = "change   secret   shop/db   value (a new version)\n\
                   create   secret   shop/new\n\
                   create   vault    more\n";
    assert_eq!(server.said(&["apply", file, "--dry-run"]), format!("{columns}nothing was changed (--dry-run)\n"));
    assert_eq!(server.vaults(), ["shop"]);
    assert_eq!(server.said(&["apply", file]), format!("{columns}applied\n"));
    assert_eq!(server.vaults(), ["more", "shop"]);
    assert_eq!(server.said(&["apply", file]), "everything is as the file says\n");
    server.write(r#"{"vaults": [{"name": "shop", "secrets": {"db": "v2"}}]}"#);
    let plan: Value = serde_json::from_str(&server.said(&["apply", file, "--dry-run", "--prune", "--json"])).unwrap();
    assert_eq!(plan["applied"], false);
    assert_eq!(plan["steps"][0]["action"], "delete");
    let pruned = "delete   vault    more      with all that it holds, for good\ndelete   secret   shop/new\napplied\n";
    assert_eq!(server.said(&["apply", file, "--prune"]), pruned);
    assert_eq!(server.vaults(), ["shop"]);
}

#[test]
fn what_cannot_be_changed_is_named_and_fails_and_a_bad_file_is_2() {
    let server = Server::start(&[]);
    let file = server.write(r#"{"vaults": [{"name": "shop", "softDeleteRetentionInDays": 7}, {"name": "more"}]}"#);
    let file = file.to_str().unwrap();
    for args in [&["apply", file][..], &["apply", file, "--dry-run"]] {
        let output = server.run(args);
        let why = String::from_utf8(output.stderr).unwrap();
        let expected = "keyhaven: nothing was changed, because some of it cannot be: \
                        vault shop: softDeleteRetentionInDays is said when the vault is made, and stays\n";
        assert_eq!((output.status.code(), why.as_str()), (Some(1), expected));
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.starts_with("refuse   vault    shop") && shown.contains("\ncreate   vault    more\n"), "{shown}");
    }
    assert_eq!(server.vaults(), ["shop"]);
    server.write(r#"{"vaults": [{"name": "shop", "keyz": []}]}"#);
    let why = refused(&["apply", file], 2);
    assert!(why.contains("config.json: vaults[0].keyz: unknown field `keyz` (did you mean 'keys'?)"), "{why}");
    assert!(refused(&["apply", "/nowhere.json"], 2).contains("/nowhere.json: No such file; give another one"));
}

#[test]
fn certificates_that_are_files_are_sent_along() {
    let server = Server::start(&[]);
    let ca = server.served.ready["ca"].as_str().unwrap();
    let text = format!(
        r#"{{"identities": [{{"name": "build", "certificates": ["{ca}"]}}], "vaults": [{{"name": "shop", "secrets": {{"db": "v1"}}}}]}}"#
    );
    let shown = server.said(&["apply", server.write(&text).to_str().unwrap()]);
    assert!(shown.starts_with("create   identity build\n") && shown.ends_with("applied\n"), "{shown}");
}

#[test]
fn a_server_that_watches_its_file_follows_it_and_keeps_the_former_while_it_is_bad() {
    let server = Server::start(&["--watch"]);
    let until = |what: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !what() {
            assert!(Instant::now() < deadline, "{:?}", server.vaults());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    server.write(r#"{"vaults": [{"name": "shop"}, {"name": "half"#);
    until(&|| server.said(&["status"]).contains("config.json, REFUSED as it is now: "));
    let found = String::from_utf8(server.run(&["doctor"]).stdout).unwrap();
    let row = found.lines().find(|line| line.starts_with("config ")).unwrap();
    assert!(row.contains("WRONG") && row.contains("config.json is refused as it is now, and the former one stays: "));
    assert_eq!(server.vaults(), ["shop"]);
    server.write(SECOND);
    until(&|| server.vaults() == ["more", "shop"]);
    // A file is replaced by another one, as editors do.
    let next = server.dir.path().join("next");
    std::fs::write(&next, SECOND.replace("more", "another")).unwrap();
    std::fs::rename(&next, server.dir.path().join("config.json")).unwrap();
    until(&|| server.vaults() == ["another", "more", "shop"]);
    let Server { mut served, dir: _dir } = server;
    served.child.kill().unwrap();
    let log = std::io::read_to_string(served.child.stderr.take().unwrap()).unwrap();
    assert!(log.contains("the configuration has changed and was not applied; the former one stays"), "{log}");
    assert!(log.contains("the configuration is good again change=\"applied\""), "{log}");
    assert!(
        refused(&["serve", "--ephemeral", "--watch"], 2)
            .contains("--watch follows the configuration's file: give --config FILE too")
    );
}

#[test]
fn it_says_how_the_next_server_starts_with_the_file_and_a_reset_that_there_is_none() {
    let ground = Ground::start(&[]);
    let file = ground.dir.path().join("applied.json");
    std::fs::write(&file, FIRST).unwrap();
    let applied = ground.ok(&format!("apply {}", file.display()));
    assert!(applied.ends_with(&format!("\napplied\nnext start: keyhaven serve --config {}\n", file.display())));
    assert!(ground.ok("reset").ends_with(": everything is as without a configuration\n"));
}

#[test]
fn a_reset_reads_the_file_again() {
    let server = Server::start(&[]);
    server.write(SECOND);
    let said = "1 vault (1 secret, 0 keys) replaced by 2 vaults (2 secrets, 0 keys): everything is as the configuration says\n";
    assert_eq!(server.said(&["reset"]), said);
    assert_eq!(server.vaults(), ["more", "shop"]);
    server.write("{ vaults");
    let output = server.run(&["reset"]);
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && why.starts_with("keyhaven: nothing was reset: "), "{why}");
    assert!(why.contains("config.json: "), "{why}");
    assert_eq!(server.vaults(), ["more", "shop"]);
}

#[test]
fn a_difference_at_the_start_names_what_changes_it() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), config(dir.path(), FIRST));
    let run = |file: &Path| {
        let args = ["run", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap(), "--", "true"];
        String::from_utf8(keyhaven(&args).output().unwrap().stderr).unwrap()
    };
    run(&file);
    config(dir.path(), SECOND);
    let log = run(&file);
    let hint = "differs from the configuration and was left as it is; `keyhaven apply FILE` changes it, and \
                `serve --watch` when the file changes";
    assert!(log.contains(hint) && log.contains("secret db"), "{log}");
}

/// `text` with one blank between the columns of each line.
fn in_one_column(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn programs_that_lose_access_are_named_and_what_env_gives_follows() {
    let server = Server::start(&[]);
    let file = server.write(
        r#"{"identities": [{"name": "orders-app", "systemAssigned": true}],
            "vaults": [{"name": "shop", "sku": "premium"}, {"name": "orders"}]}"#,
    );
    let file = file.to_str().unwrap();
    let note = "note identity default programs that sign in as it lose access to shop: take env and .env anew with --identity \
                orders-app\n";
    let planned = in_one_column(&server.said(&["apply", file, "--dry-run"]));
    let subscription = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002";
    for expected in [
        note,
        &format!("create role Owner of orders-app at {subscription}\n"),
        &format!(
            "unnamed role Owner of 6b9e7c1a-0000-4000-8000-0000000000b1 at {subscription} an earlier configuration made it;"
        ),
        "change vault shop sku (standard -> premium), accessPolicies: the file leaves it out\n",
        "\nrestart member identities made on the spot takes effect at the next start with this file\nnothing",
    ] {
        assert!(planned.contains(expected), "{expected}: {planned}");
    }
    assert!(in_one_column(&server.said(&["apply", file])).contains(note));
    let listed = server.said(&["identity", "list"]);
    let app = listed.lines().find(|line| line.starts_with("orders-app ")).unwrap();
    assert!(
        app.ends_with("system-assigned  default: what keyhaven env gives") && listed.matches("default:").count() == 1
    );
    let env: Value = serde_json::from_str(&server.said(&["env", "--format", "json"])).unwrap();
    assert!(app.contains(env["AZURE_CLIENT_ID"].as_str().unwrap()), "{app}");
    let ready = std::fs::read_to_string(server.dir.path().join("data/ready.json")).unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert!(ready["vaults"]["orders"].is_string(), "{ready}");
    server.write(FIRST);
    let reset = server.said(&["reset"]);
    assert!(reset.ends_with("\nprograms are default from now on: take env and .env anew\n"), "{reset}");
    server.write(r#"{"vaults": [{"name": "shop"}]}"#);
    let said = server.said(&["apply", file]);
    assert!(
        said.ends_with("what the file names is as it says; what it does not name stays without --prune\n"),
        "{said}"
    );
}

#[test]
fn a_second_server_of_the_same_data_and_the_other_ending_of_a_file_are_named() {
    let server = Server::start(&[]);
    let args = ["serve", "--data", &server.dir.path().join("data").display().to_string(), "--ready-file", "/nowhere"];
    let more = ["--listen", ":0", "--identity-listen", ":0", "--admin-listen", ":0", "--proxy-listen", "off"];
    let said = refused(&[&args[..], &more].concat(), 1);
    assert!(
        said.contains("is in use by another keyhaven") && said.contains("runs already: keyhaven status --data "),
        "{said}"
    );
    std::fs::write(server.dir.path().join("other.jsonc"), "{}").unwrap();
    let other = server.dir.path().join("other.json");
    assert!(refused(&["apply", other.to_str().unwrap()], 2).contains("other.jsonc, which is beside it"));
}
