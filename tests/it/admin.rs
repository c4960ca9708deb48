//! The admin API: who may ask, and what it changes.

use keyhaven::Storage;
use keyhaven::clock::Clock;
use serde_json::{Value, json};

use crate::world::{CONFIG, World};

const GUARDED: [&str; 27] = [
    "GET /admin/clock",
    "POST /admin/clock",
    "GET /admin/identities",
    "POST /admin/identities",
    "DELETE /admin/identities/owner",
    "POST /admin/identities/owner/token",
    "GET /admin/vaults",
    "GET /admin/vaults/acme",
    "GET /admin/vaults/acme/keys",
    "GET /admin/vaults/acme/secrets",
    "GET /admin/log",
    "PUT /admin/vaults/acme",
    "DELETE /admin/vaults/acme",
    "GET /admin/factories",
    "GET /admin/factories/acme",
    "GET /admin/factories/acme/template",
    "GET /admin/private-endpoints",
    "PUT /admin/private-endpoints/acme.pe",
    "POST /admin/configuration",
    "POST /admin/reset",
    "GET /admin/snapshot",
    "PUT /admin/snapshot",
    "PUT /admin/faults",
    "DELETE /admin/faults",
    "GET /admin/faults/mine",
    "PUT /admin/faults/mine",
    "DELETE /admin/faults/mine",
];

#[tokio::test]
async fn everything_but_status_needs_the_key() {
    let world = World::new().await;
    assert_eq!(world.admin_with("GET /admin/status", b"", &[]).await.status, 200);
    let key = world.server.ready.admin_key.clone();
    let wrong = [String::new(), "Bearer".to_owned(), format!("Bearer {}x", &key[1..]), format!("Basic {key}"), key];
    for line in GUARDED.into_iter().chain(["GET /admin/faults", "GET /admin/none", "PATCH /admin/clock"]) {
        let refused = world.admin_with(line, b"{}", &[]).await;
        assert_eq!((refused.status.as_u16(), refused.header("www-authenticate")), (401, "Bearer"), "{line}");
        for value in &wrong {
            assert_eq!(world.admin_with(line, b"{}", &[("authorization", value)]).await.status, 401, "{line} {value}");
        }
    }
    assert_eq!(world.ask("GET /keys", "").await.status, 200, "and nothing came of it");
    assert_eq!(world.admin("GET /admin/none", "").await.status, 404);
    assert_eq!(world.admin("PATCH /admin/clock", "").await.status, 405);
}

#[tokio::test]
async fn no_web_page_and_no_rebound_name_can_ask() {
    let world = World::new().await;
    let key = format!("Bearer {}", world.server.ready.admin_key);
    let ask = async |line: &str, name: &str, value: &str| {
        let headers = [("authorization", key.as_str()), (name, value)];
        world.admin_with(line, b"{}", &headers).await
    };
    for line in GUARDED.into_iter().chain(["GET /admin/status"]) {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:8081"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("x-forwarded-for", "127.0.0.1"),
            ("host", "evil.example"),
            ("host", "127.0.0.1.evil.example"),
            ("host", "localhost.evil.example:8081"),
            ("host", "acme.vault.localhost.evil.example"),
            ("host", "10.1.2.3"),
        ] {
            assert_eq!(ask(line, name, value).await.status, 403, "{line} {name} {value}");
        }
    }
    assert_eq!(ask("GET /admin/clock", "host", "localhost").await.status, 200);
    assert_eq!(ask("GET /admin/clock", "sec-fetch-site", "none").await.status, 200);
    assert_eq!(world.ask("GET /keys", "").await.status, 200, "and nothing came of it");
}

