//! Entra: applications sign in, with a secret or an assertion, and get tokens that the vaults take.

mod credentials;
mod sessions;
mod texts;

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::Request;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use keyhaven::{Config, Listen, Options, Storage};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::base64url;
use crate::world::{Answer, World};

const TENANT: &str = "6b9e7c1a-0000-4000-8000-000000000001";
const APP: &str = "11111111-2222-4333-8444-555555555555";
const STRANGER: &str = "99999999-2222-4333-8444-555555555555";
const SCOPE: &str = "https://vault.azure.net/.default";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn config(credentials: &str) -> String {
    format!(
        r#"{{"identities": [{{"name": "owner", "systemAssigned": true}}, {{"name": "app", "clientId": "{APP}"{credentials}}}],
            "vaults": [{{"name": "acme", "accessPolicies": [
              {{"identity": "owner", "permissions": {{"keys": ["all"]}}}},
              {{"identity": "app", "permissions": {{"keys": ["list"]}}}}]}}]}}"#
    )
}

async fn world(credentials: &str) -> World {
    World::of(&config(credentials), Storage::Memory).await
}

/// A server with a takeover, where whoever signs in is welcome; or not.
async fn welcoming(config: &str, strict: bool) -> World {
    let listen = Listen { proxy: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..Listen::on_free_ports() };
    World::with(Options { config: Config::parse(config).unwrap(), listen, strict, ..Options::default() }).await
}

fn login(world: &World) -> String {
    format!("login.localhost:{}", world.port())
}

async fn post(world: &World, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request = Request::post(path).header("host", login(world));
    request = request.header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Full::from(body)).unwrap()).await
}

async fn ask(world: &World, form: &[(&str, &str)]) -> Answer {
    post(world, &format!("/{TENANT}/oauth2/v2.0/token"), form, &[]).await
}

async fn by_secret(world: &World, client: &str, secret: &str) -> Answer {
    let form =
        [("client_id", client), ("scope", SCOPE), ("grant_type", "client_credentials"), ("client_secret", secret)];
    ask(world, &form).await
}

