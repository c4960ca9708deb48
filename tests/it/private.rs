//! No sequence of calls ever shows a private member.

use proptest::prelude::*;
use serde_json::Value;

use crate::world::World;

const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "k", "oth"];
const PATHS: [&str; 21] = [
    "POST /keys/a/create",
    "POST /keys/b/create",
    "POST /keys/b/create?api-version=2026-04-01",
    "PUT /keys/a",
    "PUT /keys/b?api-version=2026-04-01",
    "GET /keys/a",
    "GET /keys",
    "GET /keys/a/versions",
    "PATCH /keys/a",
    "POST /keys/a/encrypt",
    "POST /keys/a/decrypt",
    "POST /keys/a/wrapkey",
    "POST /keys/b/unwrapkey",
    "POST /keys/a/sign",
    "POST /keys/b/verify",
    "DELETE /keys/a",
    "GET /deletedkeys/a",
    "GET /deletedkeys",
    "POST /deletedkeys/a/recover",
    "POST /keys/b/backup",
    "POST /keys/restore",
];
const BODIES: [&str; 11] = [
    "",
    r#"{"kty":"RSA"}"#,
    r#"{"kty":"RSA-HSM","key_ops":["sign","export"],"tags":{"d":"not mine"}}"#,
    r#"{"kty":"EC-HSM","crv":"P-521"}"#,
    r#"{"kty":"oct-HSM","key_ops":["encrypt","sign","export"]}"#,
    r#"{"key":{"kty":"EC","crv":"P-256","d":"AQ"}}"#,
    r#"{"Hsm":true,"key":{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAA"}}"#,
    r#"{"alg":"A256GCM","value":"AAAA"}"#,
    r#"{"alg":"RSA-OAEP","value":"AAAA","digest":"AAAA"}"#,
    r#"{"alg":"RS256","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","digest":"AAAA"}"#,
    r#"{"key":{"d":"AA"},"attributes":{"enabled":true},"tags":{}}"#,
];

/// Names of members anywhere in `value`, tags left out: those are the caller's own.
fn members(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                found.push(name.clone());
                if name != "tags" {
                    members(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, found)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_never_carry_private_members(calls in prop::collection::vec((0..PATHS.len(), 0..BODIES.len()), 1..12)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            for (path, body) in calls {
                let answer = world.ask(PATHS[path], BODIES[body]).await;
                prop_assert!(answer.status.as_u16() < 500, "{}: {}", PATHS[path], answer.text);
                let mut found = Vec::new();
                members(&answer.json(), &mut found);
                prop_assert!(!found.iter().any(|name| PRIVATE.contains(&name.as_str())), "{}", answer.text);
            }
            Ok(())
        })?;
    }
}
