//! Web activities on nodes of self-hosted runtimes: what nodes are given, what they call and as whom, and what becomes of an activity
//! whose node is lost.

use std::sync::Arc;
use std::time::Duration;

use keyhaven::clock::{Clock, SystemClock, VirtualClock};
use keyhaven::testing::{NodeSetup, RunningNode, start_node};
use keyhaven::{Config, Listen, Options, Storage};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::nodes::public_key;
use super::runs::{Echo, Plane, plane_world, reference, vault_service, web};
use crate::world::{Answer, World};

const HOST: &str = "works.local.datafactory.azure.net";

/// A plane with a self-hosted runtime `own`.
pub(super) async fn plane(world: &World) -> Plane<'_> {
    let plane = Plane::of(world).await;
    runtime(&plane, "own").await;
    plane
}

async fn runtime(plane: &Plane<'_>, name: &str) {
    let made = plane
        .ask(&format!("PUT F/works/integrationRuntimes/{name}"), &json!({"properties": {"type": "SelfHosted"}}))
        .await;
    assert_eq!(made.status, 200, "{}", made.text);
}

async fn auth_key(plane: &Plane<'_>, runtime: &str) -> String {
    let keys = plane.ask(&format!("POST F/works/integrationRuntimes/{runtime}/listAuthKeys"), &Value::Null).await;
    keys.json()["authKey1"].as_str().unwrap().to_owned()
}

/// A whole node in this process, and its home.
pub(super) struct Node {
    _working: RunningNode,
    _home: TempDir,
}

impl Node {
    async fn of(plane: &Plane<'_>, runtime: &str) -> Self {
        Self::trusting(plane, runtime, "").await
    }

    /// One that trusts the CAs in `pem` too.
    pub(super) async fn trusting(plane: &Plane<'_>, runtime: &str, pem: &str) -> Self {
        let (home, key) = (tempfile::tempdir().unwrap(), auth_key(plane, runtime).await);
        let server = format!("https://localhost:{}", plane.world.port());
        let ca = std::fs::read_to_string(&plane.world.server.ready.ca).unwrap() + pem;
        let (home_path, auth_key) = (home.path(), Some(key.as_str()));
        let setup = NodeSetup { home: home_path, name: "n1", server: &server, ca: &ca, auth_key, remote_access: false };
        let node = Self { _working: start_node(&setup).await.unwrap(), _home: home };
        plane.is_online(runtime).await;
        node
    }
}

impl Plane<'_> {
    async fn is_online(&self, runtime: &str) {
        for _ in 0..500 {
            let status =
                self.ask(&format!("POST F/works/integrationRuntimes/{runtime}/getStatus"), &Value::Null).await.json();
            if status["properties"]["state"] == "Online" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no node is online");
    }

    async fn put(&self, what: &str, properties: Value) {
        let made = self.ask(&format!("PUT F/works/{what}"), &json!({"properties": properties})).await;
        assert_eq!(made.status, 200, "{}", made.text);
    }
}

pub(super) fn on(runtime: &str, mut call: Value) -> Value {
    call["connectVia"] = json!({"type": "IntegrationRuntimeReference", "referenceName": runtime});
    call
}

fn basic(echo: &Echo, secret: &str) -> Value {
    let password = reference(secret);
    json!({
        "method": "GET", "url": format!("{}/basic", echo.url),
        "authentication": {"type": "Basic", "username": "u", "password": password}
    })
}

fn sql(password: &str) -> Value {
    json!({"type": "SqlServer", "typeProperties": {"connectionString": format!("Server=S;Password={password}")}})
}

fn via(runtime: &str, mut service: Value) -> Value {
    service["connectVia"] = json!({"type": "integrationRuntimeReference", "referenceName": runtime});
    service
}

