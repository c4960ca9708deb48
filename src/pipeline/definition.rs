//! A pipeline as its definition has it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::activity::Activity;
use super::refusal::{NotRunnable, check_members};

/// The members of a definition that are known. Variables are kept, as nothing here can set or read them.
const MEMBERS: [&str; 8] =
    ["description", "activities", "parameters", "variables", "annotations", "folder", "runDimensions", "policy"];
/// The most activities of a pipeline (the service's own bound, with inner ones).
const MAX_ACTIVITIES: usize = 80;

/// A pipeline that can be run.
#[derive(Clone, PartialEq)]
pub(crate) struct Pipeline {
    /// Its activities, in the order of the definition.
    pub activities: Vec<Activity>,
    parameters: BTreeMap<String, Parameter>,
}

/// A parameter of a pipeline. Deliberately no `Debug`: its default may be secret.
#[derive(Clone, PartialEq)]
struct Parameter {
    /// None where a run must give a value.
    usual: Option<Value>,
    is_secret: bool,
}

/// What is shown of a secret, as in definitions.
pub(crate) const MASK: &str = "**********";

impl Pipeline {
    /// The pipeline in `properties`.
    ///
    /// # Errors
    /// For the first thing that cannot be run, by name.
    pub(crate) fn parse(properties: &Value) -> Result<Self, NotRunnable> {
        let none = Map::new();
        let properties = properties.as_object().unwrap_or(&none);
        check_members("", properties, &MEMBERS)?;
        let given = properties.get("activities").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if given.is_empty() || given.len() > MAX_ACTIVITIES {
            return Err(NotRunnable::new(
                "activities",
                format!("must be 1 to {MAX_ACTIVITIES}, and are {}", given.len()),
            ));
        }
        let activities = given.iter().map(Activity::parse).collect::<Result<Vec<_>, _>>()?;
        let pipeline = Self { activities, parameters: parameters(properties) };
        pipeline.check_names()?;
        pipeline.check_order()?;
        Ok(pipeline)
    }

