//! Bad requests to keys and secrets, and the service's words for them (golden pairs 064, 065, 070, 071, 072, 075 and
//! the excerpts of public issue threads).

use crate::world::World;

const NOT_FOUND: &str = "If you recently deleted this key you may be able to recover it using the correct recovery \
    command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182";
const KNOWN_TYPES: &str = "kty: use RSA, RSA-HSM, EC, EC-HSM or, from api-version 2025-07-01 on, oct-HSM";
const INVALID: &str = "400 BadParameter Property  has invalid value\r\n";

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA"}"#).await;
    let absent = "0".repeat(32);
    for path in ["GET /keys/nope", "GET /keys/nope/", "PATCH /keys/nope"] {
        let expected =
            format!("404 KeyNotFound A key with (name/id) nope was not found in this key vault. {NOT_FOUND}");
        assert_eq!(world.ask(path, "").await.error(), expected);
    }
    let sign = format!(r#"{{"alg":"RS256","value":"{}"}}"#, "A".repeat(43));
    for (line, body) in [
        (format!("GET /keys/k/{absent}"), ""),
        (format!("PATCH /keys/k/{absent}"), "{}"),
        (format!("POST /keys/k/{absent}/sign"), sign.as_str()),
    ] {
        let expected =
            format!("404 KeyNotFound A key with (name/id) k/{absent} was not found in this key vault. {NOT_FOUND}");
        assert_eq!(world.ask(&line, body).await.error(), expected);
    }
    assert_eq!(
        world.ask("GET /secrets/nope", "").await.error(),
        format!(
            "404 SecretNotFound A secret with (name/id) nope was not found in this key vault. {}",
            NOT_FOUND.replace("this key you", "this secret you")
        )
    );
}

