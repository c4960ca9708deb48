//! Fault rules of the admin API, kept to be restored.

use serde_json::{Value, json};

/// The fault rules in `shown`, an answer of the admin API, as a request that continues them: the remaining `times` of each.
pub(super) fn remaining_rules(shown: &Value) -> Value {
    let remaining = |rule: &Value| {
        let mut rule = rule.clone();
        let hits = rule.as_object_mut()?.remove("hits").and_then(|hits| hits.as_u64()).unwrap_or_default();
        if let Some(times) = rule["times"].as_u64() {
            rule["times"] = times.checked_sub(hits).filter(|left| *left > 0)?.into();
        }
        Some(rule)
    };
    let rules: Vec<Value> = shown["rules"].as_array().into_iter().flatten().filter_map(remaining).collect();
    json!({"seed": shown["seed"].as_u64().unwrap_or_default(), "rules": rules})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_rules_continue_with_their_remaining_times() {
        let shown = json!({"seed": 7, "rules": [
            {"operation": "KeyGet", "rate": 1.0, "times": 3, "then": {"status": 500}, "hits": 2},
            {"rate": 1.0, "times": 1, "then": {"status": 503}, "hits": 1},
            {"rate": 0.5, "then": {"cut": "after"}, "hits": 9},
        ]});
        let expected = json!({"seed": 7, "rules": [
            {"operation": "KeyGet", "rate": 1.0, "times": 1, "then": {"status": 500}},
            {"rate": 0.5, "then": {"cut": "after"}},
        ]});
        assert_eq!(remaining_rules(&shown), expected);
    }
}