    /// The parameters of a run that is given `given`.
    ///
    /// # Errors
    /// The name of a parameter that is missing, or that the pipeline does not have.
    pub(crate) fn arguments(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, NotRunnable> {
        if let Some(unknown) = given.keys().find(|name| !self.parameters.contains_key(*name)) {
            return Err(NotRunnable::new(format!("parameter '{unknown}'"), "is not one of the pipeline"));
        }
        let argument = |(name, parameter): (&String, &Parameter)| {
            let value = given.get(name).or(parameter.usual.as_ref()).cloned();
            let missing = || NotRunnable::new(format!("parameter '{name}'"), "has no value and no default");
            Ok((name.clone(), value.ok_or_else(missing)?))
        };
        self.parameters.iter().map(argument).collect()
    }

    /// The arguments as a run shows them: of a `SecureString` that there is one.
    pub(crate) fn shown(&self, arguments: &Map<String, Value>) -> Map<String, Value> {
        let is_secret = |name: &String| self.parameters.get(name).is_some_and(|parameter| parameter.is_secret);
        let shown = |(name, value): (&String, &Value)| {
            (name.clone(), if is_secret(name) { MASK.into() } else { value.clone() })
        };
        arguments.iter().map(shown).collect()
    }

    fn check_names(&self) -> Result<(), NotRunnable> {
        let mut names = BTreeSet::new();
        for activity in &self.activities {
            let at = || format!("activity '{}'", activity.name);
            if !names.insert(activity.name.as_str()) {
                return Err(NotRunnable::new(at(), "is there twice"));
            }
            let used = activity.templates().into_iter().flat_map(|template| template.parameters());
            if let Some(unknown) = used.into_iter().find(|name| !self.parameters.contains_key(*name)) {
                return Err(NotRunnable::new(
                    at(),
                    format!("has the parameter '{unknown}', which the pipeline does not have"),
                ));
            }
        }
        Ok(())
    }

    /// Refuses what depends on itself, and the output of what may not have ended.
    fn check_order(&self) -> Result<(), NotRunnable> {
        let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        while before.len() < self.activities.len() {
            let is_next = |one: &&Activity| {
                !before.contains_key(one.name.as_str())
                    && one.depends_on.iter().all(|on| before.contains_key(on.activity.as_str()))
            };
            let Some(next) = self.activities.iter().find(is_next) else { return Err(self.unordered(&before)) };
            let direct = next.depends_on.iter().map(|on| on.activity.as_str());
            let all = direct.flat_map(|on| before[on].iter().copied().chain([on])).collect();
            before.insert(&next.name, all);
        }
        self.activities.iter().try_for_each(|activity| check_outputs(activity, &before[activity.name.as_str()]))
    }

    fn unordered(&self, before: &BTreeMap<&str, BTreeSet<&str>>) -> NotRunnable {
        let left: Vec<_> = self.activities.iter().filter(|one| !before.contains_key(one.name.as_str())).collect();
        let names: BTreeSet<_> = self.activities.iter().map(|one| one.name.as_str()).collect();
        let on = left.iter().flat_map(|one| one.depends_on.iter().map(move |on| (one, on.activity.as_str())));
        match on.into_iter().find(|(_, on)| !names.contains(on)) {
            Some((one, on)) => {
                NotRunnable::new(format!("activity '{}'", one.name), format!("depends on '{on}', which is not there"))
            }
            None => {
                let names: Vec<_> = left.iter().map(|one| one.name.as_str()).collect();
                NotRunnable::new(format!("activities '{}'", names.join("', '")), "depend on each other")
            }
        }
    }
}

fn check_outputs(activity: &Activity, before: &BTreeSet<&str>) -> Result<(), NotRunnable> {
    let used = activity.templates().into_iter().flat_map(|template| template.activities());
    match used.into_iter().find(|name| !before.contains(name)) {
        None => Ok(()),
        Some(name) => Err(NotRunnable::new(
            format!("activity '{}'", activity.name),
            format!("has the output of '{name}', which it does not depend on"),
        )),
    }
}

fn parameters(properties: &Map<String, Value>) -> BTreeMap<String, Parameter> {
    let given = properties.get("parameters").and_then(Value::as_object);
    let one = |(name, given): (&String, &Value)| {
        let is_secret = given["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("SecureString"));
        (name.clone(), Parameter { usual: given.get("defaultValue").cloned(), is_secret })
    };
    given.into_iter().flatten().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(activities: Value) -> Result<Pipeline, String> {
        let definition = json!({"activities": activities, "parameters": {"n": {"type": "String"}, "m": {"type": "Int", "defaultValue": 3}}});
        Pipeline::parse(&definition).map_err(|refusal| refusal.to_string())
    }

    fn web(name: &str, url: &str, depends_on: &[&str]) -> Value {
        let on = |on: &&str| json!({"activity": on, "dependencyConditions": ["Completed"]});
        let on: Vec<_> = depends_on.iter().map(on).collect();
        json!({"name": name, "type": "WebActivity", "dependsOn": on, "typeProperties": {"method": "get", "url": url}})
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_name() {
        let with = |member: &str, value: Value| {
            let mut activity = web("a", "https://h", &[]);
            activity[member] = value;
            json!([activity])
        };
        let typed = |member: &str, value: Value| {
            let mut activity = web("a", "https://h", &[]);
            activity["typeProperties"][member] = value;
            json!([activity])
        };
        for (activities, expected) in [
            (json!([]), "activities: must be 1 to 80"),
            (
                json!([{"name": "c", "type": "Copy"}]),
                "activity 'c', type: 'Copy' is not run here; known are Wait and WebActivity",
            ),
            (json!([{"name": "w", "type": "Wait"}]), "activity 'w', typeProperties/waitTimeInSeconds: is missing"),
            (with("state", json!("Inactive")), "activity 'a', state: is not run here"),
            (with("linkedServiceName", json!({})), "activity 'a', linkedServiceName: is not run here"),
            (with("policy", json!({"timeout": "1h"})), "activity 'a', policy/timeout: must be a span"),
            (with("policy", json!({"retry": -1})), "activity 'a', policy/retry: must be a number"),
            (with("policy", json!("none")), "activity 'a', policy: must be an object"),
            (with("policy", json!({"secureInput": "true"})), "activity 'a', policy/secureInput: must be true or false"),
            (with("policy", json!({"secureOutput": 1})), "activity 'a', policy/secureOutput: must be true or false"),
            (with("policy", json!({"other": 1})), "activity 'a', policy/other: is not run here"),
            (
                with("dependsOn", json!([{"activity": "b", "dependencyConditions": ["Succeeded"]}])),
                "activity 'a': depends on 'b', which is not there",
            ),
            (
                with("dependsOn", json!([{"activity": "a", "dependencyConditions": ["Done"]}])),
                "activity 'a', dependsOn/dependencyConditions",
            ),
            (typed("method", json!("TRACE")), "activity 'a', typeProperties/method: must be one of GET"),
            (
                typed("url", json!("@concat('a')")),
                "activity 'a', typeProperties/url: the expression '@concat('a')' is not evaluated here",
            ),
            (typed("headers", json!({"x": "@utcNow()"})), "activity 'a', typeProperties/headers: the expression"),
            (
                typed("disableCertValidation", json!(true)),
                "activity 'a', typeProperties/disableCertValidation: is not run here",
            ),
            (
                typed("authentication", json!({"type": "ServicePrincipal"})),
                "activity 'a', typeProperties/authentication/type: 'ServicePrincipal' is not run here",
            ),
            (
                typed("authentication", json!({"type": "MSI"})),
                "activity 'a', typeProperties/authentication/resource: is missing",
            ),
            (
                typed("linkedServices", json!([{"referenceName": "x"}])),
                "activity 'a', typeProperties/linkedServices: must hold LinkedServiceReferences",
            ),
            (
                json!([web("a", "@pipeline().parameters.x", &[])]),
                "activity 'a': has the parameter 'x', which the pipeline does not have",
            ),
            (json!([web("a", "x", &[]), web("a", "y", &[])]), "activity 'a': is there twice"),
            (json!([web("a", "x", &["b"]), web("b", "x", &["a"])]), "activities 'a', 'b': depend on each other"),
            (
                json!([web("a", "x", &[]), web("b", "@activity('a').output.x", &[])]),
                "activity 'b': has the output of 'a', which it does not depend on",
            ),
        ] {
            let refusal = parse(activities).err().unwrap();
            assert!(refusal.starts_with(expected), "{refusal}, not {expected}");
        }
        let through = json!([
            web("c", "@{activity('a').output.x}", &["b"]),
            web("b", "x", &["a"]),
            web("a", "@pipeline().parameters.n", &[])
        ]);
        assert!(parse(through).is_ok());
    }

    #[test]
    fn a_run_is_given_what_has_no_default() {
        let pipeline = parse(json!([web("a", "https://h", &[])])).ok().unwrap();
        let arguments =
            |given: Value| pipeline.arguments(given.as_object().unwrap()).map_err(|refusal| refusal.to_string());
        assert_eq!(arguments(json!({"n": "x"})), Ok(json!({"n": "x", "m": 3}).as_object().unwrap().clone()));
        assert_eq!(arguments(json!({"n": 1, "m": 2})), Ok(json!({"n": 1, "m": 2}).as_object().unwrap().clone()));
        assert_eq!(arguments(json!({})), Err("parameter 'n': has no value and no default".to_owned()));
        assert_eq!(arguments(json!({"n": 1, "o": 2})), Err("parameter 'o': is not one of the pipeline".to_owned()));
    }
}
