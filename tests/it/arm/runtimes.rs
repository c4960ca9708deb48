//! Integration runtimes: made, read, changed, deleted; their status without nodes; their auth keys.

use serde_json::{Value, json};

use super::Client;
use super::factories::line;
use crate::world::{Answer, World};

pub(super) async fn ask(client: &Client<'_>, text: &str, body: Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    client.ask(&line(text), &body).await
}

/// A client of a factory `acme` in East US with a self-hosted runtime `own`.
pub(super) async fn client_of(world: &World) -> Client<'_> {
    let client = Client::of(world, "owner").await;
    assert_eq!(ask(&client, "PUT F/acme", json!({"location": "East US"})).await.status, 200);
    let made = ask(&client, "PUT F/acme/integrationRuntimes/Own", self_hosted()).await;
    assert_eq!(made.status, 200, "{}", made.text);
    client
}

fn self_hosted() -> Value {
    json!({"properties": {"type": "SelfHosted", "description": "on premises"}})
}

/// The two auth keys of `own`.
pub(super) async fn auth_keys(client: &Client<'_>) -> [String; 2] {
    let keys = ask(client, "POST F/acme/integrationRuntimes/own/listAuthKeys", Value::Null).await.json();
    ["authKey1", "authKey2"].map(|name| keys[name].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_runtime_is_made_read_listed_and_deleted() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let read = ask(&client, "GET F/acme/integrationruntimes/OWN", Value::Null).await.json();
    let id = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven/providers/Microsoft.DataFactory/factories/acme/\
              integrationruntimes/Own";
    let expected = json!({
        "id": id, "name": "Own", "type": "Microsoft.DataFactory/factories/integrationruntimes",
        "properties": {"type": "SelfHosted", "description": "on premises"}, "etag": read["etag"]
    });
    assert_eq!(read, expected);
    let managed = json!({"properties": {"type": "Managed", "typeProperties": {"computeProperties": {"location": "AutoResolve"}}}});
    assert_eq!(ask(&client, "PUT F/acme/integrationRuntimes/azure", managed).await.status, 200);
    let listed = ask(&client, "GET F/acme/integrationRuntimes", Value::Null).await.json();
    let names: Vec<_> = listed["value"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["azure", "Own"]);

    let via = json!({"properties": {
        "type": "AzureKeyVault", "typeProperties": {"baseUrl": "https://acme.vault.azure.net/"},
        "connectVia": {"type": "integrationRuntimeReference", "referenceName": "own"}
    }});
    assert_eq!(ask(&client, "PUT F/acme/linkedservices/ls", via).await.status, 200);
    let referenced = ask(&client, "DELETE F/acme/integrationRuntimes/own", Value::Null).await.error();
    assert_eq!(referenced, "400 BadRequest The document cannot be deleted since it is referenced by ls.");
    assert_eq!(ask(&client, "DELETE F/acme/linkedservices/ls", Value::Null).await.status, 200);
    assert_eq!(ask(&client, "DELETE F/acme/integrationRuntimes/own", Value::Null).await.status, 200);
    assert_eq!(ask(&client, "DELETE F/acme/integrationRuntimes/own", Value::Null).await.status, 204);
    let gone = ask(&client, "POST F/acme/integrationRuntimes/own/listAuthKeys", Value::Null).await.error();
    assert!(gone.starts_with("404 NotFound The document could not be retrieved because '"), "{gone}");
}

#[tokio::test]
async fn a_runtime_without_nodes_waits_for_their_registration() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let status = ask(&client, "POST F/acme/integrationRuntimes/own/getStatus", Value::Null).await.json();
    let expected = json!({
        "name": "Own",
        "properties": {
            "dataFactoryName": "acme", "state": "NeedRegistration", "type": "SelfHosted",
            "typeProperties": {
                "autoUpdate": "On", "taskQueueId": status["properties"]["typeProperties"]["taskQueueId"], "nodes": [],
                "serviceUrls": ["acme.eastus.datafactory.azure.net"], "links": [], "versionStatus": "None", "capabilities": {},
                "latestVersion": env!("CARGO_PKG_VERSION"), "state": "NeedRegistration", "createTime": "2023-11-14T22:13:20Z"
            }
        }
    });
    assert_eq!(status, expected);
    let monitoring = ask(&client, "POST F/acme/integrationRuntimes/own/monitoringData", Value::Null).await.json();
    assert_eq!(monitoring, json!({"name": "Own", "nodes": []}));

    let change = json!({"autoUpdate": "Off", "updateDelayOffset": "\"PT03H\""});
    let changed = ask(&client, "PATCH F/acme/integrationRuntimes/own", change).await.json();
    assert_eq!(changed["properties"], json!({"type": "SelfHosted", "description": "on premises"}));
    let status = ask(&client, "POST F/acme/integrationRuntimes/own/getStatus", Value::Null).await.json();
    let own = &status["properties"]["typeProperties"];
    assert_eq!((&own["autoUpdate"], &own["updateDelayOffset"]), (&json!("Off"), &json!("PT3H")));
}

