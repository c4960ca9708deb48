//! Takes the values of secrets out of a file's JSON, before anything else reads it.

use serde_json::Value;
use zeroize::Zeroize;

use super::connection_string::{HIDDEN, without_secrets};
use super::tree::{is_secure, members_mut, part, unknown};
use super::{arm, terraform};

/// The members of a plan that are not read and have values of secrets.
const OF_PLAN: [&str; 4] = ["prior_state", "variables", "output_changes", "resource_drift"];

/// Overwrites every text of `value`.
pub(super) fn erase(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        _ => each_below(value, erase),
    }
}

/// Calls `change` with the items of a list, or the values of members.
fn each_below(value: &mut Value, change: fn(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(change),
        Value::Object(members) => members.values_mut().for_each(change),
        _ => {}
    }
}

/// Overwrites the values of secrets in `file`; each leaves an unknown value.
pub(super) fn take_out(file: &mut Value) {
    if terraform::is_plan(file) {
        OF_PLAN.iter().for_each(|name| hide(file, name));
        items_mut(file, "resource_changes").for_each(of_change);
        items_mut(file, "deferred_changes").flat_map(|one| members_mut(one, "resource_change")).for_each(of_change);
        members_mut(file, "configuration").for_each(of_configuration);
        for planned in members_mut(file, "planned_values") {
            hide(planned, "outputs");
            members_mut(planned, "root_module").for_each(of_module);
        }
    }
    of_template(file);
}

fn of_change(change: &mut Value) {
    for change in members_mut(change, "change") {
        ["before", "after"].iter().for_each(|name| hide(change, name));
    }
}

/// The values that are written out in a configuration, and the defaults of its variables.
fn of_configuration(value: &mut Value) {
    hide(value, "constant_value");
    members_mut(value, "variables").for_each(|all| each_below(all, |variable| hide(variable, "default")));
    each_below(value, of_configuration);
}

/// The resources of a module of a plan, and those of the modules in it.
fn of_module(module: &mut Value) {
    for resource in items_mut(module, "resources") {
        let is_secret = resource["type"] == "azurerm_key_vault_secret";
        let is_of_factory = resource["type"].as_str().is_some_and(|kind| kind.starts_with(terraform::OF_FACTORIES));
        let mut sensitive = resource.get_mut("sensitive_values").map(Value::take).unwrap_or_default();
        for values in members_mut(resource, "values") {
            if is_of_factory {
                of_linked_service(values, &mut sensitive);
            }
            hide_sensitive(values, &sensitive);
            if is_secret {
                ["value", "value_wo"].iter().for_each(|name| hide(values, name));
            }
            members_mut(values, "body").for_each(parse_body);
        }
    }
    items_mut(module, "child_modules").for_each(of_module);
}

fn items_mut<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    value.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Parses a body that is a text of JSON, as versions of azapi before 2 have it.
fn parse_body(body: &mut Value) {
    let Value::String(text) = body else { return };
    let parsed = serde_json::from_str(text).unwrap_or_else(|_| unknown("its body is no JSON", "body"));
    text.zeroize();
    *body = parsed;
}

/// Hides the members of `values` that `sensitive` has true for.
fn hide_sensitive(values: &mut Value, sensitive: &Value) {
    match (values, sensitive) {
        (values, Value::Bool(true)) => hide_one(values),
        (Value::Object(values), Value::Object(sensitive)) => {
            for (name, value) in values {
                sensitive.get(name).into_iter().for_each(|sensitive| hide_sensitive(value, sensitive));
            }
        }
        (Value::Array(values), Value::Array(sensitive)) => {
            values.iter_mut().zip(sensitive).for_each(|(value, sensitive)| hide_sensitive(value, sensitive));
        }
        _ => {}
    }
}

/// The `value` in the properties of resources, the defaults of secure parameters, the credentials of linked services.
fn of_template(value: &mut Value) {
    members_mut(value, "properties").for_each(|properties| hide(properties, "value"));
    if is_secure(part(value, "type")) {
        hide(value, "defaultValue");
    }
    for own in ["typeProperties", "type_properties_json"] {
        members_mut(value, own).for_each(of_definition);
    }
    each_below(value, of_template);
}

