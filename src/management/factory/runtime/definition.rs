//! What the definition of an integration runtime may be.

use serde_json::{Map, Value};

use super::refusal::RuntimeRefusal;
use crate::management::factory::id::ChildId;

/// Run on machines of the customer's.
const SELF_HOSTED: &str = "SelfHosted";
/// Run by the service.
const MANAGED: &str = "Managed";

/// What sort of runtime a definition is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeKind {
    /// The service's.
    Managed,
    /// One with nodes of its own.
    SelfHosted,
}

impl RuntimeKind {
    /// Its name at the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Managed => MANAGED,
            Self::SelfHosted => SELF_HOSTED,
        }
    }
}

/// The sort of the runtime that is defined by `properties`.
pub(crate) fn kind_of(properties: &Map<String, Value>) -> RuntimeKind {
    match properties.get("type").and_then(Value::as_str) {
        Some(SELF_HOSTED) => RuntimeKind::SelfHosted,
        _ => RuntimeKind::Managed,
    }
}

/// Checks the definition `properties`, which replaces `existing`.
pub(crate) fn check(
    properties: &Map<String, Value>,
    existing: Option<&Map<String, Value>>,
) -> Result<(), RuntimeRefusal> {
    let kind = properties.get("type").and_then(Value::as_str).unwrap_or_default();
    if ![SELF_HOSTED, MANAGED].contains(&kind) {
        return Err(RuntimeRefusal::UnknownType(kind.to_owned()));
    }
    if properties.get("description").is_some_and(|text| !text.is_string() && !text.is_null()) {
        return Err(RuntimeRefusal::NoText("description"));
    }
    linked(properties)?;
    // Ours: what the service does is not public. Nodes and credentials of another kind of runtime would be left over.
    match existing.is_some_and(|existing| kind_of(existing) != kind_of(properties)) {
        true => Err(RuntimeRefusal::FixedType),
        false => Ok(()),
    }
}

/// What makes a runtime one of another factory's, which shares it.
#[derive(Clone, Debug)]
pub(crate) struct Linked {
    /// The runtime that is shared.
    pub runtime: ChildId,
    /// The name of the credential whose identity may use it; without one it is the factory's own identity.
    pub credential: Option<String>,
}

/// Which runtime of another factory's the one defined by `properties` is; none of one with nodes of its own.
pub(crate) fn linked(properties: &Map<String, Value>) -> Result<Option<Linked>, RuntimeRefusal> {
    let info = properties.get("typeProperties").and_then(|own| own.get("linkedInfo"));
    let Some(info) = info.filter(|info| !info.is_null() && kind_of(properties) == RuntimeKind::SelfHosted) else {
        return Ok(None);
    };
    match info["authorizationType"].as_str().unwrap_or_default() {
        kind if kind.eq_ignore_ascii_case("RBAC") => {}
        kind if kind.eq_ignore_ascii_case("Key") => return Err(RuntimeRefusal::KeyAuthorization),
        _ => return Err(RuntimeRefusal::LinkedInfo("authorizationType")),
    }
    let runtime = info["resourceId"].as_str().and_then(ChildId::runtime_of_text);
    let runtime = runtime.ok_or(RuntimeRefusal::LinkedInfo("resourceId"))?;
    let credential = match &info["credential"] {
        Value::Null => None,
        credential => {
            Some(credential["referenceName"].as_str().ok_or(RuntimeRefusal::LinkedInfo("credential"))?.to_owned())
        }
    };
    Ok(Some(Linked { runtime, credential }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_runtime_is_of_one_of_two_types_and_stays_so() {
        let of = |value: Value| value.as_object().cloned().unwrap();
        let (own, managed) = (of(json!({"type": "SelfHosted"})), of(json!({"type": "Managed", "typeProperties": {}})));
        assert!(check(&own, None).is_ok() && check(&managed, Some(&managed)).is_ok());
        assert!(matches!(check(&managed, Some(&own)), Err(RuntimeRefusal::FixedType)));
        let unknown = of(json!({"type": "selfhosted"}));
        assert!(matches!(check(&unknown, None), Err(RuntimeRefusal::UnknownType(kind)) if kind == "selfhosted"));
        let described = of(json!({"type": "SelfHosted", "description": 1}));
        assert!(matches!(check(&described, None), Err(RuntimeRefusal::NoText("description"))));
    }

    #[test]
    fn a_linked_runtime_names_one_of_a_factory() {
        let of = |info: Value| {
            linked(json!({"type": "SelfHosted", "typeProperties": {"linkedInfo": info}}).as_object().unwrap())
        };
        let id = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourcegroups/g/providers/microsoft.datafactory/FACTORIES/acme/\
                  integrationRuntimes/own";
        assert!(of(Value::Null).unwrap().is_none());
        let linked = of(json!({"authorizationType": "rbac", "resourceId": id})).unwrap().unwrap();
        assert_eq!((linked.runtime.factory().name(), linked.runtime.name(), linked.credential), ("acme", "own", None));
        let credential = json!({"referenceName": "c", "type": "CredentialReference"});
        let linked =
            of(json!({"authorizationType": "RBAC", "resourceId": id, "credential": credential})).unwrap().unwrap();
        assert_eq!(linked.credential.as_deref(), Some("c"));
        let refused = |info: Value| of(info).unwrap_err();
        assert_eq!(refused(json!({"authorizationType": "Key", "key": "k"})), RuntimeRefusal::KeyAuthorization);
        assert_eq!(refused(json!({})), RuntimeRefusal::LinkedInfo("authorizationType"));
        for id in [json!(null), json!("own"), json!(id.replace("own", "")), json!(format!("{id}/nodes/n"))] {
            let info = json!({"authorizationType": "RBAC", "resourceId": id});
            assert_eq!(refused(info), RuntimeRefusal::LinkedInfo("resourceId"), "{id}");
        }
    }
}
