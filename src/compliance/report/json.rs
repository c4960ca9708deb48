//! The report as one JSON document.

use serde_json::{Value, json};

use super::{Checked, Report};

pub(super) fn document(report: &Report) -> String {
    let finding = |one: &Checked| {
        json!({
            "rule": one.rule.id,
            "policyDefinitionId": one.rule.definition_id(),
            "title": one.rule.title,
            "resource": one.resource.name,
            "pointer": one.resource.pointer,
            "line": report.line(one),
            "result": one.result(),
            "message": one.finding().or_else(|| one.warning()),
        })
    };
    let checked = |one: &Checked| json!({"rule": one.rule.id, "policyDefinitionId": one.rule.definition_id(), "resource": one.resource.name, "result": one.result()});
    let (warnings, held): (Vec<_>, Vec<_>) = report.checked.iter().partition(|one| one.warning().is_some());
    let document = json!({
        "file": report.file,
        "findings": report.findings().map(finding).collect::<Vec<Value>>(),
        "warnings": warnings.into_iter().map(finding).collect::<Vec<Value>>(),
        "checked": held.into_iter().map(checked).collect::<Vec<Value>>(),
    });
    format!("{document:#}\n")
}
