//! Which steps are run, and what of the others is said.

use serde_json::{Value, json};

use super::{Server, first_failed, stderr, steps};
use crate::cli::refused;

#[test]
fn several_drills_are_one_report_and_a_name_is_a_vault() {
    let server = Server::start();
    let admin = server.ready()["admin"].as_str().unwrap();
    let args = ["credentials", "revocation", "--vault", "local", "--admin", admin, "--report", "json", "--require-all"];
    let output = server.drill(&args).args(["--skip", "expire-key,revocation/prolong-key"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{report:#}");
    let drills: Vec<_> = report["drills"].as_array().unwrap().iter().map(|drill| drill["drill"].clone()).collect();
    assert_eq!(drills, ["credentials", "revocation"]);
    let skipped: Vec<_> = steps(&report).into_iter().filter(|(_, verdict, _)| verdict == "skipped").collect();
    let why = "left out by --skip";
    let expected = ["revocation/expire-key", "revocation/prolong-key"];
    assert_eq!(skipped, expected.map(|step| (step.to_owned(), "skipped".to_owned(), why.to_owned())));
    assert_eq!((&report["skipped"], &report["notRun"], &report["failed"]), (&json!(2), &json!(0), &json!(0)));
}

#[test]
fn an_unknown_name_is_refused() {
    let printed = refused(&["drill", "--skip", "recovery,kill-in-rotatoin"], 2);
    assert!(
        printed.contains("--skip: no drill and no step is called 'kill-in-rotatoin'; there are rotation ("),
        "{printed}"
    );
    assert!(printed.contains("kill-in-rotation, kill-in-re-wrap"), "{printed}");
}

/// On stderr, where the log of a CI job shows it, before the first step.
#[test]
fn what_can_never_pass_is_said_at_once_and_what_failed_too() {
    let server = Server::with(&[]);
    let admin = server.admin();
    let args = ["revocation", "recovery", "--vault", "local", "--admin", &admin, "--require-all", "--report", "json"];
    let output = server.drill(&args).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stderr = stderr(&output);
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!((output.status.code(), first_failed(&report).as_deref()), (Some(1), Some("expire-key")), "{report:#}");
    assert!(
        lines[0].contains(
            "--require-all cannot pass here: revocation/expire-key, revocation/prolong-key (it needs a clock that can be moved: "
        ),
        "{stderr}"
    );
    let steps = "revocation/expire-key,revocation/prolong-key,recovery/kill-in-rotation,recovery/kill-in-re-wrap";
    assert!(lines[0].ends_with(&format!("; give what they need, or leave them out: --skip {steps}")), "{stderr}");
    assert!(lines[1].starts_with("keyhaven: revocation/expire-key failed: not run: it needs a clock"), "{stderr}");
    assert!(lines[5].contains(" passed, 4 failed, 0 not run"), "{stderr}");
    assert_eq!(lines.len(), 6, "{stderr}");
}
