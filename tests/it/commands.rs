//! The commands that ask a running server: clock, vault, identity, reset, snapshot.

use std::path::Path;

use serde_json::Value;

use crate::cli::{ON_FREE_PORTS, Served, keyhaven, refused};

/// Runs `line` (words apart by blanks) against the server with its data in `data`; returns what it prints.
fn ok(data: &Path, line: &str) -> String {
    let mut command = keyhaven(&line.split(' ').collect::<Vec<_>>());
    let output = command.arg("--data").arg(data).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{line}: {stderr}");
    assert_eq!(stderr, "", "{line}");
    String::from_utf8(output.stdout).unwrap()
}

/// As [`ok`], for a line that fails: the one line it says why in.
fn no(data: &Path, line: &str) -> String {
    let words = format!("{line} --data {}", data.display());
    refused(&words.split(' ').collect::<Vec<_>>(), 1)
}

fn json(data: &Path, line: &str) -> Value {
    serde_json::from_str(&ok(data, &format!("{line} --json"))).unwrap()
}

#[test]
fn the_clock_is_shown_and_moved() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &["--clock", "virtual=2030-01-01T00:00:00Z"]);
    assert!(ok(&data, "clock freeze").starts_with("2030-01-01T00:00:0"));
    let start = json(&data, "clock");
    assert_eq!((&start["clock"], &start["frozen"], &start["ran"]), (&"virtual".into(), &true.into(), &0.into()));
    assert!(ok(&data, "clock advance P1M").starts_with("2030-02-01T00:00:0"));
    assert_eq!(ok(&data, "clock set 2031-01-01T00:00:00Z"), "2031-01-01T00:00:00Z (virtual, frozen)\n");
    assert!(ok(&data, "clock advance 90d").starts_with("2031-04-01T00:00:00Z"));
    assert!(ok(&data, "clock run").ends_with("(virtual, running)\n"));
    let back = no(&data, "clock set 2020-01-01T00:00:00Z");
    assert!(back.contains("already and only goes forward"), "{back}");
    let wrong = no(&data, "clock advance soon");
    assert_eq!(wrong, "keyhaven: advance: not a length of time; write it as 90d, P90D, P1Y6M or PT30M\n");
}

#[test]
fn a_server_with_the_machines_clock_says_how_to_get_another() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &[]);
    assert!(ok(&data, "clock show").ends_with("(real)\n"));
    let printed = no(&data, "clock advance P1D");
    assert!(printed.contains("start it with --clock virtual"), "{printed}");
}

