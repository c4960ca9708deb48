//! The forms of a report.

use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::compliance::{check, resources, rules_with_defaults};

const FILE: &str = r#"{
  // a template
  "contentVersion": "1.0.0.0",
  "resources": [
    {
      "type": "Microsoft.KeyVault/vaults/secrets",
      "name": "kv/s",
      "properties": { "contentType": "text/plain", "attributes": { "exp": "[parameters('end')]" } }
    },
    { "type": "Microsoft.KeyVault/vaults/secrets", "name": "kv/<t>", "properties": { "attributes": { "exp": 1 } } }
  ]
}"#;

fn report(file: Option<(&str, &str)>) -> Report {
    let now = Timestamp::from_unix(0);
    let found = resources(&crate::compliance::parse(FILE).unwrap(), None, now).unwrap();
    Report::new(file, check(found, &rules_with_defaults(now)))
}

#[test]
fn lines_and_json_have_each_finding() {
    let report = report(Some(("a b/main.json", FILE)));
    let why = "the parameter 'end' has no value (--parameters FILE)";
    let unknown = format!("cannot be known here: {why}; set attributes.exp");
    let missing = "it has no content type; set contentType";
    assert_eq!(
        report.text(),
        format!("secret-expiration kv/secrets/s: {unknown}\nsecret-content-type kv/secrets/<t>: {missing}\n")
    );
    assert_eq!(report.summary(), ("2 findings; 2 resources held against 2 rules".to_owned(), vec![]));
    let read: Value = serde_json::from_str(&report.json()).unwrap();
    let id = "/providers/Microsoft.Authorization/policyDefinitions/98728c90-32c7-4049-8429-847dc0f4fe37";
    let expected = json!({
        "rule": "secret-expiration", "policyDefinitionId": id, "title": "Key Vault secrets should have an expiration date",
        "resource": "kv/secrets/s", "pointer": "/resources/0", "line": 5, "result": "Unknown", "message": unknown,
    });
    assert_eq!(read["findings"][0], expected);
    let results: Vec<_> = read["checked"].as_array().unwrap().iter().map(|one| one["result"].clone()).collect();
    assert_eq!(results, ["Unknown", "Compliant", "Compliant", "NonCompliant"]);
}

/// The members that SARIF 2.1.0 requires (its sections 3.13, 3.14, 3.18, 3.19, 3.27, 3.49), and those that code hosts read.
#[test]
fn sarif_has_the_members_that_are_required() {
    let read: Value = serde_json::from_str(&report(Some(("a b/main.json", FILE))).sarif()).unwrap();
    assert_eq!(read["version"], "2.1.0");
    let driver = &read["runs"][0]["tool"]["driver"];
    assert_eq!(driver["name"], "keyhaven");
    assert_eq!(
        (&driver["rules"][0]["id"], &driver["rules"][1]["id"]),
        (&"secret-expiration".into(), &"secret-content-type".into())
    );
    assert_eq!(driver["rules"][0]["guid"], "98728c90-32c7-4049-8429-847dc0f4fe37");
    assert_eq!(driver["rules"][0].get("helpUri"), None, "there is no page of it");
    let result = &read["runs"][0]["results"][1];
    assert_eq!((&result["ruleId"], &result["ruleIndex"]), (&"secret-content-type".into(), &1.into()));
    assert_eq!(result["message"]["text"], "kv/secrets/<t>: it has no content type; set contentType");
    let location = &result["locations"][0];
    assert_eq!(location["physicalLocation"]["artifactLocation"]["uri"], "a%20b/main.json");
    assert_eq!(location["physicalLocation"]["region"]["startLine"], 10);
    let names =
        [&location["logicalLocations"][0], &location["logicalLocations"][1]].map(|one| &one["fullyQualifiedName"]);
    assert_eq!(names, ["kv/secrets/<t>", "/resources/1"]);

    let of_server: Value = serde_json::from_str(&report(None).sarif()).unwrap();
    assert_eq!(of_server["runs"][0]["results"][0]["locations"][0].get("physicalLocation"), None);
}

#[test]
fn junit_has_a_case_for_each_rule_and_resource() {
    let xml = report(Some(("main.json", FILE))).junit();
    assert!(
        xml.contains(r#"<testsuites name="keyhaven policy check" tests="4" failures="2" errors="0" skipped="0""#),
        "{xml}"
    );
    let case = "<testcase classname=\"keyhaven.policy.secret-content-type\" name=\"kv/secrets/&lt;t&gt;\" time=\"0.000\">\n      \
                <failure message=\"it has no content type; set contentType\">Secrets should have content type set</failure>";
    assert!(xml.contains(case), "{xml}");
}
