//! Each rule, with resources that keep it and resources that do not: typed by hand from the conditions of the definitions.

mod factories;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::compliance::arguments::Takes;
use crate::compliance::facts::{Fact, Facts};
use crate::compliance::selection::{Selected, rules_from_policies};
use crate::compliance::tree::unknown;
use crate::compliance::{arm, check, server};

const DAY: i64 = 86_400;
/// 2026-01-01T00:00:00Z
const NOW: i64 = 1_767_225_600;

/// The rule with values for the parameters that it has no default for.
fn selected(guid: &str, parameters: Value) -> Vec<Selected> {
    rules_from_policies(&json!([{"policyDefinitionId": guid, "parameters": parameters}]), Timestamp::from_unix(NOW))
        .unwrap()
}

fn verdict(rule: &[Selected], resource: crate::compliance::Resource) -> Verdict {
    check(vec![resource], rule).remove(0).verdict
}

/// What a rule finds of a vault with these members, which is as a server's is otherwise.
fn vault(guid: &str, parameters: Value, members: Value) -> Verdict {
    let mut vault = json!({
        "name": "v", "enableSoftDelete": true, "enablePurgeProtection": true, "enableRbacAuthorization": true,
        "publicNetworkAccess": "Enabled", "networkAcls": {"defaultAction": "Allow"},
    });
    vault.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    verdict(&selected(guid, parameters), server::vault(&vault))
}

/// What a rule finds of a vault in a template, with these properties.
fn in_template(guid: &str, version: &str, properties: Value) -> Verdict {
    let facts = Facts::Vault(Box::new(arm::vault(Fact::Known(version.to_owned()), &properties)));
    let resource = crate::compliance::Resource { name: "v".to_owned(), pointer: None, is_azurerm: false, facts };
    verdict(&selected(guid, json!({})), resource)
}

fn key(guid: &str, parameters: Value, members: Value) -> Verdict {
    let key = object(json!({"name": "k", "kty": "RSA", "key_size": 2048}), members);
    verdict(&selected(guid, parameters), server::key(&json!({"name": "v"}), &key))
}

fn secret(guid: &str, parameters: Value, members: Value) -> Verdict {
    let secret = object(json!({"name": "s"}), members);
    verdict(&selected(guid, parameters), server::secret(&json!({"name": "v"}), &secret))
}

/// An object that was made 100 days ago.
fn object(mut object: Value, members: Value) -> Value {
    object["attributes"] = json!({"created": NOW - 100 * DAY});
    for (name, value) in members.as_object().unwrap() {
        match object[name].is_object() && value.is_object() {
            true => object[name].as_object_mut().unwrap().extend(value.as_object().unwrap().clone()),
            false => object[name] = value.clone(),
        }
    }
    object
}

fn now() -> Fact<Timestamp> {
    Fact::Known(Timestamp::from_unix(NOW))
}

fn non_compliant(what: &str) -> Verdict {
    Verdict::NonCompliant(what.to_owned())
}

#[test]
fn vaults_keep_what_was_deleted() {
    let soft = "1e66c121-a66a-4b1f-9b83-0fd99bf0fc2d";
    assert_eq!(vault(soft, json!({}), json!({})), Verdict::Compliant);
    assert_eq!(vault(soft, json!({}), json!({"enableSoftDelete": false})), non_compliant("soft delete is off"));
    assert_eq!(in_template(soft, "2023-07-01", json!({})), non_compliant("soft delete is not set"));
    assert_eq!(in_template(soft, "2023-07-01", json!({"createMode": "recover"})), Verdict::Compliant);

    let purge = "0b60c0b2-2dc2-4e1c-b5c9-abbed971de53";
    assert_eq!(vault(purge, json!({}), json!({})), Verdict::Compliant);
    assert_eq!(
        vault(purge, json!({}), json!({"enablePurgeProtection": false})),
        non_compliant("purge protection is off")
    );
    assert_eq!(vault(purge, json!({}), json!({"enableSoftDelete": false})), non_compliant("soft delete is off"));
    let protected = json!({"enablePurgeProtection": true});
    assert_eq!(in_template(purge, "2019-09-01", protected.clone()), Verdict::Compliant);
    assert_eq!(in_template(purge, "2018-02-14", protected), non_compliant("soft delete is not set"));
    assert_eq!(in_template(purge, "2023-07-01", json!({})), non_compliant("purge protection is not set"));
    assert_eq!(in_template(purge, "2023-07-01", json!({"createMode": "Recover"})), Verdict::Compliant);
}

