//! The audit: a record of each request, refused ones too, in Azure Monitor's schema, with neither values nor tokens.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use keyhaven::{AuditTarget, ClockChoice, Config, Options, Storage, testing};
use serde_json::{Value, json};

use crate::access::OPERATIONS;
use crate::cli::{Served, http_get};
use crate::world::{Answer, CONFIG, START, World};

const OBJECT_ID: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";
const VAULT: &str = "/SUBSCRIPTIONS/6B9E7C1A-0000-4000-8000-000000000002/RESOURCEGROUPS/KEYHAVEN/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/ACME";

/// The records that the admin API answers.
async fn records(world: &World, query: &str) -> Vec<Value> {
    let shown = world.admin(&format!("GET /admin/audit?limit=1000{query}"), "").await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    shown.json()["records"].as_array().unwrap().clone()
}

/// The records of a file, as soon as there are so many.
fn written(file: &Path, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let text = std::fs::read_to_string(file).unwrap();
        let records: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if records.len() >= count || Instant::now() > deadline {
            return records;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn audited(file: &Path) -> World {
    let config = Config::parse(CONFIG).unwrap();
    World::with(Options { config, audit: Some(AuditTarget::File(file.to_owned())), ..Options::default() }).await
}

async fn get(world: &World, token: Option<&str>, path: &str) -> Answer {
    let mut request = world.request(&world.host("acme"), &format!("GET {path}"), "", token);
    request.headers_mut().insert("user-agent", "azsdk-python/4.8".parse().unwrap());
    world.send(request).await
}

#[tokio::test]
async fn a_record_has_the_members_of_the_service() {
    let world = World::new().await;
    assert_eq!(world.ask("PUT /secrets/api-key", r#"{"value":"v"}"#).await.status, 200);
    let (owner, nobody) = (world.token("owner").await, world.token("nobody").await);
    let granted = get(&world, Some(&owner), "/secrets/api-key/?api-version=7.4&x=hidden").await;
    let mut record = records(&world, "").await.pop().unwrap();
    assert!(record["time"].take().as_str().unwrap().ends_with('Z'));
    assert!(record["durationMs"].take().as_str().unwrap().parse::<f64>().is_ok());
    let client = testing::identity_ids(&Config::parse(CONFIG).unwrap(), "owner").unwrap();
    assert_eq!(
        record,
        json!({
            "time": null, "resourceId": VAULT, "operationName": "SecretGet", "operationVersion": "7.4",
            "category": "AuditEvent", "resultType": "Success", "resultSignature": "OK", "resultDescription": "",
            "durationMs": null, "callerIpAddress": "127.0.0.1", "correlationId": granted.header("x-ms-request-id"),
            "identity": {"claim": {OBJECT_ID: client.object_id, "appid": client.client_id}},
            "properties": {
                "clientInfo": "azsdk-python/4.8", "identityName": "owner", "httpStatusCode": 200,
                "requestUri": "https://acme.vault.azure.net/secrets/api-key/?api-version=7.4",
                "id": "https://acme.vault.azure.net/secrets/api-key"
            }
        })
    );
    let version = "0123456789abcdef0123456789abcdef";
    get(&world, Some(&nobody), &format!("/secrets/api-key/{version}")).await;
    get(&world, None, "/secrets/api-key").await;
    let last = records(&world, "").await;
    let [refused, unknown] = &last[last.len() - 2..] else { panic!() };
    let of = |record: &Value| {
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        (text("operationName"), text("resultSignature"), text("resultDescription"))
    };
    let expected = |texts: [&str; 3]| texts.map(str::to_owned).into();
    assert_eq!(of(refused), expected(["SecretGet", "Forbidden", "Forbidden: missing secrets/get"]));
    assert_eq!(refused["properties"]["missing"], "secrets/get");
    assert_eq!(refused["properties"]["id"], format!("https://acme.vault.azure.net/secrets/api-key/{version}"));
    assert_eq!(of(unknown), expected(["Authentication", "Unauthorized", "Unauthorized"]));
    assert_eq!(unknown["identity"], json!({"claim": {}}));
}

#[tokio::test]
async fn every_operation_and_every_refusal_is_recorded_under_the_id_that_the_client_saw_and_no_secret_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let world = audited(&file).await;
    let (owner, nobody) = (world.token("owner").await, world.token("nobody").await);
    let mut expected = Vec::new();
    for (line, body, _, _) in OPERATIONS {
        let body = body.replace(r#""value":"v""#, r#""value":"a-hushed-value""#).replace(r#""AA""#, r#""aHVzaGVk""#);
        for token in [Some(owner.as_str()), Some(nobody.as_str()), None] {
            let answer = world.send(world.request(&world.host("acme"), line, &body, token)).await;
            expected.push((answer.header("x-ms-request-id").to_owned(), answer.status.as_u16()));
        }
    }
    let of = |record: &Value| {
        let id = record["correlationId"].as_str()?.to_owned();
        Some((id, u16::try_from(record["properties"]["httpStatusCode"].as_u64()?).ok()?))
    };
    let records = records(&world, "&vault=acme").await;
    assert_eq!(records.iter().filter_map(of).collect::<Vec<_>>(), expected);
    let in_file = written(&file, expected.len() + 2);
    assert_eq!(in_file.iter().filter_map(of).collect::<Vec<_>>(), expected, "the file has the same");
    assert!(records.iter().all(|record| record["operationName"] != "Unknown"), "{records:?}");
    let everything = std::fs::read_to_string(&file).unwrap() + &json!(records).to_string();
    for hidden in ["hushed", "aHVzaGVk", &owner, &nobody, &world.server.ready.admin_key] {
        assert!(!hidden.is_empty() && !everything.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn sign_ins_and_changes_are_recorded_and_looks_are_not() {
    let world = World::new().await;
    world.token("owner").await;
    world.plain(&world.server.ready.identity, "/ca.pem", &[]).await;
    assert_eq!(world.admin("GET /admin/vaults", "").await.status, 200);
    assert_eq!(world.admin("PUT /admin/vaults/acme", r#"{"accessPolicies":[]}"#).await.status, 200);
    assert_eq!(world.admin_with("DELETE /admin/vaults/acme", b"", &[]).await.status, 401);
    let found = records(&world, "").await;
    let of = |record: &Value| ["operationName", "resourceId"].map(|name| record[name].as_str().unwrap().to_owned());
    let tenant = "/TENANTS/6B9E7C1A-0000-4000-8000-000000000001/PROVIDERS/MICROSOFT.AADIAM";
    let changed = ["VaultAccessPolicyChangedEventGridNotification", VAULT];
    let expected = [["ManagedIdentityToken", tenant], changed, ["VaultPut", VAULT], ["VaultDelete", VAULT]];
    assert_eq!(found.iter().map(of).collect::<Vec<_>>(), expected);
    assert_eq!(found[2]["properties"]["identityName"], "admin-key");
}

#[tokio::test]
async fn filters_narrow_and_numbers_follow() {
    let world = World::new().await;
    world.ask("PUT /secrets/a", r#"{"value":"v"}"#).await;
    world.ask_as("nobody", "plain", "GET /secrets/a", "").await;
    world.ask("GET /keys", "").await;
    for (query, expected) in [
        ("&vault=ACME", vec!["SecretSet", "KeyList"]),
        ("&identity=nobody", vec!["ManagedIdentityToken", "SecretGet"]),
        ("&operation=keylist", vec!["KeyList"]),
        ("&object=a", vec!["SecretSet", "SecretGet"]),
        ("&result=refused", vec!["SecretGet"]),
        ("&result=403&vault=acme", vec![]),
        ("&result=success&object=a", vec!["SecretSet"]),
        ("&since=2999-01-01T00:00:00Z", vec![]),
        ("&since=2000-01-01T00:00:00Z&vault=plain", vec!["SecretGet"]),
    ] {
        let found = records(&world, query).await;
        let names: Vec<_> = found.iter().map(|record| record["operationName"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
    }
    let first = world.admin("GET /admin/audit?after=0&limit=1&vault=acme", "").await.json();
    assert_eq!(first["records"][0]["operationName"], "SecretSet");
    let next = world.admin(&format!("GET /admin/audit?after={}&limit=9&vault=acme", first["last"]), "").await.json();
    assert_eq!(
        (next["records"].as_array().unwrap().len(), &next["records"][0]["operationName"]),
        (1, &json!("KeyList"))
    );
    let last = world.admin("GET /admin/audit?limit=1", "").await.json();
    assert_eq!(last["records"][0]["operationName"], "KeyList");
    for wrong in ["limit=0", "limit=1001", "after=x", "since=yesterday", "result=maybe", "who=me"] {
        let refused = world.admin(&format!("GET /admin/audit?{wrong}"), "").await;
        assert_eq!(refused.status, 400, "{wrong}");
    }
}

/// One that follows and looks too seldom learns how much it missed.
#[tokio::test]
async fn records_that_are_no_longer_held_are_counted() {
    let world = World::new().await;
    world.token("owner").await;
    for _ in 0..1003 {
        world.plain(&world.server.ready.identity, "/metadata/identity/oauth2/token", &[]).await;
    }
    // The first token and 1,003 requests; the ring holds 1,000.
    for (query, last, lost) in [("", 1004, 0), ("&after=0", 1004, 4), ("&after=3", 1004, 1), ("&after=4", 1004, 0)] {
        let answer = world.admin(&format!("GET /admin/audit?vault=acme{query}"), "").await.json();
        assert_eq!((&answer["last"], &answer["lost"]), (&json!(last), &json!(lost)), "{query}");
    }
}

#[tokio::test]
async fn the_address_is_the_one_that_the_firewall_looks_at() {
    let mut config: Value = serde_json::from_str(CONFIG).unwrap();
    let traveller = json!({"name": "traveller", "addresses": ["203.0.113.7", "::ffff:10.1.0.7"]});
    config["identities"].as_array_mut().unwrap().push(traveller);
    let config = Config::parse(&config.to_string()).unwrap();
    let client_address = Some("198.51.100.9".parse().unwrap());
    let world = World::with(Options { config, client_address, ..Options::default() }).await;
    world.ask_as("owner", "acme", "GET /secrets", "").await;
    world.ask_as("traveller", "acme", "GET /secrets", "").await;
    let rules = r#"{"networkAcls":{"defaultAction":"Deny","ipRules":["203.0.113.7"]}}"#;
    assert_eq!(world.admin("PUT /admin/vaults/acme", rules).await.status, 200);
    world.ask_as("traveller", "acme", "GET /secrets", "").await;
    let records = records(&world, "&operation=SecretList").await;
    let addresses: Vec<_> = records.iter().map(|record| record["callerIpAddress"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["198.51.100.9", "203.0.113.7", "10.1.0.7"], "the server's, the identity's, the refused one");
}

const ROTATES: &str = r#"{"lifetimeActions":[{"action":{"type":"rotate"},"trigger":{"timeAfterCreate":"P30D"}}],
    "attributes":{"expiryTime":"P40D"}}"#;

/// What vaults did by themselves: the operation, the object, and on which day it was due.
fn unasked(records: &[Value]) -> Vec<String> {
    let days = |due: &str| (keyhaven::clock::Timestamp::parse(due).unwrap().unix() - START) / 86_400;
    let of = |record: &Value| {
        let due = days(record["properties"]["due"].as_str()?);
        let object =
            record["properties"]["id"].as_str().map(|id| id.trim_start_matches("https://acme.vault.azure.net"));
        Some(format!("{} {} {due}", record["operationName"].as_str()?, object.unwrap_or("-")))
    };
    records.iter().filter_map(of).collect()
}

#[tokio::test]
async fn what_vaults_do_by_their_clock_is_recorded_once_also_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let start = async |after: i64| {
        let moment = keyhaven::clock::Timestamp::from_unix(START + after * 86_400);
        let clock = ClockChoice::Virtual { start: Some(moment), frozen: Some(true) };
        let (config, storage) = (Config::parse(CONFIG).unwrap(), Storage::Redb(dir.path().join("data")));
        let audit = Some(AuditTarget::File(file.clone()));
        World::with(Options { config, storage, clock, audit, ..Options::default() }).await
    };
    let world = start(0).await;
    world.key("cmk", r#"{"kty":"EC"}"#).await;
    assert_eq!(world.ask("PUT /keys/cmk/rotationpolicy", ROTATES).await.status, 200);
    let ends = START + 35 * 86_400;
    let secret = json!({"value": "v", "attributes": {"exp": ends}}).to_string();
    assert_eq!(world.ask("PUT /secrets/Api-Key", &secret).await.status, 200);
    assert_eq!(world.admin("POST /admin/clock", r#"{"advance":"P31D"}"#).await.status, 200);
    // A rotation by hand is a request's, and finds nothing overdue.
    assert_eq!(world.ask("POST /keys/cmk/rotate", "").await.status, 200);
    let first = ["SecretNearExpiryEventGridNotification /secrets/Api-Key 5", "KeyRotateIfDue /keys/cmk 30"];
    let shown = records(&world, "&vault=acme").await;
    assert_eq!(unasked(&shown), first);
    let rotated = shown.iter().find(|record| record["operationName"] == "KeyRotateIfDue").unwrap();
    let mut rotated = rotated.clone();
    assert!(rotated["time"].take().as_str().unwrap().ends_with('Z'));
    assert_eq!(
        rotated,
        json!({
            "time": null, "resourceId": VAULT, "operationName": "KeyRotateIfDue", "category": "AuditEvent",
            "resultType": "Success", "resultSignature": "OK", "resultDescription": "", "durationMs": "0.0",
            "callerIpAddress": null, "identity": {"claim": {}}, "properties": {
                "id": "https://acme.vault.azure.net/keys/cmk", "due": "2023-12-14T22:13:20Z"}
        })
    );
    world.server.stop().await;
    // What falls due while no server runs is done at its start.
    let world = start(72).await;
    let later = [
        "SecretExpiredEventGridNotification /secrets/Api-Key 35",
        "KeyNearExpiryEventGridNotification /keys/cmk 41",
        "KeyRotateIfDue /keys/cmk 61",
        "KeyNearExpiryEventGridNotification /keys/cmk 71",
    ];
    assert_eq!(unasked(&records(&world, "").await), later);
    world.server.stop().await;
    assert_eq!(unasked(&written(&file, 0)), [&first[..], &later].concat());
}

#[tokio::test]
async fn an_expired_key_and_changed_policies_are_recorded_beside_the_request() {
    let world = World::new().await;
    let key = json!({"kty": "EC", "attributes": {"exp": START + 2 * 86_400}}).to_string();
    world.key("k", &key).await;
    world.admin("POST /admin/clock", r#"{"advance":"P3D"}"#).await;
    for body in [r#"{"accessPolicies":[]}"#, r#"{"accessPolicies":[]}"#, r#"{"enableRbacAuthorization":true}"#] {
        assert_eq!(world.admin("PUT /admin/vaults/acme", body).await.status, 200);
    }
    let expected = [
        "KeyNearExpiryEventGridNotification /keys/k 0",
        "KeyExpiredEventGridNotification /keys/k 2",
        "VaultAccessPolicyChangedEventGridNotification - 3",
        "VaultAccessPolicyChangedEventGridNotification - 3",
    ];
    let found = records(&world, "&vault=acme").await;
    assert_eq!(unasked(&found), expected, "the same policies again are no change, another mode is one");
    let put = found.iter().filter(|record| record["operationName"] == "VaultPut").count();
    assert_eq!(put, 3);
}

/// A disk that is always full.
#[test]
fn records_that_cannot_be_written_are_a_warning_and_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(&dir.path().join("data"), &["--log-level", "warn", "--audit", "/dev/full"]);
    let identity = served.ready["identity"].as_str().unwrap().to_owned();
    http_get(&identity, "/metadata/identity/oauth2/token");
    let mut said = BufReader::new(served.child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let warned = "audit records cannot be written; they are tried again, and what is lost is counted";
    assert!(said.any(|line| line.contains(warned)));
    served.signal(rustix::process::Signal::TERM);
    assert!(said.any(|line| line.contains("the audit's last records could not be written")));
}

#[tokio::test]
async fn a_full_disk_of_the_audit_takes_nothing_from_the_vault() {
    let world = audited(Path::new("/dev/full")).await;
    for _ in 0..20 {
        assert_eq!(world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await.status, 200);
    }
    assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], "v");
    let stopping = Instant::now();
    world.server.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(4), "{:?}", stopping.elapsed());
}

#[tokio::test]
async fn a_server_that_stops_has_written_everything() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let world = audited(&file).await;
    world.ask("GET /secrets", "").await;
    world.server.stop().await;
    assert_eq!(written(&file, 0).last().unwrap()["operationName"], "SecretList");
}
