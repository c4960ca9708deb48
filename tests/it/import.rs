//! Importing keys: JSON Web Keys whole and in part, and transfer blobs.

use aes_kw::KeyInit;
use keyhaven::testing::{AesSize, Curve, EcKey};
use proptest::prelude::*;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BoxedUint, PrivateKey};
use serde_json::{Value, json};

use crate::base64url;
use crate::world::{START, World};

pub(crate) const RSA_2048: &[u8] = include_bytes!("../vectors/rsa-2048.p8");
const NEW: &str = "?api-version=2025-07-01";
pub(crate) const INVALID: &str = "400 BadParameter The property \"key\" must be a valid JsonWebKey object.";

fn number(number: &BoxedUint) -> Value {
    base64url::encode(&number.to_be_bytes_trimmed_vartime()).into()
}

/// The test key as a JSON Web Key.
fn rsa() -> Value {
    let key = PrivateKey::from_pkcs8_der(RSA_2048).unwrap();
    let public = key.to_public_key();
    json!({
        "kty": "RSA", "n": number(public.n()), "e": number(public.e()), "d": number(key.d()),
        "p": number(&key.primes()[0]), "q": number(&key.primes()[1]),
        "dp": number(key.dp().unwrap()), "dq": number(key.dq().unwrap()), "qi": number(&key.crt_coefficient().unwrap()),
    })
}

/// A key on `curve` as a JSON Web Key.
pub(crate) fn ec(curve: Curve) -> Value {
    let (key, _) = EcKey::from_numbers(curve, &[9; 30], None).unwrap();
    json!({
        "kty": "EC", "crv": curve.name(), "d": base64url::encode(&[9; 30]),
        "x": base64url::encode(&key.public().x), "y": base64url::encode(&key.public().y),
    })
}

fn without(mut jwk: Value, members: &[&str]) -> Value {
    for member in members {
        jwk.as_object_mut().unwrap().remove(*member);
    }
    jwk
}

pub(crate) fn with(mut jwk: Value, member: &str, value: impl Into<Value>) -> Value {
    jwk[member] = value.into();
    jwk
}

pub(crate) async fn import(world: &World, body: &Value) -> crate::world::Answer {
    world.ask(&format!("PUT /keys/k{NEW}"), &body.to_string()).await
}

