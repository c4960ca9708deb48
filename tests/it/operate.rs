//! Using keys: each algorithm through the server and back, against an independent implementation, and what is refused.

use rsa::PublicKey;
use serde_json::{Value, json};
use sha2::Digest;

use crate::base64url;
use crate::world::{START, World};

const ENCRYPTION: [(&str, usize); 3] = [("RSA1_5", 245), ("RSA-OAEP", 214), ("RSA-OAEP-256", 190)];
const SIGNATURE: [(&str, usize); 6] =
    [("RS256", 32), ("RS384", 48), ("RS512", 64), ("PS256", 32), ("PS384", 48), ("PS512", 64)];

async fn use_key(world: &World, path: &str, alg: &str, bytes: &[u8]) -> Vec<u8> {
    let body = json!({"alg": alg, "value": base64url::encode(bytes)}).to_string();
    let answer = world.ask(&format!("POST /keys/{path}"), &body).await;
    assert_eq!(answer.status, 200, "{path} {alg}: {}", answer.text);
    base64url::decode(answer.json()["value"].as_str().unwrap()).unwrap()
}

async fn public_key(world: &World, name: &str) -> PublicKey {
    let key = world.ask(&format!("GET /keys/{name}"), "").await.json()["key"].take();
    let number =
        |member: &Value| rsa::BoxedUint::from_be_slice_vartime(&base64url::decode(member.as_str().unwrap()).unwrap());
    PublicKey::new(number(&key["n"]), number(&key["e"])).unwrap()
}

/// Encrypts with an implementation that is not ours.
fn encrypt_elsewhere(key: &PublicKey, alg: &str, plain: &[u8]) -> Vec<u8> {
    let random = &mut SystemRandom;
    match alg {
        "RSA1_5" => key.encrypt(random, rsa::Pkcs1v15Encrypt, plain),
        "RSA-OAEP" => key.encrypt(random, rsa::Oaep::<sha1::Sha1>::new(), plain),
        _ => key.encrypt(random, rsa::Oaep::<sha2::Sha256>::new(), plain),
    }
    .unwrap()
}

/// Verifies with an implementation that is not ours.
fn verify_elsewhere(key: &PublicKey, alg: &str, digest: &[u8], signature: &[u8]) {
    let verified = match alg {
        "RS256" => key.verify(rsa::Pkcs1v15Sign::new::<sha2::Sha256>(), digest, signature),
        "RS384" => key.verify(rsa::Pkcs1v15Sign::new::<sha2::Sha384>(), digest, signature),
        "RS512" => key.verify(rsa::Pkcs1v15Sign::new::<sha2::Sha512>(), digest, signature),
        "PS256" => key.verify(rsa::Pss::<sha2::Sha256>::new(), digest, signature),
        "PS384" => key.verify(rsa::Pss::<sha2::Sha384>::new(), digest, signature),
        _ => key.verify(rsa::Pss::<sha2::Sha512>::new(), digest, signature),
    };
    verified.unwrap_or_else(|error| panic!("{alg}: {error}"));
}

struct SystemRandom;

impl rsa::rand_core::TryRng for SystemRandom {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    #[expect(clippy::disallowed_methods, reason = "a client's own generator, not the server's")]
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        aws_lc_rs::rand::fill(bytes).unwrap();
        Ok(())
    }
}

impl rsa::rand_core::TryCryptoRng for SystemRandom {}

#[tokio::test]
async fn what_is_wrapped_here_or_elsewhere_is_unwrapped_here() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA-HSM"}"#).await;
    let public = public_key(&world, "k").await;
    for (alg, _) in ENCRYPTION {
        for (there, back) in [("encrypt", "decrypt"), ("wrapkey", "unwrapkey"), ("/wrapKey", "/unwrapKey")] {
            let cipher = use_key(&world, &format!("k/{there}"), alg, b"a data key").await;
            assert_eq!(use_key(&world, &format!("k/{back}"), alg, &cipher).await, b"a data key", "{alg} {there}");
        }
        let cipher = encrypt_elsewhere(&public, alg, b"from elsewhere");
        assert_eq!(use_key(&world, "k/decrypt", alg, &cipher).await, b"from elsewhere", "{alg}");
    }
}

