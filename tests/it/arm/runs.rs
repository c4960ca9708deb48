//! Runs of pipelines: what activities call, as whom, and what is shown of it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Client;
use super::factories::line;
use crate::world::{Answer, START, World};

pub(super) const CONFIG: &str = r#"{
    "identities": [{"name": "owner", "systemAssigned": true}, {"name": "reader"}, {"name": "operator"}],
    "roleAssignments": [
        {"identity": "reader", "role": "Reader", "scope": "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002"},
        {"identity": "operator", "role": "Data Factory Contributor", "scope": "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002"}
    ],
    "vaults": [{
        "name": "acme", "aliases": ["keys.acme.test"],
        "accessPolicies": [{"identity": "owner", "permissions": {"secrets": ["all"]}}],
        "secrets": [{"name": "password", "value": "correct horse"}]
    }, {
        "name": "closed", "networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices"},
        "accessPolicies": [{"identity": "reader", "permissions": {"secrets": ["get"]}}],
        "secrets": [{"name": "password", "value": "battery staple"}]
    }]
}"#;

/// A host on this machine that answers every request with what it got, or with a status that the path names.
pub(super) struct Echo {
    pub(super) url: String,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Echo {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, got) = (format!("http://{}", listener.local_addr().unwrap()), Arc::<Mutex<Vec<Value>>>::default());
        let kept = got.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, kept.clone()));
            }
        });
        Self { url, got }
    }

    pub(super) fn got(&self) -> Vec<Value> {
        self.got.lock().unwrap().clone()
    }
}