fn hide(value: &mut Value, name: &str) {
    members_mut(value, name).for_each(hide_one);
}

/// The credentials of a linked service of azurerm: rules look at whether they are there, so none of them is unknown.
fn of_linked_service(values: &mut Value, sensitive: &mut Value) {
    terraform::CREDENTIALS.iter().for_each(|name| mask(values, name));
    terraform::CONNECTION_STRINGS.iter().for_each(|name| mask_connection(values, name));
    items_mut(values, terraform::BLOCK).for_each(|block| mask(block, "password"));
    members_mut(values, "type_properties_json").for_each(parse_body);
    if let Value::Object(sensitive) = sensitive {
        let masked = terraform::CREDENTIALS.iter().chain(&terraform::CONNECTION_STRINGS).chain([&terraform::BLOCK]);
        masked.for_each(|name| drop(sensitive.remove(*name)));
    }
}

/// The credentials in the definition of a linked service, and what is secret in those of other parts of a factory.
fn of_definition(own: &mut Value) {
    arm::CREDENTIALS.iter().for_each(|name| mask(own, name));
    for (name, value) in own.as_object_mut().into_iter().flatten() {
        match name.eq_ignore_ascii_case(arm::CONNECTION_STRING) {
            true => mask_connection(value, "value"),
            false => of_secure_strings(value),
        }
    }
    mask_connection(own, arm::CONNECTION_STRING);
}

fn of_secure_strings(value: &mut Value) {
    if is_secure(part(value, "type")) {
        mask(value, "value");
    }
    each_below(value, of_secure_strings);
}

/// Masks a plain text, of which only counts that it is there. An expression stays, and so does an object.
fn mask(value: &mut Value, name: &str) {
    for one in members_mut(value, name) {
        if let Value::String(text) = one
            && !(text.is_empty() || text.starts_with('['))
        {
            text.zeroize();
            *text = HIDDEN.to_owned();
        }
    }
}

/// Masks the secrets in a connection string.
fn mask_connection(value: &mut Value, name: &str) {
    for one in members_mut(value, name) {
        if let Value::String(text) = one {
            let masked = without_secrets(text);
            text.zeroize();
            *text = masked;
        }
    }
}