#[tokio::test]
async fn a_node_resolves_what_an_activity_refers_to_and_calls_what_it_names() {
    let (world, echo) = (plane_world().await, Echo::new().await);
    let plane = plane(&world).await;
    plane.ask("PUT F/works/linkedservices/vault", &vault_service()).await;
    let (_, error) = plane.call(on("own", basic(&echo, "password"))).await;
    assert_eq!(error, "2010 The Self-hosted Integration Runtime 'own' is offline.");
    let _node = Node::of(&plane, "own").await;
    let (_, error) = plane.call(on("own", basic(&echo, "password"))).await;
    assert!(
        error.starts_with(
            "2105 Failed to get the secret from key vault, secretName: password, secretVersion: , vaultBaseUrl: \
             https://acme.vault.azure.net. The error message is: 403 Forbidden/ForbiddenByPolicy: "
        ),
        "{error}"
    );
    assert!(echo.got().is_empty(), "nothing is called without it");
    plane.grant().await;
    let (output, error) = plane.call(on("own", basic(&echo, "password"))).await;
    assert_eq!(error, "");
    assert!(output["fields"].to_string().contains("authorization: Basic dTpjb3JyZWN0IGhvcnNl"), "{output}");
    let mut alias = vault_service();
    alias["properties"]["typeProperties"]["baseUrl"] = json!("https://keys.acme.test");
    plane.ask("PUT F/works/linkedservices/vault", &alias).await;
    let (_, error) = plane.call(on("own", basic(&echo, "password"))).await;
    assert_eq!(error, "", "a vault has other names too");
    let members = json!([
        output["effectiveIntegrationRuntime"],
        output["executionDuration"],
        output["durationInQueue"],
        output["billingReference"]
    ]);
    let billed = json!({"meterType": "SelfhostedIR", "duration": 1.0 / 60.0, "unit": "Hours"});
    let billing = json!({"activityType": "ExternalActivity", "billableDuration": [billed]});
    assert_eq!(members, json!(["own", 0, {"integrationRuntimeQueue": 0}, billing]));

    plane.put("linkedservices/kept", sql("battery staple")).await;
    plane.put("linkedservices/encrypted", via("own", sql("open sesame"))).await;
    let in_vault = json!({"type": "SqlServer", "typeProperties": {"connectionString": "Server=S", "password": reference("password")}});
    plane.put("linkedservices/referring", in_vault).await;
    let services =
        ["kept", "encrypted", "referring"].map(|name| json!({"type": "LinkedServiceReference", "referenceName": name}));
    let along = json!({"method": "POST", "url": echo.url, "body": {"a": 1}, "linkedServices": services});
    let (output, error) = plane.call(on("own", along.clone())).await;
    assert_eq!(error, "");
    let sent: Value = serde_json::from_str(output["body"].as_str().unwrap()).unwrap();
    let properties = |at: usize| &sent["linkedServices"][at]["properties"];
    assert_eq!((&sent["a"], properties(0)), (&json!(1), &sql("battery staple")));
    assert_eq!(properties(1), &via("own", sql("open sesame")), "the node has it");
    assert_eq!(properties(2)["typeProperties"]["password"], json!({"type": "SecureString", "value": "correct horse"}));
    let (_, error) = plane.call(along).await;
    assert_eq!(
        error,
        "2105 'encrypted' cannot be read: its credential is on a node of its runtime, which alone can use it"
    );
    let (_, error) = plane.call(on("own", json!({"method": "GET", "url": format!("{}/broken", echo.url)}))).await;
    assert!(
        error.contains("Response status code: '503'. More details: Exception message: 'come back later'"),
        "{error}"
    );
    let (_, error) = plane.call(on("own", json!({"method": "GET", "url": format!("{}/large", echo.url)}))).await;
    assert_eq!(error, "2001 The length of execution output is over limit (1 MB here).");
    let managed = json!({"properties": {"type": "Managed", "typeProperties": {"computeProperties": {"location": "AutoResolve"}}}});
    assert_eq!(plane.ask("PUT F/works/integrationRuntimes/azure", &managed).await.status, 200);
    let (output, _) = plane.call(on("azure", json!({"method": "GET", "url": echo.url}))).await;
    assert_eq!(output["effectiveIntegrationRuntime"], "azure", "the service's own, by another name");
}

