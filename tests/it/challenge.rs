//! The challenge and what is accepted as its answer.

use http_body_util::Full;
use hyper::Request;

use keyhaven::Storage;

use crate::world::{CONFIG, World};

/// What the service answers to a token that it cannot read.
const UNREADABLE: &str = "[BearerReadAccessTokenFailed] Error validating token: 'S2S12005'.";

#[tokio::test]
async fn a_request_without_a_token_is_challenged_whatever_it_asks() {
    let world = World::new().await;
    let port = world.port();
    for line in ["GET /keys/k", "PUT /secrets/s", "POST /keys/k/create", "DELETE /nowhere", "GET /keys?api-version=x"] {
        let answer = world.send(world.request(&world.host("acme"), line, "", None)).await;
        assert_eq!(
            answer.exactly(),
            r#"401 {"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}"#,
            "{line}"
        );
        assert_eq!(
            answer.header("www-authenticate"),
            format!(
                "Bearer authorization=\"https://login.localhost:{port}/6b9e7c1a-0000-4000-8000-000000000001\", \
                 resource=\"https://vault.localhost:{port}\""
            )
        );
        assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1);
    }
}

#[tokio::test]
async fn the_resource_follows_the_host() {
    let world = World::new().await;
    for (host, resource) in [
        ("keys.acme.test:1234", "https://acme.test:1234"),
        ("localhost", "https://vault.azure.net"),
        ("acme.vault.azure.net", "https://vault.azure.net"),
        ("acme.vault.azure.net:1234", "https://vault.azure.net:1234"),
        ("acme.vault.azure.cn", "https://vault.azure.cn"),
        ("acme.privatelink.vaultcore.azure.net", "https://vault.azure.net"),
        ("acme.privatelink.vaultcore.azure.cn:1234", "https://vault.azure.cn"),
        ("acme.privatelink.vaultcore.usgovcloudapi.net", "https://vault.usgovcloudapi.net"),
        ("acme.privatelink.managedhsm.azure.net", "https://managedhsm.azure.net"),
    ] {
        let mut request = world.request("localhost", "GET /keys", "", None);
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = world.send_to("localhost", request).await;
        assert_eq!(answer.status, 401, "{host}: {}", answer.text);
        assert!(answer.header("www-authenticate").ends_with(&format!("resource=\"{resource}\"")), "{host}");
        let token = world.token_for("owner", resource).await;
        let mut request = world.request("localhost", "GET /keys", "", Some(&token));
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = world.send_to("localhost", request).await;
        assert_eq!(answer.status, 200, "a token for it is given, and good on {host}: {}", answer.text);
    }
}

#[tokio::test]
async fn every_audience_of_the_service_is_accepted_with_and_without_a_slash() {
    let world = World::new().await;
    let own = format!("https://vault.localhost:{}", world.port());
    let accepted = [&own, "https://vault.azure.net", "https://managedhsm.azure.net"];
    for audience in accepted.iter().flat_map(|one| [(*one).to_owned(), format!("{one}/")]) {
        let token = world.token_for("owner", &audience).await;
        let answer = world.send(world.request(&world.host("acme"), "GET /keys", "", Some(&token))).await;
        assert_eq!(answer.status, 200, "{audience}: {}", answer.text);
    }
    let app_id = world.token_for("owner", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093").await;
    let answer = world.send(world.request(&world.host("acme"), "GET /keys", "", Some(&app_id))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn tokens_for_something_else_are_refused() {
    let world = World::new().await;
    let token = world.token_for("owner", "https://management.azure.com/").await;
    let answer = world.send(world.request(&world.host("acme"), "GET /keys", "", Some(&token))).await;
    assert_eq!(
        answer.error(),
        "401 Unauthorized AKV10022: Invalid audience. Expected https://vault.azure.net or \
         cfa8b339-82a2-471a-a3c9-0fc0be7a4093, found: https://management.azure.com/."
    );
    assert!(answer.header("www-authenticate").starts_with("Bearer authorization="));
}

#[tokio::test]
async fn tokens_that_were_tampered_with_are_refused() {
    let world = World::new().await;
    let token = world.token("owner").await;
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let (header, claims) = rest.split_once('.').unwrap();
    for (bad, expected) in [
        (format!("{rest}.{flipped}{}", &signature[1..]), "Error validating token: its signature does not fit."),
        (format!("{header}.{claims}x.{signature}"), "Error validating token: its signature does not fit."),
        ("hush".to_owned(), UNREADABLE),
        (format!("eyJhbGciOiJub25lIn0.{claims}."), UNREADABLE),
        // {"alg":"RS256","crit":["b64"],"b64":true}
        (format!("eyJhbGciOiJSUzI1NiIsImNyaXQiOlsiYjY0Il0sImI2NCI6dHJ1ZX0.{claims}.{signature}"), UNREADABLE),
    ] {
        let answer = world.send(world.request(&world.host("acme"), "GET /keys", "", Some(&bad))).await;
        assert_eq!(answer.error(), format!("401 Unauthorized {expected}"));
        assert!(answer.header("www-authenticate").starts_with("Bearer authorization="), "{expected}");
    }
}

#[tokio::test]
async fn tokens_of_another_server_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    // It keeps what it holds, so it has an issuer key of its own.
    let (world, other) = (World::new().await, World::of(CONFIG, Storage::MemoryIn(dir.path().to_owned())).await);
    let token = other.token_for("owner", "https://vault.azure.net").await;
    let answer = world.send(world.request(&world.host("acme"), "GET /keys", "", Some(&token))).await;
    let header = token.split('.').next().unwrap();
    assert_eq!(
        answer.error(),
        format!(
            "401 Unauthorized AKV10046: Unable to resolve the key used for signature validation. EncodedJwtHeader: \
             '{header}'."
        )
    );
}

#[tokio::test]
async fn a_host_that_is_no_vault_is_refused_before_the_challenge() {
    let world = World::new().await;
    let mut request = world.request("localhost", "GET /keys", "", None);
    request.headers_mut().insert("host", "other.vault.azure.net".parse().unwrap());
    let answer = world.send_to("localhost", request).await;
    assert_eq!(
        answer.error(),
        "404 VaultNotFound No vault answers on 'other.vault.azure.net'. Vaults here: acme, plain. Add the host to a \
         vault's 'aliases' in the configuration, or use https://NAME.vault.localhost. Or make it: keyhaven vault create \
         other, or start with --create-vaults."
    );
    assert_eq!(answer.header("www-authenticate"), "");
}

#[tokio::test]
async fn http2_is_answered_alike() {
    let world = World::new().await;
    let token = world.token("owner").await;
    let uri = format!("https://{}/keys?api-version=7.4", world.host("acme"));
    let request = Request::get(uri).header("authorization", format!("Bearer {token}"));
    let answer = world.send_http2(request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.exactly(), r#"200 {"value":[],"nextLink":null}"#);
}
