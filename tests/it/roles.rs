//! Vaults in which roles decide: for every operation, which role lets it through at which scope, and what is said when none does.
//! The tables are typed by hand from the service's documentation, not read from the code.

use keyhaven::Storage;
use serde_json::{Value, json};

use crate::access::is_of;
use crate::world::{Answer, World};

/// Request line, body, and the data action below `Microsoft.KeyVault/vaults/`.
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("POST /keys/k/create", r#"{"kty":"EC"}"#, "keys/create/action"),
    ("PUT /keys/k", r#"{"key":{}}"#, "keys/import/action"),
    ("POST /keys/k/release", r#"{"target":"x"}"#, "keys/release/action"),
    ("GET /keys/k", "", "keys/read"),
    ("GET /keys", "", "keys/read"),
    ("GET /keys/k/versions", "", "keys/read"),
    ("PATCH /keys/k", r#"{"tags":{}}"#, "keys/update/action"),
    ("POST /keys/k/encrypt", r#"{"alg":"RSA-OAEP","value":"AA"}"#, "keys/encrypt/action"),
    ("POST /keys/k/decrypt", r#"{"alg":"RSA-OAEP","value":"AA"}"#, "keys/decrypt/action"),
    ("POST /keys/k/wrapkey", r#"{"alg":"RSA-OAEP","value":"AA"}"#, "keys/wrap/action"),
    ("POST /keys/k/unwrapkey", r#"{"alg":"RSA-OAEP","value":"AA"}"#, "keys/unwrap/action"),
    ("POST /keys/k/sign", r#"{"alg":"RS256","value":"AA"}"#, "keys/sign/action"),
    ("POST /keys/k/verify", r#"{"alg":"RS256","digest":"AA","value":"AA"}"#, "keys/verify/action"),
    ("GET /keys/k/rotationpolicy", "", "keyrotationpolicies/read"),
    ("PUT /keys/k/rotationpolicy", "{}", "keyrotationpolicies/write"),
    ("POST /keys/k/rotate", "", "keys/rotate/action"),
    ("POST /keys/k/backup", "", "keys/backup/action"),
    ("POST /keys/restore", r#"{"value":"AA"}"#, "keys/restore/action"),
    ("GET /deletedkeys/k", "", "keys/read"),
    ("GET /deletedkeys", "", "keys/read"),
    ("POST /deletedkeys/k/recover", "", "keys/recover/action"),
    ("DELETE /deletedkeys/k", "", "keys/purge/action"),
    ("PUT /secrets/s", r#"{"value":"v"}"#, "secrets/setSecret/action"),
    ("GET /secrets/s", "", "secrets/getSecret/action"),
    ("PATCH /secrets/s", r#"{"tags":{}}"#, "secrets/update/action"),
    ("GET /secrets", "", "secrets/readMetadata/action"),
    ("GET /secrets/s/versions", "", "secrets/readMetadata/action"),
    ("GET /deletedsecrets/s", "", "secrets/readMetadata/action"),
    ("GET /deletedsecrets", "", "secrets/readMetadata/action"),
    ("POST /deletedsecrets/s/recover", "", "secrets/recover/action"),
    ("DELETE /deletedsecrets/s", "", "secrets/purge/action"),
    ("POST /secrets/s/backup", "", "secrets/backup/action"),
    ("POST /secrets/restore", r#"{"value":"AA"}"#, "secrets/restore/action"),
    ("GET /certificates/contacts", "", "certificatecontacts/write"),
    ("DELETE /keys/k", "", "keys/delete"),
    ("DELETE /secrets/s", "", "secrets/delete"),
];

/// What each built-in role permits of these; `PREFIX*` is all that begin so.
const ROLES: &[(&str, &[&str])] = &[
    ("Key Vault Administrator", &["*"]),
    ("Key Vault Certificate User", &["secrets/getSecret/action", "secrets/readMetadata/action", "keys/read"]),
    ("Key Vault Certificates Officer", &["certificatecontacts/write"]),
    ("Key Vault Contributor", &[]),
    ("Key Vault Crypto Officer", &["keys/*", "keyrotationpolicies/*"]),
    ("Key Vault Crypto Service Encryption User", &["keys/read", "keys/wrap/action", "keys/unwrap/action"]),
    ("Key Vault Crypto Service Release User", &["keys/release/action"]),
    (
        "Key Vault Crypto User",
        &[
            "keys/read",
            "keys/update/action",
            "keys/backup/action",
            "keys/encrypt/action",
            "keys/decrypt/action",
            "keys/wrap/action",
            "keys/unwrap/action",
            "keys/sign/action",
            "keys/verify/action",
        ],
    ),
    ("Key Vault Data Access Administrator", &[]),
    ("Key Vault Purge Operator", &[]),
    ("Key Vault Reader", &["keys/read", "keyrotationpolicies/read", "secrets/readMetadata/action"]),
    ("Key Vault Secrets Officer", &["secrets/*"]),
    ("Key Vault Secrets User", &["secrets/getSecret/action", "secrets/readMetadata/action"]),
    ("Owner", &[]),
    ("Contributor", &[]),
    ("Reader", &[]),
    ("User Access Administrator", &[]),
    ("Role Based Access Control Administrator", &[]),
    ("Data Factory Contributor", &[]),
];

/// The operations that a caller who may read an asymmetric key may do too.
const PUBLIC: [&str; 3] = ["keys/encrypt/action", "keys/wrap/action", "keys/verify/action"];

const SUBSCRIPTION: &str = "6b9e7c1a-0000-4000-8000-000000000002";

/// A premium vault `acme` with the RSA key `k` and the secret `s`, and another one, with these identities and members besides.
async fn world(identities: Value, more: Value) -> World {
    let vault = |name: &str| {
        json!({"name": name, "sku": "premium", "enableRbacAuthorization": true, "resourceGroup": "shop",
               "keys": [{"name": "k"}], "secrets": [{"name": "s", "value": "v"}]})
    };
    let mut config = json!({"identities": identities, "vaults": [vault("acme"), vault("other")]});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    World::of(&config.to_string(), Storage::Memory).await
}

/// The id of `acme`, or of what lies at `relative` below it.
fn acme(relative: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/shop/providers/Microsoft.KeyVault/vaults/acme{relative}")
}

fn named(name: &str, role: &str, scope: &str) -> Value {
    json!({"name": name, "roleAssignments": [{"role": role, "scope": scope}]})
}

fn permits(patterns: &[&str], action: &str) -> bool {
    let covers =
        |pattern: &&str| pattern.strip_suffix('*').map_or(*pattern == action, |start| action.starts_with(start));
    patterns.iter().any(covers) || (PUBLIC.contains(&action) && patterns.contains(&"keys/read"))
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == 403 && answer.text.contains("ForbiddenByRbac")
}

#[test]
fn every_operation_is_in_the_table_with_its_data_action() {
    for operation in keyhaven::testing::operations() {
        let action = keyhaven::testing::data_action(operation);
        let is_listed = OPERATIONS.iter().any(|(line, _, of)| Some(*of) == action && is_of(line, operation));
        assert!(is_listed, "add {operation:?} to OPERATIONS");
    }
}

#[tokio::test]
async fn each_built_in_role_permits_its_operations_alone() {
    let identities = ROLES.iter().enumerate().map(|(index, (role, _))| named(&format!("r{index}"), role, &acme("")));
    let world = world(identities.collect(), json!({})).await;
    for (line, body, action) in OPERATIONS {
        // Those that may not come first: what they are refused is not changed for those that may.
        let mut all: Vec<_> = ROLES.iter().enumerate().collect();
        all.sort_by_key(|(_, (_, patterns))| permits(patterns, action));
        for (index, (role, patterns)) in all {
            let answer = world.ask_as(&format!("r{index}"), "acme", line, body).await;
            assert_eq!(is_refused(&answer), !permits(patterns, action), "{role}: {line}: {}", answer.text);
            if is_refused(&answer) {
                let missing = format!("Microsoft.KeyVault/vaults/{action}");
                assert_eq!(answer.header("x-keyhaven-missing"), missing, "{role}: {line}");
            }
        }
    }
}

#[tokio::test]
async fn each_operation_needs_its_data_action_and_no_other() {
    let (mut identities, mut definitions) = (Vec::new(), Vec::new());
    for (index, (_, _, action)) in OPERATIONS.iter().enumerate() {
        let full = format!("Microsoft.KeyVault/vaults/{action}");
        let role =
            |name: String, permissions: Value| json!({"properties": {"roleName": name, "permissions": [permissions]}});
        let all_but = json!(["Microsoft.KeyVault/vaults/keys/read", full]);
        definitions.push(role(format!("only-{index}"), json!({"dataActions": [full]})));
        definitions.push(role(format!("without-{index}"), json!({"dataActions": ["*"], "notDataActions": all_but})));
        identities.push(named(&format!("only-{index}"), &format!("only-{index}"), &acme("")));
        identities.push(named(&format!("without-{index}"), &format!("without-{index}"), &acme("")));
    }
    let world = world(identities.into(), json!({"roleDefinitions": definitions})).await;
    for (index, (line, body, _)) in OPERATIONS.iter().enumerate() {
        let answer = world.ask_as(&format!("without-{index}"), "acme", line, body).await;
        assert!(is_refused(&answer), "{line}: {}", answer.text);
        let answer = world.ask_as(&format!("only-{index}"), "acme", line, body).await;
        assert!(!is_refused(&answer), "{line}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_custom_role_permits_what_one_of_its_blocks_permits() {
    let block = |actions: &str, not: &str| {
        let below = |action: &str| format!("Microsoft.KeyVault/vaults/{action}");
        json!({"dataActions": [below(actions)], "notDataActions": [below(not)]})
    };
    let role = |permissions: Value| json!([{"properties": {"roleName": "Mixed", "permissions": permissions}}]);
    let all = block("*", "secrets/getSecret/action");
    for (permissions, expected) in [
        (json!([all]), 403),
        (json!([all, block("secrets/getSecret/action", "keys/*")]), 200),
        (json!([block("secrets/getSecret/action", "keys/*"), all]), 200),
    ] {
        let world = world(json!([named("shop", "Mixed", "/")]), json!({"roleDefinitions": role(permissions)})).await;
        assert_eq!(world.ask_as("shop", "acme", "GET /secrets/s", "").await.status, expected);
        assert_eq!(world.ask_as("shop", "acme", "GET /keys", "").await.status, 200);
    }
}

#[tokio::test]
async fn a_role_holds_at_its_scope_and_below() {
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/shop");
    let scopes = [
        ("root", "/".to_owned(), true, true),
        ("management-group", "/providers/Microsoft.Management/managementGroups/all".to_owned(), true, true),
        ("subscription", format!("/subscriptions/{SUBSCRIPTION}"), true, true),
        ("other-subscription", "/subscriptions/6b9e7c1a-0000-4000-8000-000000000009".to_owned(), false, false),
        ("group", group.clone(), true, true),
        ("other-group", format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/sho"), false, false),
        ("vault", acme("").to_uppercase(), true, true),
        ("other-vault", acme("").replace("acme", "other"), false, false),
        ("key", acme("/keys/K"), false, true),
        ("secret", acme("/secrets/s"), false, true),
        ("other-key", acme("/keys/other"), false, false),
        ("other-kind", acme("/secrets/k"), false, false),
    ];
    let identities = scopes.iter().map(|(name, scope, ..)| named(name, "Key Vault Administrator", scope)).collect();
    let groups = json!([{"name": "All", "subscriptions": [SUBSCRIPTION]}]);
    let world = world(identities, json!({"managementGroups": groups})).await;
    for (line, body, _) in OPERATIONS.iter().filter(|(line, ..)| !line.starts_with("DELETE")) {
        for (name, _, of_vault, of_object) in &scopes {
            let is_of_key = line.contains("keys/k") && *name != "secret";
            let is_of_secret = line.contains("secrets/s") && *name != "key";
            let expected = if is_of_key || is_of_secret { *of_object } else { *of_vault };
            let answer = world.ask_as(name, "acme", line, body).await;
            assert_eq!(is_refused(&answer), !expected, "{name}: {line}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn what_is_denied_is_refused_whatever_the_roles() {
    let identities =
        json!([named("shop", "Key Vault Administrator", "/"), named("free", "Key Vault Administrator", "/")]);
    let denial = |action: &str| json!({"identity": "shop", "scope": acme(""), "dataActions": [action]});
    for (line, body, action) in OPERATIONS.iter().filter(|(line, ..)| !line.starts_with("DELETE")) {
        let full = format!("Microsoft.KeyVault/vaults/{action}");
        let world = world(identities.clone(), json!({"denyAssignments": [denial(&full)]})).await;
        let answer = world.ask_as("shop", "acme", line, body).await;
        assert!(is_refused(&answer) && answer.text.contains("DeniedByDenyAssignment"), "{line}: {}", answer.text);
        assert!(!is_refused(&world.ask_as("shop", "other", line, body).await), "{line} elsewhere");
        assert!(!is_refused(&world.ask_as("free", "acme", line, body).await), "{line} by another");
    }
}

#[tokio::test]
async fn a_refusal_reads_like_the_services_and_names_the_smallest_role() {
    let world = world(json!([{"name": "owner"}, {"name": "nobody"}]), json!({"owners": ["owner"]})).await;
    let config = keyhaven::Config::parse(crate::world::CONFIG).unwrap();
    let nobody = keyhaven::testing::identity_ids(&config, "nobody").unwrap();
    let answer = world.ask_as("nobody", "acme", "GET /secrets/s", "").await;
    let expected = format!(
        "403 Forbidden/ForbiddenByRbac Caller is not authorized to perform action on resource.\r\nIf role assignments, deny \
         assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: \
         appid={};oid={};iss=https://sts.windows.net/6b9e7c1a-0000-4000-8000-000000000001/\r\nAction: \
         'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nResource: '{}'\r\nAssignment: (not found)\r\n\
         DenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: acme;location=local\r\n",
        nobody.client_id,
        nobody.object_id,
        acme("/secrets/s").to_lowercase()
    );
    assert_eq!(answer.error(), expected);
    assert_eq!(answer.header("x-keyhaven-missing"), "Microsoft.KeyVault/vaults/secrets/getSecret/action");
    assert_eq!(answer.header("x-keyhaven-role"), "Key Vault Secrets User");
    let wrap = world.ask_as("nobody", "acme", "POST /keys/k/wrapkey", "{}").await;
    assert_eq!(wrap.header("x-keyhaven-role"), "Key Vault Crypto Service Encryption User");
    let owner = world.ask_as("owner", "acme", "GET /secrets/s", "").await;
    assert!(is_refused(&owner), "who owns the subscription may do nothing in a vault: {}", owner.text);
}

#[tokio::test]
async fn an_authorized_answer_names_the_assignment() {
    let world = world(json!([named("shop", "Key Vault Secrets User", &acme(""))]), json!({})).await;
    let all = world.admin("GET /admin/role-assignments", "").await.json();
    let own =
        all["roleAssignments"].as_array().unwrap().iter().find(|one| one["role"] == "Key Vault Secrets User").unwrap();
    let answer = world.ask_as("shop", "acme", "GET /secrets/s", "").await;
    assert_eq!(answer.header("x-ms-keyvault-rbac-assignment-id"), own["name"].as_str().unwrap());
    assert!(answer.header("x-ms-keyvault-rbac-cache").starts_with("ra_age="));
    let log = world.admin("GET /admin/log", "").await.json();
    assert_eq!((own["identity"].as_str(), own["scope"].as_str()), (Some("shop"), Some(&*acme(""))), "{log}");
}

#[tokio::test]
async fn reading_a_key_suffices_for_its_public_part_and_not_for_a_symmetric_key() {
    let more = json!({"vaults": [{"name": "acme", "sku": "premium", "enableRbacAuthorization": true, "resourceGroup": "shop",
        "keys": [{"name": "rsa"}, {"name": "aes", "kty": "oct-HSM"}],
        "roleAssignments": [
            {"identity": "reader", "role": "Key Vault Reader"},
            {"identity": "user", "role": "Key Vault Crypto User", "scope": "/keys/aes"}]}]});
    let world = world(json!([{"name": "reader"}, {"name": "user"}]), more).await;
    let wrap = |alg: &str| format!(r#"{{"alg":"{alg}","value":"AAAAAAAAAAAAAAAAAAAAAA"}}"#);
    let ask = async |who: &str, key: &str, alg: &str| {
        let line = format!("POST /keys/{key}/wrapkey?api-version=2026-01-01-preview");
        world.ask_as(who, "acme", &line, &wrap(alg)).await
    };
    assert_eq!(ask("reader", "rsa", "RSA-OAEP").await.status, 200);
    let refused = ask("reader", "aes", "A256KW").await;
    assert!(is_refused(&refused), "{}", refused.text);
    assert_eq!(refused.header("x-keyhaven-missing"), "Microsoft.KeyVault/vaults/keys/wrap/action");
    assert_eq!(ask("user", "aes", "A256KW").await.status, 200, "{}", ask("user", "aes", "A256KW").await.text);
    let sign = world.ask_as("reader", "acme", "POST /keys/rsa/sign", r#"{"alg":"RS256","value":"AA"}"#).await;
    assert!(is_refused(&sign), "a private key needs its own action: {}", sign.text);
}

#[tokio::test]
async fn an_assignment_is_made_and_withdrawn_with_effect_on_the_next_request() {
    let world = world(json!([{"name": "owner"}, {"name": "shop"}]), json!({})).await;
    let name = "6b9e7c1a-0000-4000-8000-00000000aaaa";
    let (put, delete) =
        (format!("PUT /admin/role-assignments/{name}"), format!("DELETE /admin/role-assignments/{name}"));
    let body =
        json!({"identity": "shop", "role": "Key Vault Secrets Officer", "scope": acme("/secrets/s")}).to_string();
    assert!(is_refused(&world.ask_as("shop", "acme", "GET /secrets/s", "").await));
    assert_eq!(world.admin(&put, &body).await.status, 201);
    assert_eq!(world.admin(&put, &body).await.status, 200, "the same again");
    assert_eq!(world.ask_as("shop", "acme", "GET /secrets/s", "").await.status, 200);
    assert_eq!(world.ask_as("shop", "acme", "PUT /secrets/s", r#"{"value":"w"}"#).await.status, 200);
    let other = body.replace("Officer", "User");
    assert_eq!(world.admin(&put, &other).await.status, 409, "another role under the same name");
    assert_eq!(world.admin(&put.replace("aaaa", "bbbb"), &body).await.status, 409, "the same under another name");
    assert_eq!(world.admin(&delete, "").await.status, 204);
    assert_eq!(world.admin(&delete, "").await.status, 404);
    assert!(is_refused(&world.ask_as("shop", "acme", "PUT /secrets/s", r#"{"value":"x"}"#).await));
}

#[tokio::test]
async fn what_cannot_be_assigned_is_refused_with_the_member_at_fault() {
    let world = world(json!([{"name": "shop"}]), json!({})).await;
    let put = "PUT /admin/role-assignments/6b9e7c1a-0000-4000-8000-00000000aaaa";
    for (body, expected) in [
        (json!({"identity": "shpo", "role": "Owner", "scope": "/"}), "identity: no identity is called 'shpo'"),
        (
            json!({"identity": "shop", "role": "Key Vault Secret User", "scope": "/"}),
            "role: there is no role 'Key Vault Secret User' (did you mean 'Key Vault Secrets User'?)",
        ),
        (json!({"identity": "shop", "role": "Owner", "scope": "shop"}), "scope: must be a scope"),
        (json!({"identity": "shop", "role": "Owner"}), "scope: is missing"),
        (json!({"role": "Owner", "scope": "/"}), "give either 'identity' or 'objectId'"),
        (
            json!({"identity": "shop", "role": "Owner", "scope": "/", "condition": "@Resource[Microsoft.Storage/x:y] StringEquals 'z'"}),
            "condition: the attribute 'Microsoft.Storage/x:y' is not known",
        ),
    ] {
        let answer = world.admin(put, &body.to_string()).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(answer.text.contains(expected), "{expected}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_mode_of_a_vault_takes_effect_on_the_next_request() {
    let world = World::new().await;
    assert_eq!(world.ask_as("owner", "acme", "GET /secrets", "").await.status, 200);
    assert_eq!(world.admin("PUT /admin/vaults/acme", r#"{"enableRbacAuthorization":true}"#).await.status, 200);
    assert!(is_refused(&world.ask_as("owner", "acme", "GET /secrets", "").await));
    assert_eq!(world.admin("PUT /admin/vaults/acme", r#"{"enableRbacAuthorization":false}"#).await.status, 200);
    assert_eq!(world.ask_as("owner", "acme", "GET /secrets", "").await.status, 200, "the policies are there still");
}

#[tokio::test]
async fn the_role_assignments_of_an_entry_are_those_that_the_vault_then_has() {
    let identities = json!([
        named("shop", "Key Vault Secrets User", &acme("/secrets/s")),
        named("other", "Key Vault Reader", &acme("").replace("acme", "other"))
    ]);
    let world = world(identities, json!({})).await;
    let put = async |entry: Value| world.admin("PUT /admin/vaults/acme", &entry.to_string()).await.status.as_u16();
    let may = async |who: &str| world.ask_as(who, "acme", "GET /secrets/s", "").await.status == 200;
    assert_eq!(
        (put(json!({"enableRbacAuthorization": true})).await, may("shop").await),
        (200, true),
        "left out, they stay"
    );
    let given = json!({"roleAssignments": [{"identity": "other", "role": "Key Vault Secrets User"}]});
    assert_eq!((put(given.clone()).await, may("shop").await, may("other").await), (200, false, true));
    let copy = json!({"copyOf": "acme", "roleAssignments": []}).to_string();
    assert_eq!(world.admin("PUT /admin/vaults/bare", &copy).await.status, 201);
    assert!(is_refused(&world.ask_as("other", "bare", "GET /secrets/s", "").await));
    assert_eq!((put(given).await, may("other").await), (200, true), "the same again");
    assert_eq!((put(json!({"roleAssignments": []})).await, may("other").await), (200, false));
    assert_eq!(world.ask_as("other", "other", "GET /keys", "").await.status, 200, "another vault's are its own");
}

#[tokio::test]
async fn a_new_assignment_can_take_its_minutes_on_the_vault_clock() {
    let world = world(json!([{"name": "owner"}, {"name": "shop"}]), json!({"roleAssignmentDelay": "PT5M"})).await;
    let put = "PUT /admin/role-assignments/6b9e7c1a-0000-4000-8000-00000000aaaa";
    let body = json!({"identity": "shop", "role": "Key Vault Secrets User", "scope": acme("")}).to_string();
    let made = world.admin(put, &body).await;
    assert_eq!(made.status, 201);
    assert!(is_refused(&world.ask_as("shop", "acme", "GET /secrets/s", "").await));
    let moved = world.admin("POST /admin/clock", r#"{"advance":"PT5M"}"#).await.json();
    assert_eq!(made.json()["effectiveFrom"], moved["now"]);
    let again = world.admin(put, &body).await;
    assert_eq!((again.status.as_u16(), &again.json()["effectiveFrom"]), (200, &moved["now"]));
    assert_eq!(world.ask_as("shop", "acme", "GET /secrets/s", "").await.status, 200);
}

#[tokio::test]
async fn a_copy_has_the_roles_of_its_source_until_it_is_deleted() {
    let world = world(json!([named("shop", "Key Vault Secrets User", &acme("/secrets/s"))]), json!({})).await;
    assert_eq!(world.admin("PUT /admin/vaults/test-1", r#"{"copyOf":"acme"}"#).await.status, 201);
    assert_eq!(world.ask_as("shop", "test-1", "GET /secrets/s", "").await.status, 200);
    assert_eq!(world.admin("DELETE /admin/vaults/test-1", "").await.status, 204);
    assert_eq!(
        world
            .admin(
                "PUT /admin/vaults/test-1",
                r#"{"enableRbacAuthorization":true,"resourceGroup":"shop","secrets":[{"name":"s","value":"v"}]}"#
            )
            .await
            .status,
        201
    );
    assert!(
        is_refused(&world.ask_as("shop", "test-1", "GET /secrets/s", "").await),
        "a new vault of the name begins anew"
    );
}

#[tokio::test]
async fn a_copy_has_the_deny_assignments_of_its_source_until_it_is_deleted() {
    let denial = json!({"identity": "shop", "scope": acme("/secrets/s"), "dataActions": ["*/getSecret/action"]});
    let identities = json!([named("shop", "Key Vault Secrets User", "/")]);
    let mut file = json!({"identities": identities, "denyAssignments": [denial],
        "vaults": [{"name": "acme", "enableRbacAuthorization": true, "resourceGroup": "shop", "secrets": {"s": "v"}}]});
    let world = World::of(&file.to_string(), Storage::Memory).await;
    let read = async |vault: &str| world.ask_as("shop", vault, "GET /secrets/s", "").await.status.as_u16();
    assert_eq!(world.admin("PUT /admin/vaults/test-1", r#"{"copyOf":"acme"}"#).await.status, 201);
    assert_eq!((read("acme").await, read("test-1").await), (403, 403));
    file["denyAssignments"] = json!([]);
    assert_eq!(world.admin("POST /admin/configuration?prune=true", &file.to_string()).await.status, 200);
    assert_eq!((read("acme").await, read("test-1").await), (200, 403), "the file did not make the copy's");
    assert_eq!(world.admin("DELETE /admin/vaults/test-1", "").await.status, 204);
    assert_eq!(world.admin("PUT /admin/vaults/test-1", r#"{"copyOf":"acme"}"#).await.status, 201);
    assert_eq!(read("test-1").await, 200, "they go with the vault");
}

#[tokio::test]
async fn a_group_gives_its_roles_to_its_members_and_theirs() {
    let groups = json!([{"name": "readers", "objectId": "00000000-0000-0000-0000-00000000000a", "members": ["team"]},
                        {"name": "team", "members": ["shop"]}]);
    let assignments = json!([{"objectId": "00000000-0000-0000-0000-00000000000a", "principalType": "Group",
                              "role": "Key Vault Secrets User", "scope": acme("")}]);
    let more = json!({"groups": groups, "roleAssignments": assignments});
    let world = world(json!([{"name": "shop"}, {"name": "other"}]), more).await;
    assert_eq!(world.ask_as("shop", "acme", "GET /secrets/s", "").await.status, 200);
    assert!(is_refused(&world.ask_as("other", "acme", "GET /secrets/s", "").await));
}

const CONDITION: &str = "@Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEquals {'User'}";

/// The assignments of `shop`, as the admin API lists them.
async fn of_shop(world: &World) -> Vec<Value> {
    let all = world.admin("GET /admin/role-assignments", "").await.json();
    all["roleAssignments"].as_array().unwrap().iter().filter(|one| one["identity"] == "shop").cloned().collect()
}

#[tokio::test]
async fn a_condition_that_a_file_adds_is_that_of_the_assignment_there_is() {
    let file = |condition: Value| {
        let mut entry = json!({"identity": "shop", "role": "Key Vault Secrets User", "scope": "/"});
        entry.as_object_mut().unwrap().extend(condition.as_object().unwrap().clone());
        json!({"identities": [{"name": "shop"}], "owners": [], "roleAssignments": [entry],
               "vaults": [{"name": "acme", "enableRbacAuthorization": true, "secrets": {"s": "v"}}]})
        .to_string()
    };
    let world = World::of(&file(json!({})), Storage::Memory).await;
    let applied = world.admin("POST /admin/configuration", &file(json!({"condition": CONDITION}))).await.json();
    let steps: Vec<_> = applied["steps"].as_array().unwrap().iter().filter(|step| step["kind"] == "role").collect();
    assert_eq!((steps.len(), &steps[0]["action"], &steps[0]["detail"]), (1, &json!("change"), &json!("condition")));
    let there = of_shop(&world).await;
    assert_eq!((there.len(), &there[0]["condition"]), (1, &json!(CONDITION)));
    let name = there[0]["name"].as_str().unwrap();
    let path = format!("PUT /admin/role-assignments/{name}");
    let put = json!({"identity": "shop", "role": "Key Vault Secrets User", "scope": "/", "condition": CONDITION.replace("User'", "Group'")});
    let put = world.admin(&path, &put.to_string()).await.json();
    assert_eq!(put["condition"], CONDITION.replace("User'", "Group'"), "the answer is what is kept now");
    assert_eq!(world.admin(&format!("DELETE /admin/role-assignments/{name}"), "").await.status, 204);
    assert!(is_refused(&world.ask_as("shop", "acme", "GET /secrets/s", "").await));
}

#[tokio::test]
async fn no_condition_is_lost_to_another_entry_or_to_the_default_owner() {
    let subscription = format!("/subscriptions/{SUBSCRIPTION}");
    let entry = |condition: Option<&str>| {
        let mut entry = json!({"identity": "shop", "role": "Owner", "scope": subscription});
        condition.into_iter().for_each(|text| entry["condition"] = text.into());
        entry
    };
    let file = |entries: Value| json!({"identities": [{"name": "shop"}], "roleAssignments": entries});
    let world = World::of(&file(json!([entry(Some(CONDITION))])).to_string(), Storage::Memory).await;
    let there = of_shop(&world).await;
    assert_eq!((there.len(), &there[0]["condition"]), (1, &json!(CONDITION)));
    let post = async |file: Value| world.admin("POST /admin/configuration", &file.to_string()).await.error();
    let mut with_owners = file(json!([entry(Some(CONDITION))]));
    with_owners["owners"] = json!(["shop"]);
    for both in [file(json!([entry(Some(CONDITION)), entry(None)])), with_owners] {
        let refused = post(both).await;
        assert!(refused.starts_with("400 ") && refused.contains("with different conditions: keep one"), "{refused}");
    }
}

#[tokio::test]
async fn what_a_file_assigned_goes_with_it_though_the_admin_api_has_put_it_again() {
    let file = |assignments: Value| {
        json!({"identities": [{"name": "shop"}], "owners": [], "roleAssignments": assignments,
               "vaults": [{"name": "acme"}]})
        .to_string()
    };
    let entry = json!({"identity": "shop", "role": "Reader", "scope": "/"});
    let world = World::of(&file(json!([entry])), Storage::Memory).await;
    let name = of_shop(&world).await[0]["name"].as_str().unwrap().to_owned();
    assert_eq!(world.admin(&format!("PUT /admin/role-assignments/{name}"), &entry.to_string()).await.status, 200);
    assert_eq!(world.admin("POST /admin/configuration?prune=true", &file(json!([]))).await.status, 200);
    assert_eq!(of_shop(&world).await.len(), 0);
}

#[tokio::test]
async fn denials_and_custom_roles_that_a_file_no_longer_names_go_with_prune_alone() {
    let file = |more: Value| {
        let mut file = json!({"identities": [{"name": "owner"}, {"name": "shop"}],
            "vaults": [{"name": "acme", "enableRbacAuthorization": true, "secrets": {"s": "v"}}]});
        file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        file.to_string()
    };
    let role = |name: &str| {
        let permissions = json!([{"dataActions": ["Microsoft.KeyVault/vaults/secrets/*"]}]);
        json!({"properties": {"roleName": name, "permissions": permissions}})
    };
    let denial = |action: &str| json!([{"identity": "shop", "scope": "/", "dataActions": [action]}]);
    let assigned = json!([{"identity": "shop", "role": "Secrets", "scope": "/"}]);
    let first = json!({"roleDefinitions": [role("Secrets"), role("Spare")], "roleAssignments": assigned,
        "denyAssignments": denial("*/getSecret/action"), "managementGroups": [{"name": "finance", "subscriptions": []}]});
    let world = World::of(&file(first), Storage::Memory).await;
    let apply = async |query: &str, file: &str| {
        let answer = world.admin(&format!("POST /admin/configuration{query}"), file).await;
        if answer.status != 200 {
            return vec![answer.error()];
        }
        let text = |step: &Value, member: &str| {
            step[member].as_str().unwrap().split(": an earlier").next().unwrap().to_owned()
        };
        let line = |step: &Value| format!("{} {} {}", text(step, "action"), text(step, "name"), text(step, "detail"));
        answer.json()["steps"].as_array().unwrap().iter().filter(|step| step["kind"] == "member").map(line).collect()
    };
    let read = async || world.ask_as("shop", "acme", "GET /secrets/s", "").await.status.as_u16();
    let shop =
        world.admin("GET /admin/identities", "").await.json()["identities"][1]["objectId"].as_str().unwrap().to_owned();
    let unnamed = |action: &str| {
        let all = [
            ("roleDefinitions", "Spare"),
            ("denyAssignments", &*format!("of {shop} at /")),
            ("managementGroups", "finance"),
        ];
        all.map(|(member, name)| format!("{action} {member} {name}")).to_vec()
    };
    let other = file(
        json!({"roleDefinitions": [role("Secrets")], "roleAssignments": assigned, "denyAssignments": denial("*/backup/action")}),
    );
    let mut kept = unnamed("unnamed");
    kept.insert(1, "change denyAssignments ".to_owned());
    assert_eq!((apply("", &other).await, read().await), (kept, 403), "nothing is deleted");
    assert_eq!((apply("?prune=true", &other).await, read().await), (unnamed("delete"), 200));
    assert_eq!(apply("?prune=true", &other).await, [""; 0], "once is enough");
    let put = json!({"identity": "owner", "role": "Secrets", "scope": "/"}).to_string();
    let path = "/admin/role-assignments/6b9e7c1a-0000-4000-8000-00000000aaaa";
    assert_eq!(world.admin(&format!("PUT {path}"), &put).await.status, 201);
    let refused = apply("?prune=true", &file(json!({}))).await;
    assert!(
        refused[0].ends_with("member roleDefinitions: Secrets: role assignments have it: remove these first"),
        "{refused:?}"
    );
    assert_eq!(world.admin(&format!("DELETE {path}"), "").await.status, 204);
    assert!(apply("?prune=true", &file(json!({}))).await.contains(&"delete roleDefinitions Secrets".to_owned()));
}

#[tokio::test]
async fn a_start_adds_denials_and_groups_that_are_missing() {
    let file = |more: Value| {
        let mut file = json!({"identities": [{"name": "shop"}], "vaults": [{"name": "acme", "enableRbacAuthorization": true,
            "secrets": {"s": "v"}, "roleAssignments": [{"identity": "shop", "role": "Key Vault Administrator"}]}]});
        file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        file.to_string()
    };
    let dir = tempfile::tempdir().unwrap();
    let storage = || Storage::Redb(dir.path().join("data"));
    let world = World::of(&file(json!({})), storage()).await;
    assert_eq!(world.ask_as("shop", "acme", "GET /secrets/s", "").await.status, 200);
    world.server.stop().await;
    let denial = json!({"identity": "shop", "scope": "/", "dataActions": ["*/getSecret/action"]});
    let world = World::of(&file(json!({"denyAssignments": [denial]})), storage()).await;
    assert!(is_refused(&world.ask_as("shop", "acme", "GET /secrets/s", "").await));
    assert_eq!(world.ask_as("shop", "acme", "GET /secrets", "").await.status, 200);
}

#[tokio::test]
async fn a_start_with_another_group_leaves_a_vault_and_the_roles_in_it_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let file = |group: &str, roles: &[&str]| {
        let given = |role: &&str| json!({"identity": "shop", "role": role, "scope": "/secrets/s"});
        let vault = json!({"name": "acme", "enableRbacAuthorization": true, "secrets": {"s": "v"},
                           "roleAssignments": roles.iter().map(given).collect::<Vec<_>>()});
        json!({"identities": [{"name": "shop"}], "owners": [], "resourceGroup": group, "vaults": [vault]}).to_string()
    };
    let start = async |file: String| World::of(&file, Storage::Redb(dir.path().join("data"))).await;
    let first = start(file("shop", &["Key Vault Secrets User"])).await;
    let before = of_shop(&first).await;
    first.server.stop().await;
    let moved = start(file("moved", &["Key Vault Secrets User", "Key Vault Secrets Officer"])).await;
    let after = of_shop(&moved).await;
    let scopes: Vec<_> = after.iter().map(|one| one["scope"].clone()).collect();
    assert_eq!((&after[..1], scopes), (&before[..], vec![json!(acme("/secrets/s")); 2]));
    let set = moved.ask_as("shop", "acme", "PUT /secrets/s", r#"{"value":"w"}"#).await;
    assert_eq!(set.status, 200, "the new role counts where the vault is: {}", set.text);
    // A change of the group is refused as before, so nothing is assigned elsewhere.
    let refused = moved.admin("POST /admin/configuration", &file("moved", &["Key Vault Secrets User"])).await;
    assert!(refused.error().contains("resourceGroup is said when the vault is made, and stays"), "{}", refused.error());
}
