//! Members of the bodies of create, import and update, one by one: what belongs to another type of key is ignored, what
//! the type cannot have is refused. The tables are what this server does; each row cites what is known of the service.

use keyhaven::testing::Curve;
use serde_json::{Value, json};

use crate::import::ec;
use crate::world::{Answer, START, World};

const NEW: &str = "?api-version=2025-07-01";

/// Creates a key, and returns what it is: its curve, or the bits of its modulus.
async fn made(world: &World, body: &Value) -> String {
    let answer = world.ask(&format!("POST /keys/k/create{NEW}"), &body.to_string()).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text);
    let key = &answer.json()["key"];
    let bits = |n: &str| format!("{} {}", crate::base64url::decode(n).unwrap().len() * 8, key["e"]);
    key["crv"].as_str().map(str::to_owned).or(key["n"].as_str().map(bits)).unwrap_or_default()
}

#[tokio::test]
async fn a_create_ignores_members_of_other_types() {
    let world = World::new().await;
    for (body, expected) in [
        // cosign generate-key-pair --kms azurekms://… sends exactly this (sigstore/sigstore, kms/azure/client.go).
        (
            json!({"kty": "EC", "key_size": 2048, "key_ops": ["sign", "verify"], "attributes": {"enabled": true},
                "tags": {"use": "sigstore"}}),
            "P-256",
        ),
        (json!({"kty": "EC", "key_size": 0}), "P-256"),
        (json!({"kty": "EC", "key_size": 256}), "P-256"),
        (json!({"kty": "EC", "crv": "P-384", "key_size": 2048}), "P-384"),
        (json!({"kty": "EC", "crv": "P-256", "key_size": 521}), "P-256"),
        (json!({"kty": "EC-HSM", "crv": "P-521", "key_size": 4096, "public_exponent": 4}), "P-521"),
        (json!({"kty": "RSA", "crv": "P-384"}), "2048 \"AQAB\""),
        (json!({"kty": "RSA", "crv": "no curve", "key_size": 3072}), "3072 \"AQAB\""),
        (json!({"kty": "oct-HSM", "crv": "P-256", "public_exponent": 4, "key_size": 128}), ""),
        // Public numbers, the material of an import, and what only the service says.
        (
            json!({"kty": "RSA", "n": "!", "e": 1, "d": [], "x": {}, "k": "AA", "key_hsm": "AA", "key": {"kty": "EC"},
                "kid": "x", "Hsm": true, "hsm": true, "curve": "P-384", "exportable": true, "managed": true}),
            "2048 \"AQAB\"",
        ),
        (
            json!({"kty": "EC", "attributes": {"created": 1, "updated": "x", "recoveryLevel": 1, "recoverableDays": "x",
                "key_size": 7, "hsmPlatform": 2, "exportable": false}}),
            "P-256",
        ),
        // null is as left out.
        (
            json!({"kty": "RSA", "key_size": null, "crv": null, "public_exponent": null, "key_ops": null,
                "attributes": null, "tags": null, "release_policy": null}),
            "2048 \"AQAB\"",
        ),
        (json!({"kty": "EC", "crv": null, "attributes": {"enabled": null, "nbf": null, "exportable": null}}), "P-256"),
        // Names of members have a case: these are others.
        (json!({"kty": "EC", "CRV": "P-384", "Key_Size": 384, "KEY_OPS": ["encrypt"], "Tags": 7}), "P-256"),
    ] {
        assert_eq!(made(&world, &body).await, expected, "{body}");
    }
}

