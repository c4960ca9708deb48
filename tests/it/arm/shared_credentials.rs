//! Credentials that the nodes of a runtime share: over TLS between them, by tokens that the service gives.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyhaven::testing::{NodeSetup, RunningNode, start_node};
use serde_json::{Value, json};

use super::Client;
use super::nodes::{Node, public_key, register, status};
use super::runtimes::{ask, auth_keys, client_of};
use crate::world::{Answer, World};

const RUNTIME: &str = "F/acme/integrationRuntimes/own";

/// A node that runs in this process, with its home in `dir`.
pub(super) async fn running(world: &World, dir: &Path, (name, key): (&str, &str)) -> RunningNode {
    let server = format!("https://localhost:{}", world.port());
    let ca = std::fs::read_to_string(&world.server.ready.ca).unwrap();
    let home = dir.join(name);
    let setup = NodeSetup { home: &home, name, server: &server, ca: &ca, auth_key: Some(key), remote_access: true };
    start_node(&setup).await.unwrap()
}

/// Waits until `node` keeps the credentials `wanted`.
pub(super) async fn has(node: &RunningNode, wanted: &BTreeMap<String, String>) {
    for _ in 0..200 {
        if node.credentials().unwrap() == *wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?} are not {wanted:?}", node.credentials());
}

