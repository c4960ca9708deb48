//! The report as JUnit XML.

use std::time::Duration;

use super::{Checked, Report};
use crate::compliance::rules::Verdict;
use crate::junit::{self, Case, Outcome, Suite};

pub(super) fn document(report: &Report) -> String {
    let mut suites: Vec<Suite> = vec![];
    for one in &report.checked {
        let case = case(one);
        match suites.iter_mut().find(|suite| suite.name == one.rule.id) {
            Some(suite) => suite.cases.push(case),
            None => suites.push(suite(report, one, case)),
        }
    }
    junit::document("keyhaven policy check", &suites, Duration::ZERO)
}

fn suite(report: &Report, one: &Checked, first: Case) -> Suite {
    let mut properties = vec![("title", one.rule.title.to_owned())];
    properties.extend(one.rule.definition_id().map(|id| ("policyDefinitionId", id)));
    properties.extend(report.file.clone().map(|file| ("file", file)));
    Suite { name: one.rule.id.to_owned(), properties, cases: vec![first], output: None, took: Duration::ZERO }
}

fn case(one: &Checked) -> Case {
    let finding = one.finding().unwrap_or_default();
    let outcome = match &one.verdict {
        Verdict::Compliant => Outcome::Passed(String::new()),
        Verdict::Warned(_) => Outcome::Passed(one.warning().unwrap_or_default()),
        Verdict::NonCompliant(_) | Verdict::Unknown(_) => Outcome::Failed(finding, one.rule.title.to_owned()),
        Verdict::NotApplicable(why) => Outcome::Skipped((*why).to_owned(), one.rule.title.to_owned()),
    };
    let class = format!("keyhaven.policy.{}", one.rule.id);
    Case { class, name: one.resource.name.clone(), took: Duration::ZERO, outcome }
}
