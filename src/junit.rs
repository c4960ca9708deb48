//! JUnit XML, the form of results that CI servers read. It knows no drill and no rule: whatever has cases writes them here.

use std::fmt::Write;
use std::time::Duration;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Cases that belong together.
#[derive(Debug)]
pub(crate) struct Suite {
    /// The suite's name.
    pub name: String,
    /// Names and values of properties.
    pub properties: Vec<(&'static str, String)>,
    /// Its cases, in order.
    pub cases: Vec<Case>,
    /// What is to be read besides, if anything.
    pub output: Option<String>,
    /// Its duration.
    pub took: Duration,
}

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    /// What the case is of, in dotted words.
    pub class: String,
    /// The case's name.
    pub name: String,
    /// Its duration.
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a case ended: with a short message and the whole text.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Well; the text is what to read besides, if anything.
    Passed(String),
    /// Not as expected.
    Failed(String, String),
    /// It was not run.
    Skipped(String, String),
    /// It could not be run at all.
    Error(String),
}

/// The numbers of a suite, or of all: cases, failures, errors, those not run.
type Counts = [usize; 4];

/// The document called `name`; `took` is the duration of everything.
pub(crate) fn document(name: &str, suites: &[Suite], took: Duration) -> String {
    let mut xml = String::from(DECLARATION);
    let counts = suites.iter().fold([0; 4], |sum, suite| plus(sum, counts(&suite.cases)));
    let _ = writeln!(xml, "<testsuites name=\"{}\" {}>", escaped(name), attributes(counts, took));
    suites.iter().for_each(|suite| add_suite(&mut xml, suite));
    xml.push_str("</testsuites>\n");
    xml
}

fn plus(left: Counts, right: Counts) -> Counts {
    std::array::from_fn(|index| left[index] + right[index])
}

fn counts(cases: &[Case]) -> Counts {
    cases.iter().fold([0; 4], |sum, case| {
        let one = match case.outcome {
            Outcome::Passed(_) => [1, 0, 0, 0],
            Outcome::Failed(..) => [1, 1, 0, 0],
            Outcome::Error(_) => [1, 0, 1, 0],
            Outcome::Skipped(..) => [1, 0, 0, 1],
        };
        plus(sum, one)
    })
}

fn attributes([all, failures, errors, skipped]: Counts, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    format!("tests=\"{all}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{seconds:.3}\"")
}

fn add_suite(xml: &mut String, suite: &Suite) {
    let head = attributes(counts(&suite.cases), suite.took);
    let _ = writeln!(xml, "  <testsuite name=\"{}\" {head}>", escaped(&suite.name));
    if !suite.properties.is_empty() {
        let property =
            |(name, value): &(&str, String)| format!("<property name=\"{name}\" value=\"{}\"/>", escaped(value));
        let all: String = suite.properties.iter().map(property).collect();
        let _ = writeln!(xml, "    <properties>{all}</properties>");
    }
    suite.cases.iter().for_each(|case| add_case(xml, case));
    if let Some(output) = &suite.output {
        let _ = writeln!(xml, "    <system-out>{}</system-out>", escaped(output));
    }
    xml.push_str("  </testsuite>\n");
}

fn add_case(xml: &mut String, case: &Case) {
    let (class, name, seconds) = (escaped(&case.class), escaped(&case.name), case.took.as_secs_f64());
    let _ = writeln!(xml, "    <testcase classname=\"{class}\" name=\"{name}\" time=\"{seconds:.3}\">");
    let _ = match &case.outcome {
        Outcome::Passed(text) if text.is_empty() => Ok(()),
        Outcome::Passed(text) => writeln!(xml, "      <system-out>{}</system-out>", escaped(text)),
        Outcome::Failed(why, text) => {
            writeln!(xml, "      <failure message=\"{}\">{}</failure>", escaped(why), escaped(text))
        }
        Outcome::Skipped(why, text) => {
            writeln!(xml, "      <skipped message=\"{}\">{}</skipped>", escaped(why), escaped(text))
        }
        Outcome::Error(why) => writeln!(xml, "      <error message=\"{}\"/>", escaped(why)),
    };
    xml.push_str("    </testcase>\n");
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
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b>&\"c\" ]]>\n\u{1b}[0m"), "a&lt;b&gt;&amp;&quot;c&quot; ]]&gt;&#10;\u{fffd}[0m");
    }

    #[test]
    fn a_suite_counts_its_cases_and_the_document_those_of_all() {
        let took = Duration::from_millis(1500);
        let case = |outcome| Case { class: "c".to_owned(), name: "n".to_owned(), took, outcome };
        let suite = |cases| Suite { name: "s".to_owned(), properties: vec![], cases, output: None, took };
        let failed = Outcome::Failed("why".to_owned(), "all of it".to_owned());
        let suites = [
            suite(vec![case(Outcome::Passed(String::new())), case(failed)]),
            suite(vec![case(Outcome::Error("e".to_owned()))]),
        ];
        let xml = document("d", &suites, took);
        assert!(
            xml.contains(r#"<testsuites name="d" tests="3" failures="1" errors="1" skipped="0" time="1.500">"#),
            "{xml}"
        );
        assert!(
            xml.contains(r#"<testsuite name="s" tests="2" failures="1" errors="0" skipped="0" time="1.500">"#),
            "{xml}"
        );
        assert!(xml.contains("<failure message=\"why\">all of it</failure>"), "{xml}");
    }
}
