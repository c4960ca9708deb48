//! What a factory holds: each kind made, read, listed and deleted; references between them; what is refused.

use serde_json::{Value, json};

use super::Client;
use super::factories::line;
use crate::world::{Answer, World};

/// A collection, its type, and a definition of each kind, in an order in which none refers to a later one.
fn kinds() -> [(&'static str, Value); 6] {
    let vault = json!({"type": "AzureKeyVault", "typeProperties": {"baseUrl": "https://acme.vault.azure.net/"}});
    let to = |name: &str, kind: &str| json!({"referenceName": name, "type": kind});
    [
        ("linkedservices", vault),
        ("datasets", json!({"type": "Json", "linkedServiceName": to("x", "LinkedServiceReference")})),
        (
            "dataflows",
            json!({"type": "MappingDataFlow", "typeProperties": {"sources": [{"dataset": to("x", "DatasetReference")}]}}),
        ),
        (
            "pipelines",
            json!({"activities": [{"name": "a", "type": "Copy", "inputs": [to("x", "DatasetReference")]},
                                            {"name": "b", "dataFlow": to("x", "DataFlowReference")}]}),
        ),
        (
            "triggers",
            json!({"type": "ScheduleTrigger", "pipelines": [{"pipelineReference": to("x", "PipelineReference")}]}),
        ),
        ("managedVirtualNetworks", json!({})),
    ]
}

async fn ask(client: &Client<'_>, text: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    client.ask(&line(text), &body).await
}

/// A client of a factory `acme`, with everything of [`kinds`] in it when it is not `empty`.
async fn client_of(world: &World, empty: bool) -> Client<'_> {
    let client = Client::of(world, "owner").await;
    assert_eq!(ask(&client, "PUT F/acme", &json!({"location": "x"})).await.status, 200);
    for (collection, properties) in kinds().into_iter().filter(|_| !empty) {
        let name = if collection == "managedVirtualNetworks" { "default" } else { "x" };
        let made = ask(&client, &format!("PUT F/acme/{collection}/{name}"), &json!({"properties": properties})).await;
        assert_eq!(made.status, 200, "{collection}: {}", made.text);
    }
    client
}

#[tokio::test]
async fn each_kind_is_made_read_listed_and_deleted() {
    let world = World::new().await;
    let client = client_of(&world, false).await;
    for (collection, mut expected) in kinds().into_iter().rev() {
        let is_network = collection == "managedVirtualNetworks";
        let name = if is_network { "default" } else { "x" };
        let read = ask(&client, &format!("GET F/acme/{collection}/{}", name.to_uppercase()), &Value::Null).await.json();
        if collection == "triggers" {
            expected["runtimeState"] = json!("Stopped");
        }
        if is_network {
            expected["vNetId"] = read["properties"]["vNetId"].clone();
            assert!(expected["vNetId"].is_string(), "{read}");
        }
        assert_eq!(read["properties"], expected, "{collection}");
        assert_eq!(
            (&read["name"], &read["type"]),
            (&json!(name), &json!(format!("Microsoft.DataFactory/factories/{collection}")))
        );
        assert!(read["id"].as_str().unwrap().ends_with(&format!("/factories/acme/{collection}/{name}")), "{read}");
        let listed = ask(&client, &format!("GET F/acme/{collection}"), &Value::Null).await.json();
        assert_eq!(listed, json!({"value": [read]}));
        let deleted = ask(&client, &format!("DELETE F/acme/{collection}/{name}"), &Value::Null).await;
        if is_network {
            assert_eq!(deleted.status, 405, "the service has no such operation");
            continue;
        }
        assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (200, ""), "{collection}");
        assert_eq!(ask(&client, &format!("DELETE F/acme/{collection}/{name}"), &Value::Null).await.status, 204);
        let gone = ask(&client, &format!("GET F/acme/{collection}/{name}"), &Value::Null).await.error();
        assert!(gone.starts_with("404 NotFound "), "{gone}");
    }
}

#[tokio::test]
async fn what_is_referred_to_must_be_there_and_stays() {
    let world = World::new().await;
    let client = client_of(&world, true).await;
    for (collection, properties) in kinds().into_iter().skip(1).take(4) {
        let refused = ask(&client, &format!("PUT F/acme/{collection}/x"), &json!({"properties": properties})).await;
        assert_eq!(
            refused.error(),
            "400 BadRequest The document creation or update failed because of invalid reference 'x'.",
            "{collection}"
        );
    }
    for (kind, name) in [("IntegrationRuntimeReference", "own"), ("CredentialReference", "c")] {
        let body = json!({"properties": {"activities": [], "connectVia": {"type": kind, "referenceName": name}}});
        let refused = ask(&client, "PUT F/acme/pipelines/p", &body).await.error();
        assert!(refused.contains(&format!("invalid reference '{name}'")), "{refused}");
    }
    let own = json!({"properties": {"connectVia": {"type": "IntegrationRuntimeReference", "referenceName": "AutoResolveIntegrationRuntime"}}});
    assert_eq!(ask(&client, "PUT F/acme/pipelines/p", &own).await.status, 200);

    let client = client_of(&world, false).await;
    for collection in ["linkedservices", "datasets", "dataflows", "pipelines"] {
        let refused = ask(&client, &format!("DELETE F/acme/{collection}/X"), &Value::Null).await.error();
        let expected = "400 BadRequest The document cannot be deleted since it is referenced by x.";
        assert_eq!(refused, expected, "{collection}");
    }
    assert_eq!(ask(&client, "DELETE F/acme", &Value::Null).await.status, 200, "the factory goes with all of them");
}