#[test]
fn vaults_are_closed_to_the_public() {
    let firewall = "55615ac9-af46-4a59-874e-391cc3dfb490";
    let denies = json!({"networkAcls": {"defaultAction": "Deny", "ipRules": ["203.0.113.0/24", "198.51.100.7/32"]}});
    assert_eq!(vault(firewall, json!({}), denies.clone()), Verdict::Compliant);
    assert_eq!(vault(firewall, json!({}), json!({"publicNetworkAccess": "Disabled"})), Verdict::Compliant);
    assert_eq!(vault(firewall, json!({}), json!({})), non_compliant("its firewall's default action is Allow"));
    assert_eq!(in_template(firewall, "2023-07-01", json!({})), non_compliant("it has no firewall"));
    let restrict = |allowed: Value, forbidden: Value| {
        let yes = json!({"restrictIPAddresses": {"value": "Yes"}, "allowedIPAddresses": {"value": allowed},
            "forbiddenIPAddresses": {"value": forbidden}});
        vault(firewall, yes, denies.clone())
    };
    assert_eq!(restrict(json!(["203.0.112.0/23", "198.51.100.7"]), json!([])), Verdict::Compliant);
    assert_eq!(
        restrict(json!(["203.0.113.0/25", "198.51.100.7"]), json!([])),
        non_compliant("its firewall lets in 203.0.113.0/24, which is not among the allowed addresses")
    );
    assert_eq!(
        restrict(json!([]), json!(["198.51.100.0/24"])),
        non_compliant("its firewall lets in 198.51.100.7/32, which is among the forbidden addresses")
    );

    let public = "405c5871-3e91-4644-8a63-58e19d68ff5b";
    let disabled = json!({"publicNetworkAccess": "disabled"});
    assert_eq!(vault(public, json!({}), disabled.clone()), Verdict::Compliant);
    assert_eq!(vault(public, json!({}), json!({})), non_compliant("its public network access is Enabled"));
    let perimeter = json!({"publicNetworkAccess": "SecuredByPerimeter"});
    assert_eq!(vault(public, json!({}), perimeter), non_compliant("its public network access is SecuredByPerimeter"));
    let old = "its api-version is older than 2021-06-01-preview, so that it cannot be closed";
    assert_eq!(in_template(public, "2019-09-01", disabled), non_compliant(old));

    let link = "a6abeaec-4d90-4a02-805f-6b26c4d3fbe9";
    assert_eq!(vault(link, json!({}), json!({"privateEndpoints": [{"name": "p"}]})), Verdict::Compliant);
    assert_eq!(vault(link, json!({}), json!({})), non_compliant("it has no approved private endpoint"));
}

#[test]
fn an_api_version_that_cannot_be_read_is_neither_old_nor_new() {
    let [purge, public] = ["0b60c0b2-2dc2-4e1c-b5c9-abbed971de53", "405c5871-3e91-4644-8a63-58e19d68ff5b"];
    let of = |guid: &str, version: Fact<String>, properties: Value| {
        let facts = Facts::Vault(Box::new(arm::vault(version, &properties)));
        let resource = crate::compliance::Resource { name: "v".to_owned(), pointer: None, is_azurerm: false, facts };
        verdict(&selected(guid, json!({})), resource)
    };
    let [protected, closed] = [json!({"enablePurgeProtection": true}), json!({"publicNetworkAccess": "Disabled"})];
    let unknown = || Fact::Unknown("so".to_owned());
    assert_eq!(of(purge, unknown(), protected.clone()), Verdict::Unknown("so".to_owned()));
    assert_eq!(of(public, unknown(), closed), Verdict::Unknown("so".to_owned()));
    let off = json!({"publicNetworkAccess": "Enabled"});
    assert_eq!(of(public, unknown(), off), non_compliant("its public network access is Enabled"));
    let none = Verdict::Unknown("'{x}' is no api-version".to_owned());
    assert_eq!(of(purge, Fact::Known("{x}".to_owned()), protected), none);
}

