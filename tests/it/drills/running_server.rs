//! At a server that was started by hand.

use serde_json::{Value, json};

use super::{Server, first_failed, steps};
use crate::cli::keyhaven;

/// What a drill must leave as it was.
fn found(server: &Server) -> [Value; 4] {
    ["/admin/vaults", "/admin/identities", "/admin/faults", "/admin/role-assignments"]
        .map(|path| server.ask("GET", path, ""))
}

fn drilled(server: &Server, args: &[&str]) -> (Value, Option<i32>) {
    let output = server.drill(args).args(["--report", "json"]).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code())
}

/// Why each step that was not run was not.
fn not_run(report: &Value) -> Vec<(String, String)> {
    let all = steps(report).into_iter().filter(|(_, verdict, _)| verdict == "not run");
    all.map(|(step, _, why)| (step, why)).collect()
}

#[test]
fn everything_passes_but_what_needs_the_process_and_all_is_as_it_was() {
    let server = Server::start();
    let faults = json!({"seed": 3, "rules": [{"operation": "KeyImport", "rate": 0.5, "then": {"status": 429}}]});
    server.ask("PUT", "/admin/faults", &faults.to_string());
    let before = found(&server);
    let (vault, admin) = (server.vault().to_owned(), server.admin());
    let (report, status) = drilled(&server, &["all", "--vault", &vault, "--admin", &admin]);
    assert_eq!(status, Some(0), "{report:#}");
    let process = "it needs a server that may be killed: only a private server is; leave out --vault";
    let expected = ["recovery/kill-in-rotation", "recovery/kill-in-re-wrap"];
    assert_eq!(not_run(&report), expected.map(|step| (step.to_owned(), process.to_owned())));
    assert_eq!(first_failed(&report), None, "{report:#}");
    assert_eq!(found(&server), before);
    assert_eq!(report["notes"], json!([]), "the vaults that were made are gone with all that was in them");
    assert!(report["place"].as_str().unwrap().contains("'local' has no purge protection"), "{report:#}");
}

#[test]
fn in_a_vault_with_purge_protection_it_can_be_run_again_and_says_what_stays() {
    let server = Server::start();
    server.ask("PUT", "/admin/vaults/guarded", r#"{"sku": "premium", "enablePurgeProtection": true}"#);
    let before = found(&server);
    let (vault, admin) = (server.vault().replace("local.", "guarded."), server.admin());
    for _ in 0..2 {
        let (report, status) = drilled(&server, &["revocation", "--vault", &vault, "--admin", &admin]);
        assert_eq!(status, Some(0), "{report:#}");
        assert_eq!((report["vault"].as_str(), not_run(&report).len()), (Some(vault.as_str()), 0));
        let note = report["notes"][0].as_str().unwrap();
        assert!(note.ends_with("is deleted, and stays so until its time is over: it may not be purged"), "{note}");
        assert_eq!(found(&server), before);
    }
}

/// The factory and the operator have roles there, and policies in the second vault.
#[test]
fn in_a_vault_in_which_roles_decide_everything_passes_too() {
    let server = Server::start();
    let entry = r#"{"sku": "premium", "enablePurgeProtection": true, "enableRbacAuthorization": true}"#;
    server.ask("PUT", "/admin/vaults/roles", entry);
    let before = found(&server);
    let args = ["all", "--vault", "roles", "--admin", &server.admin(), "--require-all", "--skip"];
    let (report, status) = drilled(&server, &[&args[..], &["kill-in-rotation,kill-in-re-wrap,system-key"]].concat());
    assert_eq!((status, first_failed(&report)), (Some(0), None), "{report:#}");
    let steps = steps(&report);
    let seen = |name: &str| &steps.iter().find(|(step, ..)| step == name).unwrap().2;
    assert!(seen("revocation/make-second-factory").starts_with("3 entries read; policies decide in https://drill-"));
    let lacks = format!("lacks unwrapKey on keys of {}; grant it", report["vault"].as_str().unwrap());
    assert!(seen("revocation/withdraw-role").contains(&lacks), "{report:#}");
    assert_eq!(found(&server), before);
}

#[test]
fn a_server_that_has_no_addresses_of_a_private_endpoint_says_what_to_give() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.json");
    std::fs::write(&config, "{}").unwrap();
    let server = Server::with(&["--config", config.to_str().unwrap()]);
    let before = found(&server);
    let (report, status) = drilled(&server, &["network", "--vault", "local", "--admin", &server.admin()]);
    assert_eq!(status, Some(0), "{report:#}");
    let [(step, why)] = &not_run(&report)[..] else { panic!("{report:#}") };
    assert_eq!(step, "network/private-link");
    let start = "it needs the addresses of a private endpoint: add {\"name\": \"drill\", \"ranges\": [ADDRESS]} to privateEndpoints";
    assert!(why.starts_with(start) && why.contains("serves no node at 127.0.0.1"), "{why}");
    assert_eq!((found(&server), server.ask("GET", "/admin/factories", "")), (before, json!({"factories": []})));
}