#[tokio::test]
async fn identities_are_added_given_tokens_and_removed() {
    let world = World::new().await;
    let added = world.admin("POST /admin/identities", r#"{"name":"late","clientSecret":"hush"}"#).await;
    assert_eq!(added.status, 201);
    let listed = world.admin("GET /admin/identities", "").await;
    let names: Vec<_> = listed.json()["identities"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["owner", "nobody", "late"]);
    assert!(!listed.text.contains("hush") && !added.text.contains("hush") && !listed.text.contains("ecret"));

    let token =
        world.admin("POST /admin/identities/late/token", r#"{"resource":"https://vault.azure.net"}"#).await.json();
    assert!(token["expires_on"].as_i64() > Some(1_700_000_000));
    let token = token["access_token"].as_str().unwrap();
    let ask = async |line: &str| world.send(world.request(&world.host("acme"), line, "", Some(token))).await;
    assert_eq!(ask("GET /secrets").await.status, 403, "no policy names it");
    let policy = r#"{"accessPolicies":[{"identity":"owner","permissions":{"keys":["all"],"secrets":["all"]}},
                                       {"identity":"late","permissions":{"secrets":["list"]}}]}"#;
    assert_eq!(world.admin("PUT /admin/vaults/acme", policy).await.status, 200);
    assert_eq!(ask("GET /secrets").await.status, 200);
    assert_eq!(world.admin("DELETE /admin/identities/late", "").await.status, 204);
    assert_eq!(ask("GET /secrets").await.status, 401, "from the next request on");
    assert_eq!(world.admin("DELETE /admin/identities/late", "").await.status, 404);
    assert_eq!(world.admin("POST /admin/identities/late/token", "").await.status, 404);
}

