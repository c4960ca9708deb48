//! Release policies: who may export a key. They are stored and shown; nothing is released yet.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

use crate::vault::Refusal;

/// The content type of a policy that names none (the published OpenAPI's default).
const CONTENT_TYPE: &str = "application/json; charset=utf-8";
/// How deep conditions may be nested.
const DEPTH: usize = 16;

/// A policy, in the form that the service keeps.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReleasePolicy {
    /// The content type of the document.
    pub content_type: String,
    /// Whether the policy can never be changed again.
    pub immutable: bool,
    /// The document: JSON with its members in the service's order.
    pub document: String,
}

/// Why a release policy, or its absence, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleasePolicyError {
    /// A key that may be released needs a policy.
    NoPolicy,
    /// A key that may not be released cannot have one.
    NotExportable,
    /// The policy is immutable.
    Immutable,
    /// Whether a key may be released is set at its creation, and never changed.
    Exportability,
}

/// What is wrong with the document of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseDocumentError {
    /// It is not JSON.
    NotJson,
    /// It is not a JSON object.
    NotAnObject,
    /// It has no version.
    NoVersion,
    /// It has no authorities.
    NoAuthorities,
    /// An authority is not an https URL.
    InsecureAuthority,
    /// An authority has no conditions.
    NoConditions,
    /// Conditions are nested too deep.
    TooDeep,
    /// A condition has neither a claim nor conditions.
    EmptyCondition,
}

impl ReleasePolicy {
    /// The policy of a `document` in JSON, normalised: the service puts `version` first and `authority` and `claim`
    /// before the conditions (golden 004), and writes no blanks.
    ///
    /// # Errors
    /// What is wrong with the document (the grammar: "Azure Key Vault secure key release policy grammar").
    pub fn new(content_type: Option<String>, immutable: bool, document: &[u8]) -> Result<Self, ReleaseDocumentError> {
        let document: Value = serde_json::from_slice(document).map_err(|_| ReleaseDocumentError::NotJson)?;
        check_document(&document)?;
        let document = serde_json::to_string(&Ordered(&document)).map_err(|_| ReleaseDocumentError::NotJson)?;
        Ok(Self { content_type: content_type.unwrap_or_else(|| CONTENT_TYPE.to_owned()), immutable, document })
    }
}

/// A new key may have a policy exactly when it may be released.
pub(super) fn check(exportable: bool, policy: Option<&ReleasePolicy>) -> Result<(), Refusal> {
    match (exportable, policy) {
        (true, None) => Err(Refusal::Release(ReleasePolicyError::NoPolicy)),
        (false, Some(_)) => Err(Refusal::Release(ReleasePolicyError::NotExportable)),
        _ => Ok(()),
    }
}

/// The policy that a key has after a change, `given` and `exportable` being what the change says.
pub(super) fn changed(
    current: (bool, Option<&ReleasePolicy>),
    exportable: Option<bool>,
    given: Option<&ReleasePolicy>,
) -> Result<Option<ReleasePolicy>, Refusal> {
    let (is_exportable, policy) = current;
    if given.is_some() && policy.is_some_and(|policy| policy.immutable) {
        return Err(Refusal::Release(ReleasePolicyError::Immutable));
    }
    if exportable.is_some_and(|wanted| wanted != is_exportable) {
        return Err(Refusal::Release(ReleasePolicyError::Exportability));
    }
    let next = given.or(policy);
    check(is_exportable, next)?;
    Ok(next.cloned())
}

fn check_document(document: &Value) -> Result<(), ReleaseDocumentError> {
    let policy = document.as_object().ok_or(ReleaseDocumentError::NotAnObject)?;
    if !policy.get("version").is_some_and(Value::is_string) {
        return Err(ReleaseDocumentError::NoVersion);
    }
    let authorities = conditions(document).ok_or(ReleaseDocumentError::NoAuthorities)?;
    for authority in authorities {
        let named = authority.get("authority").and_then(Value::as_str);
        if !named.is_some_and(|url| url.starts_with("https://")) {
            return Err(ReleaseDocumentError::InsecureAuthority);
        }
        check_conditions(conditions(authority).ok_or(ReleaseDocumentError::NoConditions)?, 1)?;
    }
    Ok(())
}

fn check_conditions(claims: &[Value], depth: usize) -> Result<(), ReleaseDocumentError> {
    if depth > DEPTH {
        return Err(ReleaseDocumentError::TooDeep);
    }
    for claim in claims {
        match conditions(claim) {
            Some(inner) => check_conditions(inner, depth + 1)?,
            None if claim.get("claim").is_some_and(Value::is_string) => {}
            None => return Err(ReleaseDocumentError::EmptyCondition),
        }
    }
    Ok(())
}

