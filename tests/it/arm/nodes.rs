//! Nodes of self-hosted integration runtimes: they register at their factory's host, ask for work, are shown and removed.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyhaven::clock::{Clock, SystemClock, VirtualClock};
use keyhaven::{Config, Listen, Options, Storage};
use serde_json::{Value, json};

use super::Client;
use super::runtimes::{ask, auth_keys, client_of};
use crate::world::{Answer, CONFIG, World};

const HOST: &str = "acme.eastus.datafactory.azure.net";

/// A request to the nodes' endpoint at `host`, over TLS to the server's own name.
async fn send(world: &World, host: &str, path: &str, bearer: Option<&str>, body: &Value) -> Answer {
    world.send_to("localhost", world.request(host, &format!("POST {path}"), &body.to_string(), bearer)).await
}

fn description(name: &str, remote_access: bool) -> Value {
    json!({"name": name, "machine": "m1", "version": "0.1.0", "host": "127.0.0.1:8060", "remoteAccess": remote_access,
           "thumbprint": "AB".repeat(32), "publicKey": public_key(name)})
}

/// A public key of RSA, whose modulus is made of `name`.
pub(super) fn public_key(name: &str) -> String {
    let algorithm = [0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let lengths = [0x03, 0x82, 0x01, 0x0f, 0, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0];
    let mut modulus: Vec<u8> = name.bytes().cycle().take(256).collect();
    modulus[0] |= 0x80;
    modulus[255] |= 1;
    STANDARD.encode([&[0x30, 0x82, 0x01, 0x22], &algorithm[..], &lengths, &modulus, &[2, 3, 1, 0, 1]].concat())
}

pub(super) async fn register(world: &World, key: &str, name: &str, remote_access: bool) -> Answer {
    let body = json!({"authKey": key, "node": description(name, remote_access)});
    send(world, HOST, "/nodes/v1/register", None, &body).await
}

/// A node that has registered.
pub(super) struct Node<'w> {
    world: &'w World,
    path: String,
    pub(super) credential: String,
}

impl<'w> Node<'w> {
    pub(super) async fn registered(world: &'w World, key: &str, name: &str) -> Self {
        let answer = register(world, key, name, true).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let known = answer.json();
        let text = |member: &str| known[member].as_str().unwrap().to_owned();
        let path = format!("/nodes/v1/runtimes/{}/poll", text("runtime"));
        Self { world, path, credential: format!("{}.{}", text("node"), text("secret")) }
    }

    pub(super) async fn poll(&self, body: Value) -> Answer {
        send(self.world, HOST, &self.path, Some(&self.credential), &body).await
    }

    /// Says what became of a task, or that its credentials have changed.
    pub(super) async fn says(&self, what: &str, body: Value) -> Answer {
        let path = self.path.replace("poll", what);
        send(self.world, HOST, &path, Some(&self.credential), &body).await
    }

    /// Asks for work, and waits no longer than it takes to be seen.
    pub(super) async fn is_seen(&self) {
        let waited = tokio::time::timeout(Duration::from_millis(300), self.poll(json!({}))).await;
        assert!(waited.is_err(), "there is no work: {waited:?}");
    }
}

pub(super) async fn status(client: &Client<'_>) -> Value {
    ask(client, "POST F/acme/integrationRuntimes/own/getStatus", Value::Null).await.json()["properties"].clone()
}