#[tokio::test]
async fn an_identity_must_be_its_own() {
    let world = World::new().await;
    let add = async |body: &str| world.admin("POST /admin/identities", body).await.error();
    assert_eq!(add(r#"{"name":"owner"}"#).await, "409 Conflict the identity 'owner' has the same name or an id of it");
    assert_eq!(add(r#"{"name":""}"#).await, "400 BadRequest name: must not be empty or hold blanks");
    let unknown = add(r#"{"name":"x","tags":{}}"#).await;
    assert!(unknown.starts_with("400 BadRequest tags: unknown field"), "{unknown}");
    assert_eq!(
        add(r#"{"name":"x","certificates":["/etc/passwd"]}"#).await,
        "400 BadRequest certificates[0]: must be a certificate as PEM text, not the name of a file"
    );
    assert_eq!(
        add(r#"{"name":"x","federated":[{"issuer":"http://i","subject":"s"}]}"#).await,
        "400 BadRequest federated[0].issuer: must be an https URL"
    );
    let both = r#"{"resource":"https://vault.azure.net","federated":true}"#;
    assert_eq!(
        world.admin("POST /admin/identities/owner/token", both).await.error(),
        "400 BadRequest resource: a federated token is for the token endpoint alone; leave resource out"
    );
}

#[tokio::test]
async fn vaults_are_made_while_the_server_runs() {
    let world = World::new().await;
    let entry = r#"{"sku":"premium","softDeleteRetentionInDays":14,"deletionDelay":"PT5S",
        "accessPolicies":[{"identity":"owner","permissions":{"keys":["get"],"secrets":["get"]}}],
        "keys":[{"name":"cmk","kty":"EC-HSM"}],"secrets":[{"name":"s","value":"v"}]}"#;
    let made = world.admin("PUT /admin/vaults/Fresh", entry).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let shown = made.json();
    assert_eq!(
        (&shown["name"], &shown["softDeleteRetentionInDays"], &shown["deletionDelay"], &shown["enableSoftDelete"]),
        (&"fresh".into(), &14.into(), &"PT5S".into(), &true.into())
    );
    assert!(!made.text.contains("\"v\"") && !made.text.contains("cmk"), "not what it holds");
    assert_eq!(world.ask_as("owner", "fresh", "GET /secrets/s", "").await.json()["value"], "v");
    let key = world.ask_as("owner", "fresh", "GET /keys/cmk", "").await.json();
    assert_eq!(key["attributes"]["recoveryLevel"], "CustomizedRecoverable+Purgeable");
    let listed = world.admin("GET /admin/vaults", "").await.json();
    assert_eq!(listed["vaults"].as_array().unwrap().len(), 3);
    // An entry as it is shown is one that is taken.
    let again = world.admin("PUT /admin/vaults/fresh", &listed["vaults"][1].to_string()).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, listed["vaults"][1].clone()));
}

#[tokio::test]
async fn what_may_change_of_a_vault_does_and_the_rest_is_a_conflict() {
    let world = World::new().await;
    let put = async |body: &str| world.admin("PUT /admin/vaults/acme", body).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    let level = async || world.ask("GET /secrets/s", "").await.json()["attributes"]["recoveryLevel"].clone();
    assert_eq!(level().await, "Recoverable+Purgeable");
    let changed = put(r#"{"enablePurgeProtection":true}"#).await;
    assert_eq!((changed.status.as_u16(), &changed.json()["enablePurgeProtection"]), (200, &true.into()));
    assert_eq!(level().await, "Recoverable", "as the vault is now");
    for (body, expected) in [
        (
            r#"{"enablePurgeProtection":false,"accessPolicies":[]}"#,
            "409 Conflict enablePurgeProtection can be switched on, and never off again",
        ),
        (
            r#"{"softDeleteRetentionInDays":7,"accessPolicies":[]}"#,
            "409 Conflict softDeleteRetentionInDays is said when the vault is made, and stays",
        ),
        (
            r#"{"enablePurgeProtection":false,"enableSoftDelete":false}"#,
            "409 Conflict enablePurgeProtection can be switched on, and never off again",
        ),
        (r#"{"name":"other"}"#, "400 BadRequest name: must be 'acme', as in the path"),
        (r#"{"tags":{}}"#, "400 BadRequest tags: unknown field"),
        (
            r#"{"accessPolicies":[["owner"]]}"#,
            "400 BadRequest accessPolicies[0]: invalid type: list, expected an object",
        ),
        (
            r#"{"networkAcls":{"ipRules":["10.0.0.0/33"]},"accessPolicies":[]}"#,
            "400 BadRequest networkAcls.ipRules[0]: must be an address or a range of addresses, such as ",
        ),
        (
            r#"{"deletionDelay":"PT0.5S"}"#,
            "400 BadRequest deletionDelay: must be whole seconds up to a day, such as PT5S",
        ),
        (r#"{"aliases":["other.acme.test"]}"#, "409 Conflict "),
        (
            r#"{"accessPolicies":[{"identity":"x"}]}"#,
            "400 BadRequest accessPolicies[0].identity: no identity is called 'x'; there are owner, nobody",
        ),
    ] {
        let refused = put(body).await.error();
        assert!(refused.starts_with(expected), "{body}: {refused}");
    }
    assert_eq!(world.admin("PUT /admin/vaults/plain", r#"{"enablePurgeProtection":false}"#).await.status, 409);
    assert_eq!(level().await, "Recoverable", "nothing has changed, the policies least of all");
    let typed = put(r#"{"secrets":[{"name":"s","value":5}]}"#).await.error();
    assert_eq!(typed, "400 BadRequest secrets[0].value: invalid type: integer, expected a string");
    assert_eq!(put(r#"{"accessPolicies":[]}"#).await.status, 200);
    assert_eq!(world.ask("GET /secrets/s", "").await.status, 403);
    let short = world.admin("PUT /admin/vaults/no", "").await.error();
    assert!(short.starts_with("400 BadRequest name: must be 3 to 24"), "{short}");
}

#[tokio::test]
async fn a_vault_that_was_deleted_is_gone_with_all_it_held() {
    let world = World::new().await;
    for line in ["PUT /secrets/s", "PUT /secrets/t"] {
        world.ask(line, r#"{"value":"v"}"#).await;
    }
    world.ask("DELETE /secrets/t", "").await;
    assert_eq!(world.admin("DELETE /admin/vaults/acme", "").await.status, 204);
    assert_eq!(world.admin("DELETE /admin/vaults/acme", "").await.status, 404);
    let gone = world.ask("GET /secrets/s", "").await.error();
    assert!(
        gone.starts_with("404 VaultNotFound No vault answers on 'acme.vault.localhost'. Vaults here: plain."),
        "{gone}"
    );
    let entry =
        r#"{"aliases":["keys.acme.test"],"accessPolicies":[{"identity":"owner","permissions":{"secrets":["all"]}}]}"#;
    assert_eq!(world.admin("PUT /admin/vaults/acme", entry).await.status, 201, "its name and alias are free");
    assert_eq!(world.ask("GET /secrets/s", "").await.status, 404);
    assert!(world.ask("GET /deletedsecrets", "").await.json()["value"].as_array().unwrap().is_empty());
    let ran = world.admin("POST /admin/clock", r#"{"advance":"P400D"}"#).await.json()["ran"].clone();
    assert_eq!(ran, 0, "what was due in the vault is forgotten");
}

#[tokio::test]
async fn the_most_aliases_and_policies_are_replaced_at_once_and_more_are_refused() {
    let aliases =
        |count: usize, domain: &str| -> Vec<String> { (0..count).map(|n| format!("a{n}.{domain}")).collect() };
    let policy = |n: usize| {
        json!({"objectId": uuid::Uuid::from_u128(n as u128),
            "permissions": {"keys": ["all"], "secrets": ["all"], "certificates": ["all"]}})
    };
    let policies = |count: usize| (0..count).map(policy).collect::<Vec<_>>();
    // The CA that is made for this start certifies the names of its configuration alone.
    let vaults = [
        json!({"name": "large", "aliases": aliases(50, "one.test"), "accessPolicies": policies(1024)}),
        json!({"name": "former", "aliases": aliases(50, "other.test")}),
    ];
    let world = World::of(&json!({"vaults": vaults}).to_string(), Storage::Memory).await;
    assert_eq!(world.admin("DELETE /admin/vaults/former", "").await.status, 204);
    let put = async |entry: Value| world.admin("PUT /admin/vaults/large", &entry.to_string()).await;
    let replaced = put(json!({"aliases": aliases(50, "other.test"), "accessPolicies": policies(1023)})).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    let refused = put(json!({"aliases": aliases(51, "one.test")})).await.error();
    assert_eq!(refused, "400 BadRequest aliases: must be at most 50");
    let refused = put(json!({"accessPolicies": policies(1025)})).await.error();
    assert_eq!(refused, "400 BadRequest accessPolicies: must be at most 1024");
    assert_eq!(world.admin("DELETE /admin/vaults/large", "").await.status, 204);
}

#[tokio::test]
async fn an_alias_belongs_to_one_vault_and_is_reached_when_it_comes() {
    let world = World::new().await;
    let taken = world.admin("PUT /admin/vaults/plain", r#"{"aliases":["keys.acme.test"]}"#).await.error();
    assert_eq!(taken, "409 Conflict the vault 'acme' answers on keys.acme.test");
    assert_eq!(world.admin("PUT /admin/vaults/acme", r#"{"aliases":[]}"#).await.status, 200);
    assert_eq!(world.admin("PUT /admin/vaults/plain", r#"{"aliases":["keys.acme.test"]}"#).await.status, 200);
    let token = world.token_for("owner", "https://vault.azure.net").await;
    let answer = world.send(world.request("keys.acme.test", "GET /secrets", "", Some(&token))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let made = world.send(world.request("keys.acme.test", "PUT /secrets/s", r#"{"value":"v"}"#, Some(&token))).await;
    assert_eq!(
        made.json()["attributes"]["recoveryLevel"],
        "CustomizedRecoverable",
        "the vault 'plain' answers there now"
    );
}

#[tokio::test]
async fn a_write_that_was_decided_under_another_policy_is_decided_again() {
    // A policy is withdrawn while many writes are under way: none that comes after is done.
    let world = std::sync::Arc::new(World::of(CONFIG, Storage::Memory).await);
    let token = world.token("owner").await;
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (world, token) = (world.clone(), token.clone());
        writers.spawn(async move {
            for round in 0..20 {
                let line = format!("PUT /secrets/s{n}-{round}");
                let request = world.request(&world.host("acme"), &line, r#"{"value":"v"}"#, Some(&token));
                let status = world.send(request).await.status.as_u16();
                assert!([200, 403, 429].contains(&status), "{status}");
            }
        });
    }
    let withdrawn = world.admin("PUT /admin/vaults/acme", r#"{"accessPolicies":[]}"#).await;
    assert_eq!(withdrawn.status, 200);
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let refused = world.send(world.request(&world.host("acme"), "GET /secrets", "", Some(&token))).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn the_objects_of_a_vault_are_listed_with_what_is_known_of_them_and_no_value() {
    let world = World::new().await;
    let now = world.clock.now().unix();
    world.key("ec", r#"{"kty":"EC-HSM","crv":"P-384","attributes":{"nbf":1,"exp":4000000000}}"#).await;
    world.key("mid", r#"{"kty":"RSA-HSM"}"#).await;
    world.key("rsa", r#"{"kty":"RSA","key_size":3072}"#).await;
    let policy = r#"{"lifetimeActions":[{"action":{"type":"Rotate"},"trigger":{"timeAfterCreate":"P30D"}}]}"#;
    world.ask("PUT /keys/rsa/rotationpolicy", policy).await;
    world.ask("PUT /secrets/s", r#"{"value":"hush","contentType":"text/plain","attributes":{"enabled":false}}"#).await;

    let keys = world.admin("GET /admin/vaults/acme/keys", "").await.json();
    let [ec, mid, rsa] = [0, 1, 2].map(|index| keys["value"][index].clone());
    let times = json!({"enabled": true, "nbf": 1, "exp": 4_000_000_000_i64, "created": now, "updated": now});
    let version = ec["version"].clone();
    assert_eq!(ec, json!({"name": "ec", "version": version, "kty": "EC-HSM", "crv": "P-384", "attributes": times}));
    assert_eq!((&mid["kty"], &mid["key_size"]), (&"RSA-HSM".into(), &2048.into()));
    assert_eq!((&rsa["key_size"], &rsa["rotates"]), (&3072.into(), &(now + 30 * 86_400).into()));

    let first = world.admin("GET /admin/vaults/acme/keys?limit=2", "").await.json();
    assert_eq!((first["value"].as_array().unwrap().len(), &first["next"]), (2, &"MID".into()));
    let rest = world.admin("GET /admin/vaults/acme/keys?limit=2&after=MID", "").await.json();
    assert_eq!((&rest["value"][0]["name"], &rest["next"]), (&"rsa".into(), &Value::Null));

    let secrets = world.admin("GET /admin/vaults/acme/secrets", "").await;
    assert!(!secrets.text.contains("hush"), "{}", secrets.text);
    let secret = secrets.json()["value"][0].clone();
    assert_eq!((&secret["name"], &secret["contentType"]), (&"s".into(), &"text/plain".into()));
    assert_eq!(secret["attributes"], json!({"enabled": false, "created": now, "updated": now}));

    for (line, status) in [
        ("GET /admin/vaults/absent/keys", 404),
        ("GET /admin/vaults/acme/keys?limit=0", 400),
        ("GET /admin/vaults/acme/secrets?version=1", 400),
    ] {
        assert_eq!(world.admin(line, "").await.status, status, "{line}");
    }
    let audit = world.admin("GET /admin/audit?operation=VaultSecretList", "").await.json();
    assert_eq!(audit["records"][0]["properties"]["identityName"], "admin-key", "{audit}");
}
