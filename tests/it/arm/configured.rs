//! Factories of a configuration: made at the start, changed and deleted by `apply`, put back by a reset.

use keyhaven::{Options, Storage};
use serde_json::{Value, json};

use super::Client;
use super::factories::line;
use super::runtimes::ask;
use crate::world::{Answer, World};

/// The subscription of `Shop`.
const OWN: &str = "00000000-0000-4000-8000-000000000007";
/// Where `Shop` is.
const SHOP: &str = "/subscriptions/00000000-0000-4000-8000-000000000007/resourceGroups/sales/providers/Microsoft.DataFactory/factories/Shop";

/// A factory with all members and one with its name alone, and a vault that the first may read.
fn configuration() -> Value {
    json!({
        "identities": [{"name": "owner"}, {"name": "nobody"}],
        "location": "West Europe",
        "privateEndpoints": [{"name": "lan", "ranges": ["10.9.0.0/16"]}],
        "factories": [
            {"name": "Shop", "subscriptionId": OWN, "resourceGroup": "sales", "location": "East US", "publicNetworkAccess": "Disabled",
             "privateEndpoints": [{"name": "LAN"}, {"name": "pe-1", "ranges": ["127.0.0.0/8"]}]},
            {"name": "plain"}
        ],
        "vaults": [{"name": "acme", "accessPolicies": [
            {"identity": "owner", "permissions": {"secrets": ["all"]}},
            {"identity": "datafactory-Shop", "permissions": {"secrets": ["get"]}}
        ]}]
    })
}

async fn world_of(configuration: &Value, storage: Storage) -> World {
    World::of(&configuration.to_string(), storage).await
}