fn hide_one(value: &mut Value) {
    if !value.is_null() {
        erase(value);
        *value = unknown("it is secret, and not read", "(secret)");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compliance::facts::Fact;
    use crate::compliance::parse;
    use crate::compliance::tree::{flag, text};

    #[test]
    fn no_value_of_a_secret_is_left_of_a_plan() {
        let secret = json!({"type": "azurerm_key_vault_secret", "values": {"value": "hush", "value_wo": null}});
        let sql = json!({"type": "azurerm_mssql_server", "values": {"password": "hush", "user": [{"key": "hush"}, {"name": "n"}]},
            "sensitive_values": {"password": true, "user": [{"key": true}, {}], "none": true}});
        let body = json!({"properties": {"value": "hush", "contentType": "text"}});
        let [old, new] =
            [json!(body.to_string()), body].map(|body| json!({"type": "azapi_resource", "values": {"body": body}}));
        let module = json!({"resources": [secret, sql], "child_modules": [{"resources": [old, new]}]});
        let expressions =
            json!({"value": {"constant_value": "hush"}, "key_vault_id": {"references": ["azurerm_key_vault.v"]}});
        let configured = json!({"variables": {"p": {"default": "hush"}}, "module_calls": {"default": {"module": {
            "resources": [{"address": "azurerm_key_vault_secret.s", "expressions": expressions}]}}}});
        let file = json!({
            "configuration": {"root_module": configured},
            "variables": {"p": {"value": "hush"}}, "prior_state": {"values": {"outputs": "hush"}},
            "planned_values": {"outputs": {"o": {"value": "hush"}}, "root_module": module},
            "resource_changes": [{"change": {"actions": ["create"], "before": {"value": "hush"}, "after": {"value": "hush"}}}],
        });
        let read = parse(&file.to_string()).unwrap();
        assert!(!read.to_string().contains("hush"), "{}", *read);
        let resources = &read["planned_values"]["root_module"]["resources"];
        assert_eq!(text(resources, &["0", "values", "value"]), Fact::Unknown("it is secret, and not read".to_owned()));
        assert_eq!(resources[0]["values"]["value_wo"], Value::Null);
        assert_eq!(resources[1]["values"]["user"][1]["name"], "n");
        let bodies = &read["planned_values"]["root_module"]["child_modules"][0]["resources"];
        for body in [&bodies[0]["values"]["body"], &bodies[1]["values"]["body"]] {
            assert_eq!(body["properties"]["contentType"], "text");
        }
        assert_eq!(read["resource_changes"][0]["change"]["actions"][0], "create");
        let resources = &read["configuration"]["root_module"]["module_calls"]["default"]["module"]["resources"];
        assert_eq!(resources[0]["expressions"]["key_vault_id"]["references"][0], "azurerm_key_vault.v");
    }

    #[test]
    fn no_value_of_a_secret_is_left_of_a_template() {
        let file = json!({
            "parameters": {"p": {"type": "secureString", "defaultValue": "hush"}, "b": {"type": "bool", "defaultValue": true}},
            "resources": [{"type": "Microsoft.KeyVault/vaults/secrets", "Properties": {"Value": "hush", "contentType": "t"}}],
        });
        let read = parse(&file.to_string()).unwrap();
        assert!(!read.to_string().contains("hush"));
        assert_eq!(flag(&read, &["parameters", "b", "defaultValue"]), Fact::Known(true));
        assert_eq!(read["resources"][0]["Properties"]["contentType"], "t");
    }

    #[test]
    fn no_credential_of_a_linked_service_is_left_and_its_connection_string_says_the_rest() {
        let secure = json!({"type": "SecureString", "value": "hush"});
        let own = json!({"connectionString": {"type": "secureString", "value": "Server=s;Password=hush;Encrypt=true"},
            "password": secure, "accountKey": "hush", "other": [secure], "sasUri": "[parameters('sas')]"});
        let plain = json!({"connectionString": "Server=s;Password=hush;Encrypt=true"});
        let [one, other] = [own, plain].map(|own| json!({"type": "x", "properties": {"typeProperties": own}}));
        let read = parse(&json!({"contentVersion": "1", "resources": [one, other]}).to_string()).unwrap();
        assert!(!read.to_string().contains("hush"), "{}", *read);
        let masked = "Server=s;Password=(secret);Encrypt=true";
        let own = |index: usize| &read["resources"][index]["properties"]["typeProperties"];
        assert_eq!(own(0)["connectionString"]["value"], masked);
        assert_eq!(own(1)["connectionString"], masked);
        assert_eq!((&own(0)["accountKey"], &own(0)["sasUri"]), (&json!("(secret)"), &json!("[parameters('sas')]")));

        let values = json!({"connection_string": "AccountName=a;AccountKey=hush", "service_principal_key": "hush",
            "basic_authentication": [{"username": "u", "password": "hush"}], "sas_uri": null});
        let custom = json!({"type_properties_json": own(0).to_string().replace("(secret)", "hush")});
        let planned = |kind: &str, values: Value| {
            json!({"type": format!("azurerm_data_factory_{kind}"), "values": values, "sensitive_values": {
                "connection_string": true, "service_principal_key": true, "basic_authentication": [{"password": true}], "sas_uri": true}})
        };
        let resources = [planned("linked_service_odbc", values), planned("linked_custom_service", custom)];
        let file = json!({"planned_values": {"root_module": {"resources": resources}}});
        let read = parse(&file.to_string()).unwrap();
        assert!(!read.to_string().contains("hush"), "{}", *read);
        let values = &read["planned_values"]["root_module"]["resources"][0]["values"];
        assert_eq!(values["connection_string"], "AccountName=a;AccountKey=(secret)");
        assert_eq!(values["basic_authentication"][0]["password"], "(secret)");
    }
}
