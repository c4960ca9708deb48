//! Integration runtimes that are shared with other factories: who may use one, and how that is taken back.

use keyhaven::Storage;
use serde_json::{Value, json};

use super::nodes::{Node, status};
use super::runs::{Echo, Plane, plane_world};
use super::runtimes::{ask, auth_keys, client_of};
use super::shared_credentials::{running, until_online};
use super::{Client, SUBSCRIPTION};
use crate::world::{Answer, CONFIG, World};

const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";
const ASSIGNMENT: &str = "/admin/role-assignments/6b9e7c1a-0000-4000-8000-0000000000ab";
const LINKED: &str = "F/other/integrationRuntimes/linked";
const DENIED: &str = "401 UnauthorizedIntegrationRuntimeAccess Access denied. Unable to access shared integration runtime 'Own'. Please check \
                      whether this resource has been granted permission by the shared integration runtime";

fn runtime(factory: &str, name: &str) -> String {
    format!(
        "{SUBSCRIPTION}/resourceGroups/keyhaven/providers/Microsoft.DataFactory/factories/{factory}/integrationRuntimes/{name}"
    )
}

/// The definition of a runtime that is `shared`.
fn linked(shared: &str) -> Value {
    let info = json!({"authorizationType": "RBAC", "resourceId": shared});
    json!({"properties": {"type": "SelfHosted", "typeProperties": {"linkedInfo": info}}})
}

