//! Access policies: for every operation, who may and who may not. The table is typed by hand from the service's
//! documentation, not read from the code.

use keyhaven::Storage;
use keyhaven::testing::Operation;
use serde_json::json;

use crate::world::World;

/// Request line, body, the permission it needs, and the status when it is granted.
pub const OPERATIONS: &[(&str, &str, &str, u16)] = &[
    ("POST /keys/k/create", r#"{"kty":"RSA"}"#, "keys/create", 200),
    ("PUT /keys/k", r#"{"key":{}}"#, "keys/import", 400),
    ("POST /keys/k/release", r#"{"target":"x"}"#, "keys/release", 400),
    ("GET /keys/k", "", "keys/get", 200),
    ("GET /keys", "", "keys/list", 200),
    ("GET /keys/k/versions", "", "keys/list", 200),
    ("PATCH /keys/k", r#"{"tags":{}}"#, "keys/update", 200),
    ("POST /keys/k/encrypt", r#"{"alg":"RSA-OAEP","value":"AA"}"#, "keys/encrypt", 200),
    ("POST /keys/k/decrypt", r#"{"alg":"RSA-OAEP","value":"AA"}"#, "keys/decrypt", 400),
    ("POST /keys/k/wrapkey", r#"{"alg":"RSA-OAEP","value":"AA"}"#, "keys/wrapKey", 200),
    ("POST /keys/k/unwrapkey", r#"{"alg":"RSA-OAEP","value":"AA"}"#, "keys/unwrapKey", 400),
    ("POST /keys/k/sign", r#"{"alg":"RS256","value":"AA"}"#, "keys/sign", 400),
    ("POST /keys/k/verify", r#"{"alg":"RS256","digest":"AA","value":"AA"}"#, "keys/verify", 400),
    ("GET /keys/k/rotationpolicy", "", "keys/getrotationpolicy", 200),
    ("PUT /keys/k/rotationpolicy", "{}", "keys/setrotationpolicy", 200),
    ("POST /keys/k/rotate", "", "keys/rotate", 200),
    ("DELETE /keys/k", "", "keys/delete", 200),
    ("GET /deletedkeys/k", "", "keys/get", 404),
    ("GET /deletedkeys", "", "keys/list", 200),
    ("POST /deletedkeys/k/recover", "", "keys/recover", 400),
    ("DELETE /deletedkeys/k", "", "keys/purge", 404),
    ("POST /keys/k/backup", "", "keys/backup", 200),
    ("POST /keys/restore", r#"{"value":"AA"}"#, "keys/restore", 400),
    ("PUT /secrets/s", r#"{"value":"v"}"#, "secrets/set", 200),
    ("GET /secrets/s", "", "secrets/get", 200),
    ("PATCH /secrets/s", r#"{"tags":{}}"#, "secrets/set", 200),
    ("GET /secrets", "", "secrets/list", 200),
    ("GET /secrets/s/versions", "", "secrets/list", 200),
    ("DELETE /secrets/s", "", "secrets/delete", 200),
    ("GET /deletedsecrets/s", "", "secrets/get", 404),
    ("GET /deletedsecrets", "", "secrets/list", 200),
    ("POST /deletedsecrets/s/recover", "", "secrets/recover", 400),
    ("DELETE /deletedsecrets/s", "", "secrets/purge", 404),
    ("POST /secrets/s/backup", "", "secrets/backup", 200),
    ("POST /secrets/restore", r#"{"value":"AA"}"#, "secrets/restore", 400),
    ("GET /certificates/contacts", "", "certificates/managecontacts", 404),
];

const KEYS: &[&str] = &[
    "create",
    "import",
    "release",
    "get",
    "list",
    "update",
    "encrypt",
    "decrypt",
    "wrapKey",
    "unwrapKey",
    "sign",
    "verify",
    "delete",
    "recover",
    "purge",
    "backup",
    "restore",
    "rotate",
    "getrotationpolicy",
    "setrotationpolicy",
];
const SECRETS: &[&str] = &["set", "get", "list", "delete", "recover", "purge", "backup", "restore"];
const CERTIFICATES: &[&str] = &[
    "get",
    "list",
    "delete",
    "create",
    "import",
    "update",
    "managecontacts",
    "getissuers",
    "listissuers",
    "setissuers",
    "deleteissuers",
    "manageissuers",
    "recover",
    "purge",
    "backup",
    "restore",
];

/// A vault with a key of type `kty`, where `owner` may do everything and `nobody` exactly what `permissions` (`keys/get`, …)
/// say.
fn config(permissions: &[String], kty: &str) -> String {
    let of =
        |collection: &str| -> Vec<&str> { permissions.iter().filter_map(|one| one.strip_prefix(collection)).collect() };
    let permissions =
        serde_json::json!({"keys": of("keys/"), "secrets": of("secrets/"), "certificates": of("certificates/")});
    format!(
        r#"{{"identities":[{{"name":"owner"}},{{"name":"nobody"}}],"vaults":[{{"name":"acme","sku":"premium",
           "keys":[{{"name":"k","kty":"{kty}"}}],"secrets":[{{"name":"s","value":"v"}}],
           "accessPolicies":[{{"identity":"owner","permissions":{{"keys":["all"],"secrets":["all"]}}}},
                             {{"identity":"nobody","permissions":{permissions}}}]}}]}}"#
    )
}

/// Whether the request `line` is one of `operation`: `{name}` stands for one segment, `{version?}` for one that may be absent.
pub(crate) fn is_of(line: &str, operation: &Operation) -> bool {
    let (method, path) = line.split_once(' ').unwrap();
    let (mut asked, mut template) = (path.split('/').peekable(), operation.path.split('/').peekable());
    while let Some(expected) = template.next() {
        match (asked.peek(), expected.ends_with("?}")) {
            (Some(segment), true) if template.peek() == Some(segment) => {}
            (None, true) => {}
            (Some(segment), _) if expected.starts_with('{') || expected == *segment => drop(asked.next()),
            _ => return false,
        }
    }
    asked.next().is_none() && operation.method.as_str() == method
}

#[test]
fn every_operation_is_in_the_table_with_its_permission() {
    for operation in keyhaven::testing::operations() {
        let permission = operation.permission.to_string();
        let is_listed = OPERATIONS.iter().any(|(line, _, of, _)| *of == permission && is_of(line, operation));
        assert!(is_listed, "add {operation:?} to OPERATIONS");
    }
}

#[tokio::test]
async fn each_operation_runs_with_its_permission_alone() {
    for (line, body, permission, status) in OPERATIONS {
        // An EC key is made a hundred times as fast.
        let kty = if body.contains("RSA") || body.contains("RS256") { "RSA" } else { "EC" };
        let world = World::of(&config(&[(*permission).to_owned()], kty), Storage::Memory).await;
        let answer = world.ask_as("nobody", "acme", line, body).await;
        assert_eq!(answer.status, *status, "{line}: {}", answer.text);
    }
}

#[tokio::test]
async fn each_operation_is_refused_with_every_permission_but_its_own() {
    let every = || {
        let keys = KEYS.iter().map(|name| format!("keys/{name}"));
        let secrets = SECRETS.iter().map(|name| format!("secrets/{name}"));
        keys.chain(secrets).chain(CERTIFICATES.iter().map(|name| format!("certificates/{name}")))
    };
    for (line, body, permission, _) in OPERATIONS {
        let others: Vec<_> = every().filter(|one| one != permission).collect();
        assert_eq!(others.len(), KEYS.len() + SECRETS.len() + CERTIFICATES.len() - 1);
        let world = World::of(&config(&others, "EC"), Storage::Memory).await;
        let answer = world.ask_as("nobody", "acme", line, body).await;
        assert_eq!(answer.status, 403, "{line}: {}", answer.text);
        assert_eq!(answer.header("x-keyhaven-missing"), *permission, "{line}");
    }
}

#[tokio::test]
async fn a_vault_elsewhere_is_said_to_be_there() {
    let world = World::new().await;
    for (name, rules) in [
        ("policies", json!({"accessPolicies": []})),
        ("roles", json!({"enableRbacAuthorization": true})),
        ("closed", json!({"publicNetworkAccess": "Disabled"})),
    ] {
        let mut vault = json!({"location": "westeurope", "enablePurgeProtection": true});
        vault.as_object_mut().unwrap().extend(rules.as_object().unwrap().clone());
        assert_eq!(world.admin(&format!("PUT /admin/vaults/{name}"), &vault.to_string()).await.status, 201);
        let refused = world.ask_as("owner", name, "GET /secrets/x", "").await;
        assert_eq!((refused.status.as_u16(), refused.header("x-ms-keyvault-region")), (403, "westeurope"), "{name}");
        assert!(refused.error().contains(&format!("{name};location=westeurope")), "{}", refused.error());
    }
    let granted = json!({"location": "westeurope", "enablePurgeProtection": true,
        "accessPolicies": [{"identity": "owner", "permissions": {"secrets": ["all", "purge"]}}]});
    assert_eq!(world.admin("PUT /admin/vaults/policies", &granted.to_string()).await.status, 200);
    let ask = async |line: &str, body: &str| world.ask_as("owner", "policies", line, body).await;
    assert_eq!(ask("PUT /secrets/x", r#"{"value": "v"}"#).await.header("x-ms-keyvault-region"), "westeurope");
    assert_eq!(ask("DELETE /secrets/x", "").await.status, 200);
    let kept = ask("DELETE /deletedsecrets/x", "").await.error();
    assert!(kept.ends_with("Vault: policies;location=westeurope"), "{kept}");
}

#[tokio::test]
async fn a_refusal_reads_like_the_services() {
    let world = World::new().await;
    let config = keyhaven::Config::parse(crate::world::CONFIG).unwrap();
    let nobody = keyhaven::testing::identity_ids(&config, "nobody").unwrap();
    let answer = world.ask_as("nobody", "acme", "POST /keys/k/wrapkey", "{}").await;
    let expected = format!(
        "403 Forbidden/ForbiddenByPolicy The user, group or application 'appid={};oid={};numgroups=0;\
         iss=https://sts.windows.net/6b9e7c1a-0000-4000-8000-000000000001/' does not have keys wrapkey permission on \
         key vault 'acme;location=local'. For help resolving this issue, please see \
         https://go.microsoft.com/fwlink/?linkid=2125287",
        nobody.client_id, nobody.object_id
    );
    assert_eq!(answer.error(), expected);
    assert_eq!(answer.header("x-keyhaven-missing"), "keys/wrapKey");
}

#[tokio::test]
async fn who_may_not_learns_neither_what_exists_nor_what_is_wrong() {
    let world = World::new().await;
    for (line, body) in [
        ("GET /keys/absent", ""),
        ("GET /keys/bad_name", ""),
        ("GET /keys/k?api-version=nonsense", ""),
        ("POST /keys/k/create", "{not json"),
        ("GET /secrets/absent", ""),
    ] {
        let answer = world.ask_as("nobody", "acme", line, body).await;
        assert_eq!(answer.status, 403, "{line}: {}", answer.text);
    }
}
