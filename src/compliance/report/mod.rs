//! The report: a value, and its forms as lines, JSON, SARIF and JUnit XML.

mod json;
mod junit;
mod sarif;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::facts::Resource;
use super::file::without_comments;
use super::lines::lines_of;
use super::rules::{Rule, Verdict};

/// A rule that was held against a resource.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    /// The rule.
    pub rule: &'static Rule,
    /// The position of the resource.
    pub(super) index: usize,
    /// The resource.
    pub resource: Arc<Resource>,
    /// What was found.
    pub verdict: Verdict,
    /// What to set, where something is wrong.
    pub(super) remedy: String,
}

/// Everything that was checked.
#[derive(Debug)]
pub(crate) struct Report {
    /// The file, as it was given; none of a running server.
    file: Option<String>,
    checked: Vec<Checked>,
    /// The lines of the resources in the file, by pointer.
    lines: BTreeMap<String, usize>,
}

impl Report {
    /// The report of what was `checked`, in a file with this name and text, or at a server.
    pub(crate) fn new(file: Option<(&str, &str)>, checked: Vec<Checked>) -> Self {
        let pointers = || checked.iter().filter_map(|one| one.resource.pointer.as_deref());
        let lines = file.map(|(_, text)| {
            let found = lines_of(&without_comments(text), pointers());
            found.into_iter().map(|(pointer, line)| (pointer.to_owned(), line)).collect()
        });
        let lines = lines.unwrap_or_default();
        Self { file: file.map(|(name, _)| name.to_owned()), checked, lines }
    }

    /// What was found.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Checked> {
        self.checked.iter().filter(|one| one.finding().is_some())
    }

    /// What is worth a warning, and no finding: a line for each.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        self.checked.iter().filter_map(|one| Some(format!("{} {}: {}", one.rule.id, one.resource.name, one.warning()?)))
    }

    /// A line for each finding.
    pub(crate) fn text(&self) -> String {
        let line =
            |one: &Checked| format!("{} {}: {}\n", one.rule.id, one.resource.name, one.finding().unwrap_or_default());
        self.findings().map(line).collect()
    }

    /// One JSON document.
    pub(crate) fn json(&self) -> String {
        json::document(self)
    }

    /// A log of SARIF 2.1.0, which code hosts show beside the lines of a change.
    pub(crate) fn sarif(&self) -> String {
        sarif::document(self)
    }

    /// JUnit XML: a suite for each rule, a case for each resource that it was held against.
    pub(crate) fn junit(&self) -> String {
        junit::document(self)
    }

    /// How much was checked and found, in words; what is not there to be checked, each with why.
    pub(crate) fn summary(&self) -> (String, Vec<(&'static str, &'static str)>) {
        let held = || self.checked.iter().filter(|one| one.warning().is_none());
        let mut resources: Vec<_> = held().map(|one| one.index).collect();
        resources.dedup();
        let mut rules: Vec<_> = held().map(|one| one.rule.id).collect();
        rules.sort_unstable();
        rules.dedup();
        let counted = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let words = [
            counted(self.findings().count(), "finding"),
            counted(resources.len(), "resource"),
            counted(rules.len(), "rule"),
        ];
        let [findings, resources, rules] = words;
        let mut absent: Vec<_> = self.checked.iter().filter_map(Checked::absent).collect();
        absent.dedup();
        (format!("{findings}; {resources} held against {rules}"), absent)
    }

    fn line(&self, one: &Checked) -> Option<usize> {
        self.lines.get(one.resource.pointer.as_deref()?).copied()
    }
}

impl Checked {
    /// What is wrong or cannot be known, and what to set; none where the rule is kept.
    fn finding(&self) -> Option<String> {
        let remedy = &self.remedy;
        match &self.verdict {
            Verdict::NonCompliant(what) => Some(format!("{what}; {remedy}")),
            Verdict::Unknown(why) => Some(format!("cannot be known here: {why}; {remedy}")),
            Verdict::Compliant | Verdict::NotApplicable(_) | Verdict::Warned(_) => None,
        }
    }

    /// What is worth a warning, and what to set.
    fn warning(&self) -> Option<String> {
        match &self.verdict {
            Verdict::Warned(what) => Some(format!("{what}; {}", self.remedy)),
            _ => None,
        }
    }

    const fn absent(&self) -> Option<(&'static str, &'static str)> {
        match self.verdict {
            Verdict::NotApplicable(why) => Some((self.rule.id, why)),
            _ => None,
        }
    }

    const fn result(&self) -> &'static str {
        match self.verdict {
            Verdict::Compliant => "Compliant",
            Verdict::NonCompliant(_) => "NonCompliant",
            Verdict::Unknown(_) => "Unknown",
            Verdict::NotApplicable(_) => "NotApplicable",
            Verdict::Warned(_) => "Warning",
        }
    }
}

#[cfg(test)]
mod tests;