#[test]
fn roles_that_count_later_are_waited_for_on_a_virtual_clock() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.json");
    let vault = r#"{"name": "guarded", "sku": "premium", "enablePurgeProtection": true}"#;
    let endpoint = r#"{"name": "drill", "ranges": ["127.0.0.1"]}"#;
    std::fs::write(
        &config,
        format!(r#"{{"roleAssignmentDelay": "PT5M", "vaults": [{vault}], "privateEndpoints": [{endpoint}]}}"#),
    )
    .unwrap();
    let server = Server::with(&["--clock", "virtual", "--config", config.to_str().unwrap()]);
    for drill in ["revocation", "network"] {
        let args = [drill, "--vault", "guarded", "--admin", &server.admin(), "--require-all"];
        let (report, status) = drilled(&server, &args);
        assert_eq!((status, first_failed(&report)), (Some(0), None), "{report:#}");
    }
}

#[test]
fn a_server_with_the_machines_clock_says_which_steps_that_costs() {
    let server = Server::with(&[]);
    let (vault, admin) = (server.vault().to_owned(), server.admin());
    let (report, status) = drilled(&server, &["revocation", "--vault", &vault, "--admin", &admin]);
    assert_eq!(status, Some(0), "{report:#}");
    let clock = "it needs a clock that can be moved: start the server with --clock virtual".to_owned();
    let expected = ["revocation/expire-key", "revocation/prolong-key"].map(|step| (step.to_owned(), clock.clone()));
    assert_eq!(not_run(&report), expected);
    assert_eq!((&report["notRun"], &report["passed"]), (&json!(2), &json!(14)));

    let (report, status) = drilled(&server, &["revocation", "--vault", &vault, "--admin", &admin, "--require-all"]);
    assert_eq!((status, first_failed(&report).as_deref()), (Some(1), Some("expire-key")), "{report:#}");
    assert_eq!(report["verdict"], "failed");
    assert!(steps(&report).iter().any(|(_, _, seen)| *seen == format!("not run: {clock}")), "{report:#}");
}