async fn answer(mut stream: TcpStream, kept: Arc<Mutex<Vec<Value>>>) {
    let (mut read, mut bytes) = (vec![0; 65536], Vec::new());
    let (head, body) = loop {
        let count = stream.read(&mut read).await.unwrap();
        bytes.extend_from_slice(&read[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    let mut lines = head.lines();
    let request = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap().to_owned();
    let fields: Vec<&str> = lines.filter(|line| !line.starts_with("host:")).collect();
    let got = json!({"request": request, "fields": fields, "body": body});
    kept.lock().unwrap().push(got.clone());
    let path = request.split([' ', '?']).nth(1).unwrap();
    let (status, text) = match path {
        "/broken" => ("503 Service Unavailable", "come back later".to_owned()),
        "/text" => ("200 OK", "[1, 2]".to_owned()),
        "/large" => ("200 OK", "\u{1}".repeat(300 * 1024)),
        "/larger" => ("200 OK", "x".repeat(600 * 1024)),
        "/later" => ("202 Accepted\r\nLocation: /status", String::new()),
        "/moved" => ("302 Found\r\nLocation: /elsewhere", String::new()),
        _ => ("200 OK", got.to_string()),
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// A tenant with a factory that has an identity, and a client that owns the subscription.
pub(super) struct Plane<'w> {
    pub(super) world: &'w World,
    client: Client<'w>,
    pub(super) principal: String,
}

impl<'w> Plane<'w> {
    pub(super) async fn of(world: &'w World) -> Self {
        let client = Client::of(world, "owner").await;
        let body = json!({"location": "Local", "identity": {"type": "SystemAssigned"}}).to_string();
        let made = client.ask(&line("PUT F/works"), &body).await.json();
        let principal = made["identity"]["principalId"].as_str().unwrap().to_owned();
        Self { world, client, principal }
    }

    /// The same with a token of the present moment.
    pub(super) async fn of_client(world: &'w World, plane: &Self) -> Self {
        Self { world, client: Client::of(world, "owner").await, principal: plane.principal.clone() }
    }

    pub(super) async fn ask(&self, text: &str, body: &Value) -> Answer {
        self.client.ask(&line(text), &if body.is_null() { String::new() } else { body.to_string() }).await
    }

    pub(super) async fn pipeline(&self, properties: &Value) {
        let made = self.ask("PUT F/works/pipelines/p", &json!({"properties": properties})).await;
        assert_eq!(made.status, 200, "{}", made.text);
    }

    pub(super) async fn begin(&self, arguments: &Value) -> String {
        let begun = self.ask("POST F/works/pipelines/p/createRun", arguments).await;
        assert_eq!(begun.status, 200, "{}", begun.text);
        begun.json()["runId"].as_str().unwrap().to_owned()
    }

    pub(super) async fn run(&self, id: &str) -> Value {
        self.ask(&format!("GET F/works/pipelineruns/{id}"), &Value::Null).await.json()
    }

    /// Waits until the run has ended: it, and its activities.
    pub(super) async fn ended(&self, id: &str) -> (Value, Vec<Value>) {
        for _ in 0..500 {
            let run = self.run(id).await;
            if run["runEnd"].is_string() {
                return (run, self.activities(id, &json!([])).await);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the run does not end: {}", self.run(id).await);
    }

    pub(super) async fn activities(&self, id: &str, filters: &Value) -> Vec<Value> {
        let asked = self.ask(&format!("POST F/works/pipelineruns/{id}/queryActivityruns"), &query(filters)).await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        asked.json()["value"].as_array().unwrap().clone()
    }

    /// Runs a pipeline of one Web activity; its output and its error.
    pub(super) async fn call(&self, own: Value) -> (Value, String) {
        self.pipeline(&json!({"activities": [web("call", own)]})).await;
        let (_, activities) = self.ended(&self.begin(&Value::Null).await).await;
        let error = &activities[0]["error"];
        let error = format!("{} {}", error["errorCode"].as_str().unwrap(), error["message"].as_str().unwrap());
        (activities[0]["output"].clone(), error.trim().to_owned())
    }

    pub(super) async fn grant(&self) {
        let policies = json!({"accessPolicies": [
            {"identity": "owner", "permissions": {"secrets": ["all"]}},
            {"objectId": self.principal, "permissions": {"secrets": ["get"]}}
        ]});
        let vault = json!({"name": "acme", "accessPolicies": policies["accessPolicies"]});
        let changed = self.world.admin("PUT /admin/vaults/acme", &vault.to_string()).await;
        assert!(changed.status.is_success(), "{}", changed.text);
    }
}

fn query(filters: &Value) -> Value {
    json!({"lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00.5Z", "filters": filters})
}

pub(super) fn web(name: &str, own: Value) -> Value {
    json!({"name": name, "type": "WebActivity", "typeProperties": own})
}

pub(super) fn vault_service() -> Value {
    json!({"properties": {"type": "AzureKeyVault", "typeProperties": {"baseUrl": "https://acme.vault.azure.net/"}}})
}

pub(super) fn reference(secret: &str) -> Value {
    json!({"type": "AzureKeyVaultSecret", "store": {"type": "LinkedServiceReference", "referenceName": "vault"}, "secretName": secret})
}

pub(super) async fn plane_world() -> World {
    World::of(CONFIG, keyhaven::Storage::Memory).await
}

#[tokio::test]
async fn a_pipeline_calls_what_it_names_and_shows_what_came_back() {
    let (world, echo) = (plane_world().await, Echo::new().await);
    let plane = Plane::of(&world).await;
    let second = json!({
        "name": "second", "type": "WebActivity", "userProperties": [{"name": "team", "value": "shop"}],
        "dependsOn": [{"activity": "first", "dependencyConditions": ["Succeeded"]}],
        "typeProperties": {
            "method": "POST", "url": {"value": format!("{}/@{{pipeline().parameters.place}}", echo.url), "type": "Expression"},
            "headers": {"X-Run": "@pipeline().RunId", "X-Number": 7},
            "body": {"first": "@activity('first').output.request", "all": ["@pipeline().parameters.list"]}
        }
    });
    let activities = json!([second, web("first", json!({"method": "GET", "url": format!("{}/one?x=1", echo.url)}))]);
    let parameters = json!({"place": {"type": "String"}, "list": {"type": "Array", "defaultValue": [1, 2]}});
    plane.pipeline(&json!({"activities": activities, "parameters": parameters})).await;
    let id = plane.begin(&json!({"place": "shop"})).await;
    let (run, activities) = plane.ended(&id).await;

    let at = "2023-11-14T22:13:20Z";
    assert_eq!(START, 1_700_000_000);
    let expected = json!({
        "runId": id, "runGroupId": id, "isLatest": true, "pipelineName": "p", "parameters": {"place": "shop", "list": "[1,2]"},
        "invokedBy": {"name": "Manual", "id": run["invokedBy"]["id"], "invokedByType": "Manual"},
        "runStart": at, "runEnd": at, "durationInMs": 0, "lastUpdated": at, "status": "Succeeded", "message": ""
    });
    assert_eq!(run, expected);
    let names: Vec<_> = activities.iter().map(|one| one["activityName"].as_str().unwrap()).collect();
    assert_eq!(names, ["first", "second"]);
    let expected = json!({
        "activityRunId": activities[1]["activityRunId"], "activityName": "second", "activityType": "WebActivity", "pipelineName": "p",
        "pipelineRunId": id, "linkedServiceName": "", "status": "Succeeded", "activityRunStart": at, "activityRunEnd": at,
        "durationInMs": 0,
        "input": {
            "url": format!("{}/shop", echo.url), "method": "POST", "headers": {"X-Run": id, "X-Number": "7"},
            "body": {"first": "GET /one?x=1", "all": [[1, 2]]}
        },
        "output": {
            "request": "POST /shop", "body": r#"{"all":[[1,2]],"first":"GET /one?x=1"}"#,
            "fields": activities[1]["output"]["fields"],
            "ADFWebActivityResponseHeaders": {"connection": "close", "content-length": activities[1]["output"]["ADFWebActivityResponseHeaders"]["content-length"]},
            "effectiveIntegrationRuntime": "AutoResolveIntegrationRuntime", "executionDuration": 0,
            "durationInQueue": {"integrationRuntimeQueue": 0},
            "billingReference": {
                "activityType": "ExternalActivity",
                "billableDuration": [{"meterType": "AzureIR", "duration": 1.0 / 60.0, "unit": "Hours"}]
            }
        },
        "error": {"errorCode": "", "message": "", "failureType": "", "target": "second", "details": ""},
        "userProperties": [{"name": "team", "value": "shop"}], "retryAttempt": null
    });
    assert_eq!(activities[1], expected);
    let fields = echo.got()[1]["fields"].to_string();
    for field in [format!("x-run: {id}"), "x-number: 7".to_owned(), "content-type: application/json".to_owned()] {
        assert!(fields.contains(&field), "{field}: {fields}");
    }
    let found =
        plane.activities(&id, &json!([{"operand": "ActivityName", "operator": "Equals", "values": ["first"]}])).await;
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn a_call_that_fails_is_described_and_tried_again_as_its_policy_says() {
    let (world, echo) = (plane_world().await, Echo::new().await);
    let plane = Plane::of(&world).await;
    let get = |path: &str| json!({"method": "GET", "url": format!("{}{path}", echo.url)});
    let (_, error) = plane.call(get("/broken")).await;
    let failed = format!(
        "2108 Error calling the endpoint '{0}/broken'. Response status code: '503'. More details: Exception message: 'come back later'.",
        echo.url
    );
    assert_eq!(error, failed);
    let (output, error) = plane.call(get("/text")).await;
    assert_eq!((&output["Response"], error.as_str()), (&json!("[1, 2]"), ""));
    let (_, error) = plane.call(get("/large")).await;
    assert_eq!(error, "2001 The length of execution output is over limit (1 MB here).");
    let (_, error) = plane.call(get("/larger")).await;
    assert!(error.contains("the answer was not read, of which at most 524288 bytes are"), "{error}");
    let (_, error) = plane.call(get("/later")).await;
    assert!(error.contains("names a Location to ask again, which is not followed here"), "{error}");
    let (_, error) = plane.call(get("/moved")).await;
    assert!(error.contains("Response status code: '302'"), "no redirect is followed: {error}");

    let retried = json!({
        "name": "again", "type": "WebActivity", "policy": {"retry": 2, "retryIntervalInSeconds": 0}, "typeProperties": get("/broken")
    });
    let caught = json!({
        "name": "caught", "type": "Wait", "dependsOn": [{"activity": "again", "dependencyConditions": ["Failed"]}],
        "typeProperties": {"waitTimeInSeconds": 0}
    });
    let never = json!({
        "name": "never", "type": "Wait", "dependsOn": [{"activity": "again", "dependencyConditions": ["Succeeded"]}],
        "typeProperties": {"waitTimeInSeconds": 0}
    });
    plane.pipeline(&json!({"activities": [retried, caught, never]})).await;
    let (run, activities) = plane.ended(&plane.begin(&Value::Null).await).await;
    let message = format!("Operation on target again failed: {}", failed.strip_prefix("2108 ").unwrap());
    assert_eq!(
        (&run["status"], &run["message"]),
        (&json!("Failed"), &json!(message)),
        "a skipped leaf is what it depends on"
    );
    let statuses: Vec<_> =
        activities.iter().map(|one| (one["activityName"].as_str().unwrap(), one["status"].as_str().unwrap())).collect();
    let mut sorted = statuses.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [("again", "Failed"), ("again", "Failed"), ("again", "Failed"), ("caught", "Succeeded"), ("never", "Skipped")]
    );
}

#[tokio::test]
async fn a_vault_is_asked_as_the_factory_and_within_the_process() {
    let world = plane_world().await;
    let plane = Plane::of(&world).await;
    let own = json!({
        "method": "GET", "url": "https://acme.vault.azure.net/secrets/password?api-version=7.4",
        "authentication": {"type": "MSI", "resource": "https://vault.azure.net"}
    });
    let (_, error) = plane.call(own.clone()).await;
    assert!(error.starts_with("2108 ") && error.contains("Response status code: '403'"), "{error}");
    plane.grant().await;
    let (output, error) = plane.call(own).await;
    assert_eq!((&output["value"], error.as_str()), (&json!("correct horse"), ""));
    let records = world.admin("GET /admin/audit?limit=1000", "").await.json()["records"].clone();
    let asked =
        records.as_array().unwrap().iter().filter(|one| one["properties"]["identityName"] == "datafactory-works");
    let operations: Vec<_> = asked.map(|one| one["operationName"].as_str().unwrap().to_owned()).collect();
    assert_eq!(operations, ["SecretGet", "SecretGet"]);
}

#[tokio::test]
async fn a_token_of_another_is_no_trusted_service_s() {
    let world = plane_world().await;
    let plane = Plane::of(&world).await;
    let token = world.token_for("reader", "https://vault.azure.net").await;
    let url = "https://closed.vault.azure.net/secrets/password?api-version=7.4";
    let stolen = json!({"method": "GET", "url": url, "headers": {"Authorization": format!("Bearer {token}")}});
    let (_, error) = plane.call(stolen.clone()).await;
    assert!(error.contains("Response status code: '403'") && error.contains("ForbiddenByFirewall"), "{error}");
    let mut both = stolen;
    both["authentication"] = json!({"type": "MSI", "resource": "https://vault.azure.net"});
    let (_, error) = plane.call(both).await;
    assert!(error.contains("ForbiddenByPolicy"), "the firewall lets the factory in, and its own token counts: {error}");
    let nothing = json!({"method": "GET", "url": url, "authentication": {"type": "MSI", "resource": ""}});
    let (_, error) = plane.call(nothing).await;
    assert_eq!(error, "2105 The resource of the authentication is empty or no text.");
}

#[tokio::test]
async fn a_secret_is_read_as_the_identity_that_its_vault_s_linked_service_names() {
    let (world, echo) = (plane_world().await, Echo::new().await);
    let plane = Plane::of(&world).await;
    let owner = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven/providers/Microsoft.ManagedIdentity/\
                 userAssignedIdentities/owner";
    let with = |users: Value| json!({"location": "Local", "identity": {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": users}});
    assert_eq!(plane.ask("PUT F/works", &with(json!({owner: {}}))).await.status, 200);
    let credential = json!({"properties": {"type": "ManagedIdentity", "typeProperties": {"resourceId": owner}}});
    assert_eq!(plane.ask("PUT F/works/credentials/own", &credential).await.status, 200);
    let mut service = vault_service();
    service["properties"]["typeProperties"]["credential"] =
        json!({"type": "CredentialReference", "referenceName": "own"});
    assert_eq!(plane.ask("PUT F/works/linkedservices/vault", &service).await.status, 200);
    let basic = json!({
        "method": "GET", "url": echo.url, "authentication": {"type": "Basic", "username": "u", "password": reference("password")}
    });
    let (output, error) = plane.call(basic.clone()).await;
    assert_eq!(error, "", "the factory's own identity may not read it, the owner may");
    assert!(output["fields"].to_string().contains("authorization: Basic dTpjb3JyZWN0IGhvcnNl"), "{output}");
    let without = json!({"location": "Local", "identity": {"type": "SystemAssigned"}});
    assert_eq!(plane.ask("PUT F/works", &without).await.status, 200);
    let (_, error) = plane.call(basic).await;
    assert!(error.contains("of the credential 'own' is none of the data factory 'works'"), "{error}");
}

#[tokio::test]
async fn a_reference_is_resolved_at_the_moment_of_the_run() {
    let (world, echo) = (plane_world().await, Echo::new().await);
    let plane = Plane::of(&world).await;
    plane.ask("PUT F/works/linkedservices/vault", &vault_service()).await;
    let basic = |secret: &str| {
        json!({
            "method": "GET", "url": format!("{}/basic", echo.url),
            "authentication": {"type": "Basic", "username": "u", "password": reference(secret)}
        })
    };
    let (_, error) = plane.call(basic("password")).await;
    assert!(
        error.starts_with(
            "2105 Failed to get the secret from key vault, secretName: password, secretVersion: , vaultBaseUrl: \
             https://acme.vault.azure.net. The error message is: 403 Forbidden/ForbiddenByPolicy: "
        ),
        "{error}"
    );
    assert!(echo.got().is_empty(), "nothing is called without it");
    plane.grant().await;
    let (output, error) = plane.call(basic("password")).await;
    assert_eq!(error, "");
    assert!(output["fields"].to_string().contains("authorization: Basic dTpjb3JyZWN0IGhvcnNl"), "{output}");
    let (_, error) = plane.call(basic("absent")).await;
    assert!(error.contains("404 SecretNotFound"), "{error}");

    let service = json!({"method": "POST", "url": format!("{}/with", echo.url), "body": {"a": 1}, "linkedServices": [
        {"type": "LinkedServiceReference", "referenceName": "vault"}
    ]});
    let (output, error) = plane.call(service).await;
    assert_eq!(error, "");
    let sent: Value = serde_json::from_str(output["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        sent,
        json!({"a": 1, "linkedServices": [{"name": "vault", "properties": vault_service()["properties"]}]})
    );
}

#[tokio::test]
async fn credentials_that_the_factory_keeps_go_along_and_are_not_shown() {
    let (world, echo) = (plane_world().await, Echo::new().await);
    let plane = Plane::of(&world).await;
    let sql = json!({"properties": {"type": "SqlServer", "typeProperties": {"connectionString": "Server=S;Password=battery staple"}}});
    assert_eq!(plane.ask("PUT F/works/linkedservices/sql", &sql).await.status, 200);
    let call = json!({
        "name": "call", "type": "WebActivity", "policy": {"secureInput": true, "secureOutput": true},
        "typeProperties": {
            "method": "POST", "url": format!("{}/with", echo.url), "body": {"token": "@pipeline().parameters.token"},
            "linkedServices": [{"type": "LinkedServiceReference", "referenceName": "sql"}],
            "authentication": {"type": "Basic", "username": "u", "password": {"type": "SecureString", "value": "open sesame"}}
        }
    });
    let parameters = json!({"token": {"type": "SecureString", "defaultValue": "hush hush"}});
    plane.pipeline(&json!({"activities": [call], "parameters": parameters})).await;
    let id = plane.begin(&Value::Null).await;
    let (run, activities) = plane.ended(&id).await;
    assert_eq!(
        (&run["status"], &run["parameters"]),
        (&json!("Succeeded"), &json!({"token": "**********"})),
        "{activities:?}"
    );
    let got = &echo.got()[0];
    let sent: Value = serde_json::from_str(got["body"].as_str().unwrap()).unwrap();
    assert_eq!((&sent["token"], &sent["linkedServices"][0]["properties"]), (&json!("hush hush"), &sql["properties"]));
    assert!(got["fields"].to_string().contains("authorization: Basic dTpvcGVuIHNlc2FtZQ=="), "{got}");
    let mut beforehand = sql.clone();
    beforehand["properties"]["typeProperties"] =
        json!({"connectionString": "Server=S", "encryptedCredential": "ew0KfQ=="});
    plane.ask("PUT F/works/linkedservices/elsewhere", &beforehand).await;
    let along = json!([{"type": "LinkedServiceReference", "referenceName": "elsewhere"}]);
    let elsewhere = json!({"method": "POST", "url": echo.url, "body": {}, "linkedServices": along});
    let (_, error) = plane.call(elsewhere).await;
    assert_eq!(
        error,
        "2105 'elsewhere' cannot be read: its credential is on a node of its runtime, which alone can use it"
    );
    let shown = json!([run, activities, world.admin("GET /admin/audit?limit=1000", "").await.json()]).to_string();
    for secret in ["battery staple", "open sesame", "dTpvcGVuIHNlc2FtZQ", "hush hush"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_is_secret_or_kept_back_is_in_no_input_and_in_no_error() {
    let (world, echo) = (plane_world().await, Echo::new().await);
    let plane = Plane::of(&world).await;
    let parameters = json!({"token": {"type": "SecureString", "defaultValue": "hush"}, "n": {"type": "String", "defaultValue": "plain"}});
    let call = |url: &str, policy: Value| {
        let headers = json!({"x-token": "@pipeline().parameters.token", "x-n": "@pipeline().parameters.n"});
        let body = json!({"token": "a @{pipeline().parameters.token}"});
        let properties = json!({"method": "POST", "url": url, "headers": headers, "body": body});
        json!({"name": "call", "type": "WebActivity", "policy": policy, "typeProperties": properties})
    };
    let run = async |activity: Value| {
        plane.pipeline(&json!({"activities": [activity], "parameters": parameters})).await;
        let (run, activities) = plane.ended(&plane.begin(&Value::Null).await).await;
        assert!(!json!([run["message"], activities[0]["input"], activities[0]["error"]]).to_string().contains("hush"));
        (activities[0]["input"].clone(), run["message"].as_str().unwrap().to_owned())
    };
    let secret = "@{pipeline().parameters.token}";
    let url = format!("{}/broken?sig={secret}", echo.url);
    let (input, message) = run(call(&url, json!({}))).await;
    let shown = format!("{}/broken?sig=**********", echo.url);
    let headers = json!({"x-token": "**********", "x-n": "plain"});
    let body = json!({"token": "a **********"});
    assert_eq!(input, json!({"url": shown, "method": "POST", "headers": headers, "body": body}));
    let failed = |url: &str, body: &str| {
        format!(
            "Operation on target call failed: Error calling the endpoint '{url}'. Response status code: '503'. More details: Exception \
             message: '{body}'."
        )
    };
    assert_eq!(message, failed(&shown, "come back later"));
    assert!(echo.got()[0].to_string().contains("/broken?sig=hush"), "{:?}", echo.got());

    let (input, message) = run(call(&url, json!({"secureInput": true}))).await;
    assert_eq!((input, message), (Value::Null, failed("**********", "come back later")));
    let (input, message) = run(call(&url, json!({"secureOutput": true}))).await;
    assert_eq!((&input["url"], message), (&json!(shown), failed(&shown, "**********")));
    let unreachable = |url: &str| format!("Error calling the endpoint '{url}'. Details: ");
    for (url, policy, shown) in [
        (format!("http://127.0.0.1:1/{secret}"), json!({}), "http://127.0.0.1:1/**********"),
        (format!("http://{secret}.invalid/x"), json!({}), "http://**********.invalid/x"),
        ("http://127.0.0.1:1/x".to_owned(), json!({"secureInput": true}), "**********"),
    ] {
        let (_, message) = run(call(&url, policy)).await;
        assert!(message.contains(&unreachable(shown)), "{message}");
        assert_eq!(message.contains("Details: **********"), !shown.starts_with("http://127.0.0.1:1/"), "{message}");
    }
    let (_, message) = run(call(secret, json!({}))).await;
    assert!(message.ends_with("The url '**********' is no http:// or https:// URL."), "{message}");
    let wait =
        json!({"name": "call", "type": "Wait", "typeProperties": {"waitTimeInSeconds": "@pipeline().parameters.s"}});
    let seconds = json!({"s": {"type": "SecureString", "defaultValue": "0"}});
    plane.pipeline(&json!({"activities": [wait], "parameters": seconds})).await;
    let (_, activities) = plane.ended(&plane.begin(&Value::Null).await).await;
    assert_eq!(activities[0]["input"], json!({"waitTimeInSeconds": "**********"}));
}

#[tokio::test]
async fn what_must_not_be_asked_is_not() {
    let world = plane_world().await;
    let plane = Plane::of(&world).await;
    let ready = &world.server.ready;
    for (url, why) in [
        (format!("http://{}/admin/status", ready.admin.as_deref().unwrap()), "it is one of Keyhaven's own listeners"),
        (format!("http://{}/metadata/identity", ready.identity), "it is one of Keyhaven's own listeners"),
        ("http://169.254.169.254/metadata/instance".to_owned(), "link-local addresses are never forwarded"),
        ("https://management.chinacloudapi.cn/x".to_owned(), "is not emulated"),
        ("https://a.b.vault.azure.net/".to_owned(), "not a vault's name"),
        ("http://acme.vault.azure.net/".to_owned(), "is asked over TLS"),
        ("ftp://h/x".to_owned(), "is no http:// or https:// URL"),
    ] {
        let (_, error) = plane.call(json!({"method": "GET", "url": url})).await;
        assert!(error.contains(why) && !error.contains("without the proxy"), "{url}: {error}");
    }
    let (_, error) = plane.call(json!({"method": "GET", "url": "http://127.0.0.1:1/", "headers": {"Host": "x"}})).await;
    assert!(error.contains("the header 'Host' cannot be sent"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_before_anything_is_called() {
    let (world, echo) = (plane_world().await, Echo::new().await);
    let plane = Plane::of(&world).await;
    let first = web("first", json!({"method": "GET", "url": echo.url}));
    let copy = json!({"name": "second", "type": "Copy", "typeProperties": {}});
    plane.pipeline(&json!({"activities": [first, copy]})).await;
    let begin = async |arguments: Value| plane.ask("POST F/works/pipelines/p/createRun", &arguments).await.error();
    assert_eq!(
        begin(Value::Null).await,
        "400 BadRequest The pipeline cannot be run: activity 'second', type: 'Copy' is not run here; known are Wait and WebActivity."
    );
    plane.pipeline(&json!({"activities": [first], "parameters": {"n": {"type": "String"}}})).await;
    assert_eq!(
        begin(json!({})).await,
        "400 BadRequest The pipeline cannot be run: parameter 'n': has no value and no default."
    );
    let absent = plane.ask("POST F/works/pipelines/none/createRun", &json!({})).await.error();
    assert_eq!(absent, "404 EntityNotFound The pipeline 'none' was not found.");
    let again =
        plane.ask("POST F/works/pipelines/p/createRun?2018-06-01&isRecovery=true", &json!({"n": "x"})).await.error();
    assert!(again.starts_with("400 BadRequest Keyhaven begins runs from their first activity alone"), "{again}");
    let all = plane.ask("POST F/works/queryPipelineRuns", &query(&json!([]))).await.json();
    assert_eq!((all, echo.got().len()), (json!({"value": []}), 0));
}

#[tokio::test]
async fn a_wait_goes_by_the_vault_clock_and_a_run_can_be_cancelled() {
    let world = plane_world().await;
    let plane = Plane::of(&world).await;
    let wait =
        json!({"name": "wait", "type": "Wait", "typeProperties": {"waitTimeInSeconds": "@pipeline().parameters.s"}});
    plane.pipeline(&json!({"activities": [wait], "parameters": {"s": {"type": "Int", "defaultValue": 3600}}})).await;
    let id = plane.begin(&Value::Null).await;
    assert_eq!(plane.run(&id).await["status"], "InProgress");
    world.clock.advance(3601);
    let (run, activities) = plane.ended(&id).await;
    assert_eq!((&run["status"], &run["durationInMs"]), (&json!("Succeeded"), &json!(3_601_000)));
    assert_eq!(activities[0]["input"], json!({"waitTimeInSeconds": 3600}));

    let id = plane.begin(&json!({"s": 60})).await;
    let cancelled = plane.ask(&format!("POST F/works/pipelineruns/{id}/cancel"), &Value::Null).await;
    assert_eq!(cancelled.status, 200);
    let (run, activities) = plane.ended(&id).await;
    assert_eq!((&run["status"], &run["message"]), (&json!("Cancelled"), &json!("")));
    assert!(activities.iter().all(|one| one["status"] == "Cancelled"), "{activities:?}");
    let filter = |value: &str| query(&json!([{"operand": "Status", "operator": "Equals", "values": [value]}]));
    for (status, expected) in [("Cancelled", 1), ("Succeeded", 1), ("Failed", 0)] {
        let found = plane.ask("POST F/works/queryPipelineRuns", &filter(status)).await.json();
        assert_eq!(found["value"].as_array().unwrap().len(), expected, "{status}");
    }
}

#[tokio::test]
async fn a_hundred_runs_at_once_are_the_most() {
    let world = plane_world().await;
    let plane = Plane::of(&world).await;
    let wait = json!({"name": "w", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 3600}});
    plane.pipeline(&json!({"activities": [wait]})).await;
    let first = plane.begin(&Value::Null).await;
    for _ in 1..100 {
        plane.begin(&Value::Null).await;
    }
    let more = plane.ask("POST F/works/pipelines/p/createRun", &Value::Null).await.error();
    let expected = "400 BadRequest This server has 100 runs under way already: wait for one to end, or cancel one.";
    assert!(more.starts_with(expected), "{more}");
    plane.ask(&format!("POST F/works/pipelineruns/{first}/cancel"), &Value::Null).await;
    plane.begin(&Value::Null).await;
}

#[tokio::test]
async fn readers_see_runs_and_contributors_begin_them() {
    let world = plane_world().await;
    let plane = Plane::of(&world).await;
    plane
        .pipeline(&json!({"activities": [{"name": "w", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 0}}]}))
        .await;
    let id = plane.begin(&Value::Null).await;
    plane.ended(&id).await;
    let mut continued = query(&json!([]));
    continued["continuationToken"] = json!("zzz");
    let refused = plane.ask("POST F/works/queryPipelineRuns", &continued).await.error();
    assert!(refused.starts_with("400 InvalidRequestContent ") && refused.contains("continuationToken"), "{refused}");
    let (reader, operator) = (Client::of(&world, "reader").await, Client::of(&world, "operator").await);
    let asked = [
        ("POST F/works/pipelines/p/createRun".to_owned(), String::new(), 403),
        (format!("GET F/works/pipelineruns/{id}"), String::new(), 200),
        ("POST F/works/queryPipelineRuns".to_owned(), query(&json!([])).to_string(), 200),
        (format!("POST F/works/pipelineruns/{id}/queryActivityruns"), query(&json!([])).to_string(), 200),
        (format!("POST F/works/pipelineruns/{id}/cancel"), String::new(), 403),
    ];
    for (text, body, expected) in asked {
        assert_eq!(reader.ask(&line(&text), &body).await.status, expected, "{text}");
        assert_eq!(operator.ask(&line(&text), &body).await.status, 200, "{text}");
    }
    for (text, expected) in [
        ("GET F/works/pipelineruns/x", "404 NotFound The pipeline run 'x' was not found."),
        ("GET F/none/pipelineruns/6b9e7c1a-0000-4000-8000-000000000000", "404 ResourceNotFound"),
    ] {
        let error = plane.ask(text, &Value::Null).await.error();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    plane.ask("DELETE F/works", &Value::Null).await;
    let gone = plane.ask(&format!("GET F/works/pipelineruns/{id}"), &Value::Null).await.error();
    assert!(gone.starts_with("404 ResourceNotFound"), "{gone}");
}