#[tokio::test]
async fn what_is_signed_here_is_good_here_and_elsewhere() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA","key_size":3072}"#).await;
    let public = public_key(&world, "k").await;
    for (alg, length) in SIGNATURE {
        let digest = sha2::Sha512::digest(b"message")[..length].to_vec();
        let signature = use_key(&world, "k//sign", alg, &digest).await;
        assert_eq!(signature.len(), 384);
        verify_elsewhere(&public, alg, &digest, &signature);
        let verify = async |signature: &[u8]| {
            let body = json!({"alg": alg, "digest": base64url::encode(&digest), "value": base64url::encode(signature)});
            world.ask("POST /keys/k/verify", &body.to_string()).await.exactly()
        };
        assert_eq!(verify(&signature).await, r#"200 {"value":true}"#, "{alg}");
        let mut bad = signature.clone();
        bad[100] ^= 1;
        assert_eq!(verify(&bad).await, r#"200 {"value":false}"#, "{alg}: a bad signature is an answer");
        assert_eq!(verify(b"short").await, r#"200 {"value":false}"#, "{alg}");
    }
}

#[tokio::test]
async fn answers_name_the_version_that_was_used() {
    let world = World::new().await;
    let old = world.key("k", r#"{"kty":"RSA"}"#).await;
    let new = world.key("k", r#"{"kty":"RSA"}"#).await;
    let body = json!({"alg": "RSA-OAEP", "value": "AAAA"}).to_string();
    for (path, version) in [("k", &new), ("k/", &new), (&format!("k/{old}"), &old)] {
        let answer = world.ask(&format!("POST /keys/{path}/encrypt"), &body).await.json();
        assert_eq!(answer["kid"], format!("https://{}/keys/k/{version}", world.host("acme")));
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["kid", "value"]);
    }
}

#[tokio::test]
async fn lengths_are_checked() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA"}"#).await;
    for (alg, most) in ENCRYPTION {
        use_key(&world, "k/encrypt", alg, &vec![7; most]).await;
        let body = json!({"alg": alg, "value": base64url::encode(&vec![7; most + 1])}).to_string();
        assert_eq!(
            world.ask("POST /keys/k/wrapkey", &body).await.error(),
            format!(
                "400 BadParameter Invalid length of 'value': {} bytes. {alg} takes at most {most} bytes with this key, \
                 encoded with base64url.",
                most + 1
            )
        );
    }
    for (alg, length) in SIGNATURE {
        let body = json!({"alg": alg, "value": base64url::encode(&[0; 10])}).to_string();
        assert_eq!(
            world.ask("POST /keys/k/sign", &body).await.error(),
            format!(
                "400 BadParameter Invalid length of 'value': 10 bytes. {alg} requires {length} bytes, encoded with \
                 base64url."
            )
        );
    }
}

#[tokio::test]
async fn what_cannot_be_decrypted_is_one_error() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA"}"#).await;
    for (alg, _) in ENCRYPTION {
        for value in [vec![0; 256], vec![255; 256], vec![1; 255], vec![1; 257], vec![]] {
            let body = json!({"alg": alg, "value": base64url::encode(&value)}).to_string();
            assert_eq!(
                world.ask("POST /keys/k/decrypt", &body).await.error(),
                "400 BadParameter Unable to decrypt specified value with this key",
                "{alg} {}",
                value.len()
            );
        }
    }
}

#[tokio::test]
async fn members_are_required_and_must_be_base64url() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA"}"#).await;
    for (operation, body, expected) in [
        ("sign", "", "Property 'alg' is required.\r\nProperty 'value' is required.\r\n"),
        ("encrypt", r#"{"alg":"RSA-OAEP"}"#, "Property 'value' is required.\r\n"),
        (
            "encrypt",
            r#"{"alg":"RSA-OAEP","value":"a+b/"}"#,
            "Content of 'value' is not base64url.\r\nProperty 'value' is required.\r\n",
        ),
        ("verify", r#"{"alg":"RS256","value":"AA"}"#, "Property 'digest' is required.\r\n"),
    ] {
        let answer = world.ask(&format!("POST /keys/k/{operation}"), body).await;
        assert_eq!(answer.error(), format!("400 BadParameter {expected}"));
    }
    for (operation, alg) in [("sign", "RSNULL"), ("sign", "RSA-OAEP"), ("encrypt", "A256gcm"), ("wrapkey", "RS256")] {
        let body = json!({"alg": alg, "value": "AA"}).to_string();
        let answer = world.ask(&format!("POST /keys/k/{operation}"), &body).await;
        assert_eq!(answer.error(), "400 BadParameter Property  has invalid value\r\n");
        assert!(answer.header("x-keyhaven-detail").ends_with("algorithm that this api-version knows"));
    }
}

/// Every operation with a body that would succeed or fail only on its bytes.
const USES: [(&str, &str, &str); 6] = [
    ("encrypt", "encrypt", r#"{"alg":"RSA-OAEP","value":"AA"}"#),
    ("decrypt", "decrypt", r#"{"alg":"RSA-OAEP","value":"AA"}"#),
    ("wrapkey", "wrapKey", r#"{"alg":"RSA-OAEP","value":"AA"}"#),
    ("unwrapkey", "unwrapKey", r#"{"alg":"RSA-OAEP","value":"AA"}"#),
    ("sign", "sign", r#"{"alg":"RS256","value":"AA"}"#),
    ("verify", "verify", r#"{"alg":"RS256","digest":"AA","value":"AA"}"#),
];

#[tokio::test]
async fn a_disabled_key_does_nothing() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA","attributes":{"enabled":false}}"#).await;
    for (path, operation, body) in USES {
        assert_eq!(
            world.ask(&format!("POST /keys/k/{path}"), body).await.error(),
            format!("403 Forbidden/KeyDisabled Operation {operation} is not allowed on a disabled key.")
        );
    }
}

#[tokio::test]
async fn a_key_does_what_it_is_for() {
    let world = World::new().await;
    for (path, operation, body) in USES {
        let others: Vec<_> = USES.iter().map(|(_, name, _)| *name).filter(|name| *name != operation).collect();
        world.key("k", &json!({"kty": "RSA", "key_ops": others}).to_string()).await;
        assert_eq!(
            world.ask(&format!("POST /keys/k/{path}"), body).await.error(),
            format!("403 Forbidden/KeyOperationForbidden Operation {operation} is not permitted on this key.")
        );
    }
}

#[tokio::test]
async fn outside_its_window_a_key_makes_nothing_new_but_old_data_stays_readable() {
    let world = World::new().await;
    let window = json!({"kty": "RSA", "attributes": {"nbf": START + 100, "exp": START + 200}}).to_string();
    world.key("k", &window).await;
    for (now, inner, why) in [
        (0, "KeyNotYetValid", "is not allowed on a key that is not yet valid."),
        (150, "", ""),
        (200, "KeyExpired", "is not allowed on an expired key."),
    ] {
        let ahead = START + now - keyhaven::clock::Clock::now(&*world.clock).unix();
        world.clock.advance(ahead);
        for (path, operation, body) in USES {
            let error = world.ask(&format!("POST /keys/k/{path}"), body).await.error();
            let makes_new = ["encrypt", "wrapKey", "sign"].contains(&operation);
            let refused = format!("403 Forbidden/{inner} Operation {operation} {why}");
            assert_eq!(error == refused, makes_new && !inner.is_empty(), "{now} {operation}: {error}");
            assert!(makes_new || !error.starts_with("403"), "{now} {operation}: {error}");
        }
    }
}