pub(super) async fn until_online(client: &Client<'_>, count: usize) {
    for _ in 0..200 {
        let shown = status(client).await;
        let nodes = shown["typeProperties"]["nodes"].as_array().unwrap().clone();
        if nodes.iter().filter(|node| node["status"] == "Online").count() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", status(client).await);
}

/// Puts a linked service with the credential `password`, which its runtime's node encrypts.
async fn link(client: &Client<'_>, name: &str, password: &str) -> Answer {
    let via = json!({"type": "IntegrationRuntimeReference", "referenceName": "Own"});
    let own = json!({"connectionString": format!("Server=S;User ID=U;Password={password}")});
    let body = json!({"properties": {"type": "SqlServer", "typeProperties": own, "connectVia": via}});
    let made = ask(client, &format!("PUT F/acme/linkedservices/{name}"), body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    made
}

#[tokio::test]
async fn each_node_has_the_credentials_of_all_so_that_one_can_be_removed() {
    let (world, dir) = (World::new().await, tempfile::tempdir().unwrap());
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let first = running(&world, dir.path(), ("first", &key)).await;
    until_online(&client, 1).await;
    link(&client, "a", "hunter2").await;
    let before = first.credentials().unwrap();
    assert_eq!(before.len(), 1);

    let second = running(&world, dir.path(), ("second", &key)).await;
    has(&second, &before).await;
    until_online(&client, 2).await;
    link(&client, "b", "hunter3").await;
    let both = first.credentials().unwrap();
    assert_eq!((both.len(), &second.credentials().unwrap()), (2, &both), "an answered credential is on both");
    let nodes = status(&client).await["typeProperties"]["nodes"].clone();
    for (index, name) in ["first", "second"].into_iter().enumerate() {
        let shown = (&nodes[index]["nodeName"], &nodes[index]["capabilities"]["credentialInSync"]);
        assert_eq!(shown, (&json!(name), &json!("True")));
    }
    let synced = ask(&client, &format!("POST {RUNTIME}/syncCredentials"), Value::Null).await;
    assert_eq!((synced.status.as_u16(), synced.text.as_str()), (200, ""));
    assert_eq!((&first.credentials().unwrap(), &second.credentials().unwrap()), (&both, &both));

    assert_eq!(ask(&client, &format!("DELETE {RUNTIME}/nodes/first"), Value::Null).await.status, 200);
    first.stop().await;
    assert_eq!(second.credentials().unwrap(), both);
    link(&client, "c", "hunter4").await;
    assert_eq!(second.credentials().unwrap().len(), 3, "it is the dispatcher now");
    let third = running(&world, dir.path(), ("third", &key)).await;
    has(&third, &second.credentials().unwrap()).await;
    let secrets = std::fs::read_dir(dir.path().join("third")).unwrap();
    for file in secrets.map(|entry| entry.unwrap().path()) {
        assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("hunter"), "{}", file.display());
    }
}

/// What a token of the service says.
fn claims(token: &Value) -> Value {
    let claims = token.as_str().unwrap().split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// The id of a node.
fn id(node: &Node<'_>) -> String {
    node.credential.split('.').next().unwrap().to_owned()
}

#[tokio::test]
async fn nodes_that_differ_are_named_each_other_with_a_token_for_the_one_that_asks() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let (one, two) = (Node::registered(&world, &key, "n1").await, Node::registered(&world, &key, "n2").await);
    let digest = |digest: &str| json!({"started": null, "credentials": digest});
    let started = |name: &str| {
        json!({"name": name, "machine": "m1", "version": "0.1.0", "host": "127.0.0.1:8060",
        "remoteAccess": true, "thumbprint": "AB".repeat(32), "publicKey": public_key(name)})
    };
    let first = one.poll(json!({"started": started("n1"), "credentials": "aa"})).await.json();
    assert_eq!((&first["peers"], &first["round"]), (&Value::Null, &json!(0)), "the other has not said what it has");

    // Each is answered at once, for it is named the other.
    let named = two.poll(digest("bb")).await.json();
    let peer = &named["peers"][0];
    let expected = json!({"node": id(&one), "name": "n1", "uri": "https://127.0.0.1:8060/HostServiceRemote.svc/",
                          "thumbprint": "AB".repeat(32), "token": peer["token"]});
    assert_eq!(named["peers"], json!([expected]));
    let said = claims(&peer["token"]);
    assert_eq!(
        said,
        json!({"node": id(&one), "expires": said["expires"], "reader": {"node": id(&two), "publicKey": public_key("n2")}})
    );
    let back = one.poll(digest("aa")).await.json();
    assert_eq!(back["peers"][0]["node"], id(&two));
    let nodes = status(&client).await["typeProperties"]["nodes"].clone();
    let in_sync = [0, 1].map(|index| nodes[index]["capabilities"]["credentialInSync"].clone());
    assert_eq!(in_sync, ["True", "False"], "the first is the dispatcher");

    // One that waits is answered as soon as another has something new, and not before.
    assert_eq!(two.says("credentials", json!({"credentials": "aa"})).await.status, 204);
    let woken = one.poll(digest("aa")).await.json();
    assert_eq!(woken["peers"], Value::Null, "it was woken before it asked");
    let (given, _) = tokio::join!(one.poll(digest("aa")), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        two.says("credentials", json!({"credentials": "cc"})).await
    });
    assert_eq!(given.json()["peers"][0]["node"], id(&two));

    // A node of another runtime is named to none, nor one that lets none in.
    let other = json!({"properties": {"type": "SelfHosted"}});
    assert_eq!(ask(&client, "PUT F/acme/integrationRuntimes/other", other).await.status, 200);
    let keys = ask(&client, "POST F/acme/integrationRuntimes/other/listAuthKeys", Value::Null).await.json();
    let alone = Node::registered(&world, keys["authKey1"].as_str().unwrap(), "n1").await;
    let nothing = alone.poll(json!({"started": started("n1"), "credentials": "dd"})).await.json();
    assert_eq!(nothing["peers"], Value::Null);
    let mut closed = started("n2");
    closed["remoteAccess"] = json!(false);
    two.poll(json!({"started": closed, "credentials": "ee"})).await;
    let nothing = one.poll(json!({"started": started("n1"), "credentials": "aa"})).await.json();
    assert_eq!(nothing["peers"], Value::Null);
    let refused = register(&world, &key, "n3", true).await.error();
    assert!(refused.starts_with("409 Conflict Registration of new node is forbidden when Remote Access is disabled"));
}

#[tokio::test]
async fn a_removal_gives_the_other_nodes_another_key_of_tokens_at_once() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let (one, two) = (Node::registered(&world, &key, "n1").await, Node::registered(&world, &key, "n2").await);
    let started = |name: &str, digest: &str| {
        let node = json!({"name": name, "machine": "m1", "version": "0.1.0", "host": "127.0.0.1:8060",
                          "remoteAccess": true, "thumbprint": "AB".repeat(32), "publicKey": public_key(name)});
        json!({"started": node, "credentials": digest})
    };
    two.poll(started("n2", "aa")).await;
    let former = one.poll(started("n1", "bb")).await.json()["tokenKey"].clone();
    let named = two.poll(json!({"credentials": "aa"})).await.json();
    assert_eq!(named["peers"][0]["node"], id(&one), "it has a token for the other");
    let removing = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        ask(&client, &format!("DELETE {RUNTIME}/nodes/n2"), Value::Null).await
    };
    let (woken, removed) =
        tokio::join!(tokio::time::timeout(Duration::from_secs(10), one.poll(json!({"credentials": "bb"}))), removing);
    assert_eq!(removed.status, 200);
    let key = woken.expect("a node that waits is answered").json()["tokenKey"].clone();
    assert!(key.is_string() && former.is_string() && key != former, "{key}");
}

