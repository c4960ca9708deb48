//! Rotation: by hand, by policy on the vault clock, across restarts, and what a policy may say.

use keyhaven::testing::Curve;
use keyhaven::{ClockChoice, Config, Options, Storage};
use serde_json::{Value, json};

use crate::base64url;
use crate::world::{CONFIG, START, World};

const DAY: i64 = 86_400;

/// A policy of these actions, each `ACTION TRIGGER LENGTH`.
fn policy(actions: &[&str], expiry: Option<&str>) -> String {
    let action = |text: &&str| {
        let parts: Vec<&str> = text.split(' ').collect();
        json!({"action": {"type": parts[0]}, "trigger": {parts[1]: parts[2]}})
    };
    let actions: Vec<Value> = actions.iter().map(action).collect();
    json!({"lifetimeActions": actions, "attributes": {"expiryTime": expiry}}).to_string()
}

async fn set(world: &World, name: &str, policy: &str) {
    let set = world.ask(&format!("PUT /keys/{name}/rotationpolicy"), policy).await;
    assert_eq!(set.status, 200, "{}", set.text);
}

/// Every version of a key: days from the start that it was made on, and that it ends on; the first first.
async fn versions(world: &World, vault: &str, name: &str) -> Vec<(i64, Option<i64>)> {
    let listed = world.ask_as("owner", vault, &format!("GET /keys/{name}/versions"), "").await.json();
    let days = |value: &Value| value.as_i64().map(|moment| (moment - START) / DAY);
    let attributes = listed["value"].as_array().unwrap().iter().map(|item| &item["attributes"]);
    let mut found: Vec<_> = attributes.map(|one| (days(&one["created"]).unwrap(), days(&one["exp"]))).collect();
    found.sort_unstable();
    found
}

