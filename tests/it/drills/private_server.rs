//! On a server of their own.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use super::steps;
use crate::cli::keyhaven;

#[test]
fn everything_passes_and_nothing_is_left_out() {
    let output = keyhaven(&["drill", "--report", "json"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "there is no terminal to show progress on");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let drills: Vec<_> = report["drills"].as_array().unwrap().iter().map(|drill| drill["drill"].clone()).collect();
    assert_eq!(drills, ["rotation", "revocation", "recovery", "credentials", "system-key", "network"]);
    let steps = steps(&report);
    assert!(steps.iter().all(|(_, verdict, _)| verdict == "passed"), "{report:#}");
    // The README and docs/drills.md have this number.
    assert_eq!(steps.len(), 62);
    assert_eq!(report["notes"].as_array().unwrap().len(), 0, "of a private server nothing is left");
}

#[test]
fn nothing_is_left_of_a_private_server_that_stopped_in_the_middle() {
    let kill_all = "for child in $(cat /proc/$PPID/task/*/children); do test $child = $$ || kill -9 $child; done";
    let hook =
        format!("test \"$KEYHAVEN_DRILL_STEP $KEYHAVEN_DRILL_MOMENT\" != \"public-access-off after\" || {kill_all}");
    let output = keyhaven(&["drill", "network", "--report", "json", "--exec", &hook]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["notes"]), (Some(1), &serde_json::json!([])), "{report:#}");
}

#[test]
fn a_person_reads_every_step_and_the_numbers() {
    let output = keyhaven(&["drill", "credentials"]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.starts_with("vault https://drill.vault.localhost:"), "{printed}");
    let step = "\ncredentials\n  store-secret                passed ";
    assert!(printed.contains(step), "{printed}");
    for label in ["    done      ", "    expected  ", "    seen      pinned: number 0; latest: number 10\n"] {
        assert!(printed.contains(label), "{printed}");
    }
    assert!(printed.trim_end().ends_with(": 8 passed, 0 failed, 0 not run"), "{printed}");
    assert!(printed.lines().all(|line| line.chars().count() <= 110), "{printed}");
}

/// Read by another parser than the one that wrote it.
#[test]
fn junit_is_read_by_pythons_parser() {
    let output = keyhaven(&["drill", "revocation", "--report", "junit"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let script = "import sys, xml.etree.ElementTree as t\n\
                  root = t.fromstring(sys.stdin.buffer.read())\n\
                  print(root.tag, root.get('failures'), root.get('skipped'), len(root.findall('testsuite/testcase')))";
    let mut python = std::process::Command::new("python3");
    let mut child = python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&output.stdout).unwrap();
    let read = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(read, "testsuites 0 0 16\n");
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    for form in ["text", "junit"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = keyhaven(&["drill", "credentials", "--report", form]).stdout(full).output().unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.starts_with("keyhaven: the report could not be written: No space left on device"), "{printed}");
    }
}

#[test]
fn no_secret_and_no_process_is_left_behind() {
    let place = tempfile::tempdir().unwrap();
    let output = keyhaven(&["drill", "credentials"]).env("TMPDIR", place.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "data, factories and outputs of commands are gone");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(!printed.contains("credential number"), "{printed}");
    let port = printed.lines().next().unwrap().rsplit(':').next().unwrap();
    assert!(std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err(), "the server is gone");
}

#[test]
fn the_help_says_what_it_does_and_what_it_leaves() {
    let output = keyhaven(&["drill", "--help"]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    for part in [
        "rotation",
        "system-key",
        "network",
        "--vault <NAME|URL>",
        "--skip <DRILL|STEP>",
        "--admin <URL>",
        "junit",
        "--exec <CMD>",
        "stays there",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[test]
fn each_drill_has_its_script() {
    use std::os::unix::fs::PermissionsExt;
    for drill in keyhaven::testing::drills::Drill::ALL {
        let path = format!("{}/scripts/drill-{}.sh", env!("CARGO_MANIFEST_DIR"), drill.name());
        let script = std::fs::read_to_string(&path).unwrap();
        assert!(script.contains(&format!("-- drill {} \"$@\"", drill.name())), "{script}");
        assert_ne!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o111, 0, "{path}");
    }
}
