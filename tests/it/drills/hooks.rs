//! A user's own program around each step.

use serde_json::Value;

use super::steps;
use crate::cli::keyhaven;

#[test]
fn it_runs_before_and_after_each_step_and_finds_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let command = "curl --silent --cacert \"$SSL_CERT_FILE\" \"$KEYHAVEN_VAULT_URL/keys?api-version=7.4\" >/dev/null; \
                   echo \"$KEYHAVEN_DRILL $KEYHAVEN_DRILL_STEP $KEYHAVEN_DRILL_MOMENT $KEYHAVEN_VAULT_URL $KEYHAVEN_DRILL_SECRET \
                   $KEYHAVEN_DRILL_CLIENT_ID $IDENTITY_ENDPOINT $KEYHAVEN_READY_FILE\" >> ";
    let command = format!("{command}{}", log.display());
    let output = keyhaven(&["drill", "credentials", "--report", "json", "--exec", &command]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let names: Vec<_> = lines.iter().map(|words| words[..3].join(" ")).collect();
    let expected: Vec<_> = steps(&report)
        .iter()
        .flat_map(|(step, _, _)| ["before", "after"].map(|moment| format!("{} {moment}", step.replace('/', " "))))
        .collect();
    assert_eq!(names, expected);
    for words in &lines {
        assert_eq!((words.len(), words[3]), (8, report["vault"].as_str().unwrap()), "{words:?}");
        assert!(words[4].starts_with(&format!("{}/secrets/drill-", words[3])), "{words:?}");
    }
}

#[test]
fn when_it_fails_so_does_the_step_and_its_last_line_is_reported() {
    let command =
        "echo before it; test \"$KEYHAVEN_DRILL_STEP\" != delete-secret || { echo my data is gone >&2; exit 9; }";
    let output = keyhaven(&["drill", "credentials", "--report", "json", "--exec", command]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    let failed: Vec<_> = steps(&report).into_iter().filter(|(_, verdict, _)| verdict == "failed").collect();
    let why = "before the step, the command ended with status 9: my data is gone";
    assert_eq!(failed, [("credentials/delete-secret".to_owned(), "failed".to_owned(), why.to_owned())]);
}
