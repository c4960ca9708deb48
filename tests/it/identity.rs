//! Managed-identity tokens, the documents of the issuer, health.

use keyhaven::testing::identity_ids;
use keyhaven::{Config, Options};
use serde_json::Value;

use crate::base64url;
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
    let owner = identity_ids(&Config::parse(CONFIG).unwrap(), "owner").unwrap();
    let answer = imds(&world, &format!("resource={RESOURCE}")).await;
    let (body, claims) = (answer.json(), claims(&answer));
    let (now, tenant) = (claims["iat"].as_i64().unwrap(), "6b9e7c1a-0000-4000-8000-000000000001");
    assert_eq!(
        claims,
        serde_json::json!({
            "aud": RESOURCE, "iss": format!("https://sts.windows.net/{tenant}/"), "iat": now, "nbf": now,
            "exp": now + 3599, "appid": owner.client_id, "azp": owner.client_id, "idtyp": "app",
            "oid": owner.object_id, "sub": owner.object_id, "tid": tenant, "ver": "1.0",
            "xms_mirid": owner.resource_id, "session": 0,
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
    let nobody = identity_ids(&Config::parse(CONFIG).unwrap(), "nobody").unwrap();
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
async fn the_system_assigned_identity_is_the_default_at_any_position() {
    let config = r#"{"identities":[{"name":"a"},{"name":"b","systemAssigned":true}]}"#;
    let world = World::of(config, keyhaven::Storage::Memory).await;
    let b = identity_ids(&Config::parse(config).unwrap(), "b").unwrap();
    assert_eq!(claims(&imds(&world, &format!("resource={RESOURCE}")).await)["oid"], b.object_id.to_string());
}

/// Of two identities, the first is no default: a program that names none would get the rights of another.
#[tokio::test]
async fn a_request_that_names_none_of_several_is_refused_in_every_form() {
    const WHY: &str = "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request";
    let config = r#"{"identities":[{"name":"a"},{"name":"b"}]}"#;
    let world = World::of(config, keyhaven::Storage::Memory).await;
    let expected = format!(r#"400 {{"error":"invalid_request","error_description":"{WHY}"}}"#);
    assert_eq!(imds(&world, &format!("resource={RESOURCE}")).await.exactly(), expected);
    let env = &world.server.ready.env;
    let (address, path) = env["IDENTITY_ENDPOINT"].strip_prefix("http://").unwrap().split_once('/').unwrap();
    let path = format!("/{path}?api-version=2019-08-01&resource={RESOURCE}");
    let answer = world.plain(address, &path, &[("x-identity-header", env["IDENTITY_HEADER"].as_str())]).await;
    assert_eq!((answer.status.as_u16(), answer.json()["message"].as_str()), (400, Some(WHY)), "App Service");
    let line = format!("GET /fabric/metadata/identity/oauth2/token?api-version=2019-07-01-preview&resource={RESOURCE}");
    let mut request = world.request(&format!("localhost:{}", world.port()), &line, "", None);
    request.headers_mut().insert("secret", env["IDENTITY_HEADER"].parse().unwrap());
    let answer = world.send(request).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"]["message"].as_str()),
        (400, Some(WHY)),
        "Service Fabric"
    );
    let b = identity_ids(&Config::parse(config).unwrap(), "b").unwrap();
    let named = imds(&world, &format!("resource={RESOURCE}&client_id={}", b.client_id)).await;
    assert_eq!(claims(&named)["oid"], b.object_id.to_string());
}

#[tokio::test]
async fn the_example_has_two_identities_with_different_rights() {
    let config = include_str!("../../examples/two-identities.json");
    let world = World::of(config, keyhaven::Storage::Memory).await;
    for (name, status) in [("writer", 200), ("reader", 403)] {
        let id = identity_ids(&Config::parse(config).unwrap(), name).unwrap().client_id;
        let token = imds(&world, &format!("resource={RESOURCE}&client_id={id}")).await.json();
        let ask = async |line: &str, body: &str| {
            let token = token["access_token"].as_str();
            world.send(world.request(&world.host("contoso-prod"), line, body, token)).await.status.as_u16()
        };
        assert_eq!(ask("PUT /secrets/a?api-version=7.4", r#"{"value":"v"}"#).await, status, "{name}");
        assert_eq!(ask("GET /secrets/a?api-version=7.4", "").await, 200, "{name}");
    }
}

#[tokio::test]
async fn the_only_configured_identity_is_the_default() {
    let config = r#"{"identities":[{"name":"a"}]}"#;
    let world = World::of(config, keyhaven::Storage::Memory).await;
    let a = identity_ids(&Config::parse(config).unwrap(), "a").unwrap();
    assert_eq!(claims(&imds(&world, &format!("resource={RESOURCE}")).await)["oid"], a.object_id.to_string());
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
    for resource in ["no", "https://nothing.example", "http://vault.azure.net"] {
        let text = format!(
            "AADSTS500011: The resource principal named {resource} was not found in the tenant named \
             6b9e7c1a-0000-4000-8000-000000000001. This can happen if the application has not been installed by the \
             administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication \
             request to the wrong tenant."
        );
        let expected = format!(r#"400 {{"error":"invalid_resource","error_description":"{text}"}}"#);
        assert_eq!(imds(&world, &format!("resource={resource}")).await.exactly(), expected);
    }
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
        let refused = world.plain(address, &path, &headers).await;
        let why = "The X-IDENTITY-HEADER is missing or is not the value of IDENTITY_HEADER";
        assert!(refused.status == 401 && refused.text.contains(why), "{headers:?}: {}", refused.text);
    }
    let nobody = format!("{path}&client_id=00000000-0000-0000-0000-000000000001");
    let absent = world.plain(address, &nobody, &[("x-identity-header", header)]).await.json();
    let text = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.";
    assert_eq!((&absent["statusCode"], &absent["message"]), (&400.into(), &text.into()), "in App Service's form");
    assert!(absent["correlationId"].is_string());
    let elsewhere = path.replace(RESOURCE, "https://nothing.example");
    let absent = world.plain(address, &elsewhere, &[("x-identity-header", header)]).await.json();
    let text = absent["message"].as_str().unwrap();
    assert!(absent["statusCode"] == 400 && text.starts_with("AADSTS500011: The resource principal named "), "{absent}");
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
        for (name, value, why) in [
            ("host", "evil.example", "is not a name of this listener"),
            ("origin", "https://evil.example", "requests of web pages (Origin) are refused"),
            ("x-forwarded-for", "10.0.0.1", "forwarded requests (X-Forwarded-For) are refused"),
        ] {
            let refused = world.plain(address, path, &[(name, value)]).await;
            assert!(refused.status == 403 && refused.text.contains(why), "{name}: {}", refused.text);
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
    let refused = world.plain(ready.admin.as_deref().unwrap(), "/admin/clock", &[]).await;
    assert!(refused.status == 401 && refused.text.contains("Send the admin key as Authorization: Bearer KEY."));
}

#[tokio::test]
async fn arcs_clients_prove_that_they_can_read_a_file() {
    let keys = tempfile::tempdir().unwrap();
    let dir = keys.path().join("tokens");
    let config = Config::parse(CONFIG).unwrap();
    let world = World::with(Options { config, arc_keys: dir.clone(), ..Options::default() }).await;
    let ask = async |query: &str, headers: &[(&str, &str)]| {
        let path = format!("/arc/metadata/identity/oauth2/token?api-version=2020-06-01&{query}");
        world.plain(&world.server.ready.identity, &path, headers).await
    };
    let query = format!("resource={RESOURCE}");
    assert_eq!(ask(&query, &[]).await.status, 400, "the probe of a metadata service");
    assert!(!dir.exists(), "nothing is written before it is needed");
    let challenge = ask(&query, &[("metadata", "true")]).await;
    assert_eq!(challenge.status, 401);
    let path = challenge.header("www-authenticate").strip_prefix("Basic realm=").unwrap().to_owned();
    let path = std::path::PathBuf::from(path);
    assert_eq!((path.parent(), path.extension().unwrap().to_str()), (Some(dir.as_path()), Some("key")));
    let key = std::fs::read_to_string(&path).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert!(key.len() <= 4096 && mode & 0o077 == 0, "{} bytes, mode {mode:o}", key.len());

    let basic = |key: &str| format!("Basic {key}");
    let wrong = ask(&query, &[("metadata", "true"), ("authorization", &basic("guessed"))]).await;
    assert_eq!(wrong.status, 401);
    let given = ask(&query, &[("metadata", "true"), ("authorization", &basic(&key))]).await;
    assert_eq!(claims(&given)["aud"], RESOURCE);
    let nobody = identity_ids(&Config::parse(CONFIG).unwrap(), "nobody").unwrap();
    for (name, id) in [("object_id", nobody.object_id.to_string()), ("msi_res_id", nobody.resource_id.clone())] {
        let given =
            ask(&format!("{query}&{name}={id}"), &[("metadata", "true"), ("authorization", &basic(&key))]).await;
        assert_eq!(
            (claims(&given)["oid"].as_str(), given.json()[name].as_str()),
            (Some(&*nobody.object_id.to_string()), Some(&*id))
        );
    }
    world.server.stop().await;
    assert!(!path.exists(), "the key goes with the server");
}

#[tokio::test]
async fn arcs_clients_get_a_reason_when_no_key_can_be_written() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let world = World::with(Options { arc_keys: file.path().join("tokens"), ..Options::default() }).await;
    let path = format!("/arc/metadata/identity/oauth2/token?api-version=2020-06-01&resource={RESOURCE}");
    let answer = world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await;
    let why = answer.json()["error_description"].as_str().unwrap().to_owned();
    assert!(answer.status == 400 && why.starts_with("No key can be written to "), "{} {why}", answer.status);
}

#[tokio::test]
async fn service_fabrics_clients_ask_over_tls() {
    let world = World::new().await;
    let secret = world.server.ready.env["IDENTITY_HEADER"].clone();
    let ask = async |query: &str, secret: &str| {
        let line = format!("GET /fabric/metadata/identity/oauth2/token?api-version=2019-07-01-preview{query}");
        let mut request = world.request(&format!("localhost:{}", world.port()), &line, "", None);
        if !secret.is_empty() {
            request.headers_mut().insert("secret", secret.parse().unwrap());
        }
        world.send(request).await
    };
    let query = format!("&resource={RESOURCE}");
    assert_eq!(claims(&ask(&query, &secret).await)["aud"], RESOURCE);
    let code =
        |answer: Answer| format!("{} {}", answer.status.as_u16(), answer.json()["error"]["code"].as_str().unwrap());
    assert_eq!(code(ask(&query, "").await), "401 SecretHeaderNotFound");
    assert_eq!(code(ask(&query, "guessed").await), "401 Unauthorized");
    assert_eq!(code(ask("", &secret).await), "400 ArgumentNullOrEmpty");
    assert_eq!(code(ask("&resource=https://nothing.example", &secret).await), "400 ArgumentNullOrEmpty");
    assert_eq!(code(ask(&format!("{query}&client_id=x"), &secret).await), "400 ArgumentNullOrEmpty");
    let plainly = world.plain(&world.server.ready.identity, "/fabric/metadata/identity/oauth2/token", &[]).await;
    assert_eq!(plainly.status, 404, "not without TLS");
}