#[tokio::test]
async fn a_node_is_online_while_it_asks_for_work_and_offline_when_it_was_not_seen_for_a_minute() {
    // Certificates are looked at by the clock of the machine that the test runs on.
    let start = SystemClock.now();
    let machine = Arc::new(VirtualClock::frozen_at(start));
    let (config, listen) = (Config::parse(CONFIG).unwrap(), Listen::on_free_ports());
    let options = Options { config, listen, storage: Storage::Memory, ..Options::default() };
    let world = World::on_machine_clock(machine.clone(), options).await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let node = Node::registered(&world, &key, "Node_1").await;
    assert_eq!(status(&client).await["state"], "Offline", "it has not asked for work");
    node.is_seen().await;
    let now = status(&client).await;
    assert_eq!(now["state"], "Online");
    let shown = &now["typeProperties"]["nodes"][0];
    let expected = json!({
        "nodeName": "Node_1", "machineName": "m1", "hostServiceUri": "https://127.0.0.1:8060/HostServiceRemote.svc/",
        "status": "Online",
        "capabilities": {"serviceBusConnected": "True", "httpsPortEnabled": "True", "credentialInSync": "True",
                         "connectedToResourceManager": "True", "nodeEnabled": "True"},
        "versionStatus": "UpToDate", "version": "0.1.0", "registerTime": start.to_string(),
        "lastConnectTime": start.to_string(), "lastStartTime": start.to_string(), "lastUpdateResult": "None",
        "isActiveDispatcher": true, "concurrentJobsLimit": 20, "maxConcurrentJobs": 20
    });
    assert_eq!(shown, &expected);
    assert_eq!(ask(&client, "GET F/acme/integrationRuntimes/own/nodes/node_1", Value::Null).await.json(), expected);

    let info = ask(&client, "POST F/acme/integrationRuntimes/own/getConnectionInfo", Value::Null).await.json();
    let expected = json!({
        "version": "0.1.0", "publicKey": public_key("Node_1"), "serviceToken": info["serviceToken"], "identityCertThumbprint": "AB".repeat(32),
        "hostServiceUri": "https://127.0.0.1:8060/HostServiceRemote.svc/", "isIdentityCertExprired": false
    });
    assert_eq!(info, expected);
    machine.set(start.plus_seconds(61));
    let client = Client::of(&world, "owner").await;
    let later = status(&client).await;
    assert_eq!(
        (&later["state"], &later["typeProperties"]["nodes"][0]["status"]),
        (&json!("Offline"), &json!("Offline"))
    );
    let offline = ask(&client, "POST F/acme/integrationRuntimes/own/getConnectionInfo", Value::Null).await.error();
    assert_eq!(offline, "400 BadRequest The integration runtime 'Own' has no node that is online.");
    let second = Node::registered(&world, &key, "Node_2").await;
    second.is_seen().await;
    let limited = status(&client).await;
    assert_eq!(limited["state"], "Limited");
    assert_eq!(limited["typeProperties"]["nodes"][1]["isActiveDispatcher"], true, "the first that is connected");
}

#[tokio::test]
async fn a_node_is_limited_located_and_removed() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let node = Node::registered(&world, &key, "n1").await;
    let path = "F/acme/integrationRuntimes/own/nodes/n1";
    let address = ask(&client, &format!("POST {path}/ipAddress"), Value::Null).await.json();
    assert_eq!(address, json!({"ipAddress": "127.0.0.1"}));
    let limited = ask(&client, &format!("PATCH {path}"), json!({"concurrentJobsLimit": 2})).await.json();
    assert_eq!(limited["concurrentJobsLimit"], 2);
    let monitoring = ask(&client, "POST F/acme/integrationRuntimes/own/monitoringData", Value::Null).await.json();
    let load = json!({"nodeName": "n1", "concurrentJobsLimit": 2, "concurrentJobsRunning": 0});
    assert_eq!(monitoring, json!({"name": "Own", "nodes": [load]}));
    let refused = ask(&client, &format!("PATCH {path}"), json!({"concurrentJobsLimit": 21})).await.error();
    assert_eq!(refused, "400 BadRequest concurrentJobsLimit is a number from 1 to 20, not 21.");

    let started = json!({"started": description("n1-renamed", true)});
    let first = node.poll(started).await;
    assert_eq!(first.json()["tasks"], json!([]), "one that has started is answered at once");
    let (given, removed) = tokio::join!(node.poll(json!({})), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let path = "DELETE F/acme/integrationRuntimes/own/nodes/n1-renamed";
        ask(&client, path, Value::Null).await.status
    });
    assert_eq!(removed, 200, "it was called so when it started last");
    assert_eq!(given.json()["tasks"][0]["kind"], "stop");
    let gone = node.poll(json!({})).await.error();
    assert_eq!(gone, "401 NodeNotRegistered The node is not registered, or was removed from its integration runtime.");
    for (line, expected) in [(format!("DELETE {path}"), 204), (format!("GET {path}"), 404)] {
        assert_eq!(ask(&client, &line, Value::Null).await.status, expected, "{line}");
    }
    assert_eq!(status(&client).await["state"], "NeedRegistration");
}