#[test]
fn vaults_decide_by_roles_and_have_logs() {
    let roles = "12d4fa5e-1f9f-4c21-97a9-b99b3c6611b5";
    assert_eq!(vault(roles, json!({}), json!({})), Verdict::Compliant);
    let policies = json!({"enableRbacAuthorization": false});
    assert_eq!(vault(roles, json!({}), policies), non_compliant("access policies decide, and no roles"));
    assert_eq!(in_template(roles, "2023-07-01", json!({})), non_compliant("access policies decide, and no roles"));

    let logs = "cf820ca0-f99e-4f3e-84fb-66e913812d21";
    let absent = Verdict::NotApplicable("a server's vaults have no diagnostic settings");
    assert_eq!(vault(logs, json!({}), json!({})), absent);
    let rule = &selected(logs, json!({}))[0];
    let Check::Vault(check) = rule.rule.check else { panic!("a rule for vaults") };
    let logged = |given: &[(Value, bool)]| {
        let mut facts = arm::vault(Fact::Unset, &json!({}));
        let all = given.iter().map(|(log, in_storage)| arm::log(log, *in_storage)).collect();
        facts.logs = Fact::Known(all);
        check(&facts, &rule.arguments)
    };
    let kept = |days: i64| json!({"enabled": true, "retentionPolicy": {"enabled": true, "days": days}});
    assert_eq!(logged(&[]), non_compliant("no diagnostic setting has its logs"));
    for (log, in_storage) in [(kept(365), true), (kept(0), true), (kept(7), false), (json!({"enabled": true}), true)] {
        assert_eq!(logged(&[(log.clone(), in_storage)]), Verdict::Compliant, "{log}");
    }
    let none = non_compliant("none of its logs is enabled and kept long enough");
    for log in [kept(364), json!({"enabled": false})] {
        assert_eq!(logged(&[(log.clone(), true)]), none, "{log}");
    }
}

#[test]
fn keys_and_secrets_end_in_time() {
    type Of = fn(&str, Value, Value) -> Verdict;
    let exp = |days: i64| json!({"attributes": {"exp": NOW + days * DAY}});
    let days = |name: &str, days: i64| json!({name: {"value": days}});
    for (of, [expires, validity, left, active]) in [
        (
            key as Of,
            [
                "152b15f7-8e1f-4c1f-ab71-8c010ba5dbc0",
                "49a22571-d204-4c91-a7b6-09b1a586fbc9",
                "5ff38825-c5d8-47c5-b70e-069a21955146",
                "c26e4b24-cf98-4c67-b48b-5a25c4c69eb9",
            ],
        ),
        (
            secret,
            [
                "98728c90-32c7-4049-8429-847dc0f4fe37",
                "342e8053-e12e-4c44-be01-c3c2f318400f",
                "b0eb591a-5e70-4534-a8bf-04b9c489584a",
                "e8d99835-8a06-45ae-a8e0-87a91941ccfe",
            ],
        ),
    ] {
        assert_eq!(of(expires, json!({}), exp(1)), Verdict::Compliant);
        assert_eq!(of(expires, json!({}), json!({})), non_compliant("it never expires"));

        let longest = days("maximumValidityInDays", 110);
        assert_eq!(of(validity, longest.clone(), exp(10)), Verdict::Compliant);
        let late = non_compliant("it expires 2026-01-12T00:00:00Z, 111 days after it was made");
        assert_eq!(of(validity, longest.clone(), exp(11)), late);
        assert_eq!(of(validity, longest, json!({})), non_compliant("it never expires"));

        let least = days("minimumDaysBeforeExpiration", 30);
        assert_eq!(of(left, least.clone(), exp(30)), Verdict::Compliant);
        assert_eq!(of(left, least.clone(), json!({})), Verdict::Compliant);
        assert_eq!(of(left, least, exp(29)), non_compliant("it expires 2026-01-30T00:00:00Z, in 29 days"));

        assert_eq!(of(active, days("maximumValidityInDays", 100), json!({})), Verdict::Compliant);
        let since = non_compliant("it is active since 2025-09-23T00:00:00Z, for 100 days");
        assert_eq!(of(active, days("maximumValidityInDays", 99), json!({})), since);
        let begun = json!({"attributes": {"nbf": NOW - DAY}});
        assert_eq!(of(active, days("maximumValidityInDays", 1), begun), Verdict::Compliant);
    }
}

