//! References from one definition of a factory to another: `{"type": "LinkedServiceReference", "referenceName": NAME}`.

use serde_json::Value;

use super::child::Definition;
use super::kind::ChildKind;

/// The runtime that every factory has.
const OWN_RUNTIME: &str = "AutoResolveIntegrationRuntime";

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) kind: ChildKind,
    pub(super) name: String,
}

/// The references in a definition.
pub(super) fn references(properties: &Definition) -> Vec<Reference> {
    let mut found = Vec::new();
    properties.values().for_each(|value| collect(value, &mut found));
    found
}

fn collect(value: &Value, found: &mut Vec<Reference>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| collect(one, found)),
        Value::Object(members) => {
            found.extend(reference(members));
            members.values().for_each(|one| collect(one, found));
        }
        _ => {}
    }
}

fn reference(members: &Definition) -> Option<Reference> {
    let [name, kind] = ["referenceName", "type"].map(|member| members.get(member).and_then(Value::as_str));
    let (name, kind) = (name?.to_owned(), kind?);
    if kind.eq_ignore_ascii_case(ChildKind::IntegrationRuntime.reference()) && name == OWN_RUNTIME {
        return None;
    }
    let child = ChildKind::ALL.into_iter().find(|child| child.reference().eq_ignore_ascii_case(kind))?;
    Some(Reference { kind: child, name })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_wherever_they_are() {
        let properties = json!({
            "linkedServiceName": {"referenceName": "ls", "type": "linkedServiceReference"},
            "activities": [{"inputs": [{"referenceName": "ds", "type": "DatasetReference"}]}],
            "connectVia": {"referenceName": "ir", "type": "integrationRuntimeReference"}, "credential": {"referenceName": "c", "type": "CredentialReference"},
            "other": [{"referenceName": "AutoResolveIntegrationRuntime", "type": "IntegrationRuntimeReference"}, {"type": "x"}]
        });
        let mut found = references(properties.as_object().unwrap());
        found.sort_by_key(|one| format!("{one:?}"));
        let expected = [
            Reference { kind: ChildKind::Credential, name: "c".to_owned() },
            Reference { kind: ChildKind::Dataset, name: "ds".to_owned() },
            Reference { kind: ChildKind::IntegrationRuntime, name: "ir".to_owned() },
            Reference { kind: ChildKind::LinkedService, name: "ls".to_owned() },
        ];
        assert_eq!(found, expected);
    }
}
