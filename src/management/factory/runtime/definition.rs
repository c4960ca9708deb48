//! What the definition of an integration runtime may be.

use serde_json::{Map, Value};

use super::refusal::RuntimeRefusal;

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
    if links(properties) {
        return Err(RuntimeRefusal::LinkedInfo);
    }
    // Ours: what the service does is not public. Nodes and credentials of another kind of runtime would be left over.
    match existing.is_some_and(|existing| kind_of(existing) != kind_of(properties)) {
        true => Err(RuntimeRefusal::FixedType),
        false => Ok(()),
    }
}

/// Whether the runtime is another factory's, which shares it.
fn links(properties: &Map<String, Value>) -> bool {
    let own = properties.get("typeProperties").and_then(|own| own.get("linkedInfo"));
    own.is_some_and(|info| !info.is_null())
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
        let linked = of(json!({"type": "SelfHosted", "typeProperties": {"linkedInfo": {"authorizationType": "RBAC"}}}));
        assert!(matches!(check(&linked, None), Err(RuntimeRefusal::LinkedInfo)));
    }
}
