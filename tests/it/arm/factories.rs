//! Data factories: made, changed, read, deleted; their identities; names that are unique in the world.

use serde_json::{Value, json};

use super::{Client, SUBSCRIPTION};
use crate::world::{Answer, World};

/// `F/NAME` in a request line is a factory of the default group.
pub(super) fn line(text: &str) -> String {
    let factories = "S/resourceGroups/keyhaven/providers/Microsoft.DataFactory/factories";
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let query = if query.is_empty() { "2018-06-01" } else { query };
    format!("{}?{query}", path.replace(" F", &format!(" {factories}")))
}

async fn ask(client: &Client<'_>, text: &str, body: &str) -> Answer {
    client.ask(&line(text), body).await
}

fn id(name: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/keyhaven/providers/Microsoft.DataFactory/factories/{name}")
}

const LOCAL: &str = r#"{"location": "East US"}"#;

#[tokio::test]
async fn a_factory_is_made_read_and_changed() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    let absent = ask(&client, "GET F/acme", "").await;
    assert_eq!(
        absent.error(),
        "404 ResourceNotFound The Resource 'Microsoft.DataFactory/factories/acme' under resource group 'keyhaven' was not found. For more \
         details please go to https://aka.ms/ARMResourceNotFoundFix"
    );
    let body = json!({
        "location": "East US", "tags": {"team": "shop"}, "unknown": 1,
        "properties": {
            "publicNetworkAccess": "Enabled", "globalParameters": {"n": {"type": "Int", "value": 1}}, "provisioningState": "x",
            "repoConfiguration": {"type": "FactoryGitHubConfiguration", "accountName": "a", "repositoryName": "r"}, "other": true
        }
    });
    let made = ask(&client, "PUT F/Acme", &body.to_string()).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let mut made = made.json();
    let etag = made["eTag"].take().as_str().unwrap().to_owned();
    assert!(etag.starts_with('"') && etag.len() == 38, "{etag}");
    let expected = json!({
        "name": "Acme", "id": id("Acme"), "type": "Microsoft.DataFactory/factories", "location": "East US", "tags": {"team": "shop"},
        "eTag": null,
        "properties": {
            "provisioningState": "Succeeded", "createTime": "2023-11-14T22:13:20Z", "version": "2018-06-01",
            "publicNetworkAccess": "Enabled", "globalParameters": {"n": {"type": "Int", "value": 1}},
            "repoConfiguration": {"type": "FactoryGitHubConfiguration", "accountName": "a", "repositoryName": "r"}
        }
    });
    assert_eq!(made, expected);
    let read = ask(&client, "GET F/ACME", "").await.json();
    assert_eq!((&read["eTag"], &read["name"]), (&json!(etag), &json!("Acme")));

    world.clock.advance(60);
    let again = ask(&client, "PUT F/acme", r#"{"location": "eastus", "properties": {}}"#).await.json();
    assert_eq!(
        again["properties"],
        json!({"provisioningState": "Succeeded", "createTime": "2023-11-14T22:13:20Z", "version": "2018-06-01"})
    );
    assert_eq!((&again["tags"], &again["name"]), (&json!({}), &json!("Acme")));
    assert_ne!(again["eTag"], json!(etag));
    let change = r#"{"tags": {"a": "b"}, "properties": {"publicNetworkAccess": "Disabled", "globalParameters": {}}}"#;
    let changed = ask(&client, "PATCH F/acme", change).await.json();
    assert_eq!(changed["properties"]["publicNetworkAccess"], "Disabled");
    assert_eq!((&changed["tags"], &changed["properties"]["globalParameters"]), (&json!({"a": "b"}), &Value::Null));
    assert_eq!(ask(&client, "PATCH F/none", "{}").await.status, 404);
}