#[tokio::test]
async fn a_node_reads_from_its_own_address_and_is_no_trusted_service() {
    let (world, echo) = (plane_world().await, Echo::new().await);
    let plane = plane(&world).await;
    let _node = Node::of(&plane, "own").await;
    plane.grant().await;
    let mut closed = vault_service();
    closed["properties"]["typeProperties"]["baseUrl"] = json!("https://closed.vault.azure.net/");
    plane.ask("PUT F/works/linkedservices/vault", &closed).await;
    let rules = async |ranges: Value| {
        let policies = json!([{"objectId": plane.principal, "permissions": {"secrets": ["get"]}}]);
        let acls = json!({"defaultAction": "Deny", "bypass": "AzureServices", "ipRules": ranges});
        let vault = json!({"name": "closed", "accessPolicies": policies, "networkAcls": acls});
        let changed = plane.world.admin("PUT /admin/vaults/closed", &vault.to_string()).await;
        assert!(changed.status.is_success(), "{}", changed.text);
    };
    rules(json!([])).await;
    let (_, error) = plane.call(basic(&echo, "password")).await;
    assert_eq!(error, "", "the service's own runtime is trusted");
    let (_, error) = plane.call(on("own", basic(&echo, "password"))).await;
    assert!(error.contains("403 Forbidden/ForbiddenByFirewall: ") && error.contains("127.0.0.1"), "{error}");
    let signed_in = json!({
        "method": "GET", "url": "https://closed.vault.azure.net/secrets/password?api-version=7.4",
        "authentication": {"type": "MSI", "resource": "https://vault.azure.net"}
    });
    let (output, error) = plane.call(signed_in.clone()).await;
    assert_eq!((&output["value"], error.as_str()), (&json!("battery staple"), ""));
    let (_, error) = plane.call(on("own", signed_in.clone())).await;
    assert!(error.contains("Response status code: '403'") && error.contains("ForbiddenByFirewall"), "{error}");
    rules(json!([{"value": "127.0.0.1"}])).await;
    let (output, error) = plane.call(on("own", signed_in)).await;
    assert_eq!((&output["value"], error.as_str()), (&json!("battery staple"), ""));
    let (_, error) = plane.call(on("own", basic(&echo, "password"))).await;
    assert_eq!(error, "");
    let own = plane.world.admin("GET /admin/audit?limit=1000", "").await.json()["records"].clone();
    let last = own.as_array().unwrap().iter().rfind(|one| one["operationName"] == "SecretGet").unwrap().clone();
    assert_eq!(last["properties"]["identityName"], "datafactory-works", "{last}");
    assert_eq!(last["callerIpAddress"], "127.0.0.1", "{last}");
}