/// Signs with the key and verifies with its public half alone.
pub(crate) async fn signs(world: &World, alg: &str, length: usize) {
    let digest = base64url::encode(&vec![7; length]);
    let signed = world.ask(&format!("POST /keys/k/sign{NEW}"), &json!({"alg": alg, "value": digest}).to_string()).await;
    let body = json!({"alg": alg, "digest": digest, "value": signed.json()["value"]}).to_string();
    assert_eq!(world.ask(&format!("POST /keys/k/verify{NEW}"), &body).await.exactly(), r#"200 {"value":true}"#);
}

#[tokio::test]
async fn an_rsa_key_is_taken_in_whole_in_part_and_with_leading_zeros() {
    let world = World::new().await;
    let zeros = |text: &str| {
        let padded = [&[0, 0][..], &base64url::decode(rsa()[text].as_str().unwrap()).unwrap()].concat();
        base64url::encode(&padded)
    };
    for jwk in [
        rsa(),
        without(rsa(), &["dp", "dq", "qi"]),
        without(rsa(), &["p", "q", "dp", "dq", "qi"]),
        with(with(rsa(), "n", zeros("n")), "d", zeros("d")),
        with(rsa(), "kid", "anything"),
    ] {
        let made = import(&world, &json!({"key": jwk})).await;
        let body = made.json();
        assert_eq!(
            body["key"],
            json!({"kid": body["key"]["kid"], "kty": "RSA", "n": rsa()["n"], "e": "AQAB",
                "key_ops": ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]}),
            "{}",
            made.text
        );
        signs(&world, "PS256", 32).await;
    }
    assert_eq!(world.ask("GET /keys/k/versions", "").await.json()["value"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn attributes_tags_and_operations_come_with_the_key() {
    let world = World::new().await;
    let jwk = with(ec(Curve::P256), "key_ops", json!(["sign"]));
    let body = json!({"key": jwk, "attributes": {"exp": START + 9}, "tags": {"a": "b"}});
    let made = import(&world, &body).await.json();
    assert_eq!(made["key"]["key_ops"], json!(["sign"]));
    assert_eq!((&made["attributes"]["exp"], &made["tags"]), (&json!(START + 9), &json!({"a": "b"})));
}

#[tokio::test]
async fn an_ec_key_is_taken_in_with_and_without_its_point() {
    let world = World::new().await;
    for (curve, alg) in [
        (Curve::P256, "ES256"),
        (Curve::P384, "ES384"),
        (Curve::P521, "ES512"),
        (Curve::P256K, "ES256K"),
        (Curve::Secp256k1, "ECDSA256"),
    ] {
        let longer = base64url::encode(&[vec![0; curve.number_len()], vec![9; 30]].concat());
        for jwk in [ec(curve), without(ec(curve), &["x", "y"]), with(ec(curve), "d", longer)] {
            let made = import(&world, &json!({"key": jwk})).await;
            let key = &made.json()["key"];
            assert_eq!((&key["crv"], &key["x"]), (&ec(curve)["crv"], &ec(curve)["x"]), "{}", made.text);
            signs(&world, alg, curve.digest_len()).await;
        }
    }
}

#[tokio::test]
async fn hsm_and_the_key_itself_may_ask_for_an_hsm_type() {
    let world = World::new().await;
    for (body, kty) in [
        (json!({"Hsm": true, "key": rsa()}), "RSA-HSM"),
        (json!({"hsm": true, "key": ec(Curve::P256)}), "EC-HSM"),
        (json!({"Hsm": false, "key": with(rsa(), "kty", "RSA-HSM")}), "RSA-HSM"),
        (json!({"key": {"kty": "oct-HSM", "k": base64url::encode(&[1; 24])}}), "oct-HSM"),
        (json!({"Hsm": true, "key": {"kty": "oct", "k": base64url::encode(&[1; 16])}}), "oct-HSM"),
    ] {
        let made = import(&world, &body).await;
        assert_eq!(made.json()["key"]["kty"], kty, "{}", made.text);
    }
    let plain = world.ask_as("owner", "plain", "PUT /keys/k", &json!({"Hsm": true, "key": rsa()}).to_string()).await;
    assert!(plain.error().starts_with("400 BadParameter/KeyTypeNotSupported"), "{}", plain.text);
}

#[tokio::test]
async fn a_symmetric_key_encrypts_what_others_with_the_same_key_can_read() {
    let world = World::new().await;
    let key = [3; 32];
    import(&world, &json!({"key": {"kty": "oct-HSM", "k": base64url::encode(&key)}})).await;
    let wrapped = world
        .ask(
            &format!("POST /keys/k/wrapkey{NEW}"),
            &json!({"alg": "A256KW", "value": base64url::encode(&[4; 16])}).to_string(),
        )
        .await
        .json()["value"]
        .take();
    let mut unwrapped = [0; 16];
    let theirs = aes_kw::KwAes256::new(&key.into());
    let wrapped = base64url::decode(wrapped.as_str().unwrap()).unwrap();
    assert_eq!(theirs.unwrap_key(&wrapped, &mut unwrapped).unwrap(), [4; 16]);
    assert_eq!(AesSize::from_bits(256).unwrap().bytes(), key.len());
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_nothing_is_made() {
    let world = World::new().await;
    let rsa_text = "400 BadParameter RSA key is not valid - cannot instantiate crypto service";
    let short = with(without(rsa(), &["p", "q", "dp", "dq", "qi"]), "n", base64url::encode(&[0xC1; 128]));
    let size =
        "400 BadParameter/KeySizeNotSupported Unsupported key size (1024). Supported sizes are [2048, 3072, 4096]";
    for (body, expected, detail) in [
        (json!({}), "400 BadParameter Property 'key' is required.\r\n", ""),
        (json!({"key": {}}), INVALID, "key.kty is missing"),
        (json!({"key": {"kty": "RSA"}}), INVALID, "key.n is missing"),
        (json!({"key": without(rsa(), &["d"])}), INVALID, "key.d is missing"),
        (json!({"key": without(rsa(), &["q"])}), INVALID, "key.p and key.q belong together"),
        (json!({"key": with(rsa(), "d", "a+b")}), INVALID, "key.d is not base64url"),
        (
            json!({"key": with(rsa(), "n", "")}),
            "400 BadParameter/KeySizeNotSupported Unsupported key size (0). Supported sizes are [2048, 3072, 4096]",
            "",
        ),
        (json!({"key": short}), size, ""),
        (
            json!({"key": with(rsa(), "d", rsa()["p"].clone())}),
            rsa_text,
            "key: the key material is not usable: the numbers are not those of one RSA key",
        ),
        (
            json!({"key": with(rsa(), "p", rsa()["q"].clone())}),
            rsa_text,
            "key: the key material is not usable: the numbers are not those of one RSA key",
        ),
        (
            json!({"key": with(rsa(), "e", "AQ")}),
            rsa_text,
            "key: the key material is not usable: the numbers are not those of one RSA key",
        ),
        (json!({"key": without(ec(Curve::P256), &["crv"])}), INVALID, "key.crv is missing"),
        (json!({"key": with(ec(Curve::P256), "crv", "P-255")}), INVALID, "key.crv is no curve of the service"),
        (json!({"key": without(ec(Curve::P256), &["y"])}), INVALID, "key.x and key.y belong together"),
        (
            json!({"key": with(ec(Curve::P256), "x", ec(Curve::P256)["y"].clone())}),
            INVALID,
            "key: the key material is not usable: x and y are not those of this private key",
        ),
        (
            json!({"key": with(ec(Curve::P256), "d", "AA")}),
            INVALID,
            "key: the key material is not usable: not an EC private key of this curve",
        ),
        (json!({"key": {"kty": "oct-HSM"}}), INVALID, "key.k is missing"),
        (
            json!({"key": {"kty": "oct-HSM", "k": "AAAA"}}),
            "400 BadParameter/KeySizeNotSupported Unsupported key size (24). Supported sizes are [128, 192, 256]",
            "",
        ),
        (
            json!({"key": {"kty": "oct", "k": "AAAA"}}),
            "400 BadParameter/KeyTypeNotSupported Invalid kty value: oct",
            "kty: use oct-HSM",
        ),
        (
            json!({"key": {"kty": "OKP"}}),
            "400 BadParameter Property  has invalid value\r\n",
            "kty: use RSA, RSA-HSM, EC, EC-HSM or, from api-version 2025-07-01 on, oct-HSM",
        ),
        (
            json!({"key": 1}),
            "400 BadParameter Property  has invalid value\r\n",
            "key has the wrong type or a value that is not allowed",
        ),
    ] {
        let answer = import(&world, &body).await;
        assert_eq!((answer.error().as_str(), answer.header("x-keyhaven-detail")), (expected, detail), "{body}");
    }
    assert_eq!(world.ask("GET /keys", "").await.exactly(), r#"200 {"value":[],"nextLink":null}"#);
}

const MEMBERS: [&str; 15] =
    ["kty", "crv", "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y", "k", "key_hsm", "key_ops"];

/// Something done to a member of a JSON Web Key.
#[derive(Clone, Debug)]
enum Change {
    Remove,
    Zeros(usize),
    Flip(usize),
    Put(Value),
}

fn change() -> impl Strategy<Value = Change> {
    let values = [
        json!(null),
        json!(1),
        json!(""),
        json!("AA"),
        json!("a+b"),
        json!([]),
        json!({}),
        json!("RSA"),
        json!("P-521"),
    ];
    prop_oneof![
        Just(Change::Remove),
        (1_usize..4).prop_map(Change::Zeros),
        (0_usize..600).prop_map(Change::Flip),
        prop::sample::select(values.to_vec()).prop_map(Change::Put),
    ]
}

/// Does it, where the member has something to do it to.
fn apply(jwk: &mut Value, member: &str, change: &Change) {
    let octets = jwk[member].as_str().and_then(base64url::decode).filter(|octets| !octets.is_empty());
    match (change, octets) {
        (Change::Remove, _) => drop(jwk.as_object_mut().unwrap().remove(member)),
        (Change::Put(value), _) => jwk[member] = value.clone(),
        (Change::Zeros(count), Some(octets)) => {
            jwk[member] = base64url::encode(&[vec![0; *count], octets].concat()).into();
        }
        (Change::Flip(at), Some(mut octets)) => {
            let at = at % octets.len();
            octets[at] ^= 1;
            jwk[member] = base64url::encode(&octets).into();
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_json_web_key_is_taken_as_the_key_it_is_or_refused(
        all in prop::collection::vec((0_usize..3, prop::collection::vec((0..MEMBERS.len(), change()), 0..3)), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            for (base, changes) in all {
                let good = [rsa(), ec(Curve::P384), json!({"kty": "oct-HSM", "k": base64url::encode(&[3; 16])})][base].clone();
                let mut jwk = good.clone();
                for (member, change) in &changes {
                    apply(&mut jwk, MEMBERS[*member], change);
                }
                let answer = import(&world, &json!({"key": jwk})).await;
                prop_assert!([200, 400].contains(&answer.status.as_u16()), "{jwk}: {}", answer.text);
                if answer.status == 200 {
                    // What was let in is the private key of the public half that is shown: it signs for it.
                    let key = &answer.json()["key"];
                    match key["kty"].as_str().unwrap() {
                        "RSA" => {
                            prop_assert_eq!(&key["n"], &good["n"]);
                            signs(&world, "RS256", 32).await;
                        }
                        "EC" if jwk.get("key_ops") == good.get("key_ops") && key["crv"] == "P-384" => {
                            signs(&world, "ES384", 48).await;
                        }
                        _ => {}
                    }
                }
            }
            Ok(())
        })?;
    }
}
