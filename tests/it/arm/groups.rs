//! Resource groups, and lists of what is in them.

use serde_json::{Value, json};

use super::{Client, SUBSCRIPTION};
use crate::world::World;

const WEST: &str = r#"{"location": "West Europe", "tags": {"team": "shop"}}"#;

fn ids(list: &Value) -> Vec<String> {
    list["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_group_is_made_once_read_and_changed() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    let absent = client.ask("HEAD S/resourcegroups/Shop?2021-04-01", "").await;
    assert_eq!((absent.status.as_u16(), absent.text.as_str()), (404, ""));
    let made = client.ask("PUT S/resourcegroups/Shop?2021-04-01", WEST).await;
    let expected = json!({
        "id": format!("{SUBSCRIPTION}/resourceGroups/Shop"), "name": "Shop", "type": "Microsoft.Resources/resourceGroups",
        "location": "westeurope", "tags": {"team": "shop"}, "properties": {"provisioningState": "Succeeded"}
    });
    assert_eq!((made.status.as_u16(), made.json()), (201, expected.clone()));
    let read = client.ask("GET S/ResourceGroups/SHOP?2021-04-01", "").await;
    assert_eq!((read.status.as_u16(), read.json()), (200, expected), "with the name that it was made with");
    assert_eq!(client.ask("HEAD S/resourcegroups/shop?2021-04-01", "").await.status, 204);

    let again = client.ask("PUT S/resourcegroups/shop?2021-04-01", r#"{"location": "westeurope"}"#).await;
    assert_eq!((again.status.as_u16(), &again.json()["tags"]), (200, &Value::Null), "a PUT replaces");
    let changed = client.ask("PATCH S/resourcegroups/shop?2021-04-01", r#"{"tags": {"a": "b"}}"#).await.json();
    assert_eq!((&changed["tags"], &changed["name"]), (&json!({"a": "b"}), &json!("Shop")));
    let moved = client.ask("PUT S/resourcegroups/shop?2021-04-01", r#"{"location": "eastus"}"#).await;
    assert_eq!(
        moved.error(),
        "409 InvalidResourceGroupLocation Invalid resource group location 'eastus'. The Resource group already exists in location \
         'westeurope'."
    );
}

#[tokio::test]
async fn what_is_no_group_is_refused() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    for (line, body, expected) in [
        ("PUT S/resourcegroups/a%25b?2021-04-01", WEST, "400 InvalidResourceGroup "),
        ("PUT S/resourcegroups/g?2021-04-01", "{}", "400 LocationRequired "),
        (
            "PUT S/resourcegroups/g?2021-04-01",
            r#"{"location": "x", "tags": {"": "x"}}"#,
            "400 InvalidTags The tag '' is invalid",
        ),
        (
            "PUT S/resourcegroups/g?2021-04-01",
            &format!(r#"{{"location": "{}"}}"#, "w".repeat(91)),
            "400 InvalidRequestContent The request content was invalid and could not be deserialized: 'location has at most 90 ",
        ),
        ("PATCH S/resourcegroups/g?2021-04-01", r#"{"tags": {}}"#, "404 ResourceGroupNotFound "),
        ("DELETE S/resourcegroups/g?2021-04-01", "", "404 ResourceGroupNotFound "),
        ("GET S/resources?$filter=size%20eq%20'1'&api-version=2021-04-01", "", "400 InvalidFilterInQueryString "),
        ("GET S/resources?$top=0&api-version=2021-04-01", "", "400 InvalidTopInQueryString "),
    ] {
        let error = client.ask(line, body).await.error();
        assert!(error.starts_with(expected), "{line}: {error}");
    }
}

#[tokio::test]
async fn a_deletion_is_accepted_and_its_location_says_that_it_is_done() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    client.ask("PUT S/resourcegroups/shop?2021-04-01", WEST).await;
    let deleted = client.ask("DELETE S/resourcegroups/shop?2021-04-01", "").await;
    assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (202, ""));
    let location = deleted.header("location").to_owned();
    let path = location.strip_prefix(&format!("https://{}", client.host())).unwrap();
    assert!(path.starts_with(&format!("{SUBSCRIPTION}/operationresults/")), "{path}");
    let result = client.ask(&format!("GET {path}"), "").await;
    assert_eq!((result.status.as_u16(), result.header("content-length"), result.text.as_str()), (200, "0", ""));
    assert_eq!(client.ask("HEAD S/resourcegroups/shop?2021-04-01", "").await.status, 404);
    let other = client.ask("GET S/operationresults/none?2021-04-01", "").await.error();
    assert!(other.starts_with("404 OperationNotFound "), "{other}");
}

#[tokio::test]
async fn the_roles_at_a_group_go_with_it() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    client.ask("PUT S/resourcegroups/shop?2021-04-01", WEST).await;
    let role = json!({"identity": "nobody", "role": "Reader", "scope": format!("{SUBSCRIPTION}/resourceGroups/SHOP")});
    let line = "PUT /admin/role-assignments/6b9e7c1a-0000-4000-8000-0000000000aa";
    assert_eq!(world.admin(line, &role.to_string()).await.status, 201);
    let reader = Client::of(&world, "nobody").await;
    assert_eq!(reader.ask("GET S/resourcegroups/shop?2021-04-01", "").await.status, 200);
    assert_eq!(client.ask("DELETE S/resourcegroups/shop?2021-04-01", "").await.status, 202);
    client.ask("PUT S/resourcegroups/shop?2021-04-01", WEST).await;
    assert_eq!(reader.ask("GET S/resourcegroups/shop?2021-04-01", "").await.status, 403);
}

#[tokio::test]
async fn groups_that_vaults_name_exist_and_are_not_deleted() {
    let config = r#"{"identities": [{"name": "owner"}], "vaults": [{"name": "acme", "resourceGroup": "shop"}]}"#;
    let world = World::of(config, keyhaven::Storage::Memory).await;
    let client = Client::of(&world, "owner").await;
    let listed = client.ask("GET S/resourcegroups?2021-04-01", "").await.json();
    assert_eq!(ids(&listed), ["keyhaven", "shop"]);
    assert_eq!(listed["value"][1]["location"], "local");
    let tagged = client.ask("PUT S/resourcegroups/shop?2021-04-01", WEST).await;
    assert_eq!(tagged.status, 200, "it was there: {}", tagged.text);
    let refused = client.ask("DELETE S/resourcegroups/shop?2021-04-01", "").await.error();
    let holds = format!("{SUBSCRIPTION}/resourceGroups/shop/providers/Microsoft.KeyVault/vaults/acme");
    assert!(refused.starts_with("409 ResourceGroupDeletionBlocked ") && refused.contains(&holds), "{refused}");
    assert!(refused.contains("Vaults are no resources of Keyhaven's management plane yet: "), "{refused}");
    let default = client.ask("DELETE S/resourcegroups/keyhaven?2021-04-01", "").await.error();
    assert!(default.starts_with("409 ResourceGroupDeletionBlocked The default resource group"), "{default}");
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    for name in ["c", "A", "b"] {
        client
            .ask(&format!("PUT S/resourcegroups/{name}?2021-04-01"), r#"{"location": "x", "tags": {"n": "1"}}"#)
            .await;
    }
    let first = client.ask("GET S/resourcegroups?$top=3&api-version=2021-04-01", "").await.json();
    assert_eq!(ids(&first), ["A", "b", "c"]);
    let next =
        first["nextLink"].as_str().unwrap().strip_prefix(&format!("https://{}", client.host())).unwrap().to_owned();
    let rest = client.ask(&format!("GET {next}"), "").await.json();
    assert_eq!((ids(&rest), &rest["nextLink"]), (vec!["keyhaven".to_owned()], &Value::Null));
    let filter = "$filter=tagName%20eq%20'n'%20and%20tagValue%20eq%20'1'";
    let tagged = client.ask(&format!("GET S/resourcegroups?{filter}&api-version=2021-04-01"), "").await.json();
    assert_eq!(ids(&tagged), ["A", "b", "c"]);

    let filter = "$filter=resourceType%20eq%20'Microsoft.KeyVault/vaults'";
    let vaults = client.ask(&format!("GET S/resources?{filter}&api-version=2015-11-01"), "").await.json();
    assert_eq!(ids(&vaults), ["acme", "plain"]);
    let id = format!("{SUBSCRIPTION}/resourceGroups/keyhaven/providers/Microsoft.KeyVault/vaults/acme");
    let acme = json!({"id": id, "name": "acme", "type": "Microsoft.KeyVault/vaults", "location": "local", "tags": {}});
    assert_eq!(vaults["value"][0], acme);
    let inside =
        client.ask("GET S/resourceGroups/a/resources?$expand=provisioningState&$top=10&api-version=2023-07-01", "");
    assert_eq!(inside.await.json(), json!({"value": []}));
}

#[tokio::test]
async fn groups_are_in_snapshots_and_gone_after_a_reset() {
    let world = World::new().await;
    let client = Client::of(&world, "owner").await;
    client.ask("PUT S/resourcegroups/shop?2021-04-01", WEST).await;
    let snapshot = world.admin_bytes("GET /admin/snapshot").await;
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    assert_eq!(client.ask("HEAD S/resourcegroups/shop?2021-04-01", "").await.status, 404);
    let key = format!("Bearer {}", world.server.ready.admin_key);
    let loaded = world.admin_with("PUT /admin/snapshot", &snapshot, &[("authorization", &key)]).await;
    assert_eq!(loaded.status, 204, "{}", loaded.text);
    assert_eq!(client.ask("HEAD S/resourcegroups/shop?2021-04-01", "").await.status, 204);
}
