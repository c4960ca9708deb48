//! Managed-identity tokens, the documents of the issuer, health.

use keyhaven::config::Config;
use keyhaven::crypto::base64url;
use serde_json::Value;

use crate::world::{Answer, CONFIG, World};

const RESOURCE: &str = "https://vault.azure.net";

async fn imds(world: &World, query: &str) -> Answer {
    let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{query}");
    world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await
}

fn claims(answer: &Answer) -> Value {
    let body = answer.json();
    let token = body["access_token"].as_str().unwrap();
    serde_json::from_slice(&base64url::decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_says_all_that_clients_read() {
    let world = World::new().await;
    let owner = &Config::parse(CONFIG).unwrap().identities[0];
    let answer = imds(&world, &format!("resource={RESOURCE}")).await;
    let (body, claims) = (answer.json(), claims(&answer));
    let (now, tenant) = (claims["iat"].as_i64().unwrap(), "6b9e7c1a-0000-4000-8000-000000000001");
    assert_eq!(
        claims,
        serde_json::json!({
            "aud": RESOURCE, "iss": format!("https://sts.windows.net/{tenant}/"), "iat": now, "nbf": now,
            "exp": now + 3599, "appid": owner.client_id, "azp": owner.client_id, "idtyp": "app",
            "oid": owner.object_id, "sub": owner.object_id, "tid": tenant, "ver": "1.0",
            "xms_mirid": owner.resource_id,
        })
    );
    assert_eq!(
        body,
        serde_json::json!({
            "access_token": body["access_token"], "client_id": owner.client_id, "expires_in": "3599",
            "expires_on": (now + 3599).to_string(), "ext_expires_in": "3599", "not_before": now.to_string(),
            "resource": RESOURCE, "token_type": "Bearer",
        })
    );
}

#[tokio::test]
async fn identities_are_chosen_by_each_of_their_ids() {
    let world = World::new().await;
    let nobody = &Config::parse(CONFIG).unwrap().identities[1];
    let resource_id = nobody.resource_id.to_uppercase();
    for choice in [
        format!("client_id={}", nobody.client_id),
        format!("object_id={}", nobody.object_id),
        format!("principal_id={}", nobody.object_id),
        format!("msi_res_id={resource_id}"),
        format!("mi_res_id={resource_id}"),
    ] {
        let answer = imds(&world, &format!("resource={RESOURCE}&{choice}")).await;
        assert_eq!(claims(&answer)["oid"], nobody.object_id.to_string(), "{choice}");
    }
}

#[tokio::test]
async fn the_system_assigned_identity_is_the_default_wherever_it_stands() {
    let config = r#"{"identities":[{"name":"a"},{"name":"b","systemAssigned":true}]}"#;
    let world = World::of(config, keyhaven::app::Storage::Memory).await;
    let b = &Config::parse(config).unwrap().identities[1];
    assert_eq!(claims(&imds(&world, &format!("resource={RESOURCE}")).await)["oid"], b.object_id.to_string());
}

#[tokio::test]
async fn no_is_always_a_400() {
    let world = World::new().await;
    for (query, expected) in [
        (
            format!("resource={RESOURCE}&client_id=00000000-0000-0000-0000-000000000001"),
            r#"400 {"error":"invalid_request","error_description":"Identity not found"}"#,
        ),
        (
            format!("resource={RESOURCE}&client_id=hello"),
            r#"400 {"error":"invalid_request","error_description":"Identity not found"}"#,
        ),
        (
            String::new(),
            r#"400 {"error":"invalid_request","error_description":"Required query variable 'resource' is missing"}"#,
        ),
        (
            format!("resource={RESOURCE}&client_id=a&object_id=b"),
            r#"400 {"error":"invalid_request","error_description":"Only one of client_id, object_id and msi_res_id may be given"}"#,
        ),
    ] {
        assert_eq!(imds(&world, &query).await.exactly(), expected);
    }
    assert!(imds(&world, "resource=no").await.exactly().starts_with(r#"400 {"error":"invalid_resource""#));
    let unmarked = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
    assert_eq!(
        world.plain(&world.server.ready.identity, unmarked, &[]).await.exactly(),
        r#"400 {"error":"bad_request_102","error_description":"Required metadata header not specified"}"#
    );
}

#[tokio::test]
async fn app_service_needs_its_header() {
    let world = World::new().await;
    let env = &world.server.ready.env;
    let endpoint = env["IDENTITY_ENDPOINT"].strip_prefix("http://").unwrap();
    let (address, path) = endpoint.split_at(endpoint.find('/').unwrap());
    let path = format!("{path}?api-version=2019-08-01&resource={RESOURCE}");
    let header = env["IDENTITY_HEADER"].as_str();
    let good = world.plain(address, &path, &[("x-identity-header", header)]).await;
    assert_eq!(claims(&good)["aud"], RESOURCE);
    for headers in [vec![], vec![("x-identity-header", "wrong")], vec![("metadata", "true")]] {
        assert_eq!(world.plain(address, &path, &headers).await.status, 401, "{headers:?}");
    }
}

#[tokio::test]
async fn slashes_are_merged() {
    let world = World::new().await;
    for path in
        ["//metadata/identity/oauth2/token", "/metadata/identity/oauth2/token/", "/metadata//identity/oauth2/token"]
    {
        let path = format!("{path}?api-version=2018-02-01&resource={RESOURCE}");
        let answer = world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[tokio::test]
async fn plain_listeners_answer_their_own_names_alone() {
    let world = World::new().await;
    let ready = &world.server.ready;
    let admin = ready.admin.as_deref().unwrap();
    for (address, path) in [(ready.identity.as_str(), "/health"), (admin, "/admin/status")] {
        assert_eq!(world.plain(address, path, &[]).await.status, 200);
        for header in [("host", "evil.example"), ("origin", "https://evil.example"), ("x-forwarded-for", "10.0.0.1")] {
            assert_eq!(world.plain(address, path, &[header]).await.status, 403, "{header:?}");
        }
    }
}

#[tokio::test]
async fn health_the_ca_and_the_status_are_open() {
    let world = World::new().await;
    let ready = &world.server.ready;
    assert_eq!(world.plain(&ready.identity, "/health", &[]).await.exactly(), "200 ok\n");
    let ca = world.plain(&ready.identity, "/ca.pem", &[]).await;
    assert_eq!(ca.text, std::fs::read_to_string(&ready.ca).unwrap());
    let status = world.plain(ready.admin.as_deref().unwrap(), "/admin/status", &[]).await.json();
    assert_eq!(status["vaults"], serde_json::json!(["acme", "plain"]));
    assert_eq!((&status["store"], &status["now"]), (&"memory".into(), &"2023-11-14T22:13:20Z".into()));
    assert_eq!(world.plain(ready.admin.as_deref().unwrap(), "/admin/clock", &[]).await.status, 401);
}

#[tokio::test]
async fn the_issuers_documents_lead_to_the_key_that_checks_its_tokens() {
    let world = World::new().await;
    let tenant = world.server.ready.tenant;
    let host = format!("login.localhost:{}", world.port());
    let get = async |path: String| world.send(world.request(&host, &format!("GET {path}"), "", None)).await.json();
    let v1 = get(format!("/{tenant}/.well-known/openid-configuration")).await;
    assert_eq!(v1["issuer"], format!("https://sts.windows.net/{tenant}/"));
    let v2 = get(format!("/{tenant}/v2.0/.well-known/openid-configuration")).await;
    assert_eq!(v2["issuer"], format!("https://{host}/{tenant}/v2.0"));

    let token = world.token("owner").await;
    let header: Value = serde_json::from_slice(&base64url::decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    for document in [v1, v2] {
        let uri = document["jwks_uri"].as_str().unwrap().strip_prefix(&format!("https://{host}")).unwrap().to_owned();
        let keys = get(uri).await;
        assert_eq!(keys["keys"][0]["kid"], header["kid"]);
        checks(&keys["keys"][0], &token);
    }
    let other = get("/00000000-0000-0000-0000-000000000000/discovery/keys".to_owned()).await;
    assert_eq!(other["error"], "invalid_tenant");
}

/// An independent library finds the signature good with the published key.
fn checks(jwk: &Value, token: &str) {
    use rsa::signature::Verifier;
    let number =
        |name: &str| rsa::BoxedUint::from_be_slice_vartime(&base64url::decode(jwk[name].as_str().unwrap()).unwrap());
    let key = rsa::PublicKey::new(number("n"), number("e")).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = rsa::pkcs1v15::Signature::try_from(base64url::decode(signature).unwrap().as_slice()).unwrap();
    rsa::pkcs1v15::VerifyingKey::<sha2::Sha256>::new(key).verify(signed.as_bytes(), &signature).unwrap();
}
