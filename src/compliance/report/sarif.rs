//! The report as a log of SARIF 2.1.0 (OASIS): the rules that were checked, and a result for each finding.

use serde_json::{Value, json};

use super::{Checked, Report};
use crate::compliance::rules::Rule;

/// Bytes of a path that a URI has percent-encoded.
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(super) fn document(report: &Report) -> String {
    let mut rules: Vec<&'static Rule> = vec![];
    for one in &report.checked {
        if !rules.iter().any(|rule| rule.id == one.rule.id) {
            rules.push(one.rule);
        }
    }
    let said = report.checked.iter().filter(|one| one.finding().or_else(|| one.warning()).is_some());
    let results: Vec<_> = said.map(|one| result(report, one, &rules)).collect();
    let document = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "keyhaven",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|rule| described(rule)).collect::<Vec<_>>(),
            }},
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn described(rule: &Rule) -> Value {
    let mut described = json!({"id": rule.id, "shortDescription": {"text": rule.title}});
    if let Some(id) = rule.definition_id() {
        described["guid"] = rule.guid.into();
        described["properties"] = json!({"policyDefinitionId": id, "version": rule.version});
    }
    described
}

fn result(report: &Report, one: &Checked, rules: &[&Rule]) -> Value {
    let (level, said) = one.warning().map_or_else(|| ("warning", one.finding()), |warning| ("note", Some(warning)));
    let text = format!("{}: {}", one.resource.name, said.unwrap_or_default());
    json!({
        "ruleId": one.rule.id,
        "ruleIndex": rules.iter().position(|rule| rule.id == one.rule.id),
        "level": level,
        "message": {"text": text},
        "locations": [location(report, one)],
    })
}

/// Where the resource is: its name and its pointer, and in which line of which file.
fn location(report: &Report, one: &Checked) -> Value {
    let resource = &one.resource;
    let mut logical = vec![json!({"fullyQualifiedName": resource.name, "kind": "resource"})];
    let pointer = resource.pointer.as_deref();
    logical.extend(pointer.map(|pointer| json!({"fullyQualifiedName": pointer, "kind": "object"})));
    let mut location = json!({"logicalLocations": logical});
    if let Some(file) = &report.file {
        let uri = percent_encoding::utf8_percent_encode(file, PATH).to_string();
        location["physicalLocation"] = json!({"artifactLocation": {"uri": uri}});
        if let Some(line) = report.line(one) {
            location["physicalLocation"]["region"] = json!({"startLine": line});
        }
    }
    location
}
