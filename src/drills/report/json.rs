//! The report as one JSON document.

use serde_json::{Value, json};

use super::{Counts, DrillResult, FailedStart, Report};
use crate::drills::step::{BlockedStep, Step};

pub(super) fn document(report: &Report) -> String {
    let counts = report.counts();
    let document = json!({
        "vault": report.vault,
        "place": report.description,
        "verdict": verdict(counts),
        "passed": counts.passed,
        "failed": counts.failed,
        "notRun": counts.without_result(),
        "skipped": counts.skipped,
        "seconds": report.took.as_secs_f64(),
        "drills": report.drills.iter().map(drill).collect::<Vec<_>>(),
        "notes": report.remains(),
    });
    format!("{document:#}\n")
}

pub(super) fn failed_start(start: &FailedStart) -> String {
    let document = json!({
        "vault": start.vault,
        "verdict": "failed",
        "error": start.error,
        "passed": 0,
        "failed": 0,
        "notRun": 0,
        "skipped": 0,
        "drills": [],
        "notes": [],
    });
    format!("{document:#}\n")
}

const fn verdict(counts: Counts) -> &'static str {
    if counts.failed == 0 { "passed" } else { "failed" }
}

fn drill(result: &DrillResult) -> Value {
    json!({
        "drill": result.drill.name(),
        "verdict": verdict(Counts::of(&result.steps)),
        "seconds": result.took.as_secs_f64(),
        "steps": result.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn step(step: &Step) -> Value {
    json!({
        "step": step.name,
        "done": step.done,
        "expected": step.expected,
        "seen": step.seen,
        "seconds": step.took.as_secs_f64(),
        "verdict": step.verdict.words(),
        "blocked": step.blocked.iter().map(blocked).collect::<Vec<_>>(),
    })
}

fn blocked(step: &BlockedStep) -> Value {
    json!({ "step": step.name, "done": step.done, "expected": step.expected })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn it_has_every_step_with_all_fields() {
        let report = sample::report();
        let read: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!((&read["passed"], &read["failed"], &read["notRun"]), (&1.into(), &1.into(), &3.into()));
        assert_eq!((&read["verdict"], &read["drills"][0]["verdict"]), (&"failed".into(), &"failed".into()));
        let expected = json!({
            "step": "by-policy", "done": "the key is rotated", "expected": "a new version, \"latest\" <b> & all",
            "seen": "it needs a clock that can be moved: start the server with --clock virtual",
            "seconds": 1.234, "verdict": "not run", "blocked": [],
        });
        assert_eq!(read["drills"][0]["steps"][2], expected);
        let blocked = &read["drills"][0]["steps"][1]["blocked"];
        assert_eq!(blocked[0], json!({"step": "read", "done": "all is read", "expected": "each reads back"}));
        assert_eq!(blocked[1]["step"], "read-again");
        assert_eq!(read["notes"], json!(["key k-1 is deleted", "the key k-2: remove it"]));
    }

    #[test]
    fn a_run_that_could_not_begin_says_why() {
        let start = FailedStart { vault: None, error: "no server answers".to_owned() };
        let read: Value = serde_json::from_str(&start.json()).unwrap();
        assert_eq!((&read["verdict"], &read["error"]), (&"failed".into(), &"no server answers".into()));
        assert_eq!((&read["vault"], &read["drills"]), (&Value::Null, &json!([])));
    }
}