#[tokio::test]
async fn one_auth_key_is_made_anew_and_the_other_stays() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let before = auth_keys(&client).await;
    let status = ask(&client, "POST F/acme/integrationRuntimes/own/getStatus", Value::Null).await.json();
    let id = status["properties"]["typeProperties"]["taskQueueId"].as_str().unwrap().to_owned();
    let start = format!("IR@{id}@acme@ServiceEndpoint=acme.eastus.datafactory.azure.net@");
    for key in &before {
        let secret = key.strip_prefix(&start).unwrap();
        assert_eq!(secret.len(), 44, "32 bytes in base64: {key}");
    }
    assert_ne!(before[0], before[1]);
    let path = "POST F/acme/integrationRuntimes/own/regenerateAuthKey";
    let answered = ask(&client, path, json!({"keyName": "authKey2"})).await.json();
    let after = auth_keys(&client).await;
    assert_eq!(answered, json!({"authKey1": after[0], "authKey2": after[1]}));
    assert!(after[0] == before[0] && after[1] != before[1]);
    let again = ask(&client, "PUT F/acme/integrationRuntimes/own", self_hosted()).await;
    assert_eq!(again.status, 200);
    assert_eq!(auth_keys(&client).await, after, "another definition keeps the keys");
    assert_eq!(ask(&client, "DELETE F/acme/integrationRuntimes/own", Value::Null).await.status, 200);
    assert_eq!(ask(&client, "PUT F/acme/integrationRuntimes/own", self_hosted()).await.status, 200);
    assert!(auth_keys(&client).await.iter().all(|key| !after.contains(key)), "another runtime has keys of its own");
}

#[tokio::test]
async fn what_no_runtime_can_be_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let managed = json!({"properties": {"type": "Managed", "typeProperties": {}}});
    assert_eq!(ask(&client, "PUT F/acme/integrationRuntimes/azure", managed.clone()).await.status, 200);
    let before = ask(&client, "GET F/acme/integrationRuntimes", Value::Null).await.json();
    let own = "F/acme/integrationRuntimes/own";
    let linked = |info: Value| json!({"properties": {"type": "SelfHosted", "typeProperties": {"linkedInfo": info}}});
    for (line, body, expected) in [
        (format!("PUT {own}"), managed, "400 BadRequest The type of an integration runtime cannot change."),
        (format!("PUT {own}"), json!({"properties": {}}), "400 BadRequest The document creation or update failed"),
        (
            format!("PUT {own}"),
            json!({"properties": {"type": "Own"}}),
            "400 BadRequest The integration runtime type 'Own' is invalid.",
        ),
        (
            format!("PUT {own}"),
            json!({"properties": {"type": "SelfHosted", "description": 1}}),
            "400 InvalidRequestContent ",
        ),
        (
            format!("PUT {own}"),
            linked(json!({"authorizationType": "Key", "key": {"type": "SecureString", "value": "k"}})),
            "400 BadRequest Keyhaven shares integration runtimes by roles alone",
        ),
        (
            format!("PUT {own}"),
            linked(json!({"authorizationType": "RBAC", "resourceId": "own"})),
            "400 InvalidRequestContent ",
        ),
        (
            "PUT F/acme/integrationRuntimes/a_b".to_owned(),
            self_hosted(),
            "400 InvalidParameter The integration runtime name 'a_b' is invalid",
        ),
        (
            format!("PATCH {own}"),
            json!({"autoUpdate": "Yes"}),
            "400 BadRequest autoUpdate is 'On' or 'Off', not 'Yes'.",
        ),
        (
            format!("PATCH {own}"),
            json!({"updateDelayOffset": "PT3M"}),
            "400 BadRequest updateDelayOffset is the hour of a day",
        ),
        (
            format!("POST {own}/regenerateAuthKey"),
            json!({"keyName": "authKey3"}),
            "400 BadRequest The authentication key 'authKey3' is invalid.",
        ),
        (
            "POST F/acme/integrationRuntimes/azure/listAuthKeys".to_owned(),
            Value::Null,
            "400 BadRequest The integration runtime 'azure' is not self-hosted",
        ),
        ("POST F/acme/integrationRuntimes/none/getStatus".to_owned(), Value::Null, "404 NotFound "),
        ("POST F/none/integrationRuntimes/own/getStatus".to_owned(), Value::Null, "404 ResourceNotFound "),
    ] {
        let refused = ask(&client, &line, body).await.error();
        assert!(refused.starts_with(expected), "{line}: {refused}");
    }
    assert_eq!(ask(&client, "GET F/acme/integrationRuntimes", Value::Null).await.json(), before);
}

#[tokio::test]
async fn a_runtime_goes_with_its_factory() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let before = auth_keys(&client).await;
    assert_eq!(ask(&client, "DELETE F/acme", Value::Null).await.status, 200);
    let client = client_of(&world).await;
    assert!(auth_keys(&client).await.iter().all(|key| !before.contains(key)));
}

#[tokio::test]
async fn the_services_own_runtime_is_online() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let managed = json!({"properties": {"type": "Managed", "typeProperties": {}}});
    assert_eq!(ask(&client, "PUT F/acme/integrationRuntimes/azure", managed).await.status, 200);
    let status = ask(&client, "POST F/acme/integrationRuntimes/azure/getStatus", Value::Null).await.json();
    let expected = json!({"dataFactoryName": "acme", "state": "Online", "type": "Managed", "typeProperties": {}});
    assert_eq!(status, json!({"name": "azure", "properties": expected}));
}
