//! The report as JUnit XML, the form that CI servers read.

use std::fmt::Write;
use std::time::Duration;

use super::{Counts, DrillResult, FailedStart, Report};
use crate::drills::step::{BlockedStep, Step, Verdict};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

pub(super) fn document(report: &Report) -> String {
    let mut xml = String::from(DECLARATION);
    let head = attributes(report.counts(), report.took);
    let _ = writeln!(xml, "<testsuites name=\"keyhaven drill\" {head}>");
    for result in &report.drills {
        suite(&mut xml, report, result);
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// One case that ended with an error, as CI servers show what kept a whole run from its start.
pub(super) fn failed_start(start: &FailedStart) -> String {
    let (head, why) = ("tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\"", escaped(&start.error));
    format!(
        "{DECLARATION}<testsuites name=\"keyhaven drill\" {head}>\n  <testsuite name=\"start\" {head}>\n    \
         <testcase classname=\"keyhaven.drill\" name=\"start\" time=\"0.000\">\n      <error message=\"{why}\"/>\n    \
         </testcase>\n  </testsuite>\n</testsuites>\n"
    )
}

fn attributes(counts: Counts, took: Duration) -> String {
    let (all, failed, skipped) = (counts.all(), counts.failed, counts.skipped + counts.without_result());
    let seconds = took.as_secs_f64();
    format!("tests=\"{all}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\"")
}

fn suite(xml: &mut String, report: &Report, result: &DrillResult) {
    let (name, head) = (result.drill.name(), attributes(Counts::of(&result.steps), result.took));
    let _ = writeln!(xml, "  <testsuite name=\"{name}\" {head}>");
    let vault = escaped(&report.vault);
    let _ = writeln!(xml, "    <properties><property name=\"vault\" value=\"{vault}\"/></properties>");
    for step in &result.steps {
        case(xml, name, step);
        step.blocked.iter().for_each(|blocked| blocked_case(xml, name, blocked, step));
    }
    if !report.notes.is_empty() {
        let _ = writeln!(xml, "    <system-out>{}</system-out>", escaped(&report.notes.join("\n")));
    }
    xml.push_str("  </testsuite>\n");
}

fn case(xml: &mut String, drill: &str, step: &Step) {
    let (name, seconds) = (step.name, step.took.as_secs_f64());
    let _ = writeln!(xml, "    <testcase classname=\"keyhaven.drill.{drill}\" name=\"{name}\" time=\"{seconds:.3}\">");
    let (seen, text) = (escaped(&step.seen), escaped(&details(step)));
    let _ = match step.verdict {
        Verdict::Passed => writeln!(xml, "      <system-out>{text}</system-out>"),
        Verdict::Failed => writeln!(xml, "      <failure message=\"{seen}\">{text}</failure>"),
        Verdict::NotRun | Verdict::Skipped => writeln!(xml, "      <skipped message=\"{seen}\">{text}</skipped>"),
    };
    xml.push_str("    </testcase>\n");
}

fn blocked_case(xml: &mut String, drill: &str, step: &BlockedStep, cause: &Step) {
    let text = escaped(&format!("done: {}\nexpected: {}", step.done, step.expected));
    let (name, cause) = (step.name, cause.name);
    let _ = writeln!(xml, "    <testcase classname=\"keyhaven.drill.{drill}\" name=\"{name}\" time=\"0.000\">");
    let _ = writeln!(xml, "      <skipped message=\"depends on {cause}\">{text}</skipped>\n    </testcase>");
}

fn details(step: &Step) -> String {
    format!("done: {}\nexpected: {}\nseen: {}", step.done, step.expected, step.seen)
}

/// Escapes text for an element or an attribute. XML 1.0 cannot represent most control characters: they are replaced.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push_str("&#10;"),
            '\t' => safe.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b>&\"c\" ]]>\n\u{1b}[0m"), "a&lt;b&gt;&amp;&quot;c&quot; ]]&gt;&#10;\u{fffd}[0m");
    }

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
            xml.contains(r#"<testsuites name="keyhaven drill" tests="1" failures="0" errors="1" skipped="0">"#),
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