#[tokio::test]
async fn another_node_takes_a_credential_when_the_dispatcher_is_lost() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let (one, two) = (Node::registered(&world, &key, "n1").await, Node::registered(&world, &key, "n2").await);
    one.is_seen().await;
    two.is_seen().await;
    let (_, ()) = tokio::join!(link(&client, "a", "hunter2"), async {
        let lost = task_of(&one).await;
        assert_eq!(lost["kind"], "encrypt");
        // It was killed before it had done it, and has started again.
        let _ = tokio::time::timeout(Duration::from_millis(300), one.poll(json!({}))).await;
        let task = task_of(&two).await;
        assert_eq!((&task["kind"], &task["credential"]), (&lost["kind"], &lost["credential"]));
        assert_eq!(two.says("results", json!({"task": task["id"]})).await.status, 204);
    });
}

/// The next task of a node.
async fn task_of(node: &Node<'_>) -> Value {
    loop {
        let given = node.poll(json!({})).await.json();
        if let Some(task) = given["tasks"].get(0) {
            return task.clone();
        }
    }
}

#[tokio::test]
async fn credentials_are_overwritten_from_the_dispatcher() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let path = format!("POST {RUNTIME}/syncCredentials");
    let offline = ask(&client, &path, Value::Null).await.error();
    assert_eq!(offline, "400 BadRequest The integration runtime 'Own' has no node that is online.");
    let managed = json!({"properties": {"type": "Managed", "typeProperties": {}}});
    assert_eq!(ask(&client, "PUT F/acme/integrationRuntimes/azure", managed).await.status, 200);
    let none = ask(&client, "POST F/acme/integrationRuntimes/azure/syncCredentials", Value::Null).await.error();
    assert!(none.starts_with("400 BadRequest The integration runtime 'azure' is not self-hosted"), "{none}");

    let [key, _] = auth_keys(&client).await;
    let (one, two) = (Node::registered(&world, &key, "n1").await, Node::registered(&world, &key, "n2").await);
    two.is_seen().await;
    let digest = |digest: &str| json!({"credentials": digest});
    one.poll(json!({"credentials": "aa", "started": {"name": "n1", "machine": "m1", "version": "0.1.0", "host": "127.0.0.1:8060",
        "remoteAccess": true, "thumbprint": "AB".repeat(32), "publicKey": public_key("n1")}})).await;
    assert!(!two.poll(digest("bb")).await.json()["peers"].is_null());
    assert!(!one.poll(digest("aa")).await.json()["peers"].is_null());
    let (synced, ()) = tokio::join!(ask(&client, &path, Value::Null), async {
        let mut given = one.poll(digest("aa")).await.json();
        while given["tasks"] == json!([]) {
            given = one.poll(digest("aa")).await.json();
        }
        let task = &given["tasks"][0];
        assert_eq!((&task["kind"], &task["round"]), (&json!("overwrite"), &json!(1)));
        let done = json!({"task": task["id"], "credentials": "cc"});
        assert_eq!(one.says("results", done).await.status, 204);
        assert_eq!(two.says("credentials", digest("cc")).await.status, 204);
    });
    assert_eq!(synced.status, 200, "{}", synced.text);
    assert_eq!(two.poll(digest("dd")).await.json()["round"], 1);

    let failing = async {
        loop {
            let given = one.poll(digest("dd")).await.json();
            if let Some(task) = given["tasks"].get(0) {
                let done = json!({"task": task["id"], "error": "the disk is full"});
                assert_eq!(one.says("results", done).await.status, 204);
                return;
            }
        }
    };
    let (failed, ()) = tokio::join!(ask(&client, &path, Value::Null), failing);
    assert_eq!(failed.error(), "400 BadRequest The node of the integration runtime could not do it: the disk is full.");
}
