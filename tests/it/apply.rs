//! A configuration applied to a running server: what it would change, what it changes, what it refuses.

use keyhaven::Storage;
use serde_json::{Value, json};

use crate::world::World;

const FIRST: &str = r#"{
  "identities": [{"name": "owner"}, {"name": "nobody"}],
  "vaults": [
    {"name": "acme", "sku": "premium", "keys": [{"name": "cmk", "kty": "EC"}], "secrets": {"db": "v1", "old": "o"}},
    {"name": "gone", "secrets": {"s": "1"}}
  ]
}"#;

/// The steps of an answer, as `ACTION KIND VAULT/NAME DETAIL`.
fn steps(answer: &Value) -> Vec<String> {
    let text = |step: &Value, member: &str| step[member].as_str().unwrap_or_default().to_owned();
    let line = |step: &Value| {
        let vault = step["vault"].as_str().map(|vault| format!("{vault}/")).unwrap_or_default();
        let line = format!(
            "{} {} {vault}{} {}",
            text(step, "action"),
            text(step, "kind"),
            text(step, "name"),
            text(step, "detail")
        );
        line.trim_end().to_owned()
    };
    answer["steps"].as_array().unwrap().iter().map(line).collect()
}

async fn apply(world: &World, query: &str, configuration: &str) -> Value {
    let answer = world.admin(&format!("POST /admin/configuration{query}"), configuration).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn value(world: &World, path: &str) -> Value {
    world.ask(&format!("GET {path}"), "").await.json()["value"].clone()
}

async fn versions(world: &World, path: &str) -> usize {
    world.ask(&format!("GET {path}/versions"), "").await.json()["value"].as_array().unwrap().len()
}

#[tokio::test]
async fn what_a_file_names_is_created_and_changed_and_nothing_is_deleted() {
    let world = World::of(FIRST, Storage::Memory).await;
    let same = apply(&world, "", FIRST).await;
    assert_eq!((steps(&same), &same["applied"]), (vec![], &json!(true)));
    let second = r#"{
      // Another value, another policy, another vault.
      "identities": [{"name": "owner", "clientSecret": "hush"}, {"name": "nobody"}, {"name": "reports"}],
      "vaults": [
        {"name": "acme", "sku": "premium", "aliases": ["kv.localhost.test"],
         "accessPolicies": [{"identity": "owner", "permissions": {"secrets": ["all"]}}, {"identity": "nobody", "permissions": {"secrets": ["get"]}}],
         "secrets": [{"name": "db", "value": "v2"}, {"name": "new", "value": "n", "contentType": "text/plain"}]},
        {"name": "fresh", "keys": [{"name": "k", "kty": "EC"}], "secrets": {"s": "1"}},
      ],
    }"#;
    // The CA of a start without the alias does not certify it.
    let uncertified = apply(&world, "?dryRun=true", second).await;
    assert!(steps(&uncertified)[2].starts_with("refuse vault acme "), "{:?}", steps(&uncertified));
    let second = second.replace(r#""aliases": ["kv.localhost.test"],"#, "");
    let expected = [
        "change identity owner clientSecret",
        "create identity reports",
        "change vault acme accessPolicies",
        "change secret acme/db value (a new version)",
        "create secret acme/new",
        "create vault fresh",
        "create key fresh/k",
        "create secret fresh/s",
        "unnamed key acme/cmk an earlier configuration made it; --prune deletes it",
        "unnamed secret acme/old an earlier configuration made it; --prune deletes it",
        "unnamed vault gone an earlier configuration made it; --prune deletes it",
    ];
    let dry = apply(&world, "?dryRun=true&prune=false", &second).await;
    assert_eq!((steps(&dry), &dry["applied"]), (expected.map(str::to_owned).to_vec(), &json!(false)));
    assert_eq!((value(&world, "/secrets/db").await, versions(&world, "/secrets/db").await), (json!("v1"), 1));
    let done = apply(&world, "", &second).await;
    assert_eq!((steps(&done), &done["applied"]), (steps(&dry), &json!(true)));
    assert_eq!((value(&world, "/secrets/db").await, versions(&world, "/secrets/db").await), (json!("v2"), 2));
    assert_eq!(value(&world, "/secrets/old").await, "o");
    assert_eq!(world.ask_as("nobody", "acme", "GET /secrets/new", "").await.json()["contentType"], "text/plain");
    assert_eq!(world.ask_as("owner", "fresh", "GET /keys/k", "").await.status, 200);
    let again = apply(&world, "", &second).await;
    let nothing = steps(&again).into_iter().filter(|step| !step.starts_with("unnamed")).count();
    assert_eq!((nothing, versions(&world, "/secrets/db").await), (0, 2), "once is enough");
    let described = second.replace(r#""value": "v2""#, r#""value": "v2", "contentType": "text/csv""#);
    assert_eq!(steps(&apply(&world, "", &described).await)[0], "change secret acme/db contentType");
    assert_eq!(versions(&world, "/secrets/db").await, 2);
}

#[tokio::test]
async fn prune_deletes_what_an_earlier_file_made_and_nothing_else() {
    let world = World::of(FIRST, Storage::Memory).await;
    assert_eq!(world.ask("PUT /secrets/own", r#"{"value":"mine"}"#).await.status, 200);
    assert_eq!(world.admin("PUT /admin/vaults/mine", r#"{"secrets":{"s":"1"}}"#).await.status, 201);
    assert_eq!(world.admin("POST /admin/identities", r#"{"name":"mine"}"#).await.status, 201);
    // It has the name of one that the file made, and is another.
    assert_eq!(world.admin("DELETE /admin/vaults/gone", "").await.status, 204);
    assert_eq!(world.admin("PUT /admin/vaults/gone", "").await.status, 201);
    for line in ["DELETE /secrets/old", "DELETE /deletedsecrets/old"] {
        assert!(world.ask(line, "").await.status.is_success(), "{line}");
    }
    assert_eq!(world.ask("PUT /secrets/old", r#"{"value":"mine"}"#).await.status, 200);
    let second = r#"{"identities":[{"name":"owner"}],"vaults":[{"name":"acme","sku":"premium"}]}"#;
    let pruned = apply(&world, "?prune=true", second).await;
    assert_eq!(steps(&pruned), ["delete identity nobody", "delete key acme/cmk", "delete secret acme/db"]);
    assert_eq!(world.ask("GET /secrets/db", "").await.status, 404);
    assert_eq!(world.ask("GET /deletedsecrets/db", "").await.status, 200, "it can be recovered");
    for name in ["own", "old"] {
        assert_eq!(value(&world, &format!("/secrets/{name}")).await, "mine");
    }
    let vaults = world.admin("GET /admin/vaults", "").await.json()["vaults"].as_array().unwrap().len();
    assert_eq!(vaults, 3);
    assert_eq!(steps(&apply(&world, "?prune=true", second).await), [""; 0], "once is enough");
    // What comes back into the file is recovered, with the value that it has there.
    let back = r#"{"identities":[{"name":"owner"}],"vaults":[{"name":"acme","sku":"premium","secrets":{"db":"v3"}}]}"#;
    assert_eq!(steps(&apply(&world, "", back).await), ["recover secret acme/db"]);
    assert_eq!((value(&world, "/secrets/db").await, versions(&world, "/secrets/db").await), (json!("v3"), 2));
}

#[tokio::test]
async fn a_vault_that_a_file_made_is_pruned_with_all_that_it_holds() {
    let world = World::of(FIRST, Storage::Memory).await;
    let second = FIRST.replace(r#"{"name": "gone", "secrets": {"s": "1"}}"#, r#"{"name": "new"}"#);
    let expected = ["create vault new", "delete vault gone with all that it holds, for good"];
    assert_eq!(steps(&apply(&world, "?prune=true", &second).await), expected);
    assert_eq!(world.admin("DELETE /admin/vaults/gone", "").await.status, 404);
}

#[tokio::test]
async fn when_one_thing_cannot_change_nothing_is_changed_and_all_of_these_are_named() {
    let world = World::of(FIRST, Storage::Memory).await;
    let second = r#"{
      "tenantId": "6b9e7c1a-0000-4000-8000-000000000009",
      "identities": [{"name": "owner", "objectId": "11111111-0000-4000-8000-000000000001"}, {"name": "other"}],
      "vaults": [
        {"name": "acme", "sku": "premium", "softDeleteRetentionInDays": 7, "keys": [{"name": "cmk", "kty": "RSA"}],
         "secrets": {"db": "v2"}},
        {"name": "made"}
      ]
    }"#;
    let refused = world.admin("POST /admin/configuration", second).await;
    let expected = "409 Conflict nothing was changed, because some of it cannot be: \
        member tenantId: this server's is 6b9e7c1a-0000-4000-8000-000000000001; \
        identity owner: its ids never change (clientId, objectId); \
        vault acme: softDeleteRetentionInDays is said when the vault is made, and stays; \
        key acme/cmk: a key's type and size never change: name another key";
    assert_eq!(refused.error(), expected);
    assert_eq!(value(&world, "/secrets/db").await, "v1");
    assert_eq!(world.admin("GET /admin/vaults", "").await.json()["vaults"].as_array().unwrap().len(), 2);
    let dry = apply(&world, "?dryRun=true", second).await;
    assert_eq!(
        (steps(&dry).iter().filter(|step| step.starts_with("refuse ")).count(), &dry["applied"]),
        (4, &json!(false))
    );
}

#[tokio::test]
async fn a_vault_stays_in_its_resource_group_and_subscription() {
    let file = |place: &str| {
        FIRST.replace(
            r#""sku": "premium""#,
            &format!(
                r#""sku": "premium", "enableRbacAuthorization": true, {place}
            "roleAssignments": [{{"identity": "owner", "role": "Key Vault Administrator"}}]"#
            ),
        )
    };
    let world = World::of(&file(""), Storage::Memory).await;
    let tenants = r#""subscriptionId": "6b9e7c1a-0000-4000-8000-000000000002", "resourceGroup": "KeyHaven", "location": "Local","#;
    assert_eq!(steps(&apply(&world, "", &file(tenants)).await), [""; 0], "that is where it is");
    for (place, member) in [
        (r#""resourceGroup": "moved","#, "resourceGroup"),
        (r#""location": "westeurope","#, "location"),
        (r#""subscriptionId": "00000000-0000-4000-8000-000000000007","#, "subscriptionId"),
    ] {
        let refused = world.admin("POST /admin/configuration", &file(place)).await;
        let expected = format!("vault acme: {member} is said when the vault is made, and stays");
        assert!(refused.status == 409 && refused.error().contains(&expected), "{}", refused.error());
        let put = world.admin("PUT /admin/vaults/acme", &format!("{{{}}}", place.trim_end_matches(','))).await;
        assert_eq!(put.error(), format!("409 Conflict {member} is said when the vault is made, and stays"));
    }
    assert_eq!(world.ask_as("owner", "acme", "GET /secrets/db", "").await.status, 200);
    assert_eq!(
        world.admin("PUT /admin/vaults/acme", &format!("{{{}}}", tenants.trim_end_matches(','))).await.status,
        200
    );
}

#[tokio::test]
async fn what_only_a_start_reads_is_listed() {
    let world = World::of(FIRST, Storage::Memory).await;
    let second = FIRST.replace(r#""vaults": ["#, r#""limits": {"tunnels": 5}, "defaultHosts": ["kv"], "vaults": ["#);
    let why = "takes effect at the next start with this file";
    let expected = [format!("restart member defaultHosts {why}"), format!("restart member limits {why}")];
    assert_eq!(steps(&apply(&world, "", &second).await), expected);
}

#[tokio::test]
async fn who_has_a_role_in_the_place_of_a_policy_loses_no_access() {
    let world = World::of(FIRST, Storage::Memory).await;
    let role = r#""enableRbacAuthorization": true, "roleAssignments": [{"identity": "owner", "role": "Key Vault Administrator"}]"#;
    let second = FIRST.replace(r#""sku": "premium""#, &format!(r#""sku": "premium", {role}"#));
    let planned = steps(&apply(&world, "?dryRun=true", &second).await);
    assert!(planned.iter().any(|step| step.contains("enableRbacAuthorization (false -> true)")), "{planned:?}");
    assert!(!planned.iter().any(|step| step.starts_with("note ")), "{planned:?}");
    let without = FIRST.replace(r#""sku": "premium""#, r#""sku": "premium", "enableRbacAuthorization": true"#);
    let planned = steps(&apply(&world, "?dryRun=true", &without).await);
    assert!(planned.iter().any(|step| step.contains("as it lose access to acme: ")), "{planned:?}");
    let shut = FIRST.replace(r#""sku": "premium""#, r#""sku": "premium", "accessPolicies": []"#);
    let planned = steps(&apply(&world, "?dryRun=true", &shut).await);
    assert!(planned.iter().any(|step| step.contains("as it lose access to acme: ")), "{planned:?}");
}

#[tokio::test]
async fn an_object_between_two_states_is_refused() {
    let slow = FIRST.replace(r#""sku": "premium""#, r#""sku": "premium", "deletionDelay": "PT60S""#);
    let world = World::of(&slow, Storage::Memory).await;
    assert_eq!(world.ask("DELETE /secrets/db", "").await.status, 200);
    let refused = world.admin("POST /admin/configuration", &slow).await;
    let expected = "secret acme/db: it is being deleted, purged or recovered: apply again in a moment";
    assert!(refused.status == 409 && refused.error().ends_with(expected), "{}", refused.error());
}

#[tokio::test]
async fn what_cannot_be_read_is_400_with_its_path_and_shows_no_value() {
    let world = World::of(FIRST, Storage::Memory).await;
    for (query, configuration, expected) in [
        (
            "",
            r#"{"vaults":[{"name":"acme","secrets":{"db":5}}]}"#,
            "400 BadRequest vaults[0].secrets.db: invalid type: integer",
        ),
        ("", r#"{"vaultz":[]}"#, "400 BadRequest vaultz: unknown field `vaultz` (did you mean 'vaults'?)"),
        ("", "vaults:\n  - name: acme\n", "400 BadRequest this is YAML"),
        (
            "",
            r#"{"identities":[{"name":"a","certificates":["/etc/hostname"]}]}"#,
            "400 BadRequest identities[0].certificates[0]: must be a certificate as PEM text",
        ),
        ("?dry=true", "{}", "400 BadRequest dry: the query takes dryRun and prune"),
        ("?prune=yes", "{}", "400 BadRequest prune: must be true or false"),
    ] {
        let refused = world.admin(&format!("POST /admin/configuration{query}"), configuration).await;
        assert!(refused.error().starts_with(expected), "{}", refused.error());
    }
}

#[tokio::test]
async fn an_alias_moves_from_one_vault_to_another() {
    let with = |one: &str, other: &str| {
        format!(
            r#"{{"identities":[{{"name":"owner"}}],"vaults":[{{"name":"acme","aliases":[{one}]}},{{"name":"other","aliases":[{other}]}}]}}"#
        )
    };
    let world = World::of(&with(r#""a.test""#, r#""b.test""#), Storage::Memory).await;
    let swapped = apply(&world, "", &with(r#""b.test""#, r#""a.test""#)).await;
    assert_eq!(steps(&swapped), ["change vault acme aliases", "change vault other aliases"]);
    let vaults = world.admin("GET /admin/vaults", "").await.json()["vaults"].clone();
    assert_eq!((&vaults[0]["aliases"], &vaults[1]["aliases"]), (&json!(["b.test"]), &json!(["a.test"])));
    assert_eq!(world.admin("PUT /admin/vaults/mine", r#"{"aliases":["a.test"]}"#).await.status, 409);
}
