//! Which rules are checked, and with which values: all that need none, or those that a file names in Azure Policy's own form.

use serde_json::{Map, Value};

use super::arguments::{Arguments, Parameter};
use super::rules::{RULES, Rule};
use crate::clock::Timestamp;

/// Names of the parameter with the effect.
const EFFECTS: [&str; 2] = ["effect", "audit_effect"];
/// The effect that leaves a rule out.
const DISABLED: &str = "Disabled";

/// A rule that is checked, and its values.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    /// The rule.
    pub rule: &'static Rule,
    /// Its values.
    pub arguments: Arguments,
}

/// Every rule whose parameters all have a default, with these.
pub(crate) fn rules_with_defaults(now: Timestamp) -> Vec<Selected> {
    let of = |rule: &'static Rule| {
        let given = rule.parameters.iter().map(|parameter| Some((parameter.name, parameter.default()?)));
        Some(Selected { rule, arguments: Arguments { now, given: given.collect::<Option<_>>()? } })
    };
    RULES.iter().filter_map(of).collect()
}

/// The rules that `file` names: an array of policy definitions' references, or an initiative with them.
///
/// # Errors
/// What of the file is wrong.
pub(crate) fn rules_from_policies(file: &Value, now: Timestamp) -> Result<Vec<Selected>, String> {
    let properties = file.get("properties").unwrap_or(file);
    let references = file.as_array().or_else(|| properties["policyDefinitions"].as_array());
    let references = references.ok_or(
        "neither an array of {\"policyDefinitionId\", \"parameters\"} nor an initiative with policyDefinitions",
    )?;
    let mut selected = Vec::new();
    for (index, reference) in references.iter().enumerate() {
        let one = Reference { reference, initiative: properties.get("parameters") };
        let one = one.selected(now).map_err(|why| format!("policyDefinitions[{index}]: {why}"))?;
        selected.extend(one);
    }
    match selected.is_empty() {
        true => Err("it names no rule to check whose effect is not Disabled".to_owned()),
        false => Ok(selected),
    }
}

/// A reference to a policy definition, and the parameters of the initiative that it is in.
struct Reference<'a> {
    reference: &'a Value,
    initiative: Option<&'a Value>,
}

impl Reference<'_> {
    /// The rule with its values; none where its effect is to be disabled.
    fn selected(&self, now: Timestamp) -> Result<Option<Selected>, String> {
        let rule = self.rule()?;
        let none = Map::new();
        let given = match &self.reference["parameters"] {
            Value::Null => &none,
            Value::Object(given) => given,
            _ => return Err("its parameters are no object of {\"NAME\": {\"value\": …}}".to_owned()),
        };
        for name in given.keys() {
            let is_known = |parameter: &Parameter| parameter.name.eq_ignore_ascii_case(name);
            let is_effect = EFFECTS.iter().any(|effect| effect.eq_ignore_ascii_case(name));
            if !is_effect && !rule.parameters.iter().any(is_known) {
                return Err(format!("{} ({}) has no parameter {name}", rule.id, rule.guid));
            }
        }
        for effect in EFFECTS {
            let Some(value) = self.given(given, effect)? else { continue };
            let mut known = rule.effects.iter();
            let known = known.find(|one| value.as_str().is_some_and(|name| name.eq_ignore_ascii_case(one)));
            if *known.ok_or_else(|| format!("{effect} must be one of {}", rule.effects.join(", ")))? == DISABLED {
                return Ok(None);
            }
        }
        let values = rule.parameters.iter().map(|parameter| self.value(rule, parameter, given));
        let arguments = Arguments { now, given: values.collect::<Result<_, _>>()? };
        Ok(Some(Selected { rule, arguments }))
    }

    fn rule(&self) -> Result<&'static Rule, String> {
        let id = self.reference["policyDefinitionId"].as_str().ok_or("policyDefinitionId is missing")?;
        let guid = id.rsplit('/').next().unwrap_or_default();
        let known = RULES.iter().find(|rule| rule.guid.eq_ignore_ascii_case(guid));
        known.ok_or_else(|| {
            format!("{id}: no such rule is known here; `keyhaven policy check --list` has those that are")
        })
    }

    fn value(
        &self,
        rule: &Rule,
        parameter: &Parameter,
        given: &Map<String, Value>,
    ) -> Result<(&'static str, Value), String> {
        let value = match self.given(given, parameter.name)? {
            Some(value) => value,
            None => parameter.default().ok_or_else(|| {
                format!("{} ({}) needs the parameter {}, which has no default", rule.id, rule.guid, parameter.name)
            })?,
        };
        parameter.check(&value)?;
        Ok((parameter.name, value))
    }

    /// The value that is given to the parameter called `name`, through the initiative's parameter where it says so.
    fn given(&self, given: &Map<String, Value>, name: &str) -> Result<Option<Value>, String> {
        let Some((_, given)) = given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)) else { return Ok(None) };
        let value = given.get("value").ok_or_else(|| format!("{name} has no value"))?;
        let Some(text) = value.as_str().filter(|text| text.starts_with('[') && text.ends_with(']')) else {
            return Ok(Some(value.clone()));
        };
        let inner = text.strip_prefix("[parameters('").and_then(|rest| rest.strip_suffix("')]"));
        let default = |inner: &str| Some(self.initiative?.get(inner)?.get("defaultValue")?.clone());
        let value = inner.and_then(default);
        value.map(Some).ok_or_else(|| format!("{name} is {text}, which has no defaultValue in the initiative"))
    }
}