#[test]
fn a_clock_that_is_none_is_refused() {
    for value in ["fast", "virtual=soon", "real=2030-01-01T00:00:00Z"] {
        let output = keyhaven(&["serve", "--ephemeral", "--clock", value]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{value}");
    }
}

#[test]
fn vaults_and_identities_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::start(&data, &[]);
    assert_eq!(ok(&data, "vault create fresh"), format!("{:<24} premium  90 days\n", "fresh"));
    let printed = no(&data, "vault create FRESH");
    assert!(printed.contains("there is a vault 'FRESH' already"), "{printed}");
    let entry = dir.path().join("entry.json");
    std::fs::write(&entry, r#"{"softDeleteRetentionInDays": 7, "enablePurgeProtection": true}"#).unwrap();
    let made = ok(&data, &format!("vault create guarded --from {}", entry.display()));
    assert!(made.ends_with("standard 7 days, purge protection\n"), "{made}");
    let names: Vec<Value> =
        json(&data, "vault list")["vaults"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["fresh", "guarded", "local"]);
    assert_eq!(ok(&data, "vault copy guarded twin"), format!("{:<24} standard 7 days, purge protection\n", "twin"));
    assert!(no(&data, "vault copy guarded twin").contains("there is a vault 'twin' already"));
    assert!(no(&data, "vault copy absent other").contains("no vault 'absent'; there are "));
    assert_eq!(json(&data, "vault copy twin third")["softDeleteRetentionInDays"], 7);
    for copy in ["twin", "third"] {
        ok(&data, &format!("vault delete {copy}"));
    }
    assert_eq!(ok(&data, "vault delete guarded"), "deleted guarded\n");
    assert!(no(&data, "vault delete guarded").contains("no vault 'guarded'; there are "));

    assert!(ok(&data, "identity add bob --system-assigned").starts_with("bob"));
    assert!(no(&data, "identity add bob").contains("has the same name or an id of it"));
    assert_eq!(json(&data, "identity list")["identities"].as_array().unwrap().len(), 3);
    assert_eq!(ok(&data, "identity token bob").trim().split('.').count(), 3);
    assert_eq!(ok(&data, "identity revoke bob"), "revoked bob: its tokens are refused from now on\n");
    assert!(no(&data, "identity revoke alice").contains("No identity is called 'alice'"));
    let file = dir.path().join("disabled.json");
    std::fs::write(&file, r#"{"identities": [{"name": "bob", "systemAssigned": true, "enabled": false}]}"#).unwrap();
    ok(&data, &format!("apply {}", file.display()));
    assert!(ok(&data, "identity list").lines().any(|line| line.starts_with("bob ") && line.contains("  disabled")));
    assert!(no(&data, "identity token bob").contains("the identity 'bob' is disabled, so it gets no token"));
    assert_eq!(ok(&data, "identity remove bob"), "removed bob\n");
    assert!(no(&data, "identity token bob").contains("No identity is called 'bob'"));
}

#[test]
fn a_snapshot_is_saved_and_loaded_here_and_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("backup.key");
    std::fs::write(&key, "1".repeat(64)).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = dir.path().join("config.json");
    std::fs::write(&config, format!(r#"{{"backupKey": {{"file": "{}"}}}}"#, key.display())).unwrap();
    let with_config = ["--config", config.to_str().unwrap()];

    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    let file = dir.path().join("all.snapshot");
    let _here = Served::start(&here, &with_config);
    ok(&here, "vault create extra");
    assert!(ok(&here, &format!("snapshot save {}", file.display())).starts_with("saved "));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        ok(&here, "reset"),
        "2 vaults (0 secrets, 0 keys) replaced by 1 vault (0 secrets, 0 keys): everything is as the configuration says\n"
    );
    assert_eq!(json(&here, "vault list")["vaults"].as_array().unwrap().len(), 1);
    ok(&here, &format!("snapshot load {}", file.display()));
    assert_eq!(json(&here, "vault list")["vaults"].as_array().unwrap().len(), 2);

    let _there = Served::start(&there, &with_config);
    ok(&there, &format!("snapshot load {}", file.display()));
    assert_eq!(json(&there, "vault list")["vaults"].as_array().unwrap().len(), 2);

    let _foreign = Served::start(&dir.path().join("foreign"), &[]);
    let printed = no(&dir.path().join("foreign"), &format!("snapshot load {}", file.display()));
    assert!(printed.contains("give this server the backupKey of the one that made it"), "{printed}");
}

#[test]
fn a_backup_key_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("backup.key");
    std::fs::write(&key, "1".repeat(64)).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = dir.path().join("config.json");
    std::fs::write(&config, format!(r#"{{"backupKey": {{"file": "{}"}}}}"#, key.display())).unwrap();
    let args = [&["serve", "--ephemeral", "--config", config.to_str().unwrap()][..], &ON_FREE_PORTS].concat();
    let printed = refused(&args, 1);
    assert!(printed.contains("others may read this key (mode 644); chmod 600 it"), "{printed}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&key, "hush").unwrap();
    let printed = refused(&args, 1);
    assert!(printed.contains("not a key: it takes 32 bytes") && !printed.contains("hush"), "{printed}");
    let output = keyhaven(&["serve", "--ephemeral"]).env("KEYHAVEN_BACKUP_KEY", "hush").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn inside_run_the_commands_find_its_server() {
    let bin = env!("CARGO_BIN_EXE_keyhaven");
    let script = format!("{bin} clock advance P1D && {bin} vault create extra && {bin} vault list --json");
    let output = keyhaven(&["run", "--clock", "virtual", "--", "sh", "-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"extra\""));
}

#[test]
fn without_a_server_it_says_where_it_looked() {
    let dir = tempfile::tempdir().unwrap();
    let printed = no(dir.path(), "clock show");
    assert!(printed.starts_with("keyhaven: no running server found ("), "{printed}");
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    let ready = std::fs::read(data.join("ready.json")).unwrap();
    drop(served);
    std::fs::write(data.join("ready.json"), ready).unwrap();
    let printed = no(&data, "vault list");
    assert!(printed.starts_with("keyhaven: no server answers at 127.0.0.1:"), "{printed}");
}

#[test]
fn run_leaves_the_ready_file_of_a_server_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    let file = data.join("ready.json");
    let before = std::fs::read(&file).unwrap();
    let printed = refused(&["run", "--ready-file", file.to_str().unwrap(), "--", "true"], 1);
    assert!(printed.contains("it is the ready file of a server that runs (process "), "{printed}");
    // A shell that has the variable from that server's `env` can run commands all the same.
    let script = "test \"$KEYHAVEN_READY_FILE\" != \"$0\" && cat \"$KEYHAVEN_READY_FILE\"";
    let mut command = keyhaven(&["run", "--", "sh", "-c", script]);
    let output = command.arg(&file).env("KEYHAVEN_READY_FILE", &file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"adminKey\""));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert!(ok(&data, "vault list").starts_with("local"));
    // That of a server that was killed is nobody's any more.
    drop(served);
    let output = keyhaven(&["run", "--", "true"]).env("KEYHAVEN_READY_FILE", &file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!file.exists());
}

#[test]
fn a_ca_that_is_kept_nowhere_is_not_to_be_removed() {
    let bin = env!("CARGO_BIN_EXE_keyhaven");
    let script = format!("echo '{{\"aliases\":[\"kv.test\"]}}' | {bin} vault create other --from -");
    let output = keyhaven(&["run", "--", "sh", "-c", &script]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("may not certify 'kv.test'; name it in the configuration") && !printed.contains("rm "),
        "{printed}"
    );
}