#[tokio::test]
async fn a_create_refuses_what_its_own_type_cannot_have() {
    let world = World::new().await;
    let invalid = "400 BadParameter Property  has invalid value\r\n";
    for (body, expected) in [
        (json!({"KTY": "EC"}), "400 BadParameter Property 'kty' is required.\r\n"),
        (json!({"kty": null}), "400 BadParameter Property 'kty' is required.\r\n"),
        (
            json!({"kty": "RSA", "key_size": 256, "crv": "P-256"}),
            "400 BadParameter/KeySizeNotSupported Unsupported key size (256). Supported sizes are [2048, 3072, 4096]",
        ),
        (
            json!({"kty": "oct-HSM", "key_size": 2048}),
            "400 BadParameter/KeySizeNotSupported Unsupported key size (2048). Supported sizes are [128, 192, 256]",
        ),
        (json!({"kty": "EC", "crv": "P-255"}), invalid),
        (json!({"kty": "RSA", "public_exponent": 4}), invalid),
        (json!({"kty": "EC", "key_size": "2048"}), invalid),
        (json!({"kty": "RSA", "crv": 7}), invalid),
        (json!({"kty": "RSA", "key_ops": "sign"}), invalid),
        (json!({"kty": "RSA", "key_ops": [null]}), invalid),
        (json!({"kty": "EC", "tags": {"a": null}}), invalid),
        (
            json!({"kty": "EC-HSM", "attributes": {"exportable": true}}),
            "400 BadParameter AKV.SKR.1004: Exportable keys must have release policy.",
        ),
    ] {
        let answer = world.ask(&format!("POST /keys/k/create{NEW}"), &body.to_string()).await;
        assert_eq!(answer.error(), expected, "{body}");
    }
    assert_eq!(world.ask("GET /keys/k", "").await.status, 404, "nothing was made");
}

#[tokio::test]
async fn an_import_ignores_members_of_other_types() {
    let world = World::new().await;
    let with = |members: Value| {
        let mut jwk = ec(Curve::P256);
        jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        jwk
    };
    for body in [
        json!({"key": with(json!({"n": "!", "e": "a+b", "p": "!", "q": "AQ", "dp": "!", "k": "!", "key_size": 7}))}),
        json!({"key": with(json!({"n": null, "k": null, "key_hsm": null, "key_ops": null, "kid": 7, "use": "sig"}))}),
        json!({"key": with(json!({"KTY": "RSA", "Crv": "P-384"})), "kty": "RSA", "crv": "P-521", "key_size": 2048,
            "key_ops": ["encrypt"], "HSM": true, "Hsm": null, "attributes": null, "tags": null}),
    ] {
        let answer = world.ask(&format!("PUT /keys/k{NEW}"), &body.to_string()).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        let key = &answer.json()["key"];
        assert_eq!((&key["kty"], &key["crv"]), (&json!("EC"), &json!("P-256")), "{body}");
        assert_eq!(key["key_ops"], json!(["sign", "verify"]));
    }
    let oct =
        json!({"key": {"kty": "oct-HSM", "k": "AAAAAAAAAAAAAAAAAAAAAA", "crv": "none", "x": "!", "d": "!", "n": "!"}});
    assert_eq!(world.ask(&format!("PUT /keys/k{NEW}"), &oct.to_string()).await.json()["key"]["kty"], "oct-HSM");
}

#[tokio::test]
async fn an_update_ignores_what_it_cannot_change() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"EC","crv":"P-384","tags":{"a":"b"},"key_ops":["sign"]}"#).await;
    let before = world.ask("GET /keys/k", "").await.json();
    for body in [
        json!({"kty": "RSA", "crv": "P-521", "key_size": 2048, "public_exponent": 4, "Hsm": true, "key": {"kty": "RSA"}}),
        json!({"key_ops": null, "attributes": null, "tags": null, "release_policy": null}),
        json!({"key_ops": [], "attributes": {"created": 1, "recoveryLevel": 7, "exportable": false, "key_size": 128}}),
        json!({"KEY_OPS": ["encrypt"], "Attributes": {"enabled": false}, "TAGS": {}}),
    ] {
        let answer = world.ask("PATCH /keys/k", &body.to_string()).await;
        assert_eq!(answer.json(), before, "{body}");
    }
}

#[tokio::test]
async fn a_secret_ignores_what_it_does_not_have() {
    let world = World::new().await;
    let body = json!({"value": "v", "kty": "RSA", "Value": 7, "id": 7, "managed": true, "previousVersion": 7,
        "contentType": null, "tags": null, "attributes": {"enabled": null, "created": 1, "exportable": true}});
    let set = world.ask("PUT /secrets/s", &body.to_string()).await;
    assert_eq!((&set.json()["value"], &set.json()["attributes"]["created"]), (&json!("v"), &json!(START)));
    let body = json!({"value": 7, "contentType": null, "attributes": {"updated": 1, "recoverableDays": "x"}});
    assert_eq!(world.ask("PATCH /secrets/s", &body.to_string()).await.status, 200);
    assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], "v");
}

/// What is answered: the operations kept, or the text of the refusal.
type Expected = Result<&'static [&'static str], &'static str>;

