//! Vaults that are made when they are first asked for.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use keyhaven::testing::ReadyFile;
use keyhaven::{Config, Options};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::cli::{Served, keyhaven};
use crate::world::{CONFIG, World, roots};

async fn world() -> World {
    let default = r#""sku": "premium", "softDeleteRetentionInDays": 30, "enablePurgeProtection": true,
        "keys": [{"name": "k", "kty": "EC"}], "secrets": [{"name": "given", "value": "v"}],"#;
    let config = Config::parse(&CONFIG.replacen(r#""sku": "premium","#, default, 1)).unwrap();
    World::with(Options { config, create_vaults: true, ..Options::default() }).await
}

async fn names(world: &World) -> Vec<String> {
    let listed = world.admin("GET /admin/vaults", "").await.json();
    listed["vaults"].as_array().unwrap().iter().map(|vault| vault["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_vault_that_is_asked_for_is_made_like_the_default_one() {
    let world = world().await;
    assert_eq!(world.ask_as("owner", "fresh", "PUT /secrets/s", r#"{"value":"v"}"#).await.status, 200);
    assert_eq!(world.ask_as("owner", "FRESH", "GET /secrets/s", "").await.json()["value"], "v");
    for line in ["GET /secrets/given", "GET /keys/k"] {
        assert_eq!(world.ask_as("owner", "fresh", line, "").await.status, 404, "{line}: what the default vault holds");
    }
    let made = world.ask_as("owner", "fresh", "POST /keys/h/create", r#"{"kty":"EC-HSM"}"#).await;
    assert_eq!(made.json()["attributes"]["recoveryLevel"], "CustomizedRecoverable", "{}", made.text);
    let listed = world.admin("GET /admin/vaults", "").await.json();
    let (default, fresh) = (&listed["vaults"][0], &listed["vaults"][1]);
    let mut expected = default.clone();
    expected["name"] = "fresh".into();
    expected["aliases"] = serde_json::json!([]);
    assert_eq!((fresh, default["name"].as_str()), (&expected, Some("acme")));
}

#[tokio::test]
async fn a_request_that_is_refused_makes_no_vault() {
    let world = world().await;
    let rule = r#"{"rules":[{"vault":"fresh","operation":"KeyList","then":{"status":503}}]}"#;
    assert_eq!(world.admin("PUT /admin/faults", rule).await.status, 200, "a rule may name it before");
    let host = world.host("fresh");
    let challenged = world.send(world.request(&host, "GET /secrets", "", None)).await;
    let challenge = format!(
        "Bearer authorization=\"https://login.localhost:{0}/6b9e7c1a-0000-4000-8000-000000000001\", \
         resource=\"https://vault.localhost:{0}\"",
        world.port()
    );
    assert_eq!((challenged.status.as_u16(), challenged.header("www-authenticate")), (401, challenge.as_str()));
    assert_eq!(world.send(world.request(&host, "GET /secrets", "", Some("bad"))).await.status, 401);
    let refused = world.ask_as("nobody", "fresh", "GET /secrets", "").await;
    assert!(refused.error().contains("on key vault 'fresh;location=local'"), "{}", refused.error());
    assert_eq!((refused.status.as_u16(), refused.header("x-keyhaven-missing")), (403, "secrets/list"));
    for line in ["GET /nothing/there", "GET /secrets?api-version=nonsense"] {
        assert_eq!(world.ask_as("owner", "fresh", line, "").await.status, 400, "{line}");
    }
    assert_eq!(names(&world).await, ["acme", "plain"]);
    assert_eq!(world.ask_as("owner", "fresh", "GET /secrets", "").await.status, 200);
    assert_eq!(names(&world).await, ["acme", "fresh", "plain"]);
}

#[tokio::test]
async fn only_a_well_formed_name_below_a_known_suffix_makes_one() {
    let world = world().await;
    let token = world.token_for("owner", "https://vault.azure.net").await;
    let ask = async |host: &str| {
        let request = world.request(host, "GET /secrets", "", Some(&token));
        world.send_to("localhost", request).await.status.as_u16()
    };
    for host in ["ab.vault.localhost", "a--b.vault.localhost", "9ab.vault.azure.net", "fresh.localhost", "fresh.test"] {
        assert_eq!(ask(host).await, 404, "{host}");
    }
    assert_eq!(ask("keys.acme.test").await, 200, "an alias is its vault's");
    assert_eq!(ask("localhost").await, 200);
    assert_eq!(names(&world).await, ["acme", "plain"]);
    assert_eq!(ask("cloud.vault.azure.net").await, 200);
    assert_eq!(ask("link.privatelink.vaultcore.azure.net").await, 200);
    assert_eq!(names(&world).await, ["acme", "cloud", "link", "plain"]);
}

#[tokio::test]
async fn first_requests_at_the_same_moment_make_it_once() {
    let world = Arc::new(world().await);
    let token = world.token("owner").await;
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (world, token) = (world.clone(), token.clone());
        writers.spawn(async move {
            let line = format!("PUT /secrets/s{n}");
            world.send(world.request(&world.host("fresh"), &line, r#"{"value":"v"}"#, Some(&token))).await.status
        });
    }
    while let Some(status) = writers.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    let listed = world.ask_as("owner", "fresh", "GET /secrets", "").await.json();
    assert_eq!(listed["value"].as_array().unwrap().len(), 16, "all of them are in the one vault");
}

#[tokio::test]
async fn a_deleted_one_is_made_anew_and_a_reset_takes_it_away() {
    let world = world().await;
    let set = async || world.ask_as("owner", "fresh", "PUT /secrets/s", r#"{"value":"v"}"#).await.status;
    assert_eq!(set().await, 200);
    assert_eq!(world.admin("DELETE /admin/vaults/fresh", "").await.status, 204);
    assert_eq!(world.ask_as("owner", "fresh", "GET /secrets/s", "").await.status, 404, "another vault of the name");
    assert_eq!(set().await, 200);
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    assert_eq!(names(&world).await, ["acme", "plain"]);
}

#[tokio::test]
async fn a_fault_meets_the_request_that_would_make_the_vault() {
    let world = world().await;
    let rule = r#"{"rules":[{"vault":"fresh","operation":"SecretList","times":1,"then":{"status":503}}]}"#;
    assert_eq!(world.admin("PUT /admin/faults", rule).await.status, 200);
    assert_eq!(world.ask_as("owner", "fresh", "GET /secrets", "").await.status, 503);
    assert_eq!(names(&world).await, ["acme", "plain"]);
    assert_eq!(world.ask_as("owner", "fresh", "GET /secrets", "").await.status, 200);
}

#[tokio::test]
async fn no_vault_is_made_without_the_option() {
    let world = World::new().await;
    let gone = world.ask_as("owner", "fresh", "GET /secrets", "").await.error();
    assert!(gone.starts_with("404 VaultNotFound No vault answers on 'fresh.vault.localhost'"), "{gone}");
}

#[tokio::test]
async fn a_404_names_some_of_the_vaults_and_counts_the_rest() {
    let world = World::new().await;
    for n in 0..20 {
        world.admin(&format!("PUT /admin/vaults/more-{n:02}"), "").await;
    }
    let gone = world.ask_as("owner", "fresh", "GET /secrets", "").await.error();
    assert!(gone.contains("Vaults here: acme, more-00,") && gone.contains(", more-18, 2 more. Add"), "{gone}");
}

/// The status of a tokenless GET of `/keys` at the vault `fresh` of the server that `ready` tells of: 401 where vaults
/// are made on demand, else 404.
async fn asked(ready: &Path) -> u16 {
    let deadline = Instant::now() + Duration::from_secs(20);
    let ready: ReadyFile = loop {
        match std::fs::read(ready) {
            Ok(text) => break serde_json::from_slice(&text).unwrap(),
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots(&ready.ca)).with_no_client_auth());
    let stream = TcpStream::connect(&ready.listen).await.unwrap();
    let name = ServerName::try_from("fresh.vault.localhost").unwrap();
    let stream = TlsConnector::from(config).connect(name, stream).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/keys?api-version=7.4").header("host", "fresh.vault.localhost");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    answer.into_body().collect().await.unwrap();
    status
}

#[tokio::test]
async fn serve_makes_vaults_with_the_option() {
    let dir = tempfile::tempdir().unwrap();
    for (more, expected) in [(&[][..], 404), (&["--create-vaults"], 401), (&["--create-vaults=false"], 404)] {
        let data = dir.path().join(format!("data{}", more.concat()));
        let _served = Served::start(&data, more);
        assert_eq!(asked(&data.with_extension("ready")).await, expected, "{more:?}");
    }
}

#[tokio::test]
async fn run_makes_vaults_unless_an_option_forbids_it() {
    let dir = tempfile::tempdir().unwrap();
    for (variable, expected) in [(None, 401), (Some("false"), 404)] {
        let file = dir.path().join(format!("ready{expected}"));
        let mut command = keyhaven(&["run", "--ready-file", file.to_str().unwrap(), "--", "cat"]);
        command.envs(variable.map(|value| ("KEYHAVEN_CREATE_VAULTS", value)));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        assert_eq!(asked(&file).await, expected, "{variable:?}");
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
