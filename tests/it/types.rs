//! EC and symmetric keys: made, shown, and used through the server.

use serde_json::{Value, json};

use crate::base64url;
use crate::world::{START, World};

const NEW: &str = "?api-version=2025-07-01";

/// Curve, algorithm, and the bytes of a coordinate and of the digest.
const CURVES: [(&str, &str, usize, usize); 6] = [
    ("P-256", "ES256", 32, 32),
    ("P-384", "ES384", 48, 48),
    ("P-521", "ES512", 66, 64),
    ("P-256K", "ES256K", 32, 32),
    ("SECP256K1", "ECDSA256", 32, 32),
    ("P-256", "ECDSA256", 32, 32),
];

async fn used(world: &World, path: &str, body: &Value) -> Value {
    let answer = world.ask(&format!("POST /keys/{path}{NEW}"), &body.to_string()).await;
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text);
    answer.json()
}

#[tokio::test]
async fn every_curve_signs_with_its_own_algorithms() {
    let world = World::new().await;
    for kty in ["EC", "EC-HSM"] {
        for (crv, alg, number, length) in CURVES {
            let made = world.ask("POST /keys/k/create", &json!({"kty": kty, "crv": crv}).to_string()).await.json();
            assert_eq!((&made["key"]["kty"], &made["key"]["crv"]), (&kty.into(), &crv.into()));
            for coordinate in ["x", "y"] {
                assert_eq!(base64url::decode(made["key"][coordinate].as_str().unwrap()).unwrap().len(), number);
            }
            let digest = base64url::encode(&vec![7; length]);
            let signed = used(&world, "k/sign", &json!({"alg": alg, "value": digest})).await;
            let signature = signed["value"].as_str().unwrap();
            assert_eq!(base64url::decode(signature).unwrap().len(), 2 * number, "{alg}");
            for (value, good) in [(signature, true), (&*base64url::encode(&vec![1; 2 * number]), false), ("", false)] {
                let body = json!({"alg": alg, "digest": digest, "value": value});
                assert_eq!(used(&world, "k/verify", &body).await, json!({"value": good}), "{alg}");
            }
        }
    }
}

