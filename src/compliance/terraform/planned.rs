//! The resources of a plan and their values, as they are written in it.

use serde_json::{Map, Value};

use super::super::tree::unknown;

/// Lists the resources of a module and of those in it, each with its pointer.
pub(super) fn module<'a>(module: &'a Value, pointer: &str, all: &mut Vec<(String, &'a Value)>) {
    for (index, resource) in module["resources"].as_array().into_iter().flatten().enumerate() {
        if resource["mode"] != "data" {
            all.push((format!("{pointer}/resources/{index}"), resource));
        }
    }
    for (index, child) in module["child_modules"].as_array().into_iter().flatten().enumerate() {
        self::module(child, &format!("{pointer}/child_modules/{index}"), all);
    }
}

/// `values` with an unknown value wherever `after_unknown` says that a value is known after apply alone.
pub(super) fn known(values: &Value, after_unknown: &Value) -> Value {
    match after_unknown {
        Value::Bool(true) => unknown("it is known after apply alone", "(known after apply)"),
        Value::Object(members) if !members.is_empty() => {
            let none = Map::new();
            let mut merged = values.as_object().unwrap_or(&none).clone();
            for (name, unknown) in members {
                let value = known(&values[name.as_str()], unknown);
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        Value::Array(items) => {
            let value = |(index, unknown): (usize, &Value)| known(&values[index], unknown);
            let more = values.as_array().into_iter().flatten().skip(items.len()).cloned();
            items.iter().enumerate().map(value).chain(more).collect()
        }
        _ => values.clone(),
    }
}