#[tokio::test]
async fn a_node_never_asks_the_server_s_own_listeners_and_finds_the_cloud_at_the_server() {
    let world = plane_world().await;
    let plane = plane(&world).await;
    let _node = Node::of(&plane, "own").await;
    let ready = &world.server.ready;
    let admin = ready.admin.as_deref().unwrap();
    let port = admin.rsplit(':').next().unwrap();
    for (url, why) in [
        (format!("http://{admin}/admin/status"), "it is one of Keyhaven's own listeners"),
        (format!("http://localhost:{port}/admin/status"), "it is one of Keyhaven's own listeners"),
        (format!("http://a.localhost:{port}/admin/status"), "it is one of Keyhaven's own listeners"),
        (format!("http://[::ffff:7f00:1]:{port}/admin/status"), "it is one of Keyhaven's own listeners"),
        (format!("http://{}/metadata/identity", ready.identity), "it is one of Keyhaven's own listeners"),
        ("http://169.254.169.254/metadata/instance".to_owned(), "link-local addresses are never forwarded"),
        ("http://[64:ff9b::a9fe:a9fe]/metadata/instance".to_owned(), "link-local addresses are never forwarded"),
        ("https://management.chinacloudapi.cn/x".to_owned(), "is not emulated"),
        ("http://acme.vault.azure.net/".to_owned(), "is asked over TLS"),
        ("ftp://h/x".to_owned(), "is no http:// or https:// URL"),
    ] {
        let (_, error) = plane.call(on("own", json!({"method": "GET", "url": url}))).await;
        assert!(error.contains(why), "{url}: {error}");
    }
    let subscriptions = json!({
        "method": "GET", "url": "https://management.azure.com/subscriptions?api-version=2022-12-01",
        "authentication": {"type": "MSI", "resource": "https://management.azure.com/"}
    });
    let (output, error) = plane.call(on("own", subscriptions)).await;
    assert_eq!((&output["count"]["value"], error.as_str()), (&json!(1), ""), "{output}");
    let keys = json!({"method": "GET", "url": "https://login.microsoftonline.com/common/discovery/v2.0/keys"});
    let (output, error) = plane.call(on("own", keys)).await;
    assert_eq!((output["keys"].is_array(), error.as_str()), (true, ""), "{output}");
}

