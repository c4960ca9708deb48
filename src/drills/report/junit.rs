//! The report as JUnit XML, the form that CI servers read.

use std::time::Duration;

use super::{DrillResult, FailedStart, Report};
use crate::drills::step::{BlockedStep, Step, Verdict};
use crate::junit::{self, Case, Outcome, Suite};

const NAME: &str = "keyhaven drill";

pub(super) fn document(report: &Report) -> String {
    let suites: Vec<_> = report.drills.iter().map(|result| suite(report, result)).collect();
    junit::document(NAME, &suites, report.took)
}

/// One case that ended with an error, as CI servers show what kept a whole run from its start.
pub(super) fn failed_start(start: &FailedStart) -> String {
    let case = case("keyhaven.drill", "start", Duration::ZERO, Outcome::Error(start.error.clone()));
    let suite =
        Suite { name: "start".to_owned(), properties: vec![], cases: vec![case], output: None, took: Duration::ZERO };
    junit::document(NAME, &[suite], Duration::ZERO)
}

fn suite(report: &Report, result: &DrillResult) -> Suite {
    let name = result.drill.name();
    let class = format!("keyhaven.drill.{name}");
    let cases = result.steps.iter().flat_map(|step| {
        let own = case(&class, step.name, step.took, outcome(step));
        let blocked = step.blocked.iter().map(|blocked| blocked_case(&class, blocked, step));
        std::iter::once(own).chain(blocked).collect::<Vec<_>>()
    });
    Suite {
        name: name.to_owned(),
        properties: vec![("vault", report.vault.clone())],
        cases: cases.collect(),
        output: Some(report.remains().join("\n")).filter(|notes| !notes.is_empty()),
        took: result.took,
    }
}

fn case(class: &str, name: &str, took: Duration, outcome: Outcome) -> Case {
    Case { class: class.to_owned(), name: name.to_owned(), took, outcome }
}

fn outcome(step: &Step) -> Outcome {
    let (seen, text) = (step.seen.clone(), details(step));
    match step.verdict {
        Verdict::Passed => Outcome::Passed(text),
        Verdict::Failed => Outcome::Failed(seen, text),
        Verdict::NotRun | Verdict::Skipped => Outcome::Skipped(seen, text),
    }
}

fn blocked_case(class: &str, step: &BlockedStep, cause: &Step) -> Case {
    let text = format!("done: {}\nexpected: {}", step.done, step.expected);
    case(class, step.name, Duration::ZERO, Outcome::Skipped(format!("depends on {}", cause.name), text))
}

fn details(step: &Step) -> String {
    format!("done: {}\nexpected: {}\nseen: {}", step.done, step.expected, step.seen)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn each_verdict_has_its_element() {
        let xml = sample::report().junit();
        assert!(
            xml.contains(r#"name="keyhaven drill" tests="5" failures="1" errors="0" skipped="3" time="4.000""#),
            "{xml}"
        );
        assert!(xml.contains(r#"<testcase classname="keyhaven.drill.rotation" name="enable" time="1.234">"#), "{xml}");
        assert!(xml.contains("<failure message=\"403 &lt;Forbidden&gt;"), "{xml}");
        assert!(
            xml.contains("name=\"read-again\" time=\"0.000\">\n      <skipped message=\"depends on rotate\">"),
            "{xml}"
        );
        assert!(xml.contains("<skipped message=\"it needs a clock that can be moved"), "{xml}");
    }

    #[test]
    fn a_run_that_could_not_begin_is_one_case_with_an_error() {
        let xml = FailedStart { vault: None, error: "no \"server\" <answers>".to_owned() }.junit();
        assert!(
            xml.contains(
                r#"<testsuites name="keyhaven drill" tests="1" failures="0" errors="1" skipped="0" time="0.000">"#
            ),
            "{xml}"
        );
        assert!(xml.contains("<error message=\"no &quot;server&quot; &lt;answers&gt;\"/>"), "{xml}");
    }

    /// Python's parser is a second opinion on well-formedness.
    #[test]
    fn another_parser_reads_it_back() {
        let script = "import sys, xml.etree.ElementTree as t\n\
                      for case in t.fromstring(sys.stdin.buffer.read()).iter('testcase'):\n  \
                      print(case.get('name'), [(e.tag, e.get('message')) for e in case])";
        use std::process::{Command, Stdio};
        let mut python = Command::new("python3");
        let mut child = python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), sample::report().junit().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let read = String::from_utf8(output.stdout).unwrap();
        assert!(
            read.starts_with("enable [('system-out', None)]\nrotate [('failure', '403 <Forbidden> & \"no\" ]]> "),
            "{read}"
        );
        assert!(read.ends_with(
            "by-policy [('skipped', 'it needs a clock that can be moved: start the server with --clock virtual')]\n"
        ));
    }
}
