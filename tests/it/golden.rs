//! Recorded exchanges of the real service, their facts re-typed: what was asked, and which members the answer has, in
//! which order, with which constants. The numbers are those of the recordings in public SDK repositories (azure-sdk-for-go
//! at 03c1e02952^ and 7075f6e0ee^, azure-sdk-for-cpp, azure-keyvault-java at 6dcbe8f9), api-version 7.3 unless said.

use keyhaven::Storage;
use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};

use crate::base64url;
use crate::world::{Answer, START, World};

/// The recordings' vault: premium, 7 days of retention, no purge protection.
const CONFIG: &str = r#"{
  "identities": [{"name": "owner"}, {"name": "nobody"}],
  "vaults": [
    {"name": "acme", "sku": "premium", "softDeleteRetentionInDays": 7,
     "accessPolicies": [{"identity": "owner", "permissions": {"keys": ["all", "purge"], "secrets": ["all", "purge"],
                                                              "certificates": ["all"]}}]}
  ]
}"#;

const POLICY_GIVEN: &str = r#"{"anyOf":[{"anyOf":[{"claim":"sdk-test","equals":"true"}],"authority":"https://fakeattestation"}],"version":"1.0.0"}"#;
const POLICY_KEPT: &str = r#"{"version":"1.0.0","anyOf":[{"authority":"https://fakeattestation","anyOf":[{"claim":"sdk-test","equals":"true"}]}]}"#;

async fn vault() -> World {
    World::of(CONFIG, Storage::Memory).await
}

/// JSON that remembers the order of its members.
#[derive(Debug, PartialEq)]
enum Json {
    Object(Vec<(String, Self)>),
    Array(Vec<Self>),
    Text(String),
    Plain(serde_json::Value),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Json::Object(members))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Json::Array(items))
            }
            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Plain(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Plain(value.into()))
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Plain(serde_json::Value::Null))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Json {
    /// Compares member by member. In `expected`, a text `<N>` stands for N bytes in base64url, `<*>` for anything.
    fn is(&self, expected: &Self, at: &str) {
        match (self, expected) {
            (Self::Object(actual), Self::Object(expected)) => {
                let names =
                    |members: &[(String, Self)]| members.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
                assert_eq!(names(actual), names(expected), "{at}");
                for ((name, actual), (_, expected)) in actual.iter().zip(expected) {
                    actual.is(expected, &format!("{at}.{name}"));
                }
            }
            (Self::Array(actual), Self::Array(expected)) => {
                assert_eq!(actual.len(), expected.len(), "{at}");
                actual.iter().zip(expected).for_each(|(actual, expected)| actual.is(expected, at));
            }
            (Self::Text(actual), Self::Text(wanted)) => match wanted.strip_prefix('<') {
                Some("*>") => {}
                Some(bytes) => {
                    let bytes: usize = bytes.trim_end_matches('>').parse().unwrap();
                    assert_eq!(base64url::decode(actual).unwrap().len(), bytes, "{at}");
                }
                None => assert_eq!(actual, wanted, "{at}"),
            },
            _ => assert_eq!(self, expected, "{at}"),
        }
    }
}

/// Asks and compares; in the expected text `HOST` is the vault's, `VERSION` the version in the answer, `NOW` the time.
async fn exchange(world: &World, golden: &str, line: &str, body: &str, status: u16, expected: &str) -> Answer {
    let line = if line.contains('?') { line.to_owned() } else { format!("{line}?api-version=7.3") };
    let answer = world.ask(&line, body).await;
    let version = answer.text.split('"').find_map(|text| text.rsplit('/').next().filter(|last| is_version(last)));
    let expected = expected
        .replace("HOST", &world.host("acme"))
        .replace("VERSION", version.unwrap_or_default())
        .replace("NOW", &START.to_string());
    assert_eq!(answer.status, status, "{golden}: {}", answer.text);
    let parse =
        |text: &str| serde_json::from_str::<Json>(text).unwrap_or_else(|error| panic!("{golden}: {error}: {text}"));
    parse(&answer.text).is(&parse(&expected), golden);
    answer
}