#[tokio::test]
async fn a_key_that_is_forged_or_was_regenerated_registers_nobody() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let [first, second] = auth_keys(&client).await;
    let other = json!({"properties": {"type": "SelfHosted"}});
    assert_eq!(ask(&client, "PUT F/acme/integrationRuntimes/other", other).await.status, 200);
    let others = ask(&client, "POST F/acme/integrationRuntimes/other/listAuthKeys", Value::Null).await.json();
    let others = others["authKey1"].as_str().unwrap().to_owned();
    let swapped = {
        let mut parts: Vec<&str> = first.split('@').collect();
        parts[1] = others.split('@').nth(1).unwrap();
        parts.join("@")
    };
    let regenerate = json!({"keyName": "authKey1"});
    assert_eq!(ask(&client, "POST F/acme/integrationRuntimes/own/regenerateAuthKey", regenerate).await.status, 200);
    let secret = second.rsplit('@').next().unwrap().to_owned();
    let forged = [
        first.clone(),
        swapped,
        String::new(),
        "IR@@@@".to_owned(),
        secret,
        second.replace("IR@", "ir@"),
        format!("{second} "),
        second[..second.len() - 1].to_owned(),
        format!("IR@{}@acme@ServiceEndpoint={HOST}@", second.split('@').nth(1).unwrap()),
    ];
    for key in &forged {
        let refused = register(&world, key, "n", true).await.error();
        assert!(refused.starts_with("401 InvalidAuthKey The authentication key is invalid"), "{key}: {refused}");
    }
    assert_eq!(status(&client).await["typeProperties"]["nodes"], json!([]));
    assert_eq!(register(&world, &second, "n", true).await.status, 200, "the other key is as good as before");
    assert_eq!(register(&world, &auth_keys(&client).await[0], "n2", true).await.status, 200);
}

#[tokio::test]
async fn a_node_is_known_by_its_own_secret_alone() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let (one, two) = (Node::registered(&world, &key, "n1").await, Node::registered(&world, &key, "n2").await);
    let ((id, secret), (_, others)) =
        (one.credential.split_once('.').unwrap(), two.credential.split_once('.').unwrap());
    let nil = "/nodes/v1/runtimes/00000000-0000-0000-0000-000000000000/poll";
    for (path, credential) in [
        (one.path.as_str(), format!("{id}.{others}")),
        (&one.path, format!("{id}.")),
        (&one.path, id.to_owned()),
        (&one.path, secret.to_owned()),
        (&one.path, format!("00000000-0000-0000-0000-000000000000.{secret}")),
        (&one.path, key.clone()),
        (nil, one.credential.clone()),
        ("/nodes/v1/runtimes/x/poll", one.credential.clone()),
    ] {
        let refused = send(&world, HOST, path, Some(&credential), &json!({})).await.error();
        assert!(refused.starts_with("401 NodeNotRegistered "), "{path} {credential}: {refused}");
    }
    assert_eq!(send(&world, HOST, &one.path, None, &json!({})).await.status, 401);
    let taken = one.poll(json!({"started": description("N2", true)})).await.error();
    assert!(taken.starts_with("409 Conflict The integration runtime has a node 'N2' already"), "{taken}");
    let wrong = one.poll(json!({"started": {"name": "hunter2"}})).await.error();
    assert!(wrong.starts_with("400 BadRequest The body is not what a node sends") && !wrong.contains("hunter2"));
}

#[tokio::test]
async fn a_runtime_has_at_most_four_nodes_which_all_let_others_in() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    assert_eq!(register(&world, &key, "n1", false).await.status, 200);
    let closed = register(&world, &key, "n2", true).await.error();
    assert_eq!(
        closed,
        "409 Conflict Registration of new node is forbidden when Remote Access is disabled on another node. To enable it, start that \
         node with --remote-access on."
    );
    assert_eq!(register(&world, &key, "n1", true).await.status, 200, "the same node again, by its key");
    for name in ["n2", "n3", "n4"] {
        assert_eq!(register(&world, &key, name, true).await.status, 200);
    }
    let full = register(&world, &key, "n5", true).await.error();
    assert_eq!(full, "409 Conflict The integration runtime has 4 nodes already, which is the most.");
    let mut other = description("N1", true);
    other["publicKey"] = json!(public_key("another"));
    let taken = send(&world, HOST, "/nodes/v1/register", None, &json!({"authKey": key, "node": other})).await.error();
    assert!(taken.starts_with("409 Conflict The integration runtime has a node 'N1' already: give another"), "{taken}");
    let names: Vec<Value> = status(&client).await["typeProperties"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["nodeName"].clone())
        .collect();
    assert_eq!(names, ["n1", "n2", "n3", "n4"]);
    let unnamed = register(&world, &key, "a b", true).await.error();
    assert!(unnamed.starts_with("400 BadRequest The node name 'a b' is invalid"), "{unnamed}");
}