async fn by_assertion(world: &World, client: &str, assertion: &str) -> Answer {
    let form = [
        ("client_id", client),
        ("scope", SCOPE),
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    ask(world, &form).await
}

/// `STATUS error AADSTSCODE`.
fn refusal(answer: &Answer) -> String {
    let body = answer.json();
    let text = body["error_description"].as_str().unwrap_or_default();
    let code = text.split(':').next().unwrap_or_default();
    assert_eq!(format!("AADSTS{}", body["error_codes"][0]), code, "{}", answer.text);
    assert!(!text.contains(['\n', '"', '\\']), "escapes lose the text in some clients: {text}");
    format!("{} {} {code}", answer.status.as_u16(), body["error"].as_str().unwrap_or_default())
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn claims(answer: &Answer) -> Value {
    let token = token(answer);
    serde_json::from_slice(&base64url::decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// What the vault says to a list of keys with the token.
async fn lists(world: &World, token: &str) -> u16 {
    world.send(world.request(&world.host("acme"), "GET /keys", "", Some(token))).await.status.as_u16()
}

#[tokio::test]
async fn a_secret_is_worth_a_token_that_the_vault_takes() {
    let world = world(r#", "clientSecret": "hush hush+""#).await;
    let answer = by_secret(&world, APP, "hush hush+").await;
    let (body, claims) = (answer.json(), claims(&answer));
    assert_eq!(
        body,
        json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": body["access_token"]})
    );
    assert_eq!((&claims["appid"], &claims["aud"]), (&json!(APP), &json!("https://vault.azure.net")));
    assert_eq!((&claims["appidacr"], claims.get("xms_mirid")), (&json!("1"), None));
    assert_eq!(answer.header("cache-control"), "no-store, no-cache");
    assert_eq!(lists(&world, &token(&answer)).await, 200);

    let form = [
        ("scope", "openid profile offline_access https://vault.azure.net/.default"),
        ("grant_type", "client_credentials"),
    ];
    let basic = format!("Basic {}", STANDARD.encode(format!("{APP}:hush+hush%2B")));
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let answer = post(&world, &path, &form, &[("authorization", &basic)]).await;
    assert_eq!(lists(&world, &token(&answer)).await, 200, "in a header, with the scopes of Java");
}

#[tokio::test]
async fn version_1_names_a_resource_and_answers_in_strings() {
    let world = world(r#", "clientSecret": "hush""#).await;
    let form = [
        ("client_id", APP),
        ("resource", "https://vault.azure.net"),
        ("grant_type", "client_credentials"),
        ("client_secret", "hush"),
    ];
    let answer = post(&world, &format!("/{TENANT}/oauth2/token"), &form, &[]).await;
    let (body, claims) = (answer.json(), claims(&answer));
    let now = claims["iat"].as_i64().unwrap();
    assert_eq!(
        body,
        json!({
            "token_type": "Bearer", "expires_in": "3599", "ext_expires_in": "3599", "expires_on": (now + 3599).to_string(),
            "not_before": now.to_string(), "resource": "https://vault.azure.net", "access_token": body["access_token"],
        })
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_in_entras_words() {
    let world = world(r#", "clientSecret": "hush""#).await;
    let whole = [("client_id", APP), ("scope", SCOPE), ("grant_type", "client_credentials"), ("client_secret", "hush")];
    let with = |name: &str, value: &'static str| {
        let mut form = whole.to_vec();
        form.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            form.push((whole.iter().find(|(known, _)| *known == name).unwrap().0, value));
        }
        form
    };
    assert_eq!(ask(&world, &whole).await.status, 200);
    for (form, expected) in [
        (with("grant_type", ""), "400 invalid_request AADSTS900144"),
        (with("client_id", ""), "400 invalid_request AADSTS900144"),
        (with("scope", ""), "400 invalid_request AADSTS900144"),
        (with("client_secret", ""), "401 invalid_client AADSTS7000216"),
        (with("client_secret", "guess"), "401 invalid_client AADSTS7000215"),
        (with("client_id", STRANGER), "400 unauthorized_client AADSTS700016"),
        (with("client_id", "app"), "400 unauthorized_client AADSTS700016"),
        (with("grant_type", "password"), "400 unsupported_grant_type AADSTS70003"),
        (with("scope", "https://vault.azure.net/user_impersonation"), "400 invalid_scope AADSTS1002012"),
        (with("scope", "vault/.default"), "400 invalid_resource AADSTS500011"),
        (with("scope", "https://nothing.example/.default"), "400 invalid_resource AADSTS500011"),
        (with("scope", "http://vault.azure.net/.default"), "400 invalid_resource AADSTS500011"),
    ] {
        assert_eq!(refusal(&ask(&world, &form).await), expected, "{form:?}");
    }
    let wrong_type = [&whole[..3], &[("client_assertion", "a.b.c"), ("client_assertion_type", "saml")]].concat();
    assert_eq!(refusal(&ask(&world, &wrong_type).await), "400 invalid_request AADSTS9002313");
    let huge = "x".repeat(2 << 20);
    assert_eq!(ask(&world, &[("client_secret", &huge)]).await.status, 413);
    let quoted = ask(&world, &with("scope", "\"\n\\/x")).await;
    assert_eq!(refusal(&quoted), "400 invalid_scope AADSTS1002012", "with no escape in its text");
    let id = "0a0a0a0a-0000-4000-8000-000000000000";
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let answer = post(&world, &path, &[], &[("client-request-id", id)]).await.json();
    assert_eq!(answer["correlation_id"], id);
    assert_eq!(answer["error_uri"], "https://login.microsoftonline.com/error?code=900144");
}

#[tokio::test]
async fn tokens_are_given_for_what_the_cloud_and_the_challenges_name_and_nothing_else() {
    let world = world(r#", "clientSecret": "hush""#).await;
    let (v1, v2) = (format!("/{TENANT}/oauth2/token"), format!("/{TENANT}/oauth2/v2.0/token"));
    let ask = async |resource: &str, version: &str| {
        let scope = format!("{resource}/.default");
        let named = if version == v1 { ("resource", resource) } else { ("scope", scope.as_str()) };
        let form = [("client_id", APP), named, ("grant_type", "client_credentials"), ("client_secret", "hush")];
        post(&world, version, &form, &[]).await
    };
    let own = format!("https://vault.localhost:{}", world.port());
    for resource in [
        &own,
        "https://graph.microsoft.com",
        "https://acme.blob.core.windows.net",
        "https://management.core.windows.net/",
        "https://servicebus.azure.net",
        "https://database.usgovcloudapi.net",
        "api://orders",
        "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
    ] {
        for version in [&v1, &v2] {
            assert_eq!(claims(&ask(resource, version).await)["aud"], resource, "{version}");
        }
    }
    for version in [&v1, &v2] {
        let refused = ask("https://nothing.example", version).await;
        assert_eq!(refusal(&refused), "400 invalid_resource AADSTS500011", "{version}");
        let text = refused.json()["error_description"].as_str().unwrap().to_owned();
        let words = format!(
            "AADSTS500011: The resource principal named https://nothing.example was not found in the tenant named {TENANT}. This \
             can happen if the application has not been installed by the administrator of the tenant or consented to by any \
             user in the tenant. You might have sent your authentication request to the wrong tenant. Trace ID: "
        );
        assert!(text.starts_with(&words), "{text}");
    }
}

#[tokio::test]
async fn the_one_tenant_has_many_names() {
    let world = world(r#", "clientSecret": "hush""#).await;
    let form = [("client_id", APP), ("scope", SCOPE), ("grant_type", "client_credentials"), ("client_secret", "hush")];
    for tenant in [TENANT, "contoso.onmicrosoft.com", "common", "organizations", "ADFS"] {
        let form = form.map(|(name, value)| (name, value));
        let path =
            if tenant == "ADFS" { "/ADFS/oauth2/token".to_owned() } else { format!("/{tenant}/oauth2/v2.0/token") };
        let answer = post(&world, &path, &form, &[]).await;
        assert_eq!(claims(&answer)["tid"], TENANT, "{tenant}");
    }
    for tenant in ["00000000-0000-0000-0000-000000000009", "secrets"] {
        let answer = post(&world, &format!("/{tenant}/oauth2/v2.0/token"), &form, &[]).await;
        assert_eq!(refusal(&answer), "400 invalid_tenant AADSTS90002", "{tenant}");
        let document =
            world.send(world.request(&login(&world), &format!("GET /{tenant}/discovery/keys"), "", None)).await;
        assert_eq!(refusal(&document), "400 invalid_tenant AADSTS90002", "{tenant}");
    }
    let absent =
        world.send(world.request(&login(&world), &format!("GET /{TENANT}/oauth2/v2.0/authorize"), "", None)).await;
    assert_eq!(refusal(&absent), "404 invalid_request AADSTS90001");
}

/// A certificate and its key.
struct Certified {
    pem: String,
    der: Vec<u8>,
    key: EncodingKey,
}

fn certified() -> Certified {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    certified_with(&key, 1)
}

fn certified_with(key: &KeyPair, serial_number: u64) -> Certified {
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial_number.into());
    let certificate = params.self_signed(key).unwrap();
    let (pem, der) = (certificate.pem(), certificate.der().to_vec());
    Certified { pem, der, key: EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap() }
}

/// An assertion of `claims`, signed with PS256 and named by SHA-256 as newer clients do, or with RS256 and SHA-1.
fn signed(by: &Certified, claims: &Value, newer: bool) -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
    let thumbprint = |algorithm| Some(base64url::encode(digest(algorithm, &by.der).as_ref()));
    let mut header = Header::new(if newer { Algorithm::PS256 } else { Algorithm::RS256 });
    if newer {
        header.x5t_s256 = thumbprint(&SHA256);
    } else {
        // MSAL for Python pads it.
        header.x5t = thumbprint(&SHA1_FOR_LEGACY_USE_ONLY).map(|text| text + "=");
    }
    jsonwebtoken::encode(&header, claims, &by.key).unwrap()
}

/// The present second: assertions live on the system's clock. A token of the server says it.
async fn now(world: &World) -> i64 {
    claims(&Answer {
        ..world
            .plain(
                &world.server.ready.identity,
                "/metadata/identity/oauth2/token?api-version=1&resource=https://vault.azure.net",
                &[("metadata", "true")],
            )
            .await
    })["iat"]
        .as_i64()
        .unwrap()
}

#[tokio::test]
async fn a_certificate_of_the_applications_own_signs_it_in() {
    let (own, other) = (certified(), certified());
    let world = world(&format!(r#", "certificates": [{}]"#, json!(own.pem))).await;
    let (now, host) = (now(&world).await, login(&world));
    let endpoint = format!("https://{host}/{TENANT}/oauth2/v2.0/token");
    let said = json!({"iss": APP, "sub": APP, "aud": endpoint, "exp": now + 600, "nbf": now, "jti": "1"});
    let with = |name: &str, value: Value| {
        let mut said = said.clone();
        said[name] = value;
        said
    };
    for newer in [true, false] {
        let answer = by_assertion(&world, APP, &signed(&own, &said, newer)).await;
        assert_eq!(claims(&answer)["appidacr"], "2");
        assert_eq!(lists(&world, &token(&answer)).await, 200);
    }
    let file_with_its_line_end = format!("{}\n", signed(&own, &said, true));
    assert_eq!(by_assertion(&world, APP, &file_with_its_line_end).await.status, 200);
    let forged = format!("{}x", signed(&own, &said, true));
    for (assertion, expected) in [
        (signed(&other, &said, true), "401 invalid_client AADSTS700027"),
        (forged, "401 invalid_client AADSTS700027"),
        (signed(&own, &with("sub", json!(STRANGER)), true), "401 invalid_client AADSTS700021"),
        (signed(&own, &with("aud", json!("https://evil.example")), true), "401 invalid_client AADSTS700023"),
        (signed(&own, &with("exp", json!(now - 301)), true), "401 invalid_client AADSTS700024"),
        (signed(&own, &with("nbf", json!(now + 400)), true), "401 invalid_client AADSTS700024"),
        ("no token".to_owned(), "401 invalid_client AADSTS50027"),
    ] {
        assert_eq!(refusal(&by_assertion(&world, APP, &assertion).await), expected, "{assertion}");
    }
    let unsigned =
        format!("{}.{}.", base64url::encode(br#"{"alg":"none"}"#), base64url::encode(said.to_string().as_bytes()));
    assert_eq!(refusal(&by_assertion(&world, APP, &unsigned).await), "401 invalid_client AADSTS50027");
    assert_eq!(refusal(&by_secret(&world, APP, "").await), "401 invalid_client AADSTS7000216");
    assert_eq!(refusal(&by_secret(&world, APP, "any").await), "401 invalid_client AADSTS7000215");
}

/// An assertion of `claims` that names its certificate in the spelling of `write`, by SHA-256 or by SHA-1.
fn naming(by: &Certified, claims: &Value, write: &dyn Fn(&[u8]) -> String) -> [String; 2] {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
    let written = |algorithm| Some(write(digest(algorithm, &by.der).as_ref()));
    let sha256 = Header { x5t_s256: written(&SHA256), ..Header::new(Algorithm::PS256) };
    let sha1 = Header { x5t: written(&SHA1_FOR_LEGACY_USE_ONLY), ..Header::new(Algorithm::RS256) };
    [sha256, sha1].map(|header| jsonwebtoken::encode(&header, claims, &by.key).unwrap())
}

/// MSAL writes the thumbprint as base64url for .NET and JavaScript, padded for Python, and as plain base64 for Go.
#[tokio::test]
async fn a_certificate_is_found_by_its_thumbprint_in_every_spelling() {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let differs = |by: &Certified| {
        [&SHA1_FOR_LEGACY_USE_ONLY, &SHA256].into_iter().all(|algorithm| {
            let text = STANDARD.encode(digest(algorithm, &by.der));
            text.contains('+') && text.contains('/')
        })
    };
    let own = (1..).map(|serial| certified_with(&key, serial)).find(differs).unwrap();
    let world = world(&format!(r#", "certificates": [{}]"#, json!(own.pem))).await;
    let endpoint = format!("https://{}/{TENANT}/oauth2/v2.0/token", login(&world));
    let said = json!({"iss": APP, "sub": APP, "aud": endpoint, "exp": now(&world).await + 600});
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        for assertion in naming(&own, &said, &|digest| engine.encode(digest)) {
            let answer = by_assertion(&world, APP, &assertion).await;
            assert_eq!(answer.status, 200, "{engine:?}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_federated_token_of_keyhavens_own_is_good_for_whom_it_names() {
    let world = world(r#", "clientSecret": "hush""#).await;
    let federated = async |name: &str| {
        let path = format!("POST /admin/identities/{name}/token");
        world.admin(&path, r#"{"federated":true}"#).await.json()["access_token"].as_str().unwrap().to_owned()
    };
    let own = federated("app").await;
    assert_eq!(lists(&world, &token(&by_assertion(&world, APP, &own).await)).await, 200);
    assert_eq!(lists(&world, &own).await, 401, "it is no access token");
    let of_another = by_assertion(&world, APP, &federated("owner").await).await;
    assert_eq!(refusal(&of_another), "401 invalid_client AADSTS700213");
    let access = world.token_for("owner", "api://AzureADTokenExchange").await;
    assert_eq!(refusal(&by_assertion(&world, APP, &access).await), "401 invalid_client AADSTS700213");
}

#[tokio::test]
async fn an_issuer_must_be_trusted_for_the_subject_and_its_keys_be_had() {
    let nowhere = "https://127.0.0.1:1/issuer";
    let entry = format!(r#", "federated": [{{"issuer": "{nowhere}", "subject": "job"}}]"#);
    let world = world(&entry).await;
    let (key, now) = (certified(), now(&world).await);
    let said = |issuer: &str, subject: &str, audience: &str| json!({"iss": issuer, "sub": subject, "aud": [audience], "exp": now + 600});
    let audience = "api://AzureADTokenExchange";
    for (said, expected) in [
        (said("https://other.example", "job", audience), "401 invalid_client AADSTS700213"),
        (said(nowhere, "other", audience), "401 invalid_client AADSTS700213"),
        (said(nowhere, "job", "https://vault.azure.net"), "401 invalid_client AADSTS700023"),
        (said(nowhere, "job", audience), "401 invalid_client AADSTS50166"),
    ] {
        assert_eq!(refusal(&by_assertion(&world, APP, &signed(&key, &said, false)).await), expected, "{said}");
    }
}

/// An assertion of `claims` whose header demands an extension, signed with RS256.
fn demanding(by: &Certified, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::RS256);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &by.der);
    header.x5t_s256 = Some(base64url::encode(digest.as_ref()));
    header.crit = Some(vec!["exp".to_owned()]);
    jsonwebtoken::encode(&header, claims, &by.key).unwrap()
}

#[tokio::test]
async fn an_assertion_whose_header_demands_an_extension_is_refused() {
    let (own, nowhere) = (certified(), "https://127.0.0.1:1/issuer");
    let trusted =
        format!(r#""certificates": [{}], "federated": [{{"issuer": "{nowhere}", "subject": "job"}}]"#, json!(own.pem));
    let world = world(&format!(", {trusted}")).await;
    let (exp, endpoint) = (now(&world).await + 600, format!("https://{}/{TENANT}/oauth2/v2.0/token", login(&world)));
    let said = json!({"iss": APP, "sub": APP, "aud": endpoint, "exp": exp});
    assert_eq!(by_assertion(&world, APP, &signed(&own, &said, true)).await.status, 200);
    let federated = json!({"iss": nowhere, "sub": "job", "aud": "api://AzureADTokenExchange", "exp": exp});
    let plain = by_assertion(&world, APP, &signed(&own, &federated, true)).await;
    assert_eq!(refusal(&plain), "401 invalid_client AADSTS50166", "its issuer is asked");
    for (claims, which) in [(&said, "its own"), (&federated, "of another issuer")] {
        let refused = by_assertion(&world, APP, &demanding(&own, claims)).await;
        assert_eq!(refusal(&refused), "401 invalid_client AADSTS50027", "{which}");
    }
}

#[tokio::test]
async fn the_built_in_secret_is_good_on_this_machine() {
    let world = World::of("{}", Storage::Memory).await;
    let answer = by_secret(&world, "6b9e7c1a-0000-4000-8000-00000000c11e", "keyhaven").await;
    assert_eq!(claims(&answer)["appid"], "6b9e7c1a-0000-4000-8000-00000000c11e");
}

#[tokio::test]
async fn any_application_beside_a_takeover_has_the_access_of_the_default_identity() {
    let world = welcoming(&config(""), false).await;
    let answer = by_secret(&world, STRANGER, "brought along").await;
    assert_eq!(claims(&answer)["appid"], STRANGER);
    assert_eq!(lists(&world, &token(&answer)).await, 200);
    assert_eq!(token(&by_secret(&world, STRANGER, "another").await).split('.').count(), 3);
    assert_eq!(by_secret(&world, APP, "any").await.status, 200, "nothing was said about how it proves who it is");
    let made = world.admin("GET /admin/identities", "").await.json();
    assert_eq!(made["identities"][2]["clientId"], STRANGER);

    let key = certified();
    let said = json!({"iss": STRANGER, "sub": STRANGER, "aud": "https://login.microsoftonline.com/x", "exp": now(&world).await + 60});
    assert_eq!(by_assertion(&world, STRANGER, &signed(&key, &said, true)).await.status, 200);
    let over = json!({"iss": STRANGER, "sub": STRANGER, "aud": "x", "exp": 1});
    assert_eq!(
        refusal(&by_assertion(&world, STRANGER, &signed(&key, &over, true)).await),
        "401 invalid_client AADSTS700024"
    );
    for client in ["not-an-id", "00000000-0000-0000-0000-000000000000"] {
        assert_eq!(refusal(&by_secret(&world, client, "x").await), "400 unauthorized_client AADSTS700016", "{client}");
    }

    let managed = async |query: &str| {
        let path =
            format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net&{query}");
        world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await
    };
    let object = Uuid::from_u128(77);
    assert_eq!(claims(&managed(&format!("object_id={object}")).await)["oid"], object.to_string());
    let resource = "/subscriptions/s/userAssignedIdentities/i";
    let by_resource = claims(&managed(&format!("msi_res_id={resource}")).await);
    assert_eq!(by_resource["xms_mirid"], resource);
    assert_eq!(claims(&managed(&format!("msi_res_id={resource}")).await)["oid"], by_resource["oid"], "the same again");
    assert_eq!(managed("msi_res_id=no-path").await.status, 400);
}

#[tokio::test]
async fn unknown_identities_are_rejected_without_a_takeover_and_with_strict() {
    let (strict, plain) = (welcoming(&config(""), true).await, world("").await);
    for world in [strict, plain] {
        assert_eq!(refusal(&by_secret(&world, STRANGER, "x").await), "400 unauthorized_client AADSTS700016");
        assert_eq!(refusal(&by_secret(&world, APP, "x").await), "401 invalid_client AADSTS7000215");
        let path = format!(
            "/metadata/identity/oauth2/token?api-version=1&resource=https://vault.azure.net&client_id={STRANGER}"
        );
        let managed = world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await;
        assert_eq!(managed.status, 400);
        let made = world.admin("GET /admin/identities", "").await.json();
        assert_eq!(made["identities"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn configured_credentials_are_checked_where_unknown_identities_are_created() {
    let world = welcoming(&config(r#", "clientSecret": "hush""#), false).await;
    assert_eq!(refusal(&by_secret(&world, APP, "guess").await), "401 invalid_client AADSTS7000215");
    assert_eq!(by_secret(&world, APP, "hush").await.status, 200);
}

#[tokio::test]
async fn any_authority_is_a_good_instance() {
    let world = world("").await;
    let get = async |query: &str| {
        let line = format!("GET /common/discovery/instance?api-version=1.1{query}");
        world.send(world.request(&login(&world), &line, "", None)).await.json()
    };
    let asked = get("&authorization_endpoint=https://login.example/t/oauth2/v2.0/authorize").await;
    assert_eq!(asked["tenant_discovery_endpoint"], "https://login.example/t/v2.0/.well-known/openid-configuration");
    assert_eq!(
        asked["metadata"][0],
        json!({
            "preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net",
            "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
        })
    );
    let own = format!("https://{}/common/v2.0/.well-known/openid-configuration", login(&world));
    assert_eq!(get("").await["tenant_discovery_endpoint"], own);
}

#[tokio::test]
async fn a_configuration_names_endpoints_that_are_there() {
    let world = world(r#", "clientSecret": "hush""#).await;
    let host = login(&world);
    let form = [("client_id", APP), ("scope", SCOPE), ("grant_type", "client_credentials"), ("client_secret", "hush")];
    for (path, issuer) in [
        (format!("/{TENANT}/v2.0"), format!("https://{host}/{TENANT}/v2.0")),
        ("/organizations/v2.0".to_owned(), format!("https://{host}/{TENANT}/v2.0")),
        ("/adfs".to_owned(), format!("https://{host}/adfs")),
        (format!("/{TENANT}"), format!("https://sts.windows.net/{TENANT}/")),
    ] {
        let line = format!("GET {path}/.well-known/openid-configuration");
        let document = world.send(world.request(&host, &line, "", None)).await.json();
        assert_eq!(document["issuer"], issuer);
        let local =
            |name: &str| document[name].as_str().unwrap().strip_prefix(&format!("https://{host}")).unwrap().to_owned();
        assert_eq!(post(&world, &local("token_endpoint"), &form, &[]).await.status, 200, "{path}");
        let keys = world.send(world.request(&host, &format!("GET {}", local("jwks_uri")), "", None)).await;
        assert_eq!(keys.status, 200, "{path}");
        assert!(local("authorization_endpoint").contains("/authorize"));
        // The path of Entra's own documents.
        assert_eq!(local("end_session_endpoint"), local("authorization_endpoint").replace("/authorize", "/logout"));
    }
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

#[tokio::test]
async fn a_removed_identity_is_not_created_again_by_a_token_request() {
    let world = welcoming(&config(r#", "clientSecret": "hush""#), false).await;
    assert_eq!(by_secret(&world, STRANGER, "any").await.status, 200);
    let made = world.admin("GET /admin/identities", "").await.json()["identities"][2].clone();
    for (name, client) in [("app", APP), (made["name"].as_str().unwrap(), STRANGER)] {
        assert_eq!(world.admin(&format!("DELETE /admin/identities/{name}"), "").await.status, 204);
        assert_eq!(refusal(&by_secret(&world, client, "any").await), "400 unauthorized_client AADSTS700016", "{name}");
        let path = format!(
            "/metadata/identity/oauth2/token?api-version=1&resource=https://vault.azure.net&client_id={client}"
        );
        assert_eq!(world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await.status, 400);
    }
    let object = made["objectId"].as_str().unwrap();
    let path =
        format!("/metadata/identity/oauth2/token?api-version=1&resource=https://vault.azure.net&object_id={object}");
    assert_eq!(world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await.status, 400);

    let added = format!(r#"{{"name": "app", "clientId": "{APP}", "clientSecret": "new"}}"#);
    assert_eq!(world.admin("POST /admin/identities", &added).await.status, 201, "somebody can still add it");
    assert_eq!(by_secret(&world, APP, "new").await.status, 200);
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    assert_eq!(by_secret(&world, STRANGER, "any").await.status, 200, "a reset forgets who was removed");
}

#[tokio::test]
async fn auto_created_identities_are_removed_without_a_takeover() {
    let dir = tempfile::tempdir().unwrap();
    let start = async |strict, proxy: bool| {
        let proxy = proxy.then(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let listen = Listen { proxy, ..Listen::on_free_ports() };
        let (config, storage) = (Config::parse(&config("")).unwrap(), Storage::Redb(dir.path().to_owned()));
        World::with(Options { config, storage, listen, strict, ..Options::default() }).await
    };
    for (strict, proxy) in [(true, true), (false, false)] {
        let world = start(false, true).await;
        let good = token(&by_secret(&world, STRANGER, "any").await);
        assert_eq!(lists(&world, &good).await, 200);
        world.server.stop().await;
        let world = start(strict, proxy).await;
        assert_eq!(lists(&world, &good).await, 401, "strict {strict}, proxy {proxy}");
        assert_eq!(refusal(&by_secret(&world, STRANGER, "any").await), "400 unauthorized_client AADSTS700016");
        world.server.stop().await;
    }
}

#[tokio::test]
async fn a_form_over_the_bound_is_answered_though_its_sender_sends_all_of_it() {
    let world = world("").await;
    let huge = "x".repeat((2 << 20) - 100);
    for _ in 0..5 {
        let answer = post(&world, &format!("/{TENANT}/oauth2/v2.0/token"), &[("client_secret", &huge)], &[]).await;
        assert_eq!(refusal(&answer), "413 invalid_request AADSTS9002313");
    }
}
