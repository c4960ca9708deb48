//! The schema says what the parser does: the same members, the same required ones, the same values.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::*;
use crate::access::Permissions;
use crate::config::Config;
use crate::events::{EventType, Schema};
use crate::vault::keys::{KeySpec, KeyType};

/// One step from the document to a member: the name of a member, or the first entry of a list.
type Path = Vec<String>;

const FIRST: &str = "[0]";

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn resolved<'s>(root: &'s Value, node: &'s Value) -> &'s Value {
    match node["$ref"].as_str() {
        Some(reference) => root.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => node,
    }
}

/// Every object of the schema with the path to it.
fn objects(root: &Value) -> Vec<(Path, Value)> {
    let (mut found, mut next) = (Vec::new(), vec![(Path::new(), root.clone())]);
    while let Some((path, node)) = next.pop() {
        let node = resolved(root, &node).clone();
        let below = |step: &str| path.iter().cloned().chain([step.to_owned()]).collect::<Path>();
        next.extend(node["anyOf"].as_array().into_iter().flatten().map(|form| (path.clone(), form.clone())));
        if node["items"].is_object() {
            next.push((below(FIRST), node["items"].clone()));
        }
        if let Some(properties) = node["properties"].as_object() {
            next.extend(properties.iter().map(|(name, member)| (below(name), member.clone())));
            found.push((path, node));
        }
    }
    found
}

/// A document with `value` at `path`.
fn document(path: &[String], value: Value) -> String {
    let wrap = |inner: Value, step: &String| match step.as_str() {
        FIRST => json!([inner]),
        name => json!({ name: inner }),
    };
    path.iter().rev().fold(value, wrap).to_string()
}

fn refusal(path: &[String], value: Value) -> String {
    Config::parse(&document(path, value)).err().map(|error| error.to_string()).unwrap_or_default()
}

/// The path as errors have it: `vaults[0].keys`.
fn in_words(path: &[String]) -> String {
    path.join(".").replace(".[", "[")
}

/// The words in backticks of `text`.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