async fn advance(world: &World, period: &str) -> u64 {
    let answer = world.admin("POST /admin/clock", &json!({"advance": period}).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["ran"].as_u64().unwrap()
}

#[tokio::test]
async fn by_hand_the_next_version_is_of_the_same_kind_and_the_old_one_stays() {
    let world = World::new().await;
    let body = r#"{"kty":"RSA-HSM","key_size":3072,"key_ops":["wrapKey","unwrapKey"],"tags":{"a":"b"},"public_exponent":3,
                   "attributes":{"enabled":false,"nbf":1699999999,"exp":1800000000}}"#;
    let first = world.key("k", body).await;
    let rotated = world.ask("POST /keys/k/rotate", "").await.json();
    let (key, attributes) = (&rotated["key"], &rotated["attributes"]);
    assert_eq!((&key["kty"], &key["key_ops"]), (&json!("RSA-HSM"), &json!(["wrapKey", "unwrapKey"])));
    assert_eq!(base64url::decode(key["n"].as_str().unwrap()).unwrap().len(), 384);
    assert_eq!(base64url::decode(key["e"].as_str().unwrap()).unwrap().last(), Some(&3));
    assert_eq!((&rotated["tags"], &attributes["enabled"]), (&json!({"a": "b"}), &json!(true)));
    assert_eq!((&attributes["nbf"], &attributes["exp"]), (&Value::Null, &Value::Null));

    let latest = world.ask("GET /keys/k", "").await;
    assert_eq!(latest.json()["key"], rotated["key"]);
    let old = world.ask(&format!("GET /keys/k/{first}"), "").await.json();
    assert_ne!(old["key"]["n"], key["n"]);
    assert_eq!(old["attributes"]["exp"], 1_800_000_000);
    let missing = world.ask("POST /keys/other/rotate", "").await;
    assert!(missing.exactly().starts_with(r#"404 {"error":{"code":"KeyNotFound""#), "{}", missing.text);
}

#[tokio::test]
async fn every_type_rotates() {
    let world = World::new().await;
    for (index, (body, kind)) in [
        (r#"{"kty":"EC","crv":"P-521"}"#, ("EC", "P-521")),
        (r#"{"kty":"EC-HSM","crv":"P-256K"}"#, ("EC-HSM", "P-256K")),
        (r#"{"kty":"oct-HSM","key_size":192}"#, ("oct-HSM", "")),
    ]
    .into_iter()
    .enumerate()
    {
        let (line, version) = (format!("/keys/k{index}"), "api-version=2025-07-01");
        let made = world.ask(&format!("POST {line}/create?{version}"), body).await.json();
        let rotated = world.ask(&format!("POST {line}/rotate?{version}"), "").await.json();
        assert_ne!(made["key"]["kid"], rotated["key"]["kid"]);
        assert_eq!((&rotated["key"]["kty"], rotated["key"]["crv"].as_str().unwrap_or("")), (&json!(kind.0), kind.1));
        assert_eq!(made["key"]["key_ops"], rotated["key"]["key_ops"]);
    }
}

#[tokio::test]
async fn after_its_creation_each_version_is_followed_by_one_at_its_very_moment() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    set(&world, "k", &policy(&["Rotate timeAfterCreate P30D"], Some("P90D"))).await;
    assert_eq!(advance(&world, "P29D").await, 0);
    assert_eq!(advance(&world, "P1D").await, 1);
    assert_eq!(advance(&world, "P70D").await, 2);
    let expected = [(0, None), (30, Some(120)), (60, Some(150)), (90, Some(180))];
    assert_eq!(versions(&world, "acme", "k").await, expected);
    // A version made by hand counts from its own creation.
    world.ask("POST /keys/k/rotate", "").await;
    assert_eq!(advance(&world, "P29D").await, 0);
    assert_eq!(advance(&world, "P1D").await, 1);
    assert_eq!(versions(&world, "acme", "k").await.last(), Some(&(130, Some(220))));
}

#[tokio::test]
async fn before_its_end_a_version_is_followed_by_another() {
    let world = World::new().await;
    let exp = START + 100 * DAY;
    world.key("k", &format!(r#"{{"kty":"EC","attributes":{{"exp":{exp}}}}}"#)).await;
    set(&world, "k", &policy(&["rotate timeBeforeExpiry P10D", "NOTIFY timeBeforeExpiry P20D"], Some("P40D"))).await;
    // Told at 80 that it ends, rotated at 90, and so on for the next, which ends 40 days later.
    assert_eq!(advance(&world, "P119D").await, 3);
    assert_eq!(versions(&world, "acme", "k").await, [(0, Some(100)), (90, Some(130))]);
    // A key without an end waits for its first rotation; an end that is given later counts.
    world.key("late", r#"{"kty":"EC"}"#).await;
    set(&world, "late", &policy(&["Rotate timeBeforeExpiry P10D"], Some("P40D"))).await;
    let now = 119;
    assert_eq!(versions(&world, "acme", "late").await, [(now, None)]);
    let exp = START + (now + 15) * DAY;
    world.ask("PATCH /keys/late", &format!(r#"{{"attributes":{{"exp":{exp}}}}}"#)).await;
    advance(&world, "P5D").await;
    assert_eq!(versions(&world, "acme", "late").await, [(now, Some(now + 15)), (now + 5, Some(now + 45))]);
}

#[tokio::test]
async fn months_and_years_are_those_of_the_calendar() {
    let world = World::new().await;
    world.admin("POST /admin/clock", r#"{"set":"2024-01-31T00:00:00Z"}"#).await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    set(&world, "k", &policy(&["Rotate timeAfterCreate P1M"], Some("P48M"))).await;
    world.admin("POST /admin/clock", r#"{"set":"2024-04-01T00:00:00Z"}"#).await;
    let listed = world.ask("GET /keys/k/versions", "").await.json();
    let mut made: Vec<(i64, i64)> = Vec::new();
    for item in listed["value"].as_array().unwrap() {
        let moment = |name: &str| item["attributes"][name].as_i64().unwrap_or_default();
        made.push((moment("created"), moment("exp")));
    }
    made.sort_unstable();
    let of = |text: &str| keyhaven::clock::Timestamp::parse(text).unwrap().unix();
    let expected = [
        (of("2024-01-31T00:00:00Z"), 0),
        (of("2024-02-29T00:00:00Z"), of("2028-02-29T00:00:00Z")),
        (of("2024-03-29T00:00:00Z"), of("2028-03-29T00:00:00Z")),
    ];
    assert_eq!(made, expected);
}

#[tokio::test]
async fn a_policy_that_would_have_rotated_already_does_so_at_once_and_once() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    advance(&world, "P100D").await;
    set(&world, "k", &policy(&["Rotate timeAfterCreate P30D"], None)).await;
    advance(&world, "PT1S").await;
    assert_eq!(versions(&world, "acme", "k").await, [(0, None), (100, None)]);
    // Without the action nothing rotates any more.
    set(&world, "k", "{}").await;
    advance(&world, "P100D").await;
    assert_eq!(versions(&world, "acme", "k").await.len(), 2);
}

#[tokio::test]
async fn what_fell_due_while_no_server_ran_is_done_once_at_its_own_moments() {
    let dir = tempfile::tempdir().unwrap();
    let start = async |clock| {
        let (config, storage) = (Config::parse(CONFIG).unwrap(), Storage::Redb(dir.path().to_owned()));
        World::with(Options { config, storage, clock, ..Options::default() }).await
    };
    let at = |day: i64| ClockChoice::Virtual {
        start: Some(keyhaven::clock::Timestamp::from_unix(START + day * DAY)),
        frozen: Some(true),
    };
    let world = start(at(0)).await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    set(&world, "k", &policy(&["Rotate timeAfterCreate P10D"], Some("P30D"))).await;
    world.server.stop().await;
    for day in [25, 25, 41] {
        start(at(day)).await.server.stop().await;
    }
    // By the time that it answers all is done.
    let world = start(at(41)).await;
    let expected = [(0, None), (10, Some(40)), (20, Some(50)), (30, Some(60)), (40, Some(70))];
    assert_eq!(versions(&world, "acme", "k").await, expected);
}

#[tokio::test]
async fn a_policy_must_keep_the_services_rules() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    let rule = |text: &str| {
        format!(r#"400 {{"error":{{"code":"BadParameter","message":"Invalid key rotation policy: {text}."}}}}"#)
    };
    let short = rule("lifetimeActions.trigger must be at least 7 days");
    let outside = rule(
        "lifetimeActions.trigger of Rotate must lie at least 7 days after the creation and 7 days before the end that \
         attributes.expiryTime gives",
    );
    for (body, expected) in [
        (policy(&[], Some("P27D")), rule("attributes.expiryTime must be at least 28 days")),
        (policy(&["Rotate timeAfterCreate P6D"], None), short.clone()),
        (policy(&["Notify timeBeforeExpiry P6D"], Some("P90D")), short),
        (policy(&["Rotate timeAfterCreate P22D"], Some("P28D")), outside.clone()),
        (policy(&["Rotate timeBeforeExpiry P22D"], Some("P28D")), outside),
        (
            policy(&["Rotate timeBeforeExpiry P7D"], None),
            rule(
                "lifetimeActions.trigger.timeBeforeExpiry of Rotate needs attributes.expiryTime, or a key that expires",
            ),
        ),
        (policy(&[], Some("P9999Y")), rule("a time span of the policy leads beyond the calendar")),
    ] {
        let refused = world.ask("PUT /keys/k/rotationpolicy", &body).await;
        assert_eq!(refused.exactly(), expected, "{body}");
    }
    for body in [
        policy(&["Rotate timeAfterCreate P7D"], None),
        policy(&["Rotate timeAfterCreate P21D", "Notify timeBeforeExpiry P7D"], Some("P28D")),
        policy(&["Rotate timeBeforeExpiry P21D"], Some("P28D")),
        r#"{"lifetimeActions":[],"attributes":null,"id":"anything"}"#.to_owned(),
    ] {
        set(&world, "k", &body).await;
    }
}

#[tokio::test]
async fn a_policy_of_the_wrong_form_is_refused_with_the_member_at_fault() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    for (body, detail) in [
        (policy(&["Rotate timeAfterCreate 30D"], None), "lifetimeActions.trigger.timeAfterCreate: not a length"),
        (policy(&["Rotate timeAfterCreate P0D"], None), "lifetimeActions.trigger.timeAfterCreate: not a length"),
        (policy(&["Rotate timeAfterCreate P"], None), "lifetimeActions.trigger.timeAfterCreate: not a length"),
        (policy(&[], Some("-P90D")), "attributes.expiryTime: not a length of time"),
        (policy(&["Notify timeAfterCreate P30D"], None), "lifetimeActions.trigger: Notify takes timeBeforeExpiry alone"),
        (policy(&["Delete timeAfterCreate P30D"], None), "lifetimeActions.action.type: use Rotate or Notify"),
        (policy(&["Rotate timeAfterCreate P30D", "rotate timeAfterCreate P40D"], None), "lifetimeActions: each action"),
        (r#"{"lifetimeActions":[{"action":{"type":"Rotate"}}]}"#.to_owned(), "lifetimeActions.trigger: is missing"),
        (
            r#"{"lifetimeActions":[{"action":{"type":"Rotate"},"trigger":{"timeAfterCreate":"P30D","timeBeforeExpiry":"P30D"}}]}"#
                .to_owned(),
            "lifetimeActions.trigger: give either",
        ),
        (r#"{"lifetimeActions":[{"action":{"type":"Rotate"},"trigger":{}}]}"#.to_owned(), "lifetimeActions.trigger: give"),
        (r#"{"lifetimeActions":7}"#.to_owned(), "lifetimeActions has the wrong type"),
    ] {
        let refused = world.ask("PUT /keys/k/rotationpolicy", &body).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.header("x-keyhaven-detail").starts_with(detail), "{}", refused.header("x-keyhaven-detail"));
    }
    let usual = world.ask("GET /keys/k/rotationpolicy", "").await.json();
    assert_eq!(usual["attributes"], Value::Null, "nothing was set");
    let missing = world.ask("PUT /keys/other/rotationpolicy", "{}").await;
    assert!(missing.exactly().starts_with(r#"404 {"error":{"code":"KeyNotFound""#), "{}", missing.text);
}

#[tokio::test]
async fn a_policy_that_is_set_again_keeps_its_date_of_creation() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    set(&world, "k", &policy(&["Rotate timeAfterCreate P30D"], Some("P90D"))).await;
    advance(&world, "P1D").await;
    set(&world, "K", &policy(&["Notify timeBeforeExpiry P60D"], Some("P90D"))).await;
    let now = world.ask("GET /keys/k/rotationpolicy", "").await.json();
    assert_eq!(now["attributes"], json!({"expiryTime": "P90D", "created": START, "updated": START + DAY}));
    assert_eq!(
        now["lifetimeActions"],
        json!([{"trigger": {"timeBeforeExpiry": "P60D"}, "action": {"type": "Notify"}}]),
        "what is not given again is gone, and the notice stays"
    );
}

#[tokio::test]
async fn imported_keys_do_not_rotate() {
    let world = World::new().await;
    let jwk = crate::import::ec(Curve::P256);
    let imported = world.ask("PUT /keys/k", &format!(r#"{{"key":{jwk}}}"#)).await;
    assert_eq!(imported.status, 200, "{}", imported.text);
    let text = r#"400 {"error":{"code":"BadParameter","message":"A key that was imported cannot be rotated."}}"#;
    let rotate = policy(&["Rotate timeAfterCreate P30D"], None);
    assert_eq!(world.ask("PUT /keys/k/rotationpolicy", &rotate).await.exactly(), text);
    let refused = world.ask("POST /keys/k/rotate", "").await;
    assert_eq!(refused.exactly(), text);
    // A version that is made here may; one that is imported over it stops the policy.
    world.key("k", r#"{"kty":"RSA"}"#).await;
    set(&world, "k", &rotate).await;
    advance(&world, "P10D").await;
    world.ask("PUT /keys/k", &format!(r#"{{"key":{jwk}}}"#)).await;
    advance(&world, "P100D").await;
    assert_eq!(versions(&world, "acme", "k").await.len(), 3);
}

#[tokio::test]
async fn a_deleted_key_rotates_when_it_is_back_and_a_purged_one_leaves_no_policy() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    set(&world, "k", &policy(&["Rotate timeAfterCreate P30D"], None)).await;
    world.ask("DELETE /keys/k", "").await;
    assert_eq!(advance(&world, "P40D").await, 0);
    let gone = world.ask("GET /keys/k/rotationpolicy", "").await;
    assert_eq!(gone.status, 404);
    world.ask("POST /deletedkeys/k/recover", "").await;
    advance(&world, "PT0S").await;
    assert_eq!(versions(&world, "acme", "k").await, [(0, None), (40, None)], "it is made up for at once");

    world.ask("DELETE /keys/k", "").await;
    world.ask("DELETE /deletedkeys/k", "").await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    assert_eq!(world.ask("GET /keys/k/rotationpolicy", "").await.json()["attributes"], Value::Null);
    assert_eq!(advance(&world, "P60D").await, 0);
}

#[tokio::test]
async fn a_backup_brings_the_policy_along() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    set(&world, "k", &policy(&["Rotate timeAfterCreate P30D"], Some("P90D"))).await;
    let before = world.ask("GET /keys/k/rotationpolicy", "").await.json();
    let blob = world.ask("POST /keys/k/backup", "").await.text;
    world.ask("DELETE /keys/k", "").await;
    world.ask("DELETE /deletedkeys/k", "").await;
    advance(&world, "P10D").await;
    assert_eq!(world.ask("POST /keys/restore", &blob).await.status, 200);
    assert_eq!(world.ask("GET /keys/k/rotationpolicy", "").await.json(), before);
    advance(&world, "P20D").await;
    assert_eq!(versions(&world, "acme", "k").await, [(0, None), (30, Some(120))]);
}

#[tokio::test]
async fn keys_of_a_copied_vault_rotate_in_each_for_itself() {
    let world = World::new().await;
    for name in ["k", "other"] {
        world.key(name, r#"{"kty":"EC"}"#).await;
        set(&world, name, &policy(&["Rotate timeAfterCreate P30D"], None)).await;
    }
    let copied = world.admin("PUT /admin/vaults/second", r#"{"copyOf":"acme"}"#).await;
    assert_eq!(copied.status, 201, "{}", copied.text);
    // In the copy one of them is rotated by hand, so that it is due later.
    advance(&world, "P10D").await;
    world.ask_as("owner", "second", "POST /keys/other/rotate", "").await;
    assert_eq!(advance(&world, "P20D").await, 3, "two in the source, one in the copy");
    for (vault, name, expected) in [
        ("acme", "k", vec![(0, None), (30, None)]),
        ("acme", "other", vec![(0, None), (30, None)]),
        ("second", "k", vec![(0, None), (30, None)]),
        ("second", "other", vec![(0, None), (10, None)]),
    ] {
        assert_eq!(versions(&world, vault, name).await, expected, "{vault} {name}");
    }
    assert_eq!(advance(&world, "P10D").await, 1);
    assert_eq!(versions(&world, "second", "other").await, [(0, None), (10, None), (40, None)]);
    let kid = |answer: &Value| answer["key"]["n"].to_string() + &answer["key"]["x"].to_string();
    let (here, there) = (world.ask("GET /keys/k", "").await, world.ask_as("owner", "second", "GET /keys/k", "").await);
    assert_ne!(kid(&here.json()), kid(&there.json()), "each made its own");
}