/// Makes the factory `other`, which has an identity; answers its principal id.
async fn other_factory(client: &Client<'_>) -> String {
    let body = json!({"location": "West US", "identity": {"type": "SystemAssigned"}});
    let made = ask(client, "PUT F/other", body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    made.json()["identity"]["principalId"].as_str().unwrap().to_owned()
}

async fn grant(world: &World, principal: &str, role: &str, scope: &str) {
    let body = json!({"objectId": principal, "role": role, "scope": scope}).to_string();
    let made = world.admin(&format!("PUT {ASSIGNMENT}"), &body).await;
    assert!(made.status.is_success(), "{}", made.text);
}

async fn withdraw(world: &World) {
    assert!(world.admin(&format!("DELETE {ASSIGNMENT}"), "").await.status.is_success());
}

async fn link(client: &Client<'_>) -> Answer {
    ask(client, &format!("PUT {LINKED}"), linked(&runtime("acme", "own"))).await
}

/// The status of the linked runtime.
async fn linked_status(client: &Client<'_>) -> Value {
    ask(client, &format!("POST {LINKED}/getStatus"), Value::Null).await.json()
}

/// With which runtimes `own` is shared.
async fn links(client: &Client<'_>) -> Value {
    status(client).await["typeProperties"]["links"].clone()
}

#[tokio::test]
async fn a_runtime_is_shared_with_a_factory_whose_identity_may_write_it() {
    let world = World::new().await;
    let client = client_of(&world).await;
    assert_eq!(ask(&client, "PUT F/other", json!({"location": "West US"})).await.status, 200);
    let anonymous = link(&client).await.error();
    assert_eq!(
        anonymous,
        "400 ManagedIdentityRequiredToCreateLinkedIntegrationRuntime Managed identity is required when creating linked integration runtime \
         'linked' under 'other'. Please specify a managed identity via credential object."
    );
    let principal = other_factory(&client).await;
    assert_eq!(link(&client).await.error(), DENIED.replace("'Own'", "'own'"));
    grant(&world, &principal, "Reader", &runtime("acme", "own")).await;
    assert_eq!(link(&client).await.error(), DENIED.replace("'Own'", "'own'"));
    assert_eq!(ask(&client, &format!("GET {LINKED}"), Value::Null).await.status, 404, "nothing is kept");
    withdraw(&world).await;
    grant(&world, &principal, CONTRIBUTOR, &runtime("ACME", "OWN")).await;
    let early = link(&client).await.error();
    assert_eq!(
        early,
        "400 UnsupportedVersionForSharableIR The integration runtime 'Own' cannot be shared before a node of it is registered."
    );
    let [key, _] = auth_keys(&client).await;
    let node = Node::registered(&world, &key, "n1").await;
    node.is_seen().await;
    let made = link(&client).await;
    assert_eq!(
        (made.status.as_u16(), made.json()["properties"].clone()),
        (200, linked(&runtime("acme", "own"))["properties"].clone())
    );
    let entry = json!({"name": "linked", "subscriptionId": SUBSCRIPTION.rsplit('/').next().unwrap(), "dataFactoryName": "other",
                       "dataFactoryLocation": "West US", "createTime": "2023-11-14T22:13:20Z"});
    assert_eq!(links(&client).await, json!([entry]));
    let again = link(&client).await;
    assert_eq!((again.status.as_u16(), links(&client).await), (200, json!([entry])), "once");
    let shown = linked_status(&client).await;
    assert_eq!(shown, json!({"name": "Own", "properties": status(&client).await}), "it is the shared one's");
    let info = ask(&client, &format!("POST {LINKED}/getConnectionInfo"), Value::Null).await.json();
    assert_eq!(info["hostServiceUri"], "https://127.0.0.1:8060/HostServiceRemote.svc/");
    let load = ask(&client, &format!("POST {LINKED}/monitoringData"), Value::Null).await.json();
    assert_eq!((&load["name"], &load["nodes"][0]["nodeName"]), (&json!("Own"), &json!("n1")));

    let id = runtime("acme", "Own").replace("integrationRuntimes", "integrationruntimes");
    let elsewhere = format!(
        "400 BadRequest The integration runtime 'linked' is linked: its nodes and authentication keys are those of '{id}'."
    );
    for (line, body) in [
        (format!("POST {LINKED}/listAuthKeys"), Value::Null),
        (format!("POST {LINKED}/regenerateAuthKey"), json!({"keyName": "authKey1"})),
        (format!("POST {LINKED}/syncCredentials"), Value::Null),
        (format!("PATCH {LINKED}"), json!({"autoUpdate": "Off"})),
        (format!("GET {LINKED}/nodes/n1"), Value::Null),
        (format!("DELETE {LINKED}/nodes/n1"), Value::Null),
        (format!("POST {LINKED}/removeLinks"), json!({"factoryName": "other"})),
    ] {
        assert_eq!(ask(&client, &line, body).await.error(), elsewhere, "{line}");
    }
    let third =
        ask(&client, "PUT F/other/integrationRuntimes/third", linked(&runtime("other", "linked"))).await.error();
    assert_eq!(third, DENIED.replace("'Own'", "'linked'"), "its factory has no role at its own runtimes");
    let referenced = ask(&client, "DELETE F/acme/integrationRuntimes/own", Value::Null).await.error();
    assert_eq!(referenced, "400 BadRequest The document cannot be deleted since it is referenced by other/linked.");
    assert_eq!(ask(&client, &format!("DELETE {LINKED}"), Value::Null).await.status, 200);
    assert_eq!(links(&client).await, json!([]));
    assert_eq!(link(&client).await.status, 200);
    assert_eq!(ask(&client, "DELETE F/other", Value::Null).await.status, 200);
    assert_eq!(links(&client).await, json!([]), "it goes with its factory");
}

#[tokio::test]
async fn what_was_shared_is_taken_back_by_the_role_and_by_the_link() {
    let (world, dir) = (World::new().await, tempfile::tempdir().unwrap());
    let client = client_of(&world).await;
    let (principal, [key, _]) = (other_factory(&client).await, auth_keys(&client).await);
    let node = running(&world, dir.path(), ("n1", &key)).await;
    until_online(&client, 1).await;
    grant(&world, &principal, CONTRIBUTOR, &runtime("acme", "own")).await;
    assert_eq!(link(&client).await.status, 200);
    let service = |name: &str| {
        (
            format!("PUT F/other/linkedservices/{name}"),
            json!({"properties": {
                "type": "SqlServer", "typeProperties": {"connectionString": "Server=S;User ID=U;Password=hunter2"},
                "connectVia": {"type": "IntegrationRuntimeReference", "referenceName": "linked"}
            }}),
        )
    };
    let (line, body) = service("one");
    let made = ask(&client, &line, body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(node.credentials().unwrap().len(), 1, "the shared node has it");

    let is_denied = async |why: &str| {
        let shown = linked_status(&client).await;
        let expected = json!({"name": "linked", "properties": {"dataFactoryName": "other", "state": "AccessDenied", "type": "SelfHosted",
            "typeProperties": {}}});
        assert_eq!(shown, expected, "{why}");
        let info = ask(&client, &format!("POST {LINKED}/getConnectionInfo"), Value::Null).await.error();
        assert_eq!(info, DENIED.replace("'Own'", "'own'"), "{why}");
        let (line, body) = service("two");
        let refused = ask(&client, &line, body).await;
        assert_eq!(refused.status, 400);
        assert!(
            refused.text.contains("error message is: Access denied. Unable to access shared integration runtime..")
        );
        assert!(!refused.text.contains("hunter2"));
        assert_eq!(node.credentials().unwrap().len(), 1, "{why}");
    };
    withdraw(&world).await;
    is_denied("without the role").await;
    assert_eq!(link(&client).await.error(), DENIED.replace("'Own'", "'own'"));
    assert_eq!(status(&client).await["state"], "Online", "its owner uses it as before");
    grant(&world, &principal, CONTRIBUTOR, &runtime("acme", "own")).await;
    assert_eq!(linked_status(&client).await["properties"]["state"], "Online");

    let remove = async |factory: &str| {
        let body = json!({"factoryName": factory});
        let removed = ask(&client, "POST F/acme/integrationRuntimes/own/removeLinks", body).await;
        assert_eq!((removed.status.as_u16(), removed.text.as_str()), (200, ""));
    };
    remove("another").await;
    assert_eq!(linked_status(&client).await["properties"]["state"], "Online");
    remove("OTHER").await;
    is_denied("without the link").await;
    let entry = json!({"name": "linked", "subscriptionId": "061774c7-4b5a-4159-a55b-365581830283", "dataFactoryName": "other",
                       "dataFactoryLocation": "West US"});
    let shared =
        ask(&client, "POST F/acme/integrationRuntimes/own/linkedIntegrationRuntime", entry.clone()).await.json();
    let mut expected = entry;
    expected["createTime"] = json!("2023-11-14T22:13:20Z");
    assert_eq!(shared["properties"]["typeProperties"]["links"], json!([expected]));
    assert_eq!(linked_status(&client).await["properties"]["state"], "Online");

    // The definition of a plain runtime in its place, as a deployment of templates makes it, links no more (azure-docs PR #128343).
    let plain = json!({"properties": {"type": "SelfHosted"}});
    assert_eq!(ask(&client, &format!("PUT {LINKED}"), plain).await.status, 200);
    assert_eq!(linked_status(&client).await["properties"]["state"], "NeedRegistration");
    assert_eq!(links(&client).await, json!([]));
    let own = ask(&client, &format!("POST {LINKED}/listAuthKeys"), Value::Null).await;
    assert_eq!(own.status, 200, "it has keys of its own");
    assert_eq!(link(&client).await.status, 200, "and, without nodes, becomes a linked one again");
    let back = ask(&client, "PUT F/acme/integrationRuntimes/own", linked(&runtime("other", "linked"))).await.error();
    assert_eq!(
        back,
        "400 BadRequest The integration runtime 'Own' has nodes or links of its own: remove them before it is linked."
    );
    assert_eq!(ask(&client, "DELETE F/acme", Value::Null).await.status, 200);
    is_gone(&client).await;
}

#[tokio::test]
async fn activities_run_on_a_shared_node_while_it_is_shared() {
    let (world, echo, dir) = (plane_world().await, Echo::new().await, tempfile::tempdir().unwrap());
    let plane = Plane::of(&world).await;
    let put = async |what: &str, properties: Value| {
        let made = plane.ask(&format!("PUT F/{what}"), &json!({"properties": properties})).await;
        assert_eq!(made.status, 200, "{}", made.text);
    };
    assert_eq!(plane.ask("PUT F/lender", &json!({"location": "Local"})).await.status, 200);
    put("lender/integrationRuntimes/own", json!({"type": "SelfHosted"})).await;
    let keys = plane.ask("POST F/lender/integrationRuntimes/own/listAuthKeys", &Value::Null).await.json();
    let node = running(&world, dir.path(), ("n1", keys["authKey1"].as_str().unwrap())).await;
    let scope = runtime("lender", "own");
    grant(&world, &plane.principal, CONTRIBUTOR, &scope).await;
    put("works/integrationRuntimes/linked", linked(&scope)["properties"].clone()).await;
    for _ in 0..200 {
        let shown = plane.ask("POST F/works/integrationRuntimes/linked/getStatus", &Value::Null).await.json();
        if shown["properties"]["state"] == "Online" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let via = json!({"type": "IntegrationRuntimeReference", "referenceName": "linked"});
    let service = json!({"type": "SqlServer", "typeProperties": {"connectionString": "Server=S;Password=hunter2"}, "connectVia": via});
    put("works/linkedservices/sql", service.clone()).await;
    assert_eq!(node.credentials().unwrap().len(), 1);
    let along = json!([{"type": "LinkedServiceReference", "referenceName": "sql"}]);
    let call = json!({"method": "POST", "url": echo.url, "body": {}, "linkedServices": along, "connectVia": via});
    let (output, error) = plane.call(call.clone()).await;
    assert_eq!((error.as_str(), &output["effectiveIntegrationRuntime"]), ("", &json!("linked")));
    let sent: Value = serde_json::from_str(output["body"].as_str().unwrap()).unwrap();
    assert_eq!(sent["linkedServices"][0]["properties"], service, "the shared node puts the credential in");

    withdraw(&world).await;
    let (_, error) = plane.call(call.clone()).await;
    assert_eq!(
        error,
        "UnauthorizedIntegrationRuntimeAccess Access denied. Unable to access shared integration runtime 'linked'. Please check whether this \
         resource has been granted permission by the shared integration runtime"
    );
    grant(&world, &plane.principal, CONTRIBUTOR, &scope).await;
    assert_eq!(plane.call(call).await.1, "");
}

/// The shared runtime went with its factory.
async fn is_gone(client: &Client<'_>) {
    assert_eq!(linked_status(client).await["properties"]["state"], "AccessDenied");
    assert_eq!(link(client).await.error(), DENIED.replace("'Own'", "'own'"), "the role went with the factory");
}

#[tokio::test]
async fn a_user_assigned_identity_links_by_a_credential() {
    let config = CONFIG.replace(r#"{"name": "nobody"}"#, r#"{"name": "nobody"}, {"name": "linker"}"#);
    let world = World::of(&config, Storage::Memory).await;
    let client = client_of(&world).await;
    let [key, _] = auth_keys(&client).await;
    Node::registered(&world, &key, "n1").await;
    let listed = world.admin("GET /admin/identities", "").await.json();
    let linker = listed["identities"].as_array().unwrap().iter().find(|one| one["name"] == "linker").unwrap().clone();
    let resource = linker["resourceId"].as_str().unwrap();
    let mut assigned = serde_json::Map::new();
    assigned.insert(resource.to_owned(), json!({}));
    let factory =
        json!({"location": "East US", "identity": {"type": "UserAssigned", "userAssignedIdentities": assigned}});
    assert_eq!(ask(&client, "PUT F/other", factory).await.status, 200);
    let credential = json!({"properties": {"type": "ManagedIdentity", "typeProperties": {"resourceId": resource}}});
    assert_eq!(ask(&client, "PUT F/other/credentials/c", credential).await.status, 200);
    assert!(link(&client).await.error().starts_with("400 ManagedIdentityRequiredToCreateLinkedIntegrationRuntime "));
    let mut definition = linked(&runtime("acme", "own"));
    definition["properties"]["typeProperties"]["linkedInfo"]["credential"] =
        json!({"type": "CredentialReference", "referenceName": "c"});
    let put = async || ask(&client, &format!("PUT {LINKED}"), definition.clone()).await;
    assert_eq!(put().await.error(), DENIED.replace("'Own'", "'own'"));
    grant(&world, linker["objectId"].as_str().unwrap(), CONTRIBUTOR, &runtime("acme", "own")).await;
    assert_eq!(put().await.status, 200);
    assert_eq!(linked_status(&client).await["properties"]["state"], "Offline", "it is the shared one's");
}