/// Key type, operations given, and what is answered.
const OPERATIONS: &[(&str, &[&str], Expected)] = &[
    ("RSA", &["verify", "encrypt"], Ok(&["verify", "encrypt"])),
    ("RSA", &["import"], Err(RSA_ALONE)),
    ("RSA-HSM", &["import"], Ok(&["import"])),
    ("RSA-HSM", &["import", "import"], Ok(&["import"])),
    ("RSA-HSM", &["import", "wrapKey"], Err(IMPORT_ALONE)),
    ("RSA-HSM", &["encrypt", "import"], Err(IMPORT_ALONE)),
    ("EC", &["verify"], Ok(&["verify"])),
    ("EC", &["wrapKey", "sign", "encrypt"], Err(EC_ALONE)),
    ("EC-HSM", &["wrapKey", "encrypt"], Err(EC_ALONE)),
    ("EC-HSM", &["import"], Err(EC_IMPORT)),
    ("EC", &["export"], Err(EC_EXPORT)),
    ("oct-HSM", &["sign", "wrapKey", "verify"], Ok(&["sign", "wrapKey", "verify"])),
    ("oct-HSM", &["import"], Err(RSA_ALONE)),
];
/// Public (Azure/AzureKeyVault issue 22).
const EC_ALONE: &str = r#"Unsupported key operation(s): "wrapKey", "encrypt". Supported values are "sign", "verify"."#;
const EC_IMPORT: &str = r#"Unsupported key operation(s): "import". Supported values are "sign", "verify"."#;
const EC_EXPORT: &str = r#"Unsupported key operation(s): "export". Supported values are "sign", "verify"."#;
const RSA_ALONE: &str = "Unsupported key operation(s): \"import\". Supported values are \"encrypt\", \"decrypt\", \
    \"sign\", \"verify\", \"wrapKey\", \"unwrapKey\".";
const IMPORT_ALONE: &str = "The key operation import cannot be combined with others: give it alone, or leave it out.";

fn check(answer: &Answer, case: &str, expected: Expected) {
    match expected {
        Ok(operations) => assert_eq!(answer.json()["key"]["key_ops"], json!(operations), "{case}: {}", answer.text),
        Err(text) => assert_eq!(answer.error(), format!("400 BadParameter {text}"), "{case}"),
    }
}

#[tokio::test]
async fn a_key_is_made_and_changed_with_the_operations_of_its_type_alone() {
    let world = World::new().await;
    for kty in ["RSA", "RSA-HSM", "EC", "EC-HSM", "oct-HSM"] {
        let body = json!({"kty": kty}).to_string();
        let usual = world.ask(&format!("POST /keys/{kty}/create{NEW}"), &body).await.json()["key"]["key_ops"].take();
        for (_, operations, expected) in OPERATIONS.iter().filter(|(one, ..)| *one == kty) {
            let case = format!("{kty} {operations:?}");
            let body = json!({"kty": kty, "key_ops": operations}).to_string();
            check(&world.ask(&format!("POST /keys/new/create{NEW}"), &body).await, &case, *expected);
            let body = json!({"key_ops": operations}).to_string();
            check(&world.ask(&format!("PATCH /keys/{kty}{NEW}"), &body).await, &case, *expected);
        }
        let body = json!({"key_ops": usual}).to_string();
        assert_eq!(world.ask(&format!("PATCH /keys/{kty}"), &body).await.json()["key"]["key_ops"], usual, "{kty}");
    }
}

#[tokio::test]
async fn a_key_is_taken_in_with_the_operations_of_its_type_alone() {
    let world = World::new().await;
    for (_, operations, expected) in OPERATIONS.iter().filter(|(kty, ..)| kty.starts_with("EC")) {
        let mut jwk = ec(Curve::P384);
        jwk["key_ops"] = json!(operations);
        let answer = world.ask("PUT /keys/k", &json!({"key": jwk}).to_string()).await;
        check(&answer, &format!("{operations:?}"), *expected);
    }
    for (kty, operations, expected) in OPERATIONS.iter().filter(|(kty, ..)| *kty == "oct-HSM") {
        let jwk = json!({"kty": kty, "k": "AAAAAAAAAAAAAAAAAAAAAA", "key_ops": operations});
        let answer = world.ask(&format!("PUT /keys/o{NEW}"), &json!({"key": jwk}).to_string()).await;
        check(&answer, &format!("{kty} {operations:?}"), *expected);
    }
}
