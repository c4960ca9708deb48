//! Empty path segments: clients append `/secrets/x` to a vault's URL that ends in a slash (Azure's own management API
//! hands it out so), and leave out names that they then do not have.

use crate::base64url;
use crate::world::World;

/// `path` with one empty segment more, at each place.
fn with_an_empty_segment(path: &str) -> Vec<String> {
    let places = path.match_indices('/').map(|(place, _)| place).chain([path.len()]);
    places.map(|place| format!("{}/{}", &path[..place], &path[place..])).collect()
}

#[tokio::test]
async fn every_operation_is_the_same_with_an_empty_segment_at_each_place() {
    let world = World::new().await;
    let status = world.admin("GET /admin/status", "").await.json();
    let token = world.token("nobody").await;
    for operation in status["operations"].as_array().unwrap() {
        let (method, path) = operation["request"].as_str().unwrap().split_once(' ').unwrap();
        let path = path.replace("{name}", "n").replace("{version?}", &"0".repeat(32));
        for path in with_an_empty_segment(&path) {
            let request = world.request(&world.host("acme"), &format!("{method} {path}"), "", Some(&token));
            let answer = world.send(request).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
            assert_eq!(answer.header("x-keyhaven-missing"), operation["permission"], "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_paths_of_older_clients_are_served() {
    let world = World::new().await;
    let set = world.ask("PUT //secrets/x", r#"{"value":"v"}"#).await;
    let id = format!("https://{}/secrets/x/{}", world.host("acme"), set.version());
    assert_eq!(set.json()["id"], id.as_str(), "ids have no empty segment");
    for line in ["GET //secrets/x", "GET //secrets/x/", "GET /secrets//x", "GET ///secrets//x//"] {
        assert_eq!(world.ask(line, "").await.json()["value"], "v", "{line}");
    }
    assert_eq!(world.ask("POST //keys/k/create", r#"{"kty":"EC"}"#).await.status, 200);
    let blob = world.ask("POST //keys/k/backup", "").await.text;
    for line in ["DELETE //keys/k", "DELETE //deletedkeys/k"] {
        assert!(world.ask(line, "").await.status.is_success(), "{line}");
    }
    assert_eq!(world.ask("POST /keys//restore", &blob).await.status, 200, "Azure.Security.KeyVault.Keys up to 4.7.0");
    assert_eq!(world.ask("GET //keys//k//versions", "").await.json()["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_empty_version_means_the_latest() {
    let world = World::new().await;
    let first = world.key("k", r#"{"kty":"EC"}"#).await;
    let latest = world.key("k", r#"{"kty":"EC"}"#).await;
    let body = format!(r#"{{"alg":"ES256","value":"{}"}}"#, base64url::encode(&[7; 32]));
    for (path, version) in [("k//sign", &latest), ("/k///sign/", &latest), ("k//VERSION//sign", &first)] {
        let signed = world.ask(&format!("POST /keys/{}", path.replace("VERSION", &first)), &body).await;
        let kid = signed.json()["kid"].as_str().unwrap_or_default().to_owned();
        assert!(kid.ends_with(&format!("/keys/k/{version}")), "{path}: {}", signed.text);
    }
}

#[tokio::test]
async fn a_name_that_is_left_out_is_no_name() {
    let world = World::new().await;
    for line in ["POST /keys//create", "PUT /secrets//", "DELETE /secrets//", "POST /deletedkeys//recover"] {
        assert!(world.ask(line, "{}").await.error().starts_with("400 NotSupported"), "{line}");
    }
    world.key("versions", r#"{"kty":"EC"}"#).await;
    assert_eq!(world.ask("GET /keys//versions", "").await.json()["key"]["kty"], "EC", "an object of that name");
}