#[tokio::test]
async fn what_is_no_factory_is_refused() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    ask(&client, "PUT F/there", LOCAL).await;
    for (text, body, expected) in [
        ("PUT F/a--b", LOCAL, "400 InvalidParameter "),
        ("PUT F/acme", "{}", "400 LocationRequired The location property is required for this definition."),
        (
            "PUT F/acme",
            r#"{"location": "x", "properties": {"publicNetworkAccess": "No"}}"#,
            "400 InvalidRequestContent ",
        ),
        ("PUT F/acme", r#"{"location": "x", "properties": {"globalParameters": []}}"#, "400 InvalidRequestContent "),
        ("PUT F/acme", r#"{"location": "x", "identity": {"type": "Own"}}"#, "400 InvalidIdentityType "),
        (
            "PUT F/acme",
            r#"{"location": "x", "identity": {"type": "None, SystemAssigned"}}"#,
            "400 InvalidIdentityType ",
        ),
        (
            "PUT F/acme",
            r#"{"location": "x", "identity": {"type": "SystemAssigned", "userAssignedIdentities": {"/x": {}}}}"#,
            "400 InvalidIdentityType ",
        ),
        (
            "PUT F/there",
            r#"{"location": "westus"}"#,
            "409 InvalidResourceLocation The resource 'there' already exists in location 'East US' in resource group 'keyhaven'. A resource with \
             the same name cannot be created in location 'westus'. Please select a new resource name.",
        ),
        (
            "PUT S/resourceGroups/none/providers/Microsoft.DataFactory/factories/acme",
            LOCAL,
            "404 ResourceGroupNotFound ",
        ),
        ("GET S/resourceGroups/none/providers/Microsoft.DataFactory/factories/acme", "", "404 ResourceGroupNotFound "),
        (
            "GET F/there?2017-09-01",
            "",
            "400 NoRegisteredProviderFound No registered resource provider found for location '' and API version \
          '2017-09-01' for type 'factories'. The supported api-versions are '2018-06-01'.",
        ),
        (
            "GET F/there/things",
            "",
            "404 InvalidResourceType The resource type could not be found in the namespace 'Microsoft.DataFactory'",
        ),
    ] {
        let error = ask(&client, text, body).await.error();
        assert!(error.starts_with(expected), "{text} {body}: {error}");
    }
    assert_eq!(
        ask(&client, "PUT F/acme", r#"{"location": "x", "properties": {"encryption": null}}"#).await.status,
        200
    );
}

#[tokio::test]
async fn a_name_is_taken_in_every_group() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    client.ask("PUT S/resourcegroups/other?2021-04-01", LOCAL).await;
    let elsewhere = "PUT S/resourceGroups/other/providers/Microsoft.DataFactory/factories/ACME";
    assert_eq!(ask(&client, "PUT F/acme", LOCAL).await.status, 200);
    assert_eq!(
        ask(&client, elsewhere, LOCAL).await.error(),
        "409 DataFactoryNameInUse The specified resource name 'ACME' is already in use. Resource names must be globally unique."
    );
    assert_eq!(ask(&client, "DELETE F/acme", "").await.status, 200);
    assert_eq!(ask(&client, "DELETE F/acme", "").await.status, 204);
    assert_eq!(ask(&client, elsewhere, LOCAL).await.status, 200, "it is free again");
}

#[tokio::test]
async fn an_etag_guards_a_write_and_saves_a_read() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    let put = async |if_match: &str| client.ask_with(&line("PUT F/acme"), LOCAL, &[("if-match", if_match)]).await;
    assert_eq!(put("*").await.error(), "412 PreconditionFailed The condition of the header If-Match does not hold.");
    let etag = ask(&client, "PUT F/acme", LOCAL).await.json()["eTag"].as_str().unwrap().to_owned();
    let known = client.ask_with(&line("GET F/acme"), "", &[("if-none-match", &etag)]).await;
    assert_eq!((known.status.as_u16(), known.text.as_str()), (304, ""));
    assert_eq!(put(&etag).await.status, 200);
    assert_eq!(put(&etag).await.status, 412, "it has another one by now");
    assert_eq!(put("*").await.status, 200);
}

