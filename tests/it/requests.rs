//! Oddities of requests: methods in headers, content types, hostile JSON, paths.

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;

use crate::world::{Answer, World};

async fn send(world: &World, line: &str, body: impl Into<Bytes>, headers: &[(&'static str, &str)]) -> Answer {
    let request = world.request(&world.host("acme"), line, "", Some(&world.token("owner").await));
    let (mut parts, _) = request.into_parts();
    for (name, value) in headers {
        parts.headers.insert(*name, value.parse().unwrap());
    }
    world.send(Request::from_parts(parts, Full::new(body.into()))).await
}

#[tokio::test]
async fn a_post_may_say_its_method_in_a_header() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    for name in ["x-http-method", "x-http-request"] {
        let changed = send(&world, "POST /keys/k", r#"{"tags":{"by":"header"}}"#, &[(name, "PATCH")]).await;
        assert_eq!(changed.json()["tags"]["by"], "header", "{}", changed.text);
    }
    assert_eq!(
        send(&world, "POST /keys/k", "", &[("x-http-method", "GET")]).await.error(),
        "400 BadParameter The header X-HTTP-METHOD can say PATCH or DELETE, in place of a POST."
    );
    assert_eq!(send(&world, "GET /keys/k", "", &[("x-http-method", "DELETE")]).await.status, 200);
    assert_eq!(send(&world, "POST /keys/k", "", &[("x-http-method", "DELETE")]).await.status, 200);
    assert_eq!(world.ask("GET /keys/k", "").await.status, 404, "it was deleted");
}

#[tokio::test]
async fn the_method_in_a_header_needs_its_own_permission() {
    let config = r#"{"identities":[{"name":"owner"},{"name":"nobody"}],"vaults":[{"name":"acme","keys":[{"name":"k"}],
        "accessPolicies":[{"identity":"owner","permissions":{"keys":["create"]}}]}]}"#;
    let world = World::of(config, keyhaven::Storage::Memory).await;
    let refused = send(&world, "POST /keys/k", r#"{"tags":{}}"#, &[("x-http-method", "PATCH")]).await;
    assert_eq!((refused.status.as_u16(), refused.header("x-keyhaven-missing")), (403, "keys/update"));
}

#[tokio::test]
async fn a_body_is_json_or_says_nothing() {
    let world = World::new().await;
    let body = r#"{"kty":"EC"}"#;
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON;odata=verbose", "text/json"] {
        let made = send(&world, "POST /keys/k/create", body, &[("content-type", kind)]).await;
        assert_eq!(made.status, 200, "{kind}");
    }
    assert_eq!(send(&world, "POST /keys/k/create", body, &[]).await.status, 200);
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data; boundary=x"]
    {
        let plain = kind.split(';').next().unwrap();
        assert_eq!(
            send(&world, "POST /keys/k/create", body, &[("content-type", kind)]).await.error(),
            format!(
                "415 UnsupportedMediaType The request entity's media type '{plain}' is not supported for this resource."
            )
        );
    }
    assert_eq!(send(&world, "GET /keys/k", "", &[("content-type", "text/plain")]).await.status, 200, "no body");
    assert_eq!(world.ask("GET /keys/k/versions", "").await.json()["value"].as_array().unwrap().len(), 5);
}

/// Bodies that no client sends, each for every operation that reads one.
fn hostile() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| [open.repeat(100_000), close.repeat(100_000)].concat().into_bytes();
    let members: String = (0..20_000).map(|n| format!("\"m{n}\":{n},")).collect();
    vec![
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("{\"key\":", "}"),
        format!("{{{members}\"kty\":7,\"key\":7,\"alg\":7,\"value\":7,\"tags\":7}}").into_bytes(),
        b"{\"kty\":\"EC\",\"kty\":\"RSA\",\"tags\":{},\"tags\":{}}".to_vec(),
        b"{\"attributes\":{\"exp\":1e400}}".to_vec(),
        b"{\"attributes\":{\"exp\":99999999999999999999999999}}".to_vec(),
        b"{\"attributes\":{\"nbf\":1.5}}".to_vec(),
        b"{\"attributes\":{\"enabled\":\"true\"}}".to_vec(),
        b"{\"attributes\":[]}".to_vec(),
        b"{\"tags\":{\"a\":null}}".to_vec(),
        b"{\"tags\":{\"a\":{\"b\":\"c\"}}}".to_vec(),
        b"{\"value\":\"\xff\xfe\",\"kty\":\"\xc3\x28\",\"alg\":\"\xff\",\"key\":\"\xff\"}".to_vec(),
        b"{\"value\":\"\\ud800\",\"kty\":\"\\ud800\",\"alg\":\"\\udfff\",\"key\":\"\\ud800\",\"tags\":{\"a\":\"\\ud800\"}}".to_vec(),
        b"\xff\xfe{\x00}\x00".to_vec(),
        b"{\"value\":NaN,\"kty\":NaN,\"alg\":NaN,\"key\":NaN}".to_vec(),
        b"nullnull".to_vec(),
        b"true".to_vec(),
        b"\"{}\"".to_vec(),
        b"{\"kty\":\"EC\"".to_vec(),
        b"{'kty':'EC'}".to_vec(),
        b"{\"kty\":\"EC\",}".to_vec(),
        b"{\"kty\":\"EC\"}{\"kty\":\"EC\"}".to_vec(),
        vec![0; 1000],
    ]
}