#[test]
fn keys_are_of_the_types_and_sizes_that_are_allowed() {
    let types = "75c4f823-d65c-4f29-a733-01d0077fdbcb";
    assert_eq!(key(types, json!({}), json!({})), Verdict::Compliant);
    assert_eq!(key(types, json!({}), json!({"kty": "oct-HSM"})), non_compliant("its type is oct-HSM"));
    let only = json!({"allowedKeyTypes": {"value": ["EC", "EC-HSM"]}});
    assert_eq!(key(types, only, json!({})), non_compliant("its type is RSA"));

    let hsm = "587c79fe-dd04-4a5e-9d0b-f89598c7261b";
    assert_eq!(key(hsm, json!({}), json!({"kty": "EC-HSM"})), Verdict::Compliant);
    assert_eq!(key(hsm, json!({}), json!({})), non_compliant("its type is RSA"));

    let size = "82067dbb-e53b-4e06-b631-546d197452d9";
    let least = json!({"minimumRSAKeySize": {"value": 3072}});
    assert_eq!(key(size, least.clone(), json!({"key_size": 3072})), Verdict::Compliant);
    assert_eq!(key(size, least.clone(), json!({"kty": "EC", "key_size": null})), Verdict::Compliant);
    assert_eq!(key(size, least, json!({})), non_compliant("it has 2048 bits"));

    let curve = "ff25f3c8-b739-4538-9d07-3d6d25cfb255";
    let on = |curve: &str| json!({"kty": "EC", "crv": curve});
    assert_eq!(key(curve, json!({}), on("P-256K")), Verdict::Compliant);
    assert_eq!(key(curve, json!({}), json!({})), Verdict::Compliant);
    assert_eq!(key(curve, json!({}), on("SECP256K1")), non_compliant("its curve is SECP256K1"));
    let only = json!({"allowedECNames": {"value": ["P-521"]}});
    assert_eq!(key(curve, only, on("P-256")), non_compliant("its curve is P-256"));
}

#[test]
fn keys_rotate_and_secrets_say_what_they_are() {
    let rotation = "d8cf8476-a2ec-4916-896e-992351803c44";
    let most = json!({"maximumDaysToRotate": {"value": 120}});
    assert_eq!(key(rotation, most.clone(), json!({"rotates": NOW + 20 * DAY})), Verdict::Compliant);
    assert_eq!(key(rotation, most.clone(), json!({})), non_compliant("no rotation is scheduled"));
    let late = non_compliant("it rotates 2026-01-22T00:00:00Z, 121 days after it was made");
    assert_eq!(key(rotation, most, json!({"rotates": NOW + 21 * DAY})), late);

    let content = "75262d3e-ba4a-4f43-85f8-9f72c090e5e3";
    assert_eq!(secret(content, json!({}), json!({"contentType": "text/plain"})), Verdict::Compliant);
    assert_eq!(secret(content, json!({}), json!({})), non_compliant("it has no content type"));
}

/// A value that a parameter without a default takes.
fn value_for(parameter: &Parameter) -> Value {
    match parameter.takes {
        Takes::Texts(all) => json!([all[0]]),
        _ => 4096.into(),
    }
}

#[test]
fn what_cannot_be_read_is_never_kept() {
    let resource = |kind: &str| {
        let all = unknown("so", "x");
        let facts = match kind {
            "vault" => {
                let mut facts = arm::vault(Fact::Unset, &all);
                facts.private_endpoints = Fact::Unknown("so".to_owned());
                facts.logs = Fact::Unknown("so".to_owned());
                Facts::Vault(Box::new(facts))
            }
            "key" => Facts::Key(Box::new(arm::key(&all, now()))),
            "factory" => {
                let mut facts = arm::factory(&all);
                facts.private_endpoints = Fact::Unknown("so".to_owned());
                Facts::Factory(Box::new(facts))
            }
            "linked-service" => Facts::LinkedService(Box::new(arm::linked_service(&all))),
            _ => Facts::Secret(arm::secret(&all, now())),
        };
        crate::compliance::Resource { name: "x".to_owned(), pointer: None, is_azurerm: false, facts }
    };
    for rule in RULES {
        let values = rule.parameters.iter().filter(|parameter| parameter.default.is_none());
        let values: serde_json::Map<_, _> =
            values.map(|parameter| (parameter.name.to_owned(), json!({"value": value_for(parameter)}))).collect();
        let found = verdict(&selected(rule.guid, values.into()), resource(rule.check.kind()));
        assert_eq!(found, Verdict::Unknown("so".to_owned()), "{}", rule.id);
    }
}

#[test]
fn each_rule_has_a_name_and_an_id_of_its_own_and_says_what_to_set() {
    let names: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
    let ids: BTreeSet<_> = RULES.iter().map(|rule| rule.guid).collect();
    assert_eq!((names.len(), ids.len(), RULES.len()), (28, 28, 28));
    for rule in RULES {
        assert!(rule.effects.contains(&"Disabled"), "{}", rule.id);
        assert!(rule.id.starts_with(rule.check.kind()) && !rule.title.is_empty(), "{}", rule.id);
        assert!(uuid::Uuid::parse_str(rule.guid).is_ok(), "{}", rule.guid);
        for remedy in [rule.remedy, rule.terraform] {
            let names = remedy.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
            let names = names.filter(|name| name.chars().all(char::is_alphanumeric));
            for name in names {
                assert!(rule.parameters.iter().any(|parameter| parameter.name == name), "{}: {name}", rule.id);
            }
        }
    }
}