#[tokio::test]
async fn a_node_that_registers_again_ends_what_went_on_under_its_former_id() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let former = Node::registered(&world, &key, "n1").await;
    let (given, again) = tokio::join!(former.poll(json!({})), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        register(&world, &key, "n1", true).await
    });
    assert_eq!((again.status, &given.json()["tasks"][0]["kind"]), (hyper::StatusCode::OK, &json!("stop")));
    assert_eq!(former.poll(json!({})).await.status, 401);
    assert_eq!(status(&client).await["typeProperties"]["nodes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_factory_is_found_by_its_hosts_alone() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let body = json!({"authKey": key, "node": description("n1", true)});
    for (host, expected) in [
        (
            "none.eastus.datafactory.azure.net",
            "404 FactoryNotFound There is no data factory 'none' in the region 'eastus'.",
        ),
        (
            "acme.westus.datafactory.azure.net",
            "404 FactoryNotFound There is no data factory 'acme' in the region 'westus'.",
        ),
    ] {
        assert_eq!(send(&world, host, "/nodes/v1/register", None, &body).await.error(), expected);
    }
    let absent = send(&world, HOST, "/nodes/v2/register", None, &body).await.error();
    assert!(
        absent.starts_with("404 NotFound Nodes of integration runtimes find nothing at /nodes/v2/register"),
        "{absent}"
    );
    let vault = send(&world, "acme.datafactory.azure.net", "/nodes/v1/register", None, &body).await.error();
    assert!(vault.starts_with("404 VaultNotFound "), "{vault}");
    let private = "ACME.eastus.privatelink.datafactory.azure.net:8443";
    assert_eq!(send(&world, private, "/nodes/v1/register", None, &body).await.status, 200);
}

#[tokio::test]
async fn nodes_go_with_their_runtime() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let node = Node::registered(&world, &key, "n1").await;
    assert_eq!(ask(&client, "DELETE F/acme/integrationRuntimes/own", Value::Null).await.status, 200);
    assert_eq!(node.poll(json!({})).await.status, 401);
    assert_eq!(register(&world, &key, "n1", true).await.status, 401);
}

#[tokio::test]
async fn with_public_access_disabled_a_node_is_served_at_the_addresses_of_an_approved_private_endpoint_alone() {
    let config = CONFIG.trim_end().strip_suffix('}').unwrap();
    let config = format!(r#"{config}, "privateEndpoints": [{{"name": "pe", "ranges": ["127.0.0.0/8"]}}]}}"#);
    let world = World::of(&config, Storage::Memory).await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    let node = Node::registered(&world, &key, "one").await;
    let access = async |value: &str| {
        let body = json!({"properties": {"publicNetworkAccess": value}});
        assert_eq!(ask(&client, "PATCH F/acme", body).await.status, 200);
    };
    let connect = async |status: &str| {
        let endpoint = "/subscriptions/5/resourceGroups/n/providers/Microsoft.Network/privateEndpoints/PE";
        let body = json!({"properties": {"privateEndpoint": {"id": endpoint}, "privateLinkServiceConnectionState": {"status": status}}});
        assert_eq!(ask(&client, "PUT F/acme/privateEndpointConnections/pe", body).await.status, 200);
    };
    let refused = "403 PublicNetworkAccessDenied The data factory 'acme' serves no node at 127.0.0.1: its public network access is \
                   disabled. Set publicNetworkAccess to Enabled, or approve a private endpoint connection whose ranges have this address.";
    access("Disabled").await;
    assert_eq!(register(&world, &key, "two", true).await.error(), refused);
    assert_eq!(node.poll(json!({})).await.error(), refused);
    connect("Approved").await;
    node.is_seen().await;
    connect("Rejected").await;
    assert_eq!(node.poll(json!({})).await.error(), refused);
    access("Enabled").await;
    node.is_seen().await;
}