#[tokio::test]
async fn hostile_bodies_are_bad_requests_and_change_nothing() {
    let world = World::new().await;
    let version = world.key("k", r#"{"kty":"EC"}"#).await;
    let before = world.ask("GET /keys/k", "").await.text;
    for body in hostile() {
        for line in [
            "POST /keys/k/create",
            "PUT /keys/k",
            "PATCH /keys/k",
            "PUT /secrets/s",
            "POST /keys/k/sign",
            "POST /keys/k/verify",
            "POST /keys/k/encrypt",
            "POST /keys/k/unwrapkey",
        ] {
            let answer = send(&world, line, body.clone(), &[]).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert!(answer.status == 400 || answer.status == 413, "{line} {shown}: {} {}", answer.status, answer.text);
        }
    }
    assert_eq!(world.ask("GET /keys/k", "").await.text, before);
    let versions = world.ask("GET /keys/k/versions", "").await.json();
    assert_eq!(versions["value"].as_array().unwrap().len(), 1);
    assert!(versions["value"][0]["kid"].as_str().unwrap().ends_with(&version));
    assert_eq!(world.ask("GET /secrets/s", "").await.status, 404);
}

#[tokio::test]
async fn a_byte_order_mark_and_white_space_are_no_fault() {
    let world = World::new().await;
    for body in
        ["\u{feff}{\"kty\":\"EC\"}", " \r\n\t{\"kty\" :\"EC\" }\n", r#"{"\u006bty":"EC","ignored":{"deep":[1,2]}}"#]
    {
        assert_eq!(send(&world, "POST /keys/k/create", body.to_owned(), &[]).await.status, 200, "{body:?}");
    }
}

#[tokio::test]
async fn methods_that_are_none_and_paths_that_lead_nowhere_are_bad_requests() {
    let world = World::new().await;
    world.key("k", r#"{"kty":"EC"}"#).await;
    for line in
        ["BREW /keys/k", "OPTIONS /keys/k", "TRACE /keys/k", "PUT /keys/k/sign", "DELETE /keys/k/create", "GET /rng"]
    {
        let answer = world.ask(line, "").await;
        assert_eq!(answer.status, 400, "{line}: {}", answer.text);
    }
    for line in [
        "GET /keys/k/x/y/z",
        "GET /./keys/k",
        "GET /keys/../keys/k",
        "GET /keys/k%00",
        "GET /keys/%6b%2f..",
        "GET /keys/k;v=1",
        "GET /keys/%FF",
        "GET /%6beys%2fk",
        "GET /keys/k/%20",
    ] {
        let answer = world.ask(line, "").await;
        assert!([400, 404].contains(&answer.status.as_u16()), "{line}: {} {}", answer.status, answer.text);
    }
    assert_eq!(world.ask("GET /keys/%6B", "").await.status, 200, "an encoded name is the name");
}

#[tokio::test]
async fn query_names_have_no_case_and_unknown_ones_are_ignored() {
    let world = World::new().await;
    for query in
        ["API-VERSION=7.4", "api%2Dversion=7.4&x=y&&=", "x&api-version=7.4&api-version=9.9", "api-version=7.4&%00=1"]
    {
        assert_eq!(world.ask(&format!("GET /keys?{query}&api-version=7.4"), "").await.status, 200, "{query}");
    }
}