#[tokio::test]
async fn offline_a_node_calls_loopback_alone() {
    let config = Config::parse(super::runs::CONFIG).unwrap();
    let takeover = keyhaven::Takeover { offline: true, ..keyhaven::Takeover::default() };
    let world = World::with(Options { config, storage: Storage::Memory, takeover, ..Options::default() }).await;
    let (plane, echo) = (plane(&world).await, Echo::new().await);
    let _node = Node::of(&plane, "own").await;
    let local = echo.url.replace("127.0.0.1", "localhost");
    let (output, error) = plane.call(on("own", json!({"method": "GET", "url": local}))).await;
    assert_eq!((&output["request"], error.as_str()), (&json!("GET /"), ""));
    for url in ["https://example.com/", "http://192.0.2.1/", "https://dev.azure.com/"] {
        let (_, error) = plane.call(on("own", json!({"method": "GET", "url": url}))).await;
        assert!(error.contains("--offline lets nothing out"), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_credential_is_used_by_its_own_runtime_alone_and_with_private_link_on_by_none() {
    let config = super::runs::CONFIG.trim_end().strip_suffix('}').unwrap();
    let config = format!(r#"{config}, "privateEndpoints": [{{"name": "pe", "ranges": ["127.0.0.0/8"]}}]}}"#);
    let (world, echo) = (World::of(&config, Storage::Memory).await, Echo::new().await);
    let plane = plane(&world).await;
    runtime(&plane, "other").await;
    let (_own, _other) = (Node::of(&plane, "own").await, Node::of(&plane, "other").await);
    plane.grant().await;
    plane.ask("PUT F/works/linkedservices/vault", &vault_service()).await;
    plane.put("linkedservices/encrypted", via("own", sql("open sesame"))).await;
    let shown = plane.ask("GET F/works/linkedservices/encrypted", &Value::Null).await.json()["properties"].clone();
    plane.put("linkedservices/moved", via("other", shown)).await;
    plane.put("linkedservices/kept", sql("battery staple")).await;
    let in_vault = json!({"type": "SqlServer", "typeProperties": {"connectionString": "Server=S", "password": reference("password")}});
    plane.put("linkedservices/referring", in_vault).await;
    let with = |name: &str| {
        let along = json!([{"type": "LinkedServiceReference", "referenceName": name}]);
        json!({"method": "POST", "url": echo.url, "body": {}, "linkedServices": along})
    };
    let (_, error) = plane.call(on("other", with("encrypted"))).await;
    assert_eq!(
        error,
        "2105 'encrypted' cannot be read: its credential is on a node of the integration runtime 'own', which alone can use it"
    );
    let (_, error) = plane.call(on("other", with("moved"))).await;
    assert!(
        error.starts_with("2105 'moved' cannot be read: the node 'n1' does not have its credential DATAFACTORY@"),
        "{error}"
    );

    plane.ask("PATCH F/works", &json!({"properties": {"publicNetworkAccess": "Disabled"}})).await;
    let (_, error) = plane.call(on("own", with("referring"))).await;
    assert_eq!(error, "2010 The Self-hosted Integration Runtime 'own' is offline.", "its node is not served any more");
    let endpoint = "/subscriptions/5/resourceGroups/n/providers/Microsoft.Network/privateEndpoints/PE";
    let state = json!({"status": "Approved"});
    let connection = json!({"privateEndpoint": {"id": endpoint}, "privateLinkServiceConnectionState": state});
    plane.put("privateEndpointConnections/pe", connection).await;
    plane.is_online("own").await;
    for name in ["encrypted", "kept"] {
        let (_, error) = plane.call(on("own", with(name))).await;
        let expected = format!(
            "2105 The credentials of the linked service '{name}' are not in a vault: while publicNetworkAccess of the data factory \
             'works' is Disabled, the self-hosted integration runtime 'own' uses credentials of a vault alone."
        );
        assert_eq!(error, expected);
    }
    let (_, error) = plane.call(on("own", with("referring"))).await;
    assert_eq!(error, "");
    let (_, error) = plane.call(with("kept")).await;
    assert_eq!(error, "", "the service's own runtime is not concerned");
}

/// A node that says what a test says.
struct FakeNode<'w> {
    world: &'w World,
    path: String,
    credential: String,
}

impl<'w> FakeNode<'w> {
    async fn of(plane: &Plane<'w>, name: &str) -> Self {
        let body = json!({"authKey": auth_key(plane, "own").await, "node": description(name)});
        let request = plane.world.request(HOST, "POST /nodes/v1/register", &body.to_string(), None);
        let known = plane.world.send_to("localhost", request).await.json();
        let text = |member: &str| known[member].as_str().unwrap().to_owned();
        let path = format!("/nodes/v1/runtimes/{}", text("runtime"));
        let node = Self { world: plane.world, path, credential: format!("{}.{}", text("node"), text("secret")) };
        node.connects(name, &json!([])).await;
        node
    }

    async fn post(&self, what: &str, body: &Value) -> Answer {
        let line = format!("POST {}/{what}", self.path);
        let request = self.world.request(HOST, &line, &body.to_string(), Some(&self.credential));
        self.world.send_to("localhost", request).await
    }

    /// Asks for work as one that has just started; the answer may have some already.
    async fn connects(&self, name: &str, running: &Value) -> Vec<Value> {
        let answer = self.post("poll", &json!({"started": description(name), "running": running})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["tasks"].as_array().unwrap().clone()
    }

    async fn tasks(&self) -> Vec<Value> {
        loop {
            let answer = self.post("poll", &json!({})).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            match answer.json()["tasks"].as_array().unwrap() {
                none if none.is_empty() => {}
                tasks => return tasks.clone(),
            }
        }
    }

    async fn gave(&self, task: &Value, output: Value) {
        let answer = self.post("results", &json!({"task": task["id"], "activity": {"output": output}})).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    }
}

fn description(name: &str) -> Value {
    json!({"name": name, "machine": "m1", "version": "0.1.0", "host": "127.0.0.1:8060", "remoteAccess": true,
           "thumbprint": "AB".repeat(32), "publicKey": public_key(name)})
}

#[tokio::test]
async fn a_node_is_given_tokens_for_the_vaults_alone_and_no_secret_that_is_in_one() {
    let world = plane_world().await;
    let plane = plane(&world).await;
    let node = FakeNode::of(&plane, "n1").await;
    plane.ask("PUT F/works/linkedservices/vault", &vault_service()).await;
    let call = json!({
        "method": "GET", "url": "https://h.example/x",
        "authentication": {"type": "Basic", "username": "u", "password": reference("password")}
    });
    plane.pipeline(&json!({"activities": [web("call", on("own", call))]})).await;
    let id = plane.begin(&Value::Null).await;
    let task = node.tasks().await.remove(0);
    let stores = &task["call"]["stores"];
    assert_eq!((&stores[0]["name"], &stores[0]["url"]), (&json!("vault"), &json!("https://acme.vault.azure.net")));
    assert!(stores[0]["token"].as_str().unwrap().starts_with("ey"), "{task}");
    assert_eq!((&task["kind"], &task["atServer"], &task["call"]["run"]), (&json!("call"), &json!(false), &json!(id)));
    assert!(!task.to_string().contains("correct horse"), "{task}");
    let listeners = task["listeners"].to_string();
    assert!(listeners.contains(world.server.ready.admin.as_deref().unwrap()), "{listeners}");
    assert!(listeners.contains(&world.server.ready.identity), "{listeners}");
    node.gave(&task, json!({"a": 1})).await;
    let (_, activities) = plane.ended(&id).await;
    assert_eq!((&activities[0]["output"]["a"], &activities[0]["status"]), (&json!(1), &json!("Succeeded")));

    let mut elsewhere = vault_service();
    elsewhere["properties"]["typeProperties"]["baseUrl"] = json!("https://vault.example/");
    plane.ask("PUT F/works/linkedservices/vault", &elsewhere).await;
    let (_, activities) = plane.ended(&plane.begin(&Value::Null).await).await;
    let error = activities[0]["error"]["message"].as_str().unwrap();
    assert_eq!(error, "'https://vault.example' of the linked service 'vault' is no vault that is answered here.");
}

#[tokio::test]
async fn an_activity_fails_with_its_node_and_is_tried_again_as_its_policy_says() {
    let world = plane_world().await;
    let plane = plane(&world).await;
    let node = FakeNode::of(&plane, "n1").await;
    let mut call = web("call", on("own", json!({"method": "GET", "url": "https://h.example/x"})));
    call["policy"] = json!({"retry": 1, "retryIntervalInSeconds": 0});
    plane.pipeline(&json!({"activities": [call]})).await;
    let id = plane.begin(&Value::Null).await;
    let first = node.tasks().await.remove(0);
    node.connects("n1", &json!([first["id"]])).await;
    assert!(plane.run(&id).await["runEnd"].is_null(), "it works on it still");
    // Another process: the first was killed.
    let mut given = node.connects("n1", &json!([])).await;
    if given.is_empty() {
        given = node.tasks().await;
    }
    let second = given.remove(0);
    assert_ne!(first["id"], second["id"]);
    node.gave(&first, json!({"late": 1})).await;
    node.gave(&second, json!({"a": 2})).await;
    let (run, activities) = plane.ended(&id).await;
    assert_eq!((&run["status"], activities.len()), (&json!("Succeeded"), 2));
    let lost =
        "The Self-hosted Integration Runtime 'own' is offline: its node 'n1' was lost while it ran the activity.";
    assert_eq!(
        (&activities[0]["error"]["errorCode"], &activities[0]["error"]["message"]),
        (&json!("2010"), &json!(lost))
    );
    assert_eq!(activities[1]["output"]["a"], 2);

    let id = plane.begin(&Value::Null).await;
    node.tasks().await;
    let removed = plane.ask("DELETE F/works/integrationRuntimes/own/nodes/n1", &Value::Null).await;
    assert_eq!(removed.status, 200);
    let (run, activities) = plane.ended(&id).await;
    assert_eq!(activities[0]["error"]["message"], lost);
    let last = "Operation on target call failed: The Self-hosted Integration Runtime 'own' is offline.";
    assert_eq!((&run["status"], &run["message"]), (&json!("Failed"), &json!(last)));
}

#[tokio::test]
async fn an_activity_fails_when_its_node_was_not_seen_for_a_minute() {
    let machine = Arc::new(VirtualClock::frozen_at(SystemClock.now()));
    let (config, listen) = (Config::parse(super::runs::CONFIG).unwrap(), Listen::on_free_ports());
    let options = Options { config, listen, storage: Storage::Memory, ..Options::default() };
    let world = World::on_machine_clock(machine.clone(), options).await;
    let plane = plane(&world).await;
    let node = FakeNode::of(&plane, "n1").await;
    plane
        .pipeline(
            &json!({"activities": [web("call", on("own", json!({"method": "GET", "url": "https://h.example/x"})))]}),
        )
        .await;
    let id = plane.begin(&Value::Null).await;
    assert_eq!(node.tasks().await.len(), 1);
    machine.advance(61);
    let (run, _) = Plane::of_client(&world, &plane).await.ended(&id).await;
    assert!(run["message"].as_str().unwrap().ends_with("its node 'n1' was lost while it ran the activity."), "{run}");
}

#[tokio::test]
async fn a_node_runs_no_more_activities_than_it_may_and_ends_those_that_are_cancelled() {
    let world = plane_world().await;
    let plane = plane(&world).await;
    let node = FakeNode::of(&plane, "n1").await;
    let path = "F/works/integrationRuntimes/own";
    assert_eq!(plane.ask(&format!("PATCH {path}/nodes/n1"), &json!({"concurrentJobsLimit": 1})).await.status, 200);
    let call = |name: &str| web(name, on("own", json!({"method": "GET", "url": "https://h.example/x"})));
    plane.pipeline(&json!({"activities": [call("a"), call("b")]})).await;
    let id = plane.begin(&Value::Null).await;
    let first = node.tasks().await;
    assert_eq!(first.len(), 1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let load = plane.ask(&format!("POST {path}/monitoringData"), &Value::Null).await.json()["nodes"][0].clone();
    assert_eq!(load, json!({"nodeName": "n1", "concurrentJobsLimit": 1, "concurrentJobsRunning": 1}));
    node.gave(&first[0], json!({})).await;
    let second = node.tasks().await;
    assert_eq!(second.len(), 1);
    assert_ne!(first[0]["call"]["activity"], second[0]["call"]["activity"]);
    let cancelled = plane.ask(&format!("POST F/works/pipelineruns/{id}/cancel"), &Value::Null).await;
    assert_eq!(cancelled.status, 200);
    assert_eq!(node.tasks().await, [json!({"id": second[0]["id"], "kind": "cancel"})]);
    let load = plane.ask(&format!("POST {path}/monitoringData"), &Value::Null).await.json()["nodes"][0].clone();
    assert_eq!(load["concurrentJobsRunning"], 0);
}

/// Whom a run reads the secret as, and what that identity may do.
#[derive(Default)]
struct Grants {
    /// The factory's own identity may read it.
    own: bool,
    /// The user-assigned identity may.
    user: bool,
    /// The factory has the user-assigned identity.
    assigned: bool,
    /// The vault's linked service names it.
    named: bool,
}

const USER: &str = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven/providers/Microsoft.ManagedIdentity/\
                    userAssignedIdentities/reader";

impl Grants {
    const fn let_it_read(&self) -> bool {
        if self.named { self.assigned && self.user } else { self.own }
    }

    /// Brings the server to this.
    async fn apply(&self, plane: &Plane<'_>) {
        let mut policies = vec![json!({"identity": "owner", "permissions": {"secrets": ["all"]}})];
        for (granted, who) in [(self.own, ("objectId", plane.principal.as_str())), (self.user, ("identity", "reader"))]
        {
            let mut policy = json!({"permissions": {"secrets": ["get"]}});
            policy[who.0] = json!(who.1);
            policies.extend(granted.then_some(policy));
        }
        let vault = json!({"name": "acme", "accessPolicies": policies});
        let changed = plane.world.admin("PUT /admin/vaults/acme", &vault.to_string()).await;
        assert!(changed.status.is_success(), "{}", changed.text);
        let mut service = vault_service();
        if self.named {
            let credential = json!({"type": "CredentialReference", "referenceName": "user"});
            service["properties"]["typeProperties"]["credential"] = credential;
        }
        assert_eq!(plane.ask("PUT F/works/linkedservices/vault", &service).await.status, 200);
        let identity = match self.assigned {
            true => json!({"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {USER: {}}}),
            false => json!({"type": "SystemAssigned"}),
        };
        let factory = json!({"location": "Local", "identity": identity});
        assert_eq!(plane.ask("PUT F/works", &factory).await.status, 200);
    }
}

#[tokio::test]
async fn an_activity_signs_in_as_the_identity_that_its_credential_names() {
    let world = plane_world().await;
    let plane = plane(&world).await;
    let _node = Node::of(&plane, "own").await;
    let mut grants = Grants { user: true, assigned: true, ..Grants::default() };
    grants.apply(&plane).await;
    plane.put("credentials/user", json!({"type": "ManagedIdentity", "typeProperties": {"resourceId": USER}})).await;
    let principal = json!({"type": "ServicePrincipal", "typeProperties": {"servicePrincipalId": "a", "tenant": "t"}});
    plane.put("credentials/principal", principal).await;
    let with = |credential: &str| {
        let credential = json!({"type": "CredentialReference", "referenceName": credential});
        json!({
            "method": "GET", "url": "https://acme.vault.azure.net/secrets/password?api-version=7.4",
            "authentication": {
                "type": "UserAssignedManagedIdentity", "resource": "https://vault.azure.net", "credential": credential
            }
        })
    };
    for call in [with("user"), on("own", with("user"))] {
        let (output, error) = plane.call(call).await;
        assert_eq!(
            (&output["value"], error.as_str()),
            (&json!("correct horse"), ""),
            "the factory's own may not read it"
        );
    }
    let (_, error) = plane.call(with("principal")).await;
    assert_eq!(error, "2105 The credential 'principal' is no ManagedIdentity, as which alone it signs in here.");
    grants.assigned = false;
    grants.apply(&plane).await;
    for call in [with("user"), on("own", with("user"))] {
        let (_, error) = plane.call(call).await;
        assert!(error.ends_with("of the credential 'user' is none of the data factory 'works'."), "{error}");
    }
}

/// Grants and withdrawals in an order of chance, which is the same each time: after each of them runs on both runtimes read what
/// their identity may read then, and nothing else.
#[tokio::test]
async fn no_order_of_grants_and_withdrawals_lets_a_run_read_what_its_identity_may_not() {
    use proptest::strategy::{Strategy, ValueTree};

    let (world, echo) = (plane_world().await, Echo::new().await);
    let plane = plane(&world).await;
    let _node = Node::of(&plane, "own").await;
    let mut grants = Grants { assigned: true, ..Grants::default() };
    grants.apply(&plane).await;
    plane.put("credentials/user", json!({"type": "ManagedIdentity", "typeProperties": {"resourceId": USER}})).await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let order = proptest::collection::vec(0u8..4, 24).new_tree(&mut runner).unwrap().current();
    let activities = [web("service", basic(&echo, "password")), web("node", on("own", basic(&echo, "password")))];
    plane.pipeline(&json!({"activities": activities})).await;
    let mut seen = [0, 0];
    for step in order {
        match step {
            0 => grants.own = !grants.own,
            1 => grants.user = !grants.user,
            2 => grants.assigned = !grants.assigned,
            _ => grants.named = !grants.named,
        }
        grants.apply(&plane).await;
        let before = echo.got().len();
        let (_, ended) = plane.ended(&plane.begin(&Value::Null).await).await;
        let may = grants.let_it_read();
        for activity in &ended {
            let expected = if may { "Succeeded" } else { "Failed" };
            assert_eq!(activity["status"], expected, "{activity}");
        }
        assert_eq!(echo.got().len() - before, if may { 2 } else { 0 }, "nothing is called without the secret");
        seen[usize::from(may)] += 1;
    }
    assert!(seen.iter().all(|count| *count > 2), "{seen:?}");
}