#[tokio::test]
async fn names_and_versions_are_checked() {
    let world = World::new().await;
    let name = |text: &str| format!("400 BadParameter The request URI contains an invalid name: {text}");
    let create = world.ask("POST /keys/invalidkey%5B%5D%28%29/create", r#"{"kty":"RSA"}"#).await;
    assert_eq!(create.error(), name("invalidkey[]()"));
    assert_eq!(world.ask("GET /secrets/a_b", "").await.error(), name("a_b"));
    let long = "x".repeat(128);
    assert_eq!(world.ask(&format!("PUT /secrets/{long}"), "{}").await.error(), name(&long));
    assert_eq!(
        world.ask("GET /keys/k/invalidVersion", "").await.error(),
        "400 BadParameter Method GET does not allow operation 'invalidVersion'"
    );
    assert_eq!(
        world.ask("DELETE /secrets/k/xyz", "").await.error(),
        "400 BadParameter Method DELETE does not allow operation 'xyz'"
    );
    assert_eq!(
        world.ask("DELETE /deletedsecrets/k/purge", "").await.error(),
        "400 BadParameter Method DELETE does not allow operation 'purge'"
    );
}

#[tokio::test]
async fn a_method_that_an_operation_does_not_have_is_named() {
    let world = World::new().await;
    for (method, path, operation) in [
        ("DELETE", "/keys/k/rotationpolicy", "rotationpolicy"),
        ("POST", "/keys/k/RotationPolicy", "RotationPolicy"),
        ("DELETE", "/keys/k/rotate", "rotate"),
        ("GET", "/keys/k/rotate", "rotate"),
    ] {
        assert_eq!(
            world.ask(&format!("{method} {path}"), "").await.error(),
            format!("400 BadParameter Method {method} does not allow operation '{operation}'")
        );
    }
}

#[tokio::test]
async fn operations_that_are_not_there_are_named() {
    let world = World::new().await;
    for line in ["DELETE /keys", "GET /", "POST /keys", "GET /keys/k/0123456789abcdef0123456789abcdef/attestation"] {
        let path = line.split_once(' ').unwrap();
        assert_eq!(
            world.ask(line, "").await.error(),
            format!("400 NotSupported This server does not have the operation {} {}.", path.0, path.1)
        );
    }
}

#[tokio::test]
async fn certificates_are_said_to_be_missing() {
    let world = World::new().await;
    for line in [
        "GET /certificates",
        "GET /certificates/c",
        "POST /certificates/c/create",
        "POST //certificates/c/import",
        "PATCH /Certificates/c/policy",
        "GET /certificates/c/versions",
        "GET /certificates/issuers",
        "PUT /certificates/contacts",
        "DELETE /certificates/contacts",
        "POST /certificates/restore",
        "GET /deletedcertificates",
        "POST /deletedcertificates/c/recover",
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let text = "This version of Keyhaven has no certificates, so it does not have the operation";
        assert_eq!(world.ask(line, "").await.error(), format!("400 NotSupported {text} {method} {path}."));
    }
}

#[tokio::test]
async fn the_api_version_is_required_and_must_be_known_or_later() {
    let world = World::new().await;
    assert_eq!(
        world.ask("GET /keys?api-version=", "").await.error(),
        "400 BadParameter The api-version query parameter (?api-version=) is required for all requests."
    );
    for version in ["seven", "7.9", "2018-13-40", "7.6-preview.9", "2026-04-01-preview", "2025-08-01", "9999-99-99"] {
        assert_eq!(
            world.ask(&format!("GET /keys?api-version={version}"), "").await.error(),
            format!(
                "400 BadParameter The specified version ({version}) is not recognized. Consider using the latest \
                 supported version (2026-04-01)."
            )
        );
    }
    for query in [
        "api%2Dversion=2025-07-01",
        "API-Version=7.6-preview.2",
        "api-version=2016-10-01",
        "api-version=2026-07-01-preview",
        "api-version=2026-04-02",
        "api-version=2027-11-30-preview",
    ] {
        assert_eq!(world.ask(&format!("GET /keys?{query}"), "").await.status, 200, "{query}");
    }
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_refused_with_the_services_text_and_our_detail() {
    let world = World::new().await;
    let sixteen: serde_json::Map<_, _> = (0..16).map(|n| (n.to_string(), "v".into())).collect();
    let tags = serde_json::json!({"kty": "RSA", "tags": sixteen}).to_string();
    let long = serde_json::json!({"kty": "RSA", "tags": {"t": "x".repeat(257)}}).to_string();
    let deep = format!("{{\"kty\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    for (body, detail) in [
        (r#"{"kty":"oct-HSM","key_size":256}"#, KNOWN_TYPES),
        (r#"{"kty":"rsa"}"#, KNOWN_TYPES),
        (r#"{"kty":1}"#, "kty has the wrong type or a value that is not allowed"),
        (r#"{"kty":"RSA","key_size":"2048"}"#, "key_size has the wrong type or a value that is not allowed"),
        (r#"{"kty":"RSA","key_size":1e99}"#, "key_size has the wrong type or a value that is not allowed"),
        (r#"{"kty":"RSA","key_ops":["fly"]}"#, "key_ops: not an operation of keys"),
        (r#"{"kty":"RSA","kty":"RSA-HSM"}"#, "kty stands there twice"),
        (
            r#"{"kty":"RSA","attributes":{"exp":"soon"}}"#,
            "attributes.exp has the wrong type or a value that is not allowed",
        ),
        (r#"{"kty":"RSA","public_exponent":4}"#, "public_exponent: must be odd and from 3 to 2147483647"),
        (r#"["RSA"]"#, "the body is not a JSON object"),
        ("{", "the body is not valid JSON"),
        (&tags, "tags: more than 15"),
        (&long, "tags: a name or value is longer than 256 characters"),
        (&deep, "kty has the wrong type or a value that is not allowed"),
    ] {
        let answer = world.ask("POST /keys/k/create", body).await;
        assert_eq!((answer.error(), answer.header("x-keyhaven-detail")), (INVALID.to_owned(), detail), "{body}");
    }
    assert_eq!(world.ask("GET /keys", "").await.exactly(), r#"200 {"value":[],"nextLink":null}"#, "nothing was made");
}

#[tokio::test]
async fn key_types_and_sizes_have_texts_of_their_own() {
    let world = World::new().await;
    for (vault, body, expected) in [
        ("acme", "", "400 BadParameter Property 'kty' is required.\r\n"),
        ("acme", r#"{"kty":"oct"}"#, "400 BadParameter/KeyTypeNotSupported Invalid kty value: oct"),
        (
            "acme",
            r#"{"kty":"RSA","key_size":1024}"#,
            "400 BadParameter/KeySizeNotSupported Unsupported key size (1024). Supported sizes are [2048, 3072, 4096]",
        ),
        (
            "plain",
            r#"{"kty":"RSA-HSM"}"#,
            "400 BadParameter/KeyTypeNotSupported Invalid kty value: RSA-HSM. HSM-protected keys need a vault of sku \
             premium.",
        ),
    ] {
        assert_eq!(world.ask_as("owner", vault, "POST /keys/k/create", body).await.error(), expected, "{body}");
    }
}

#[tokio::test]
async fn unknown_members_are_ignored_and_zero_means_no_exponent() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"RSA","public_exponent":0,"key_ops":[],"curve":"P-384","crv":"P-384"}"#).await;
}