#[tokio::test]
async fn lists_show_the_factories_of_a_group_and_of_the_subscription() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    client.ask("PUT S/resourcegroups/other?2021-04-01", LOCAL).await;
    for place in ["F/one", "S/resourceGroups/other/providers/Microsoft.DataFactory/factories/two"] {
        assert_eq!(ask(&client, &format!("PUT {place}"), LOCAL).await.status, 200);
    }
    let names = |list: Answer| -> Vec<String> {
        list.json()["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(ask(&client, "GET F", "").await), ["one"]);
    assert_eq!(names(ask(&client, "GET S/providers/Microsoft.DataFactory/factories", "").await), ["one", "two"]);
    let filter = "$filter=resourceType%20eq%20'Microsoft.DataFactory/factories'";
    let all = client.ask(&format!("GET S/resources?{filter}&api-version=2021-04-01"), "").await;
    assert_eq!(names(all), ["one", "two"]);
    let inside = client.ask("GET S/resourceGroups/other/resources?2021-04-01", "").await;
    assert_eq!(names(inside), ["two"]);
}

/// The identity called `name` in the admin API.
async fn identity(world: &World, name: &str) -> Option<Value> {
    let all = world.admin("GET /admin/identities", "").await.json();
    all["identities"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned()
}

#[tokio::test]
async fn a_factorys_own_identity_comes_and_goes_with_it() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    let body = r#"{"location": "x", "identity": {"type": "SystemAssigned"}}"#;
    let made = ask(&client, "PUT F/Acme", body).await.json();
    let own = identity(&world, "datafactory-Acme").await.unwrap();
    let tenant = "6b9e7c1a-0000-4000-8000-000000000001";
    assert_eq!(made["identity"], json!({"type": "SystemAssigned", "principalId": own["objectId"], "tenantId": tenant}));
    assert_eq!((&own["resourceId"], &own["systemAssigned"]), (&json!(id("Acme")), &json!(false)));
    let again = ask(&client, "PUT F/acme", LOCAL.replace("East US", "x").as_str()).await.json();
    assert_eq!(again["identity"]["principalId"], own["objectId"], "it stays unless it is taken away");

    let query = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
    for (name, value) in
        [("client_id", &own["clientId"]), ("object_id", &own["objectId"]), ("msi_res_id", &own["resourceId"])]
    {
        let path = format!("{query}&{name}={}", value.as_str().unwrap());
        let refused = world.plain(&world.server.ready.identity, &path, &[("metadata", "true")]).await;
        assert_eq!(refused.status, 400, "no program is the factory: {name}: {}", refused.text);
    }
    let role = json!({"objectId": own["objectId"], "role": "Reader", "scope": id("acme")});
    let assignment = "/admin/role-assignments/6b9e7c1a-0000-4000-8000-0000000000aa";
    assert_eq!(world.admin(&format!("PUT {assignment}"), &role.to_string()).await.status, 201);
    let removed = world.admin("DELETE /admin/identities/datafactory-Acme", "").await.error();
    assert!(removed.starts_with("409 ") && removed.contains("goes with its resource"), "{removed}");
    assert_eq!(ask(&client, "DELETE F/acme", "").await.status, 200);
    assert_eq!(identity(&world, "datafactory-Acme").await, None);
    assert_eq!(world.admin(&format!("DELETE {assignment}"), "").await.status, 404, "roles at the factory go with it");

    let other = ask(&client, "PUT F/Acme", body).await.json();
    assert_ne!(other["identity"]["principalId"], own["objectId"], "another factory of the name has another one");
    let without = ask(&client, "PATCH F/acme", r#"{"identity": {"type": "None"}}"#).await.json();
    assert_eq!((&without["identity"], identity(&world, "datafactory-Acme").await), (&Value::Null, None));
}

#[tokio::test]
async fn a_name_that_an_identity_has_is_refused_with_it() {
    let config = r#"{"identities": [{"name": "owner"}, {"name": "datafactory-acme"}]}"#;
    let world = World::of(config, keyhaven::Storage::Memory).await;
    let client = Client::of(&world, "owner").await;
    let taken =
        ask(&client, "PUT F/acme", r#"{"location": "x", "identity": {"type": "SystemAssigned"}}"#).await.error();
    assert_eq!(
        taken,
        "409 Conflict The identity 'datafactory-acme' has the name that the factory's own identity would have."
    );
    assert_eq!(ask(&client, "GET F/acme", "").await.status, 404);
}

#[tokio::test]
async fn user_assigned_identities_must_exist_and_be_the_callers_to_give() {
    let group = format!("{SUBSCRIPTION}/resourceGroups/keyhaven");
    let config = json!({"identities": [
        {"name": "owner"}, {"name": "worker"},
        {"name": "admin", "roleAssignments": [{"role": "Data Factory Contributor", "scope": group}]}]});
    let world = World::of(&config.to_string(), keyhaven::Storage::Memory).await;
    let owner = Client::of(&world, "owner").await;
    let worker = identity(&world, "worker").await.unwrap();
    let worker_id = worker["resourceId"].as_str().unwrap();
    let body = |kind: &str, id: &str| {
        json!({"location": "x", "identity": {"type": kind, "userAssignedIdentities": {id: {}}}}).to_string()
    };
    let unknown = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/none");
    let refused = ask(&owner, "PUT F/acme", &body("UserAssigned", &unknown)).await.error();
    assert!(refused.starts_with("400 FailedIdentityOperation ") && refused.contains(&unknown), "{refused}");

    let made = ask(&owner, "PUT F/acme", &body("SystemAssigned, UserAssigned", &worker_id.to_uppercase())).await.json();
    assert_eq!(made["identity"]["type"], "SystemAssigned,UserAssigned");
    let shown = json!({"principalId": worker["objectId"], "clientId": worker["clientId"]});
    assert_eq!(made["identity"]["userAssignedIdentities"], json!({worker_id.to_uppercase(): shown}));
    let patch =
        json!({"identity": {"type": "SystemAssigned", "userAssignedIdentities": {worker_id.to_uppercase(): null}}});
    let changed = ask(&owner, "PATCH F/acme", &patch.to_string()).await.json();
    assert_eq!(
        (&changed["identity"]["type"], &changed["identity"]["userAssignedIdentities"]),
        (&json!("SystemAssigned"), &Value::Null)
    );
    for (kind, expected) in [("SystemAssigned", json!("SystemAssigned")), ("None", Value::Null)] {
        assert_eq!(ask(&owner, "PATCH F/acme", &body("SystemAssigned,UserAssigned", worker_id)).await.status, 200);
        let kept = ask(&owner, "PATCH F/acme", r#"{"identity": {"type": "SystemAssigned,UserAssigned"}}"#).await.json();
        assert_eq!(kept["identity"]["type"], "SystemAssigned,UserAssigned");
        let patch = json!({"identity": {"type": kind}}).to_string();
        let changed = ask(&owner, "PATCH F/acme", &patch).await.json();
        assert_eq!(changed["identity"]["type"], expected, "the type says which there are");
        assert_eq!(changed["identity"]["userAssignedIdentities"], Value::Null, "{kind}");
    }

    let admin = Client::of(&world, "admin").await;
    assert_eq!(ask(&admin, "PUT F/other", r#"{"location": "x"}"#).await.status, 200);
    let linked = ask(&admin, "PUT F/other", &body("UserAssigned", worker_id)).await.error();
    let action = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
    assert!(linked.starts_with("403 LinkedAuthorizationFailed ") && linked.contains(action), "{linked}");
}

#[tokio::test]
async fn a_group_takes_its_factories_along() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    client.ask("PUT S/resourcegroups/shop?2021-04-01", LOCAL).await;
    let factory = "S/resourceGroups/shop/providers/Microsoft.DataFactory/factories/acme";
    let body = r#"{"location": "x", "identity": {"type": "SystemAssigned"}}"#;
    assert_eq!(ask(&client, &format!("PUT {factory}"), body).await.status, 200);
    assert_eq!(ask(&client, &format!("PUT {factory}/pipelines/p"), r#"{"properties": {}}"#).await.status, 200);
    let role = json!({"identity": "nobody", "role": "Reader", "scope": format!("{SUBSCRIPTION}/resourceGroups/shop")});
    let assignment = "/admin/role-assignments/6b9e7c1a-0000-4000-8000-0000000000aa";
    assert_eq!(world.admin(&format!("PUT {assignment}"), &role.to_string()).await.status, 201);
    assert_eq!(client.ask("DELETE S/resourcegroups/shop?2021-04-01", "").await.status, 202);
    assert_eq!(identity(&world, "datafactory-acme").await, None);
    assert_eq!(world.admin(&format!("DELETE {assignment}"), "").await.status, 404);
    client.ask("PUT S/resourcegroups/shop?2021-04-01", LOCAL).await;
    assert_eq!(ask(&client, &format!("GET {factory}"), "").await.status, 404);
    assert_eq!(ask(&client, &format!("PUT {factory}"), body).await.status, 200, "its name is free");
    assert_eq!(ask(&client, &format!("GET {factory}/pipelines"), "").await.json(), json!({"value": []}));
}

#[tokio::test]
async fn a_group_with_a_factory_stays_when_the_vault_that_named_it_goes() {
    let config = r#"{"identities": [{"name": "owner"}], "vaults": [{"name": "acme", "resourceGroup": "Shop"}]}"#;
    let world = World::of(config, keyhaven::Storage::Memory).await;
    let client = Client::of(&world, "owner").await;
    let factory = "S/resourceGroups/shop/providers/Microsoft.DataFactory/factories/acme";
    assert_eq!(ask(&client, &format!("PUT {factory}"), LOCAL).await.status, 200);
    assert_eq!(world.admin("DELETE /admin/vaults/acme", "").await.status, 204);
    assert_eq!(ask(&client, &format!("GET {factory}"), "").await.status, 200);
    assert_eq!(client.ask("GET S/resourcegroups/shop?2021-04-01", "").await.json()["name"], "Shop");
    assert_eq!(client.ask("DELETE S/resourcegroups/shop?2021-04-01", "").await.status, 202);
    assert_eq!(client.ask("HEAD S/resourcegroups/shop?2021-04-01", "").await.status, 404);
}

#[tokio::test]
async fn factories_are_in_snapshots_and_in_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let storage = || keyhaven::Storage::Redb(dir.path().to_owned());
    let body = r#"{"location": "x", "identity": {"type": "SystemAssigned"}}"#;
    let (made, snapshot) = {
        let world = World::of(crate::world::CONFIG, storage()).await;
        let client = Client::of(&world, "owner").await;
        let made = ask(&client, "PUT F/acme", body).await.json();
        ask(&client, "PUT F/acme/pipelines/p", r#"{"properties": {}}"#).await;
        let snapshot = world.admin_bytes("GET /admin/snapshot").await;
        world.server.stop().await;
        (made, snapshot)
    };
    let world = World::of(crate::world::CONFIG, storage()).await;
    let client = Client::of(&world, "owner").await;
    assert_eq!(ask(&client, "GET F/acme", "").await.json(), made, "after a restart");
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    assert_eq!(ask(&client, "GET F/acme", "").await.status, 404);
    assert_eq!(identity(&world, "datafactory-acme").await, None);
    let key = format!("Bearer {}", world.server.ready.admin_key);
    assert_eq!(world.admin_with("PUT /admin/snapshot", &snapshot, &[("authorization", &key)]).await.status, 204);
    assert_eq!(ask(&client, "GET F/acme", "").await.json(), made, "from the snapshot");
    assert_eq!(ask(&client, "GET F/acme/pipelines/p", "").await.status, 200);
    assert_eq!(identity(&world, "datafactory-acme").await.unwrap()["objectId"], made["identity"]["principalId"]);
}
