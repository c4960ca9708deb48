//! A server that loses what it acknowledged is noticed when it is killed.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use keyhaven::testing::drills;
use keyhaven::testing::drills::{Drill, Environment, Observer, PrivateServer, Selection, Step, Verdict};

struct Quiet;

impl Observer for Quiet {
    fn drill_started(&mut self, _: &'static str) {}
    fn step_started(&mut self, _: &'static str) {}
    fn step_finished(&mut self, _: &Step) {}
}

/// A program like `keyhaven` that keeps nothing.
fn forgetful(dir: &std::path::Path) -> PathBuf {
    let program = dir.join("keyhaven");
    let script = format!("#!/bin/sh\nexec {} \"$@\" --store memory\n", env!("CARGO_BIN_EXE_keyhaven"));
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    program
}

#[test]
fn recovery_notices_a_server_that_forgets() {
    let dir = tempfile::tempdir().unwrap();
    let environment = Environment::private(PrivateServer::start(&forgetful(dir.path())).unwrap()).unwrap();
    let selection = Selection { drills: vec![Drill::Recovery], ..Selection::default() };
    let report = drills::run(environment, &selection, None, &AtomicBool::new(false), &mut Quiet);
    let failed: Vec<_> = report.drills[0].steps.iter().filter(|step| step.verdict == Verdict::Failed).collect();
    assert_eq!(failed.first().map(|step| step.name), Some("kill-in-rotation"), "{failed:#?}");
}

#[test]
fn a_program_that_is_no_server_is_reported() {
    let error = PrivateServer::start(std::path::Path::new("/bin/false")).err().unwrap();
    assert!(error.starts_with("the drill's own server did not become ready: "), "{error}");
}