#[test]
fn each_object_has_the_members_that_the_parser_takes() {
    let objects = objects(&schema());
    assert!(objects.len() > 10, "{}", objects.len());
    for (path, node) in objects {
        assert_eq!(node["additionalProperties"], false, "{path:?}");
        let why = refusal(&path, json!({"no-such-member": 0}));
        let (_, expected) = why.split_once(", expected ").unwrap_or_else(|| panic!("{path:?}: {why}"));
        let taken: BTreeSet<_> = words(expected).collect();
        let listed: BTreeSet<_> = node["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(listed, taken, "{path:?}");
    }
}

#[test]
fn each_object_requires_the_members_that_the_parser_requires() {
    for (path, node) in objects(&schema()) {
        let mut given = Map::new();
        loop {
            let why = refusal(&path, Value::Object(given.clone()));
            // What lacks a member further out has another path.
            let Some(missing) = why.strip_prefix(&format!("{}: missing field ", in_words(&path))) else { break };
            given.insert(words(missing).next().unwrap(), "x".into());
        }
        let required: BTreeSet<_> =
            node["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(required, given.keys().map(String::as_str).collect(), "{path:?}");
    }
}

#[test]
fn each_member_is_described_and_has_a_type() {
    let root = schema();
    for (path, node) in objects(&root) {
        for (name, member) in node["properties"].as_object().unwrap() {
            let of_member = |key: &str| !member[key].is_null() || !resolved(&root, member)[key].is_null();
            assert!(of_member("description"), "{path:?} {name}");
            assert!(["type", "enum", "anyOf"].into_iter().any(of_member), "{path:?} {name}");
        }
    }
}

#[test]
fn each_list_of_values_is_the_parsers() {
    let root = schema();
    let values =
        |pointer: &str| root.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).as_array().unwrap().clone();
    let texts =
        |pointer: &str| values(pointer).iter().map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let permissions = |collection: &str| {
        texts(&format!("/definitions/policy/properties/permissions/properties/{collection}/items/enum"))
    };
    let none: &[&str] = &[];
    let unknown = &["no-such-permission"][..];
    for (collection, refused) in [
        ("keys", Permissions::parse(unknown, none, none)),
        ("secrets", Permissions::parse(none, unknown, none)),
        ("certificates", Permissions::parse(none, none, unknown)),
    ] {
        assert_eq!(permissions(collection), refused.unwrap_err().known(), "{collection}");
    }
    assert_eq!(texts("/definitions/key/properties/kty/enum"), KeyType::ALL.map(KeyType::name));
    assert_eq!(texts("/definitions/webhook/properties/types/items/enum"), EventType::ALL.map(EventType::as_str));
    let schemas = [Schema::EventGrid, Schema::CloudEvents].map(Schema::as_str);
    assert_eq!(texts("/definitions/webhook/properties/schema/enum"), schemas);
    let sku = ["vaults", FIRST, "sku"].map(str::to_owned);
    let why = refusal(&sku, "no-such-sku".into());
    assert_eq!(
        texts("/definitions/vault/properties/sku/enum"),
        words(why.split_once(", expected ").unwrap().1).collect::<Vec<_>>()
    );
    for (pointer, member) in [
        ("publicNetworkAccess", &["publicNetworkAccess"][..]),
        ("networkAcls/properties/defaultAction", &["networkAcls", "defaultAction"]),
        ("networkAcls/properties/bypass", &["networkAcls", "bypass"]),
    ] {
        let path: Vec<_> = ["vaults", FIRST].iter().chain(member).map(|step| (*step).to_owned()).collect();
        let why = refusal(&path, "no-such-value".into());
        assert_eq!(
            texts(&format!("/definitions/vault/properties/{pointer}/enum")),
            words(why.split_once(", expected ").unwrap().1).collect::<Vec<_>>()
        );
    }
    let path = ["factories", FIRST, "publicNetworkAccess"].map(str::to_owned);
    let why = refusal(&path, "no-such-value".into());
    assert_eq!(
        texts("/definitions/factory/properties/publicNetworkAccess/enum"),
        words(why.split_once(", expected ").unwrap().1).collect::<Vec<_>>()
    );
    let kind = ["roleAssignments", FIRST, "principalType"].map(str::to_owned);
    let why = refusal(&kind, "no-such-type".into());
    assert_eq!(
        texts("/definitions/roleAssignment/properties/principalType/enum"),
        words(why.split_once(", expected ").unwrap().1).collect::<Vec<_>>()
    );
    let versions = texts("/definitions/roleAssignment/properties/conditionVersion/enum");
    let with_version = |version: &str| {
        let entry = json!({"identity": "default", "role": "Owner", "scope": "/", "conditionVersion": version});
        Config::parse(&json!({"roleAssignments": [entry]}).to_string())
    };
    assert!(versions.iter().all(|version| with_version(version).is_ok()) && with_version("1.0").is_err());
    let curves = texts("/definitions/key/properties/crv/enum");
    assert!(curves.iter().all(|curve| KeySpec::new(KeyType::Ec, None, Some(curve), None).is_ok()));
    assert_eq!(curves.len(), 5);
    let is_size = |bits: u32| {
        let curve = KeySpec::new(KeyType::Ec, Some(bits), None, None) != KeySpec::new(KeyType::Ec, None, None, None);
        curve
            || [KeyType::Rsa, KeyType::OctHsm].into_iter().any(|kty| KeySpec::new(kty, Some(bits), None, None).is_ok())
    };
    let sizes: BTreeSet<_> =
        values("/definitions/key/properties/key_size/enum").iter().map(|value| value.as_u64().unwrap()).collect();
    assert_eq!(sizes, (0..=8192).filter(|bits| is_size(*bits)).map(u64::from).collect());
    assert_eq!(SCHEMA.matches("\"enum\"").count(), 15, "each list of values is looked at here");
}

#[test]
fn the_bounds_of_the_limits_are_the_parsers() {
    let root = schema();
    for (name, limit) in root["properties"]["limits"]["properties"].as_object().unwrap() {
        let (least, most) = (limit["minimum"].as_u64().unwrap(), limit["maximum"].as_u64().unwrap());
        let path = ["limits".to_owned(), name.clone()];
        assert_eq!(refusal(&path, limit["default"].clone()), "", "{name}");
        let expected = match name.as_str() {
            // At least as much as the largest body.
            "bodiesInFlightBytes" => format!("limits.{name}: must be 33554432 to {most}"),
            _ => format!("limits.{name}: must be {least} to {most}"),
        };
        assert_eq!(refusal(&path, (most + 1).into()), expected);
        assert!(refusal(&path, (least - 1).into()).starts_with("limits."), "{name}");
    }
}

#[test]
fn the_example_is_a_configuration_and_names_the_schema() {
    let config = Config::parse(EXAMPLE).unwrap();
    assert_eq!((config.identities.len(), config.vaults[0].keys.len(), config.vaults[0].secrets.len()), (2, 1, 1));
    assert!(EXAMPLE.contains(&format!("\"$schema\": \"./{SCHEMA_FILE}\"")));
    // What is commented out is good too.
    let mut lines: Vec<_> = EXAMPLE.lines().map(str::to_owned).collect();
    for line in &mut lines {
        if let Some(member) = line.trim().strip_prefix("// ").filter(|text| text.starts_with(['{', ','])) {
            *line = member.to_owned();
        }
    }
    let text = lines.join("\n").replace(r#"{ "name": "reports" }"#, r#"{ "name": "reports" },"#);
    let config = Config::parse(&text).unwrap();
    assert_eq!((config.identities.len(), config.webhooks.len()), (3, 1));
}