#[tokio::test]
async fn what_no_definition_can_be_is_refused() {
    let world = World::new().await;
    let client = client_of(&world, true).await;
    for (path, properties, expected) in [
        ("linkedservices/x", json!({"type": "AzureKeyVault"}), "properties.typeProperties.baseUrl"),
        ("linkedservices/x", json!({}), "properties.type"),
        ("datasets/x", json!({}), "properties.type"),
        ("managedVirtualNetworks/x", json!({}), "default"),
        ("pipelines/a%26b", json!({}), "a%26b".strip_suffix("%26b").unwrap()),
    ] {
        let refused = ask(&client, &format!("PUT F/acme/{path}"), &json!({"properties": properties})).await;
        let error = refused.error();
        assert!(error.starts_with("400 ") && error.contains(expected), "{path}: {error}");
    }
    for collection in ["linkedservices", "pipelines"] {
        let listed = ask(&client, &format!("GET F/acme/{collection}"), &Value::Null).await.json();
        assert_eq!(listed, json!({"value": []}), "nothing was kept");
    }
    let error = ask(&client, "PUT F/acme/pipelines/x", &json!({"activities": []})).await.error();
    assert!(error.starts_with("400 InvalidRequestContent "), "{error}");
}

#[tokio::test]
async fn an_etag_guards_a_definition() {
    let world = World::new().await;
    let client = client_of(&world, true).await;
    let body = r#"{"properties": {}}"#;
    let put =
        async |headers: &[(&'static str, &str)]| client.ask_with(&line("PUT F/acme/pipelines/p"), body, headers).await;
    assert_eq!(put(&[("if-match", "*")]).await.status, 412);
    let etag = put(&[]).await.json()["etag"].as_str().unwrap().to_owned();
    let known = client.ask_with(&line("GET F/acme/pipelines/p"), "", &[("if-none-match", &etag)]).await;
    assert_eq!(known.status, 304);
    assert_eq!(put(&[("if-match", &etag)]).await.status, 200);
    assert_eq!(put(&[("if-match", &etag)]).await.status, 412);
}

#[tokio::test]
async fn nothing_is_in_a_factory_that_is_not_there() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    for text in
        ["GET F/acme/pipelines", "GET F/acme/pipelines/p", "PUT F/acme/pipelines/p", "DELETE F/acme/pipelines/p"]
    {
        let error = ask(&client, text, &json!({"properties": {}})).await.error();
        assert!(
            error.starts_with("404 ResourceNotFound The Resource 'Microsoft.DataFactory/factories/acme' under"),
            "{text}: {error}"
        );
    }
}

#[tokio::test]
async fn a_factory_with_more_than_a_commit_holds_is_deleted_whole() {
    let world = World::new().await;
    let client = client_of(&world, true).await;
    for number in 0..130 {
        assert_eq!(
            ask(&client, &format!("PUT F/acme/pipelines/p{number}"), &json!({"properties": {}})).await.status,
            200
        );
    }
    assert_eq!(ask(&client, "DELETE F/acme", &Value::Null).await.status, 200);
    let client = client_of(&world, true).await;
    assert_eq!(ask(&client, "GET F/acme/pipelines", &Value::Null).await.json(), json!({"value": []}));
}

#[tokio::test]
async fn definitions_that_are_written_at_once_are_all_there() {
    let world = World::new().await;
    let client = client_of(&world, true).await;
    let put = async |number: usize| {
        ask(&client, &format!("PUT F/acme/pipelines/p{number}"), &json!({"properties": {}})).await.status
    };
    let made = tokio::join!(put(0), put(1), put(2), put(3), put(4), put(5), put(6), put(7), put(8), put(9));
    let made = [made.0, made.1, made.2, made.3, made.4, made.5, made.6, made.7, made.8, made.9];
    assert!(made.iter().all(|status| *status == 200), "{made:?}");
    let listed = ask(&client, "GET F/acme/pipelines", &Value::Null).await.json();
    assert_eq!(listed["value"].as_array().unwrap().len(), 10);
}