/// The data directory of the drill is another one, as where the vault is on another machine.
#[test]
fn a_vault_of_a_foreign_ca_is_drilled_at_with_that_ca() {
    let server = Server::start();
    let elsewhere = tempfile::tempdir().unwrap();
    let env = server.ready()["env"].as_object().unwrap().iter().filter(|(name, _)| *name != "SSL_CERT_FILE");
    let env: Vec<_> = env.map(|(name, value)| (name, value.as_str().unwrap())).collect();
    let drilled = |more: &[&str]| {
        let mut command = keyhaven(&["drill", "credentials", "--vault", server.vault(), "--report", "json", "--data"]);
        let command = command.arg(elsewhere.path()).args(more).env_remove("SSL_CERT_FILE");
        let output = command.envs(env.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, report, stderr) = drilled(&[]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let why = report["error"].as_str().unwrap();
    assert_eq!((status, stderr.trim_end()), (Some(1), format!("keyhaven: {why}").as_str()));
    assert!(why.contains("its certificate is of a CA that is not trusted here"), "{report:#}");
    assert!(why.contains("SSL_CERT_FILE, in a drill by --ca"), "{report:#}");
    let other = Server::start();
    let (file, expected) = (other.ready()["ca"].as_str().unwrap(), "its certificate is of another CA than --ca ");
    let (status, _, stderr) = drilled(&["--ca", file]);
    assert!(status == Some(1) && stderr.contains(&format!("{expected}{file} holds;")), "{stderr}");
    let ca = server.ready()["ca"].as_str().unwrap();
    let (status, report, _) = drilled(&["--ca", ca]);
    assert_eq!(status, Some(0), "{report}");
    let (status, _, stderr) = drilled(&["--ca", &format!("{ca}.not")]);
    assert_eq!((status, stderr.lines().count()), (Some(2), 1), "{stderr}");
    assert!(stderr.contains("ca.pem.not: No such file") && stderr.contains("name a PEM file with the CA"), "{stderr}");
    let (status, _, stderr) = drilled(&["--ca", "/dev/null"]);
    assert!(status == Some(2) && stderr.contains("it holds no certificate; name a PEM file"), "{stderr}");
}

#[test]
fn without_the_admin_api_it_signs_in_as_programs_do() {
    let server = Server::start();
    server.ask("PUT", "/admin/vaults/guarded", &guarded(&server).to_string());
    let env = server.ready()["env"].as_object().unwrap().iter();
    let vault = server.vault().replace("local.", "guarded.");
    let mut command = server.drill(&["all", "--vault", &vault, "--report", "json"]);
    let output = command.envs(env.map(|(name, value)| (name, value.as_str().unwrap()))).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let lacks = |why: &str| why.ends_with("give --admin URL") || why.contains("a server that may be killed");
    let roles = "it needs changes of role assignments: give --admin URL".to_owned();
    assert!(not_run(&report).contains(&("revocation/withdraw-role".to_owned(), roles)), "{report:#}");
    assert!(not_run(&report).iter().all(|(_, why)| lacks(why)), "{report:#}");
    let steps = steps(&report);
    let passed = |name: &str| steps.iter().any(|(step, verdict, _)| step == name && verdict == "passed");
    for step in ["rotation/enable-again", "revocation/enable-key", "recovery/recover-key", "credentials/recover-secret"]
    {
        assert!(passed(step), "{step}: {report:#}");
    }
}

#[test]
fn a_right_that_is_missing_is_named_with_what_grants_it() {
    let server = Server::start();
    let mut entry = guarded(&server);
    entry["accessPolicies"][0]["permissions"] = json!({"keys": ["get"], "secrets": ["get"]});
    server.ask("PUT", "/admin/vaults/narrow", &entry.to_string());
    let env = server.ready()["env"].as_object().unwrap().iter();
    let mut command = server.drill(&["rotation", "--vault", "narrow", "--report", "json"]);
    let output = command.envs(env.map(|(name, value)| (name, value.as_str().unwrap()))).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (step, verdict, seen) = steps(&report).swap_remove(0);
    assert_eq!((step.as_str(), verdict.as_str()), ("rotation/make-key", "failed"), "{report:#}");
    let grant = "; missing: keys/create: add \"create\" to \"keys\" of your identity in the vault's accessPolicies";
    assert!(seen.starts_with("403 Forbidden") && seen.ends_with(grant), "{seen}");
    assert!(
        super::stderr(&output).contains("keyhaven: rotation/make-key failed: 403 Forbidden"),
        "{}",
        super::stderr(&output)
    );
}

/// As at the service, where a deletion and a recovery take their time.
#[test]
fn a_vault_that_deletes_slowly_is_waited_for() {
    let server = Server::start();
    let entry = r#"{"sku": "premium", "enablePurgeProtection": true, "deletionDelay": "PT1S"}"#;
    server.ask("PUT", "/admin/vaults/slow", entry);
    let (vault, admin) = (server.vault().replace("local.", "slow."), server.admin());
    for drill in ["credentials", "recovery"] {
        let (report, status) = drilled(&server, &[drill, "--vault", &vault, "--admin", &admin]);
        assert_eq!((status, first_failed(&report)), (Some(0), None), "{report:#}");
    }
}

/// A vault with purge protection where programs may do what they may in the default one.
fn guarded(server: &Server) -> Value {
    let vaults = server.ask("GET", "/admin/vaults", "");
    json!({"sku": "premium", "enablePurgeProtection": true, "accessPolicies": vaults["vaults"][0]["accessPolicies"]})
}

#[test]
fn a_step_that_fails_leaves_nothing_changed_either() {
    let server = Server::start();
    let rule = json!({"rules": [{"operation": "KeyRecover", "times": 9, "then": {"status": 500}}]});
    server.ask("PUT", "/admin/faults", &rule.to_string());
    let before = found(&server);
    let (vault, admin) = (server.vault().to_owned(), server.admin());
    let (report, status) = drilled(&server, &["recovery", "--vault", &vault, "--admin", &admin]);
    assert_eq!((status, first_failed(&report).as_deref()), (Some(1), Some("recover-key")), "{report:#}");
    let after = found(&server);
    assert_eq!((&after[0], &after[1]), (&before[0], &before[1]));
    assert_eq!(after[2]["rules"][0]["operation"], "KeyRecover", "the rule holds again: {after:?}");
}

#[test]
fn an_interruption_puts_everything_back() {
    let server = Server::start();
    let before = found(&server);
    let (vault, admin) = (server.vault().to_owned(), server.admin());
    let mut command = server.drill(&["all", "--vault", &vault, "--admin", &admin]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while found(&server)[1] == before[1] {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(130), "{printed}");
    assert!(printed.contains("the drill was interrupted"), "{printed}");
    assert_eq!(found(&server), before);
}