#[tokio::test]
async fn the_algorithm_of_another_curve_or_type_is_named() {
    let world = World::new().await;
    let digest = base64url::encode(&[0; 32]);
    for (crv, alg, rest) in [
        ("P-256K", "ES256", "uses curve 'P-256K', and algorithm 'ES256' can only be used with curve 'P-256'."),
        (
            "P-256K",
            "ECDSA256",
            "uses curve 'P-256K', and algorithm 'ECDSA256' can only be used with curve 'P-256' or 'SECP256K1'.",
        ),
        ("SECP256K1", "ES256K", "uses curve 'SECP256K1', and algorithm 'ES256K' can only be used with curve 'P-256K'."),
        ("SECP256K1", "ES256", "uses curve 'SECP256K1', and algorithm 'ES256' can only be used with curve 'P-256'."),
        (
            "P-256K",
            "RS256",
            "is of type 'EC', and algorithm 'RS256' can only be used with a key of type 'RSA' or 'RSA-HSM'.",
        ),
    ] {
        let version = world.key("k", &json!({"kty": "EC", "crv": crv}).to_string()).await;
        let kid = format!("https://{}/keys/k/{version}", world.host("acme"));
        for body in [json!({"alg": alg, "value": digest}), json!({"alg": alg, "value": digest, "digest": digest})] {
            let operation = if body.get("digest").is_some() { "verify" } else { "sign" };
            assert_eq!(
                world.ask(&format!("POST /keys/k/{operation}"), &body.to_string()).await.error(),
                format!("400 BadParameter Key and signing algorithm are incompatible. Key {kid} {rest}")
            );
        }
    }
    assert_eq!(
        world.ask("POST /keys/k/sign", r#"{"alg":"ES256K","value":"AAAA"}"#).await.error(),
        "400 BadParameter Invalid length of 'value': 3 bytes. ES256K requires 32 bytes, encoded with base64url."
    );
    world.key("k", r#"{"kty":"RSA"}"#).await;
    let refused = world.ask("POST /keys/k/encrypt", r#"{"alg":"A128KW","value":"AA"}"#).await.error();
    assert!(refused.starts_with("400 BadParameter Key and encryption algorithm are incompatible."), "{refused}");
}

#[tokio::test]
async fn a_symmetric_key_shows_nothing_of_itself() {
    let world = World::new().await;
    for size in [128, 192, 256] {
        let body = json!({"kty": "oct-HSM", "key_size": size}).to_string();
        let made = world.ask(&format!("POST /keys/k/create{NEW}"), &body).await;
        assert_eq!(
            made.exactly(),
            format!(
                "200 {{\"key\":{{\"kid\":\"https://{}/keys/k/{}\",\"kty\":\"oct-HSM\",\"key_ops\":[\"encrypt\",\"decrypt\",\
                 \"wrapKey\",\"unwrapKey\"]}},\"attributes\":{{\"enabled\":true,\"created\":{START},\"updated\":{START},\
                 \"recoveryLevel\":\"Recoverable+Purgeable\",\"recoverableDays\":90,\"exportable\":false,\
                 \"hsmPlatform\":\"2\"}}}}",
                world.host("acme"),
                made.version()
            )
        );
        assert_eq!(world.ask(&format!("GET /keys/k{NEW}"), "").await.text, made.text);
    }
}

#[tokio::test]
async fn a_symmetric_key_shows_its_size_from_2026_01_01_preview_on() {
    let world = World::new().await;
    for size in [128, 192, 256] {
        let body = json!({"kty": "oct-HSM", "key_size": size}).to_string();
        let made = world.ask("POST /keys/k/create?api-version=2026-01-01-preview", &body).await;
        let attributes = r#""exportable":false,"hsmPlatform":"2","key_size":"#;
        assert!(made.text.contains(&format!("{attributes}{size}}}")), "{}", made.text);
        for (version, shown) in [("2025-07-01", None), ("2026-03-01-preview", Some(size)), ("2026-04-01", Some(size))] {
            let body = world.ask(&format!("GET /keys/k?api-version={version}"), "").await.json();
            assert_eq!(body["attributes"].get("key_size"), shown.map(Value::from).as_ref(), "{version}");
        }
    }
    let deleted = world.ask("DELETE /keys/k?api-version=2026-04-01", "").await.json();
    assert_eq!(deleted["attributes"]["key_size"], 256);
    for kty in ["RSA", "EC-HSM"] {
        let body = json!({"kty": kty}).to_string();
        let made = world.ask("POST /keys/other/create?api-version=2026-04-01", &body).await.json();
        assert!(made["attributes"].get("key_size").is_none(), "{made}");
    }
}

#[tokio::test]
async fn symmetric_keys_are_for_premium_vaults_and_later_versions() {
    let world = World::new().await;
    let body = r#"{"kty":"oct-HSM"}"#;
    for version in ["2016-10-01", "7.4", "7.6", "2025-06-01-preview"] {
        let refused = world.ask(&format!("POST /keys/k/create?api-version={version}"), body).await.error();
        assert_eq!(refused, "400 BadParameter Property  has invalid value\r\n", "{version}");
    }
    for version in ["2025-07-01", "2026-04-01"] {
        assert_eq!(world.ask(&format!("POST /keys/k/create?api-version={version}"), body).await.status, 200);
    }
    let standard = world.ask_as("owner", "plain", &format!("POST /keys/k/create{NEW}"), body).await.error();
    assert!(standard.starts_with("400 BadParameter/KeyTypeNotSupported Invalid kty value: oct-HSM."), "{standard}");
    assert_eq!(
        world.ask(&format!("POST /keys/k/create{NEW}"), r#"{"kty":"oct-HSM","key_size":512}"#).await.error(),
        "400 BadParameter/KeySizeNotSupported Unsupported key size (512). Supported sizes are [128, 192, 256]"
    );
}

#[tokio::test]
async fn every_symmetric_algorithm_works_through_the_server_and_back() {
    let world = World::new().await;
    for size in [128, 192, 256] {
        let body = json!({"kty": "oct-HSM", "key_size": size}).to_string();
        world.ask(&format!("POST /keys/k/create{NEW}"), &body).await;
        let (plain, iv, aad) = (base64url::encode(&[5; 32]), base64url::encode(&[6; 16]), base64url::encode(b"about"));
        let sized = ["GCM", "CBC", "CBCPAD", "KW"].map(|mode| format!("A{size}{mode}"));
        let mechanisms = ["CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"].map(str::to_owned);
        for alg in sized.iter().chain(&mechanisms) {
            for (there, back) in [("encrypt", "decrypt"), ("wrapkey", "unwrapkey")] {
                let mut body = json!({"alg": alg, "value": plain});
                if alg.contains("CBC") {
                    body["iv"] = iv.clone().into();
                }
                if alg.contains("GCM") {
                    body["aad"] = aad.clone().into();
                }
                let sealed = used(&world, &format!("k/{there}"), &body).await;
                let shown: Vec<_> = sealed.as_object().unwrap().keys().map(String::as_str).collect();
                let expected: &[&str] = match alg {
                    gcm if gcm.contains("GCM") => &["aad", "iv", "kid", "tag", "value"],
                    cbc if cbc.contains("CBC") => &["iv", "kid", "value"],
                    _ => &["kid", "value"],
                };
                assert_eq!(shown, expected, "{alg}");
                let mut body = sealed.clone();
                body["alg"] = alg.as_str().into();
                let opened = used(&world, &format!("k/{back}"), &body).await;
                assert_eq!(opened, json!({"kid": sealed["kid"], "value": plain}), "{alg}");
            }
        }
    }
}

#[tokio::test]
async fn a_symmetric_key_authenticates_when_it_was_made_for_it() {
    let world = World::new().await;
    let body = r#"{"kty":"oct-HSM","key_ops":["sign","verify"]}"#;
    world.ask(&format!("POST /keys/k/create{NEW}"), body).await;
    for (alg, length) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        let value = base64url::encode(b"anything");
        let code = used(&world, "k/sign", &json!({"alg": alg, "value": value})).await["value"].take();
        assert_eq!(base64url::decode(code.as_str().unwrap()).unwrap().len(), length);
        for (value, good) in [(&value, true), (&base64url::encode(b"another"), false)] {
            let body = json!({"alg": alg, "digest": value, "value": code});
            assert_eq!(used(&world, "k/verify", &body).await, json!({"value": good}), "{alg}");
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_a_symmetric_algorithm_is_refused() {
    let world = World::new().await;
    let version = world.ask(&format!("POST /keys/k/create{NEW}"), r#"{"kty":"oct-HSM"}"#).await.version();
    let kid = format!("https://{}/keys/k/{version}", world.host("acme"));
    let (block, iv) = (base64url::encode(&[0; 16]), base64url::encode(&[0; 12]));
    for (operation, body, expected) in [
        (
            "encrypt",
            json!({"alg": "A128GCM", "value": "AA"}),
            format!(
                "Key and encryption algorithm are incompatible. Key {kid} has 256 bits, and algorithm 'A128GCM' can only \
                 be used with a key of 128 bits."
            ),
        ),
        (
            "encrypt",
            json!({"alg": "A256GCM", "value": "AA", "iv": iv}),
            "Property 'iv' cannot be used with A256GCM.".to_owned(),
        ),
        ("encrypt", json!({"alg": "A256CBC", "value": block}), "Property 'iv' is required.\r\n".to_owned()),
        (
            "encrypt",
            json!({"alg": "A256CBC", "value": block, "iv": iv}),
            "Invalid length of 'iv': 12 bytes. A256CBC requires 16 bytes, encoded with base64url.".to_owned(),
        ),
        (
            "encrypt",
            json!({"alg": "A256CBC", "value": "AA", "iv": block}),
            "Invalid length of 'value': 1 bytes. A256CBC requires a multiple of 16 bytes, encoded with base64url."
                .to_owned(),
        ),
        (
            "wrapkey",
            json!({"alg": "A256KW", "value": "AA"}),
            "Invalid length of 'value': 1 bytes. A256KW takes 16 bytes and more in multiples of 8, with padding any \
             number, encoded with base64url."
                .to_owned(),
        ),
        ("decrypt", json!({"alg": "A256GCM", "value": "AA", "iv": iv}), "Property 'tag' is required.\r\n".to_owned()),
        (
            "decrypt",
            json!({"alg": "A256GCM", "value": "AA", "iv": iv, "tag": block}),
            "Unable to decrypt specified value with this key".to_owned(),
        ),
        (
            "decrypt",
            json!({"alg": "A256GCM", "value": "AA", "iv": "!", "tag": block}),
            "Content of 'iv' is not base64url.\r\n".to_owned(),
        ),
        (
            "unwrapkey",
            json!({"alg": "A256KW", "value": block}),
            "Unable to decrypt specified value with this key".to_owned(),
        ),
    ] {
        let answer = world.ask(&format!("POST /keys/k/{operation}{NEW}"), &body.to_string()).await;
        assert_eq!(answer.error(), format!("400 BadParameter {expected}"), "{body}");
    }
}

#[tokio::test]
async fn an_api_version_knows_its_algorithms_alone() {
    let world = World::new().await;
    let body = r#"{"kty":"oct-HSM","key_ops":["encrypt","wrapKey","sign"]}"#;
    world.ask(&format!("POST /keys/k/create{NEW}"), body).await;
    let block = base64url::encode(&[0; 16]);
    for (alg, operation, since) in [
        ("A256GCM", "encrypt", "7.2"),
        ("A256KW", "wrapkey", "7.2"),
        ("CKM_AES_KEY_WRAP", "wrapkey", "7.6-preview.1"),
        ("CKM_AES_KEY_WRAP_PAD", "wrapkey", "7.6"),
        ("HS256", "sign", "7.6"),
    ] {
        let before = if since == "7.2" { "7.1" } else { "7.5" };
        for (version, status) in [(before, 400), (since, 200), ("2026-04-01", 200)] {
            let body = json!({"alg": alg, "value": block}).to_string();
            let answer = world.ask(&format!("POST /keys/k/{operation}?api-version={version}"), &body).await;
            assert_eq!(answer.status, status, "{alg} {version}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_exponent_can_be_chosen() {
    let world = World::new().await;
    let made = world.ask("POST /keys/k/create", r#"{"kty":"RSA-HSM","public_exponent":3}"#).await.json();
    assert_eq!(made["key"]["e"], "Aw");
    let digest = base64url::encode(&[1; 32]);
    let signed = used(&world, "k/sign", &json!({"alg": "RS256", "value": digest})).await;
    let body = json!({"alg": "RS256", "digest": digest, "value": signed["value"]});
    assert_eq!(used(&world, "k/verify", &body).await, json!({"value": true}));
    for exponent in [1, 2, 65536, 4_294_967_297_u64] {
        let body = json!({"kty": "RSA", "public_exponent": exponent}).to_string();
        assert_eq!(
            world.ask("POST /keys/k/create", &body).await.header("x-keyhaven-detail"),
            "public_exponent: must be odd and from 3 to 2147483647"
        );
    }
}

#[tokio::test]
async fn a_size_may_name_the_curve() {
    let world = World::new().await;
    let crv = async |body: &str| world.ask("POST /keys/k/create", body).await.json()["key"]["crv"].take();
    assert_eq!(crv(r#"{"kty":"EC","key_size":384}"#).await, "P-384");
    assert_eq!(crv(r#"{"kty":"EC","key_size":256,"crv":"P-256K"}"#).await, "P-256K");
    for body in [r#"{"kty":"EC","crv":"secp256k1"}"#, r#"{"kty":"EC-HSM","crv":"P-255","key_size":521}"#] {
        let refused = world.ask("POST /keys/k/create", body).await;
        assert!(refused.header("x-keyhaven-detail").starts_with("crv: use P-256"), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_curve_under_its_older_name_keeps_it() {
    let world = World::new().await;
    let crv = async |line: &str, body: &str| {
        let answer = world.ask(line, body).await;
        assert_eq!(answer.status, 200, "{line}: {}", answer.text);
        answer.json()["key"]["crv"].take()
    };
    assert_eq!(crv("POST /keys/k/create", r#"{"kty":"EC-HSM","crv":"SECP256K1"}"#).await, "SECP256K1");
    for line in ["POST /keys/k/rotate", "PATCH /keys/k", "GET /keys/k"] {
        assert_eq!(crv(line, "").await, "SECP256K1", "{line}");
    }
    let blob = world.ask("POST /keys/k/backup", "").await.text;
    world.ask("DELETE /keys/k", "").await;
    assert_eq!(crv("POST /deletedkeys/k/recover", "").await, "SECP256K1");
    for line in ["DELETE /keys/k", "DELETE /deletedkeys/k"] {
        assert!(world.ask(line, "").await.status.is_success(), "{line}");
    }
    assert_eq!(crv("POST /keys/restore", &blob).await, "SECP256K1");
    let digest = base64url::encode(&[7; 32]);
    let signed = used(&world, "k/sign", &json!({"alg": "ECDSA256", "value": digest})).await;
    let body = json!({"alg": "ECDSA256", "digest": digest, "value": signed["value"]});
    assert_eq!(used(&world, "k/verify", &body).await, json!({"value": true}));
}