fn conditions(of: &Value) -> Option<&[Value]> {
    let list = of.get("anyOf").or_else(|| of.get("allOf"))?.as_array()?;
    (!list.is_empty()).then_some(list)
}

/// JSON whose members are in the service's order.
struct Ordered<'v>(&'v Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(name, _)| rank(name));
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, &Ordered(value))?;
                }
                map.end()
            }
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Ordered(item))?;
                }
                list.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

fn rank(name: &str) -> usize {
    const ORDER: [&str; 3] = ["version", "authority", "claim"];
    let conditions = usize::from(matches!(name, "anyOf" | "allOf"));
    ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len() + conditions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(document: &str) -> Result<ReleasePolicy, ReleaseDocumentError> {
        ReleasePolicy::new(None, false, document.as_bytes())
    }

    #[test]
    fn a_document_is_put_in_the_services_order() {
        let given = r#"{"anyOf": [{"anyOf":[{"claim":"sdk-test","equals":"true"}],"authority":"https://a.example"}],
            "version":"1.0.0"}"#;
        let kept = policy(given).unwrap();
        assert_eq!(
            kept.document,
            r#"{"version":"1.0.0","anyOf":[{"authority":"https://a.example","anyOf":[{"claim":"sdk-test","equals":"true"}]}]}"#
        );
        assert_eq!((kept.content_type.as_str(), kept.immutable), (CONTENT_TYPE, false));
        assert_eq!(policy(&kept.document).unwrap(), kept, "what is in order stays as it is");
    }

    #[test]
    fn a_document_that_is_no_policy_is_refused() {
        let nested = |depth: usize| {
            let inner =
                format!("{}{}{}", r#"{"allOf":["#.repeat(depth), r#"{"claim":"c","equals":1}"#, "]}".repeat(depth));
            format!(r#"{{"version":"1","anyOf":[{{"authority":"https://a","anyOf":[{inner}]}}]}}"#)
        };
        assert!(policy(&nested(3)).is_ok());
        for (document, why) in [
            ("", ReleaseDocumentError::NotJson),
            ("[]", ReleaseDocumentError::NotAnObject),
            ("{}", ReleaseDocumentError::NoVersion),
            (r#"{"version":"1"}"#, ReleaseDocumentError::NoAuthorities),
            (r#"{"version":"1","anyOf":[]}"#, ReleaseDocumentError::NoAuthorities),
            (r#"{"version":"1","anyOf":[{"authority":"http://a"}]}"#, ReleaseDocumentError::InsecureAuthority),
            (r#"{"version":"1","allOf":[{"authority":"https://a"}]}"#, ReleaseDocumentError::NoConditions),
            (
                r#"{"version":"1","anyOf":[{"authority":"https://a","anyOf":[1]}]}"#,
                ReleaseDocumentError::EmptyCondition,
            ),
            (&nested(20), ReleaseDocumentError::TooDeep),
        ] {
            assert_eq!(policy(document).err(), Some(why), "{document}");
        }
    }

    #[test]
    fn a_key_has_a_policy_exactly_when_it_may_be_released() {
        let (open, fixed) = (some(false), some(true));
        let error = |outcome: Result<Option<ReleasePolicy>, Refusal>| match outcome {
            Err(Refusal::Release(error)) => Err(error),
            Ok(policy) => Ok(policy),
            Err(other) => panic!("{other:?}"),
        };
        use ReleasePolicyError::{Exportability, Immutable, NotExportable};
        for (current, exportable, given, expected) in [
            ((false, None), None, None, Ok(None)),
            ((false, None), Some(false), None, Ok(None)),
            ((false, None), Some(true), None, Err(Exportability)),
            ((false, None), None, Some(&open), Err(NotExportable)),
            ((true, Some(&open)), Some(false), None, Err(Exportability)),
            ((true, Some(&open)), Some(true), Some(&fixed), Ok(Some(fixed.clone()))),
            ((true, Some(&fixed)), None, None, Ok(Some(fixed.clone()))),
            ((true, Some(&fixed)), Some(true), Some(&fixed), Err(Immutable)),
        ] {
            assert_eq!(error(changed(current, exportable, given)), expected);
        }
        assert!(matches!(check(true, None), Err(Refusal::Release(ReleasePolicyError::NoPolicy))));
    }

    fn some(immutable: bool) -> ReleasePolicy {
        let document = br#"{"version":"1","anyOf":[{"authority":"https://a","anyOf":[{"claim":"c","equals":"d"}]}]}"#;
        ReleasePolicy::new(None, immutable, document).unwrap()
    }
}