async fn apply(world: &World, query: &str, configuration: &Value) -> Value {
    let answer = world.admin(&format!("POST /admin/configuration{query}"), &configuration.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The steps of an answer that are about factories, as `ACTION NAME: DETAIL`.
fn steps(answer: &Value) -> Vec<String> {
    let of_factory = answer["steps"].as_array().unwrap().iter().filter(|step| step["kind"] == "factory");
    let text = |step: &Value, member: &str| step[member].as_str().unwrap().to_owned();
    of_factory
        .map(|step| format!("{} {}: {}", text(step, "action"), text(step, "name"), text(step, "detail")))
        .collect()
}

async fn names(world: &World) -> Vec<String> {
    let all = world.admin("GET /admin/factories", "").await.json();
    all["factories"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// What a node at `host` is answered that registers with a wrong key: it is served or not before that.
async fn register(world: &World, host: &str) -> Answer {
    let node = json!({"name": "n", "machine": "m", "version": "1", "host": "127.0.0.1:8060", "remoteAccess": false,
                      "thumbprint": "AB".repeat(32), "publicKey": "k"});
    let body = json!({"authKey": "IR@x@y@z", "node": node}).to_string();
    let request = world.request(&format!("{host}.datafactory.azure.net"), "POST /nodes/v1/register", &body, None);
    world.send_to("localhost", request).await
}

#[tokio::test]
async fn a_start_makes_what_the_file_names_with_group_identity_and_endpoints() {
    let configuration = configuration();
    let world = world_of(&configuration, Storage::Memory).await;
    let client = Client::of(&world, "owner").await;
    let shop = client.ask(&format!("GET {SHOP}?2018-06-01"), "").await.json();
    assert_eq!((&shop["id"], &shop["location"]), (&json!(SHOP), &json!("eastus")));
    assert_eq!(shop["properties"]["publicNetworkAccess"], "Disabled");
    assert_eq!(shop["identity"]["type"], "SystemAssigned");
    let group = client.ask(&format!("GET /subscriptions/{OWN}/resourceGroups/sales?2021-04-01"), "").await.json();
    assert_eq!((&group["name"], &group["location"]), (&json!("sales"), &json!("eastus")));
    let plain = ask(&client, "GET F/plain", Value::Null).await.json();
    assert_eq!((&plain["location"], &plain["properties"]["publicNetworkAccess"]), (&json!("westeurope"), &Value::Null));
    let connections = client.ask(&format!("GET {SHOP}/privateEndPointConnections?2018-06-01"), "").await.json();
    let states: Vec<_> = connections["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let properties = &one["properties"];
            (
                one["name"].clone(),
                properties["privateLinkServiceConnectionState"]["status"].clone(),
                properties["privateEndpoint"]["id"].clone(),
            )
        })
        .collect();
    let endpoint = |name: &str| {
        let id =
            format!("/subscriptions/{OWN}/resourceGroups/sales/providers/Microsoft.Network/privateEndpoints/{name}");
        (json!(name), json!("Approved"), json!(id))
    };
    assert_eq!(states, [endpoint("LAN"), endpoint("pe-1")]);

    // The entry is what the file says, and the policy that names the identity counts.
    let mut expected = configuration["factories"][0].clone();
    expected["location"] = json!("eastus");
    assert_eq!(world.admin("GET /admin/factories", "").await.json()["factories"][0], expected);
    let shown = world.admin("GET /admin/factories/shop", "").await.json();
    assert_eq!(shown["privateRanges"], json!(["10.9.0.0/16", "127.0.0.0/8"]));
    let own = shown["principalId"].clone();
    let policies = world.admin("GET /admin/vaults/acme", "").await.json()["accessPolicies"].clone();
    assert_eq!(policies[1]["objectId"], own);
    let link =
        json!({"properties": {"type": "AzureKeyVault", "typeProperties": {"baseUrl": "https://acme.vault.azure.net"}}});
    let linked = client.ask(&format!("PUT {SHOP}/linkedservices/kv?2018-06-01"), &link.to_string()).await;
    assert_eq!(linked.status, 200, "{}", linked.text);
    assert_eq!(world.admin("GET /admin/factories/shop", "").await.json()["unreadableVaults"], json!([]));
    let again = world_of(&configuration, Storage::Memory).await;
    assert_eq!(again.admin("GET /admin/factories/shop", "").await.json()["principalId"], own, "the same in every run");
}

#[tokio::test]
async fn a_subscription_of_a_factory_is_one_of_the_tenants_and_its_owners_own_it() {
    let world = world_of(&configuration(), Storage::Memory).await;
    let listed = Client::of(&world, "nobody").await.ask("GET /subscriptions?2022-12-01", "").await.json();
    let ids: Vec<_> = listed["value"].as_array().unwrap().iter().map(|one| one["subscriptionId"].clone()).collect();
    assert_eq!(ids, ["6b9e7c1a-0000-4000-8000-000000000002", OWN]);
    for (who, status) in [("owner", 200), ("nobody", 403)] {
        let read = Client::of(&world, who).await.ask(&format!("GET {SHOP}?2018-06-01"), "").await;
        assert_eq!(read.status, status, "{who}: {}", read.text);
    }
}

#[tokio::test]
async fn nodes_are_served_by_the_private_endpoints_that_the_file_names() {
    for (address, expected) in [(None, 401), (Some("10.9.1.2"), 401), (Some("203.0.113.7"), 403)] {
        let config = keyhaven::Config::parse(&configuration().to_string()).unwrap();
        let client_address = address.map(|text: &str| text.parse().unwrap());
        let world = World::with(Options { config, client_address, ..Options::default() }).await;
        let answer = register(&world, "shop.eastus").await;
        assert_eq!(answer.status, expected, "{address:?}: {}", answer.text);
        assert_eq!(register(&world, "plain.westeurope").await.status, 401, "its public access is on");
    }
}

#[tokio::test]
async fn apply_changes_what_the_file_says_of_a_factory_and_nothing_else() {
    let first = configuration();
    let world = world_of(&first, Storage::Memory).await;
    assert_eq!(apply(&world, "", &first).await["steps"], json!([]));
    let client = Client::of(&world, "owner").await;
    // What the file does not say: a tag, a connection, a pipeline.
    assert_eq!(ask(&client, "PATCH F/plain", json!({"tags": {"team": "shop"}})).await.status, 200);
    let state = json!({"status": "Approved", "description": "by hand"});
    let id = "/subscriptions/5/resourceGroups/n/providers/Microsoft.Network/privateEndpoints/mine";
    let mine = json!({"properties": {"privateEndpoint": {"id": id}, "privateLinkServiceConnectionState": state}});
    assert_eq!(ask(&client, "PUT F/plain/privateEndpointConnections/mine", mine.clone()).await.status, 200);
    assert_eq!(ask(&client, "PUT F/plain/pipelines/p", json!({"properties": {"activities": []}})).await.status, 200);

    let mut second = first.clone();
    second["factories"][0]["privateEndpoints"] = json!([{"name": "pe-1", "ranges": ["10.1.0.0/16"]}]);
    second["factories"][1]["publicNetworkAccess"] = json!("Disabled");
    second["factories"][1]["privateEndpoints"] = json!([{"name": "lan"}]);
    second["factories"].as_array_mut().unwrap().push(json!({"name": "third"}));
    let expected = [
        "change Shop: privateEndpoints",
        "change plain: publicNetworkAccess (Enabled -> Disabled), privateEndpoints",
        "create third: ",
    ];
    let dry = apply(&world, "?dryRun=true", &second).await;
    assert_eq!((steps(&dry), names(&world).await.len()), (expected.map(str::to_owned).to_vec(), 2));
    assert_eq!(register(&world, "plain.westeurope").await.status, 401, "nothing was changed");
    let etag = ask(&client, "GET F/plain", Value::Null).await.json()["eTag"].clone();
    assert_eq!(steps(&apply(&world, "", &second).await), expected);
    assert_eq!(steps(&apply(&world, "", &second).await), [""; 0], "once is enough");
    assert_eq!(names(&world).await, ["Shop", "plain", "third"]);
    for host in ["shop.eastus", "plain.westeurope"] {
        assert_eq!(register(&world, host).await.status, 403, "{host}");
    }
    let plain = ask(&client, "GET F/plain", Value::Null).await.json();
    assert_eq!((&plain["tags"], plain["eTag"] == etag), (&json!({"team": "shop"}), false));
    let connections = ask(&client, "GET F/plain/privateEndPointConnections", Value::Null).await.json();
    let connected: Vec<_> = connections["value"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(connected, ["lan", "mine"]);
    assert_eq!(ask(&client, "GET F/plain/pipelines/p", Value::Null).await.status, 200);

    // One that was rejected is not as the file says.
    let state = json!({"properties": {"privateLinkServiceConnectionState": {"status": "Rejected"}}});
    assert_eq!(ask(&client, "PUT F/plain/privateEndpointConnections/lan", state).await.status, 200);
    assert_eq!(steps(&apply(&world, "", &second).await), ["change plain: privateEndpoints"]);
}

#[tokio::test]
async fn prune_deletes_what_an_earlier_file_made_and_nothing_else() {
    let first = configuration();
    let world = world_of(&first, Storage::Memory).await;
    let client = Client::of(&world, "owner").await;
    assert_eq!(
        ask(&client, "PUT F/mine", json!({"location": "x", "identity": {"type": "SystemAssigned"}})).await.status,
        200
    );
    assert_eq!(ask(&client, "PUT F/plain/pipelines/p", json!({"properties": {"activities": []}})).await.status, 200);
    // It is named by the file from now on, and still not made by it.
    let mut second = first.clone();
    second["factories"] = json!([{"name": "Shop", "subscriptionId": OWN, "resourceGroup": "sales", "location": "East US"},
                                 {"name": "mine", "location": "x", "publicNetworkAccess": "Disabled"}]);
    let unnamed = "unnamed plain: an earlier configuration made it; --prune deletes it";
    let changes = [
        "change Shop: publicNetworkAccess (Disabled -> Enabled), privateEndpoints",
        "change mine: publicNetworkAccess (Enabled -> Disabled)",
        unnamed,
    ];
    assert_eq!(steps(&apply(&world, "", &second).await), changes);
    assert_eq!(names(&world).await, ["Shop", "mine", "plain"]);
    second["factories"].as_array_mut().unwrap().truncate(1);
    let deleted = "delete plain: with all that it holds and its identity, for good";
    assert_eq!(steps(&apply(&world, "?prune=true&dryRun=true", &second).await), [deleted]);
    assert_eq!(steps(&apply(&world, "?prune=true", &second).await), [deleted]);
    assert_eq!(names(&world).await, ["Shop", "mine"], "what a request made stays");
    let identities = world.admin("GET /admin/identities", "").await.text;
    assert!(identities.contains("datafactory-mine") && !identities.contains("datafactory-plain"), "{identities}");
    assert_eq!(ask(&client, "PUT F/plain", json!({"location": "x"})).await.status, 200, "its name is free");
}

#[tokio::test]
async fn what_cannot_change_is_refused_and_nothing_is_done() {
    let first = configuration();
    let world = world_of(&first, Storage::Memory).await;
    for (member, value) in [
        ("subscriptionId", json!("00000000-0000-4000-8000-000000000008")),
        ("resourceGroup", json!("other")),
        ("location", json!("northeurope")),
    ] {
        let mut second = first.clone();
        second["factories"][0][member] = value;
        second["factories"][1]["publicNetworkAccess"] = json!("Disabled");
        let refused = world.admin("POST /admin/configuration", &second.to_string()).await;
        let expected = format!("factory Shop: {member}: said when the factory is made, and stays");
        assert!(refused.status == 409 && refused.error().contains(&expected), "{}", refused.error());
        assert_eq!(register(&world, "plain.westeurope").await.status, 401, "nothing was changed");
    }
    assert_eq!(world.admin("POST /admin/identities", r#"{"name":"datafactory-late"}"#).await.status, 201);
    let mut second = first.clone();
    second["factories"].as_array_mut().unwrap().push(json!({"name": "late"}));
    let refused = world.admin("POST /admin/configuration", &second.to_string()).await;
    let expected = "factory late: the identity 'datafactory-late' has the name or an id of its own";
    assert!(refused.status == 409 && refused.error().contains(expected), "{}", refused.error());
    assert_eq!(names(&world).await, ["Shop", "plain"]);
}

#[tokio::test]
async fn a_reset_puts_the_files_factories_back_and_a_snapshot_knows_which_they_are() {
    let first = configuration();
    let world = world_of(&first, Storage::Memory).await;
    let principal = async || world.admin("GET /admin/factories/shop", "").await.json()["principalId"].clone();
    let before = principal().await;
    let saved = world.admin_bytes("GET /admin/snapshot").await;
    let client = Client::of(&world, "owner").await;
    assert_eq!(ask(&client, "PUT F/mine", json!({"location": "x"})).await.status, 200);
    assert_eq!(client.ask(&line(&format!("DELETE {SHOP}")), "").await.status, 200);
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    assert_eq!((names(&world).await, principal().await), (vec!["Shop".to_owned(), "plain".to_owned()], before));
    let key = format!("Bearer {}", world.server.ready.admin_key);
    assert_eq!(world.admin_with("PUT /admin/snapshot", &saved, &[("authorization", &key)]).await.status, 204);
    let mut second = first.clone();
    second["factories"] = json!([]);
    second["vaults"][0]["accessPolicies"].as_array_mut().unwrap().pop();
    let pruned = steps(&apply(&world, "?prune=true", &second).await);
    assert_eq!((pruned.len(), names(&world).await), (2, Vec::<String>::new()), "{pruned:?}");
}

#[tokio::test]
async fn a_start_on_existing_data_adds_what_is_missing_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let storage = || Storage::Redb(dir.path().join("data"));
    let mut file = configuration();
    let mut entry = file["factories"][0].clone();
    let world = world_of(&file, storage()).await;
    entry["location"] = json!("eastus");
    world.server.stop().await;
    file["factories"][0]["publicNetworkAccess"] = json!("Enabled");
    file["factories"][0]["resourceGroup"] = json!("moved");
    file["factories"][0]["privateEndpoints"] = json!([]);
    file["factories"].as_array_mut().unwrap().push(json!({"name": "third"}));
    let world = world_of(&file, storage()).await;
    assert_eq!(names(&world).await, ["Shop", "plain", "third"]);
    assert_eq!(world.admin("GET /admin/factories", "").await.json()["factories"][0], entry);
}
