//! Importing keys that were wrapped for a key-exchange key (BYOK).

use aes_kw::KeyInit;
use keyhaven::testing::{Curve, EcKey};
use rsa::BoxedUint;
use serde_json::{Value, json};

use crate::base64url;
use crate::import::{INVALID, RSA_2048, import, signs, with};
use crate::world::World;

/// What an HSM's tool makes of `target` for the key-exchange key with this answer: the wrapping of PKCS #11's
/// CKM_RSA_AES_KEY_WRAP with other crates than the server's.
fn blob(kek: &Value, target: &[u8]) -> String {
    struct System;
    impl rsa::rand_core::TryRng for System {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(4)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(4)
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            bytes.fill(4);
            Ok(())
        }
    }
    impl rsa::rand_core::TryCryptoRng for System {}

    let member = |name: &str| base64url::decode(kek["key"][name].as_str().unwrap()).unwrap();
    let number = |name: &str| BoxedUint::from_be_slice_vartime(&member(name));
    let public = rsa::PublicKey::new(number("n"), number("e")).unwrap();
    let wrapping = [8; 32];
    let mut ciphertext = public.encrypt(&mut System, rsa::Oaep::<sha1::Sha1>::new(), &wrapping).unwrap();
    let mut wrapped = vec![0; target.len().next_multiple_of(8) + 8];
    aes_kw::KwpAes256::new(&wrapping.into()).wrap_key(target, &mut wrapped).unwrap();
    ciphertext.extend(wrapped);
    let header = json!({"kid": kek["key"]["kid"], "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"});
    let blob = json!({"schema_version": "1.0.0", "header": header, "ciphertext": base64url::encode(&ciphertext),
        "generator": "BYOK tool of a test"});
    base64url::encode(blob.to_string().as_bytes())
}

#[tokio::test]
async fn a_key_arrives_wrapped_for_a_key_exchange_key() {
    let world = World::new().await;
    let body = r#"{"kty":"RSA-HSM","key_ops":["import"]}"#;
    let kek = world.ask("POST /keys/kek/create", body).await.json();
    let (_, p384) = EcKey::generate(Curve::P384).unwrap();
    let (_, secp256k1) = EcKey::generate(Curve::P256K).unwrap();
    for (jwk, target, alg, length) in [
        (json!({"kty": "RSA-HSM"}), RSA_2048, "RS256", 32),
        (json!({"kty": "EC-HSM", "crv": "P-384"}), p384.as_slice(), "ES384", 48),
        (json!({"kty": "EC-HSM", "crv": "SECP256K1"}), secp256k1.as_slice(), "ECDSA256", 32),
        (json!({"kty": "EC-HSM"}), secp256k1.as_slice(), "ES256K", 32),
        (json!({"kty": "oct-HSM", "key_ops": ["sign", "verify"]}), &[7; 32], "HS256", 32),
    ] {
        let made = import(&world, &json!({"key": with(jwk.clone(), "key_hsm", blob(&kek, target))})).await;
        assert_eq!(made.json()["key"]["kty"], jwk["kty"], "{}", made.text);
        assert!(made.json()["key"].get("key_hsm").is_none());
        signs(&world, alg, length).await;
    }
}

#[tokio::test]
async fn a_transfer_that_does_not_fit_is_refused() {
    let world = World::new().await;
    let kek = world.ask("POST /keys/kek/create", r#"{"kty":"RSA-HSM","key_ops":["import"]}"#).await.json();
    let other = world.ask("POST /keys/other/create", r#"{"kty":"RSA-HSM"}"#).await.json();
    let foreign = with(kek.clone(), "key", with(kek["key"].clone(), "kid", "https://plain.vault.azure.net/keys/kek"));
    let gone = with(kek.clone(), "key", with(kek["key"].clone(), "kid", "https://acme.vault.azure.net/keys/gone"));
    let swapped = with(kek.clone(), "key", with(other["key"].clone(), "kid", kek["key"]["kid"].clone()));
    let put = |kty: &str, blob: String| json!({"key": {"kty": kty, "key_hsm": blob}});
    let rsa_text = "400 BadParameter RSA key is not valid - cannot instantiate crypto service";
    let gone_text = "404 KeyNotFound A key with (name/id) gone was not found in this key vault.";
    for (body, expected, detail) in [
        (put("RSA", blob(&kek, RSA_2048)), INVALID, "key.key_hsm: only HSM keys can be transferred so"),
        (put("RSA-HSM", "!".to_owned()), INVALID, "key.key_hsm is not base64url"),
        (
            put("RSA-HSM", base64url::encode(b"{}")),
            INVALID,
            "key.key_hsm: the key material is not usable: not a transfer blob",
        ),
        (
            put("RSA-HSM", blob(&foreign, RSA_2048)),
            INVALID,
            "key.key_hsm: header.kid is not the id of a key of this vault",
        ),
        (put("RSA-HSM", blob(&gone, RSA_2048)), gone_text, ""),
        (
            put("RSA-HSM", blob(&other, RSA_2048)),
            "403 Forbidden/KeyOperationForbidden Operation import is not permitted on this key.",
            "",
        ),
        (
            put("RSA-HSM", blob(&swapped, RSA_2048)),
            rsa_text,
            "key: the key material is not usable: the transfer blob was not made",
        ),
        (put("RSA-HSM", blob(&kek, &[1; 40])), rsa_text, "key: the key material is not usable: not a PKCS #8 RSA"),
        (put("EC-HSM", blob(&kek, RSA_2048)), INVALID, "key: the key material is not usable: not a PKCS #8 EC"),
        (put("oct-HSM", blob(&kek, &[1; 20])), "400 BadParameter/KeySizeNotSupported Unsupported key size (160).", ""),
    ] {
        let answer = import(&world, &body).await;
        assert!(answer.error().starts_with(expected), "{}", answer.text);
        assert!(answer.header("x-keyhaven-detail").starts_with(detail), "{}", answer.header("x-keyhaven-detail"));
    }
    assert_eq!(world.ask("GET /keys/k", "").await.status, 404);
}