fn is_version(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

const ATTRIBUTES: &str = r#""attributes":{"enabled":true,"created":NOW,"updated":NOW,"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7}"#;
const WINDOW: &str = r#""attributes":{"enabled":true,"nbf":2208992461,"exp":2524611661,"created":NOW,"updated":NOW,"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7}"#;
const ALL_OPS: &str = r#""key_ops":["encrypt","decrypt","sign","verify","wrapKey","unwrapKey"]"#;

#[tokio::test]
async fn keys_are_created_read_and_changed() {
    let world = vault().await;
    let kid = |name: &str| format!(r#""kid":"https://HOST/keys/{name}/VERSION""#);
    let rsa = format!(r#"{{"key":{{{},"kty":"RSA",{ALL_OPS},"n":"<256>","e":"AQAB"}},{ATTRIBUTES}}}"#, kid("rsa"));
    exchange(&world, "001", "POST /keys/rsa/create", r#"{"kty":"RSA"}"#, 200, &rsa).await;
    let hsm = format!(
        r#"{{"key":{{{},"kty":"RSA-HSM","key_ops":["encrypt","decrypt"],"n":"<256>","e":"AAEAAQ"}},{ATTRIBUTES}}}"#,
        kid("hsm")
    );
    let body = r#"{"key_ops":["encrypt","decrypt"],"kty":"RSA-HSM"}"#;
    exchange(&world, "002", "POST /keys/hsm/create", body, 200, &hsm).await;

    let ec = |name: &str, kty: &str, crv: &str, rest: &str| {
        format!(
            r#"{{"key":{{{},"kty":"{kty}","key_ops":["sign","verify"],"crv":"{crv}","x":"<32>","y":"<32>"}},{rest}}}"#,
            kid(name)
        )
    };
    let body = r#"{"attributes":{"exp":2524611661,"nbf":2208992461},"crv":"P-256K","kty":"EC","tags":{"key":"value"}}"#;
    let rest = format!(r#"{WINDOW},"tags":{{"key":"value"}}"#);
    let expected = ec("ec", "EC", "P-256K", &rest);
    let made = exchange(&world, "003, 005", "POST /keys/ec/create", body, 200, &expected).await;
    exchange(&world, "009", "GET /keys/ec/", "", 200, &expected).await;
    exchange(&world, "010", &format!("GET /keys/ec/{}", made.version()), "", 200, &expected).await;
    let disabled = expected.replace("true", "false");
    let line = format!("PATCH /keys/ec/{}", made.version());
    exchange(&world, "011", &line, r#"{"attributes":{"enabled":false}}"#, 200, &disabled).await;

    let expected = ec("plain-ec", "EC", "P-256", ATTRIBUTES);
    exchange(&world, "007", "POST /keys/plain-ec/create?api-version=7.2", r#"{"kty":"EC"}"#, 200, &expected).await;
    let body = r#"{"attributes":{"enabled":false,"exp":2527290000,"nbf":2524608060},"key_ops":["unwrapKey"],"tags":{"Tag1":"Val1"}}"#;
    let changed = rsa
        .replace(ALL_OPS, r#""key_ops":["unwrapKey"]"#)
        .replace(r#""enabled":true"#, r#""enabled":false,"nbf":2524608060,"exp":2527290000"#);
    let changed = changed.replace("}}", r#"},"tags":{"Tag1":"Val1"}}"#);
    exchange(&world, "012", "PATCH /keys/rsa/", body, 200, &changed).await;
}

#[tokio::test]
async fn a_released_key_shows_its_policy_in_the_services_order() {
    let world = vault().await;
    let policy = format!(r#"{{"data":"{}","immutable":true}}"#, base64url::encode(POLICY_GIVEN.as_bytes()));
    let body =
        format!(r#"{{"attributes":{{"exportable":true}},"crv":"P-256K","kty":"EC-HSM","release_policy":{policy}}}"#);
    let attributes = ATTRIBUTES.replace("7}", r#"7,"exportable":true}"#);
    let expected = format!(
        r#"{{"key":{{"kid":"https://HOST/keys/k/VERSION","kty":"EC-HSM","key_ops":["sign","verify"],"crv":"P-256K","x":"<32>","y":"<32>"}},{attributes},"release_policy":{{"contentType":"application/json; charset=utf-8","data":"{}","immutable":true}}}}"#,
        base64url::encode(POLICY_KEPT.as_bytes())
    );
    let made = exchange(&world, "004", "POST /keys/k/create", &body, 200, &expected).await;
    let body = format!(r#"{{"attributes":{{"enabled":false,"exportable":true}},"release_policy":{policy}}}"#);
    let refused = r#"{"error":{"code":"BadParameter","message":"AKV.SKR.1020: Immutable Key Release Policy cannot be modified."}}"#;
    exchange(&world, "067", &format!("PATCH /keys/k/{}", made.version()), &body, 400, refused).await;
}

#[tokio::test]
async fn lists_have_items_without_keys_and_links() {
    let world = vault().await;
    world.key("a", r#"{"kty":"EC"}"#).await;
    world.key("b", r#"{"kty":"EC"}"#).await;
    let item = |id: &str| format!(r#"{{"kid":"https://HOST/keys/{id}",{ATTRIBUTES}}}"#);
    let first = format!(r#"{{"value":[{}],"nextLink":"<*>"}}"#, item("a"));
    let page = exchange(&world, "013", "GET /keys?api-version=7.3&maxresults=1", "", 200, &first).await;
    let link = page.json()["nextLink"].as_str().unwrap().to_owned();
    let (_, rest) = link.split_once("/keys?").unwrap();
    let last = format!(r#"{{"value":[{}],"nextLink":null}}"#, item("b"));
    exchange(&world, "015", &format!("GET /keys?{rest}"), "", 200, &last).await;
    world.key("a", r#"{"kty":"EC"}"#).await;
    let first = format!(r#"{{"value":[{}],"nextLink":"<*>"}}"#, item("a/VERSION"));
    exchange(&world, "016", "GET /keys/a/versions?api-version=7.3&maxresults=1", "", 200, &first).await;
}

#[tokio::test]
async fn keys_are_used() {
    let world = vault().await;
    world.key("rsa", r#"{"kty":"RSA"}"#).await;
    world.key("ec", r#"{"kty":"EC","crv":"P-256K"}"#).await;
    let result = |name: &str, value: &str| format!(r#"{{"kid":"https://HOST/keys/{name}/VERSION","value":"{value}"}}"#);
    let value = |answer: &Answer| answer.json()["value"].as_str().unwrap().to_owned();
    let ask = |alg: &str, value: &str| format!(r#"{{"alg":"{alg}","value":"{value}"}}"#);

    let plain = "cGxhaW50ZXh0";
    let body = ask("RSA-OAEP-256", plain);
    let sealed = exchange(&world, "019", "POST /keys/rsa/encrypt", &body, 200, &result("rsa", "<256>")).await;
    let body = ask("RSA-OAEP-256", &value(&sealed));
    exchange(&world, "020", "POST /keys/rsa//decrypt", &body, 200, &result("rsa", plain)).await;
    let body = ask("RSA-OAEP", plain);
    let wrapped = exchange(&world, "021", "POST /keys/rsa//wrapkey", &body, 200, &result("rsa", "<256>")).await;
    let body = ask("RSA-OAEP", &value(&wrapped));
    exchange(&world, "022", "POST /keys/rsa//unwrapkey", &body, 200, &result("rsa", plain)).await;

    let digest = "ltYuKr0-Qt5fUDMPuO_ExVmYNSeAd7IemqCzPB3wehw";
    let body = ask("ES256K", digest);
    let signed = exchange(&world, "023", "POST /keys/ec//sign", &body, 200, &result("ec", "<64>")).await;
    exchange(&world, "024", "POST /keys/rsa/sign", &ask("RS256", digest), 200, &result("rsa", "<256>")).await;
    let body = format!(r#"{{"alg":"ES256K","digest":"{digest}","value":"{}"}}"#, value(&signed));
    exchange(&world, "025", "POST /keys/ec//verify", &body, 200, r#"{"value":true}"#).await;
}

#[tokio::test]
async fn secrets_are_set_and_read() {
    let world = vault().await;
    let body = r#"{"attributes":{"exp":2524611661,"nbf":2208992461},"contentType":"content-type","tags":{"tag":"value"},"value":"value0"}"#;
    let expected = format!(
        r#"{{"value":"value0","contentType":"content-type","id":"https://HOST/secrets/s/VERSION",{WINDOW},"tags":{{"tag":"value"}}}}"#
    );
    exchange(&world, "035, 036", "PUT /secrets/s", body, 200, &expected).await;
    let expected = format!(r#"{{"value":"value1","id":"https://HOST/secrets/plain/VERSION",{ATTRIBUTES}}}"#);
    exchange(&world, "035", "PUT /secrets/plain", r#"{"value":"value1"}"#, 200, &expected).await;
    exchange(&world, "037", "GET /secrets/plain/", "", 200, &expected).await;
}

#[tokio::test]
async fn secrets_are_changed_and_listed_without_their_values() {
    let world = vault().await;
    let body = r#"{"value":"v","contentType":"big secret","attributes":{"nbf":1893459661},"tags":{"tag":"value"}}"#;
    let made = world.ask("PUT /secrets/s", body).await;
    let rest = r#""attributes":{"enabled":true,"nbf":1893459661,"exp":2208992461,"created":NOW,"updated":NOW,"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7},"tags":{"tag":"value"}"#;
    let changed = format!(r#"{{"contentType":"big secret","id":"https://HOST/secrets/s/VERSION",{rest}}}"#);
    let line = format!("PATCH /secrets/s/{}", made.version());
    exchange(&world, "039", &line, r#"{"attributes":{"exp":2208992461}}"#, 200, &changed).await;

    world.ask("PUT /secrets/t", r#"{"value":"v"}"#).await;
    let listed = changed.replace("/VERSION", "");
    let first = format!(r#"{{"value":[{listed}],"nextLink":"<*>"}}"#);
    exchange(&world, "040", "GET /secrets?api-version=7.3&maxresults=1", "", 200, &first).await;
    let one = format!(r#"{{"value":[{changed}],"nextLink":null}}"#);
    exchange(&world, "041", "GET /secrets/s/versions?api-version=7.3&maxresults=1", "", 200, &one).await;
}

#[tokio::test]
async fn keys_are_rotated_by_their_policy() {
    let world = vault().await;
    world.key("k", r#"{"kty":"EC-HSM"}"#).await;
    let usual =
        r#"{"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}}],"attributes":null}"#;
    exchange(&world, "027", "GET /keys/k/rotationpolicy", "", 200, usual).await;
    let body = r#"{"attributes":{"expiryTime":"P90D"},"lifetimeActions":[{"action":{"type":"rotate"},"trigger":{"timeAfterCreate":"P30D"}}]}"#;
    let policy = r#"{"id":"https://HOST/keys/k/rotationpolicy","lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D"},"action":{"type":"Rotate"}},{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}}],"attributes":{"expiryTime":"P90D","created":NOW,"updated":NOW}}"#;
    exchange(&world, "028", "PUT /keys/k/rotationpolicy", body, 200, policy).await;
    let expiring = format!(r#""enabled":true,"exp":{},"#, START + 7_776_000);
    let attributes = ATTRIBUTES.replace(r#""enabled":true,"#, &expiring);
    let rotated = format!(
        r#"{{"key":{{"kid":"https://HOST/keys/k/VERSION","kty":"EC-HSM","key_ops":["sign","verify"],"crv":"P-256","x":"<32>","y":"<32>"}},{attributes}}}"#
    );
    exchange(&world, "026", "POST /keys/k/rotate", "", 200, &rotated).await;
}

/// What a deletion adds, in front.
fn deletion(kind: &str, name: &str) -> String {
    let purge = START + 7 * 86_400;
    format!(r#""recoveryId":"https://HOST/deleted{kind}/{name}","deletedDate":NOW,"scheduledPurgeDate":{purge},"#)
}

#[tokio::test]
async fn keys_are_deleted_recovered_and_purged() {
    let world = vault().await;
    let body = r#"{"attributes":{"enabled":false,"exp":2524611661,"nbf":2208992461},"crv":"P-256K","kty":"EC","tags":{"key":"value"}}"#;
    world.key("k", body).await;
    let rest = WINDOW.replace("true", "false");
    let key = format!(
        r#""key":{{"kid":"https://HOST/keys/k/VERSION","kty":"EC","key_ops":["sign","verify"],"crv":"P-256K","x":"<32>","y":"<32>"}},{rest},"tags":{{"key":"value"}}"#
    );
    let deleted = format!("{{{}{key}}}", deletion("keys", "k"));
    exchange(&world, "030", "DELETE /keys/k", "", 200, &deleted).await;
    exchange(&world, "031", "GET /deletedkeys/k", "", 200, &deleted).await;
    let item =
        |name: &str, rest: &str| format!(r#"{{{}"kid":"https://HOST/keys/{name}",{rest}}}"#, deletion("keys", name));
    let last =
        format!(r#"{{"value":[{}],"nextLink":null}}"#, item("k", &format!(r#"{rest},"tags":{{"key":"value"}}"#)));
    exchange(&world, "032", "GET /deletedkeys", "", 200, &last).await;
    world.key("a", r#"{"kty":"EC"}"#).await;
    world.ask("DELETE /keys/a", "").await;
    let first = format!(r#"{{"value":[{}],"nextLink":"<*>"}}"#, item("a", ATTRIBUTES));
    let page = exchange(&world, "032", "GET /deletedkeys?api-version=7.3&maxresults=1", "", 200, &first).await;
    let link = page.json()["nextLink"].as_str().unwrap().to_owned();
    assert!(link.contains("/deletedkeys?api-version=7.3&$skiptoken=") && link.ends_with("&maxresults=1"), "{link}");
    let (_, rest_of_link) = link.split_once("/deletedkeys?").unwrap();
    exchange(&world, "032", &format!("GET /deletedkeys?{rest_of_link}"), "", 200, &last).await;
    exchange(&world, "033", "POST /deletedkeys/k/recover", "", 200, &format!("{{{key}}}")).await;

    let purged = world.ask("DELETE /deletedkeys/a?api-version=7.3", "").await;
    assert_eq!((purged.status.as_u16(), purged.text.as_str()), (204, ""), "034");
    assert_eq!((purged.header("content-type"), purged.header("content-length")), ("", ""), "034");
    assert_eq!(purged.header("x-content-type-options"), "nosniff", "034");
}

#[tokio::test]
async fn secrets_are_deleted_and_recovered_without_their_values() {
    let world = vault().await;
    let body = r#"{"attributes":{"exp":2524611661,"nbf":2208992461},"contentType":"content-type","tags":{"tag":"value"},"value":"v"}"#;
    world.ask("PUT /secrets/s", body).await;
    let secret = format!(
        r#""contentType":"content-type","id":"https://HOST/secrets/s/VERSION",{WINDOW},"tags":{{"tag":"value"}}"#
    );
    let deleted = format!("{{{}{secret}}}", deletion("secrets", "s"));
    exchange(&world, "042", "DELETE /secrets/s", "", 200, &deleted).await;
    exchange(&world, "042", "GET /deletedsecrets/s", "", 200, &deleted).await;
    let item = deleted.replace("/VERSION", "");
    let listed = format!(r#"{{"value":[{item}],"nextLink":null}}"#);
    exchange(&world, "043", "GET /deletedsecrets?api-version=7.3&maxresults=1", "", 200, &listed).await;
    exchange(&world, "044", "POST /deletedsecrets/s/recover", "", 200, &format!("{{{secret}}}")).await;
}

#[tokio::test]
async fn backups_come_back_with_their_versions() {
    let world = vault().await;
    let (key, secret) =
        (world.key("k", r#"{"kty":"EC"}"#).await, world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await);
    let blob = async |golden: &str, line: &str, form: &str| {
        let answer = exchange(&world, golden, line, "", 200, r#"{"value":"<*>"}"#).await;
        let text = answer.json()["value"].as_str().unwrap().to_owned();
        assert!(base64url::decode(&text).unwrap().starts_with(form.as_bytes()), "{golden}");
        format!(r#"{{"value":"{text}"}}"#)
    };
    let key_blob = blob("017", "POST /keys/k/backup", "\x26AzureKeyVaultKeyBackupV1.microsoft.comey").await;
    let secret_blob = blob("045", "POST /secrets/s/backup", "\x29AzureKeyVaultSecretBackupV1.microsoft.comey").await;
    let taken = |kind: &str, id: &str| {
        format!(
            r#"{{"error":{{"code":"Conflict","message":"There was a conflict restoring the {kind} 'https://HOST/{id}'. This can happen if either: a second {kind} with the same name was created after the first {kind} was deleted; thus trying to restore a {kind} whose name is already in use. To fix this, rename the second {kind} to something else so that the restore works. The second probable cause of this exception is when multiple operations are performed in parallel against the {kind}. To avoid this error, perform operations against a {kind} in a sequential manner."}}}}"#
        )
    };
    let conflict = taken("key", &format!("keys/k/{key}"));
    exchange(&world, "087", "POST /keys/restore", &key_blob, 409, &conflict).await;
    let conflict = taken("secret", &format!("secrets/s/{}", secret.version()));
    exchange(&world, "088", "POST /secrets/restore", &secret_blob, 409, &conflict).await;

    for line in ["DELETE /keys/k", "DELETE /deletedkeys/k", "DELETE /secrets/s", "DELETE /deletedsecrets/s"] {
        assert!(world.ask(line, "").await.status.is_success(), "{line}");
    }
    let restored = format!(
        r#"{{"key":{{"kid":"https://HOST/keys/k/{key}","kty":"EC","key_ops":["sign","verify"],"crv":"P-256","x":"<32>","y":"<32>"}},{ATTRIBUTES}}}"#
    );
    exchange(&world, "018", "POST /keys/restore", &key_blob, 200, &restored).await;
    let restored = format!(r#"{{"id":"https://HOST/secrets/s/{}",{ATTRIBUTES}}}"#, secret.version());
    exchange(&world, "046", "POST /secrets/restore", &secret_blob, 200, &restored).await;
}

#[tokio::test]
async fn a_vault_without_soft_delete_says_so() {
    let config = CONFIG.replace(r#""softDeleteRetentionInDays": 7"#, r#""enableSoftDelete": false"#);
    let world = World::of(&config, Storage::Memory).await;
    let attributes = ATTRIBUTES.replace(r#""CustomizedRecoverable+Purgeable","recoverableDays":7"#, r#""Purgeable""#);
    let key = format!(
        r#"{{"key":{{"kid":"https://HOST/keys/key1/VERSION","kty":"RSA",{ALL_OPS},"n":"<256>","e":"AQAB"}},{attributes}}}"#
    );
    let line = "POST /keys/key1/create?api-version=7.0";
    exchange(&world, "006", line, r#"{"kty":"RSA","attributes":{"enabled":true}}"#, 200, &key).await;
    exchange(&world, "006", "DELETE /keys/key1?api-version=7.0", "", 200, &key).await;
}

#[tokio::test]
async fn errors_have_the_services_words() {
    let world = vault().await;
    let error = |code: &str, message: &str| format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
    let name = error("BadParameter", "The request URI contains an invalid name: invalidkey[]()");
    exchange(&world, "064", "POST /keys/invalidkey%5B%5D%28%29/create", r#"{"kty":"RSA"}"#, 400, &name).await;
    let invalid = error("BadParameter", r"Property  has invalid value\r\n");
    let body = r#"{"key_size":256,"kty":"oct-HSM"}"#;
    exchange(&world, "065", "POST /keys/k/create", body, 400, &invalid).await;
    let jwk = error("BadParameter", r#"The property \"key\" must be a valid JsonWebKey object."#);
    exchange(&world, "066", "PUT /keys/invalid", r#"{"key":{}}"#, 400, &jwk).await;

    let secret = r#"{"value":"v","attributes":{"enabled":false}}"#;
    let version = world.ask("PUT /secrets/s", secret).await.version();
    let disabled = r#"{"error":{"code":"Forbidden","message":"Operation get is not allowed on a disabled secret.","innererror":{"code":"SecretDisabled"}}}"#;
    exchange(&world, "070", &format!("GET /secrets/s/{version}?api-version=7.0"), "", 403, disabled).await;

    let absent = |kind: &str, id: &str| {
        format!(
            "A {kind} with (name/id) {id} was not found in this key vault. If you recently deleted this {kind} you may be \
             able to recover it using the correct recovery command. For help resolving this issue, please see \
             https://go.microsoft.com/fwlink/?linkid=2125182"
        )
    };
    let id = "key1533221169/df4f492173004ebca0b91cc2a4baa32d";
    let key = error("KeyNotFound", &absent("key", id));
    exchange(&world, "071, 072", &format!("GET /keys/{id}"), "", 404, &key).await;
    let secret = error("SecretNotFound", &absent("secret", "secret422508987"));
    exchange(&world, "075", "GET /secrets/secret422508987/", "", 404, &secret).await;

    let inner = |code: &str, message: &str, inner: &str| {
        format!(r#"{{"error":{{"code":"{code}","message":"{message}","innererror":{{"code":"{inner}"}}}}}}"#)
    };
    world.ask("PUT /secrets/secret1", r#"{"value":"v"}"#).await;
    let live = inner("MethodNotAllowed", "Secret exists already: secret1", "RequestNotAllowedOnNonDeletedObject");
    exchange(&world, "069", "POST /deletedsecrets/secret1/recover?api-version=7.0", "", 400, &live).await;
    let key = error("KeyNotFound", "Deleted Key not found: testcrud2971189930");
    exchange(&world, "074", "GET /deletedkeys/testcrud2971189930", "", 404, &key).await;
    let secret = error("SecretNotFound", "Deleted Secret not found: secret422508987");
    exchange(&world, "076", "GET /deletedsecrets/secret422508987", "", 404, &secret).await;
    // Recorded twice, and without a number.
    let key = error("KeyNotFound", &absent("key", "never"));
    exchange(&world, "recover", "POST /deletedkeys/never/recover", "", 404, &key).await;
    let contacts = error("ContactsNotFound", "Contacts not found");
    exchange(&world, "079", "GET /certificates/contacts", "", 404, &contacts).await;
    let deleted = |kind: &str, name: &str| {
        let plain = kind.to_lowercase();
        let text = format!(
            "{kind} {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this \
             state, the {plain} can only be recovered or purged."
        );
        inner("Conflict", &text, "ObjectIsDeletedButRecoverable")
    };
    world.key("CreateDeletedKey", r#"{"kty":"EC"}"#).await;
    world.ask("DELETE /keys/CreateDeletedKey", "").await;
    let key = deleted("Key", "CreateDeletedKey");
    exchange(&world, "082", "POST /keys/CreateDeletedKey/create", r#"{"kty":"EC"}"#, 409, &key).await;
    world.ask("DELETE /secrets/secret1", "").await;
    let body = r#"{"value":"ABC123","tags":{"file-encoding":"utf-8"},"attributes":{}}"#;
    let secret = deleted("Secret", "secret1");
    exchange(&world, "084", "PUT /secrets/secret1?api-version=7.0", body, 409, &secret).await;

    let missing = error("Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.");
    let answer = world.send(world.request(&world.host("acme"), "POST /keys/k/create", "", None)).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (401, missing.as_str()), "061");
}
