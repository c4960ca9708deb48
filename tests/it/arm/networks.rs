//! The network of factories: private endpoint connections, the groups that they connect to, managed private endpoints.

use serde_json::{Value, json};

use super::Client;
use super::runtimes::ask;
use crate::world::World;

const FACTORY: &str = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven/providers/Microsoft.DataFactory/\
                       factories/acme";
const ENDPOINT: &str = "/subscriptions/5/resourceGroups/n/providers/Microsoft.Network/privateEndpoints/pe";
const VAULT: &str = "/subscriptions/5/resourceGroups/g/providers/Microsoft.KeyVault/vaults/safe";

/// A client of a factory `acme`, with a managed virtual network where that is asked for.
async fn client_of<'w>(world: &'w World, who: &str, with_network: bool) -> Client<'w> {
    let client = Client::of(world, who).await;
    if who == "owner" {
        assert_eq!(ask(&client, "PUT F/acme", json!({"location": "x"})).await.status, 200);
    }
    if with_network {
        let made = ask(&client, "PUT F/acme/managedVirtualNetworks/default", json!({"properties": {}})).await;
        assert_eq!(made.status, 200, "{}", made.text);
    }
    client
}

fn decision(status: &str, endpoint: Option<&str>) -> Value {
    let mut properties = json!({"privateLinkServiceConnectionState": {"status": status, "description": "by hand"}});
    if let Some(id) = endpoint {
        properties["privateEndpoint"] = json!({"id": id});
    }
    json!({"properties": properties})
}

#[tokio::test]
async fn a_connection_is_made_approved_rejected_and_deleted() {
    let world = World::new().await;
    let client = client_of(&world, "owner", false).await;
    let one = "F/acme/privateEndpointConnections/Pe.1";
    let absent = ask(&client, &format!("PUT {one}"), decision("Approved", None)).await.error();
    assert_eq!(absent, "404 NotFound The document could not be retrieved because 'Pe.1' was not found.");
    let made = ask(&client, &format!("PUT {one}"), decision("Approved", Some(ENDPOINT))).await;
    let shown = |status: &str, etag: &Value| {
        json!({
            "id": format!("{FACTORY}/privateEndpointConnections/Pe.1"), "name": "Pe.1",
            "type": "Microsoft.DataFactory/factories/privateEndpointConnections",
            "properties": {"provisioningState": "Succeeded", "privateEndpoint": {"id": ENDPOINT},
                "privateLinkServiceConnectionState": {"status": status, "description": "by hand", "actionsRequired": "None"}},
            "etag": etag,
        })
    };
    let body = made.json();
    assert_eq!((made.status.as_u16(), &body), (200, &shown("Approved", &body["etag"])));
    let rejected = ask(&client, &format!("PUT {one}").replace("Pe.1", "pe.1"), decision("rejected", None)).await.json();
    assert_eq!(rejected, shown("Rejected", &rejected["etag"]));
    let read = ask(&client, &format!("GET {one}"), Value::Null).await.json();
    assert_eq!(read, rejected);
    let listed = ask(&client, "GET F/acme/privateEndPointConnections", Value::Null).await.json();
    assert_eq!(listed, json!({"value": [rejected]}));

    let other = ask(&client, &format!("PUT {one}"), decision("Approved", Some(VAULT))).await.error();
    assert_eq!(
        other,
        "400 BadRequest The document creation or update failed: the private endpoint of a connection cannot change."
    );
    let odd = ask(&client, &format!("PUT {one}"), decision("Maybe", None)).await.error();
    assert_eq!(
        odd,
        "400 BadRequest The connection status 'Maybe' is invalid. It is 'Approved', 'Rejected' or 'Pending'."
    );
    let no_id =
        ask(&client, "PUT F/acme/privateEndpointConnections/other", decision("Approved", Some("pe"))).await.error();
    assert!(no_id.contains("properties.privateEndpoint.id is no id of a resource"), "{no_id}");
    let name = ask(&client, "GET F/acme/privateEndpointConnections/-x", Value::Null).await.error();
    assert!(name.starts_with("400 InvalidParameter The private endpoint connection name '-x' is invalid"), "{name}");
    assert_eq!(ask(&client, &format!("GET {one}"), Value::Null).await.json(), rejected, "nothing came of these");

    assert_eq!(ask(&client, &format!("DELETE {one}"), Value::Null).await.status, 200);
    assert_eq!(ask(&client, &format!("DELETE {one}"), Value::Null).await.status, 204);
    let gone = ask(&client, &format!("GET {one}"), Value::Null).await.error();
    assert_eq!(gone, "404 NotFound The document could not be retrieved because 'Pe.1' was not found.");
}

#[tokio::test]
async fn private_endpoints_connect_to_the_factory_or_its_portal() {
    let world = World::new().await;
    let client = client_of(&world, "owner", false).await;
    let listed = ask(&client, "GET F/acme/privateLinkResources", Value::Null).await.json();
    let of = |group: &str, zone: &str| {
        json!({"id": format!("{FACTORY}/privateLinkResources/{group}"), "name": group,
            "type": "Microsoft.DataFactory/factories/privateLinkResources",
            "properties": {"groupId": group, "requiredMembers": [group], "requiredZoneNames": [zone]}})
    };
    let both = [of("dataFactory", "privatelink.datafactory.azure.net"), of("portal", "privatelink.adf.azure.com")];
    assert_eq!(listed, json!({"value": both}));
    assert_eq!(ask(&client, "GET F/none/privateLinkResources", Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_managed_private_endpoint_waits_until_the_administrator_speaks_for_the_other_side() {
    let world = World::new().await;
    let client = client_of(&world, "owner", true).await;
    let one = "F/acme/managedVirtualNetworks/default/managedPrivateEndpoints/to-vault";
    let wanted = json!({"properties": {"privateLinkResourceId": VAULT, "groupId": "vault"}});
    let made = ask(&client, &format!("PUT {one}"), wanted.clone()).await;
    let shown = |status: &str, description: &str, etag: &Value| {
        json!({
            "id": format!("{FACTORY}/managedVirtualNetworks/default/managedPrivateEndpoints/to-vault"), "name": "to-vault",
            "type": "Microsoft.DataFactory/factories/managedVirtualNetworks/managedPrivateEndpoints",
            "properties": {"provisioningState": "Succeeded", "privateLinkResourceId": VAULT, "groupId": "vault", "fqdns": [],
                "connectionState": {"status": status, "description": description, "actionsRequired": "None"}},
            "etag": etag,
        })
    };
    let body = made.json();
    assert_eq!((made.status.as_u16(), &body), (200, &shown("Pending", "", &body["etag"])));

    let listed = world.admin("GET /admin/private-endpoints", "").await.json();
    let entry = |status: &str, description: &str| {
        json!({"name": "acme.to-vault", "id": body["id"], "privateLinkResourceId": VAULT, "groupId": "vault", "status": status,
            "description": description})
    };
    assert_eq!(listed, json!({"privateEndpoints": [entry("Pending", "")]}));
    let path = "PUT /admin/private-endpoints/ACME.to-vault";
    let approved = world.admin(path, r#"{"approve": true, "description": "it is ours"}"#).await;
    assert_eq!((approved.status.as_u16(), approved.json()), (200, entry("Approved", "it is ours")));
    let read = ask(&client, &format!("GET {one}"), Value::Null).await.json();
    assert_eq!(read, shown("Approved", "it is ours", &read["etag"]));
    assert_ne!(read["etag"], body["etag"]);
    let kept = ask(&client, &format!("PUT {one}"), wanted).await.json();
    assert_eq!(kept["properties"]["connectionState"]["status"], "Approved", "it leads where it led");
    let all =
        ask(&client, "GET F/acme/managedVirtualNetworks/default/managedPrivateEndpoints", Value::Null).await.json();
    assert_eq!(all, json!({"value": [kept]}));
    assert_eq!(world.admin(path, r#"{"reject": true}"#).await.json(), entry("Rejected", ""));
    let moved = json!({"properties": {"privateLinkResourceId": format!("{VAULT}2"), "groupId": "vault"}});
    let moved = ask(&client, &format!("PUT {one}"), moved).await.json();
    assert_eq!(moved["properties"]["connectionState"]["status"], "Pending", "another resource decides anew");

    for (line, body, status) in [
        (path, r#"{"approve": true, "reject": true}"#, 400),
        (path, r#"{"approve": false}"#, 400),
        (path, "{}", 400),
        ("PUT /admin/private-endpoints/acme.none", r#"{"approve": true}"#, 404),
    ] {
        assert_eq!(world.admin(line, body).await.status, status, "{line} {body}");
    }
    assert_eq!(ask(&client, &format!("GET {one}"), Value::Null).await.json(), moved, "nothing came of these");
    assert_eq!(ask(&client, &format!("DELETE {one}"), Value::Null).await.status, 200);
    assert_eq!(ask(&client, &format!("DELETE {one}"), Value::Null).await.status, 204);
    let gone = ask(&client, &format!("GET {one}"), Value::Null).await.error();
    assert_eq!(gone, "400 BadRequest The document could not be retrieved because 'to-vault' was not found.");
}

#[tokio::test]
async fn a_managed_private_endpoint_needs_its_network_and_a_resource() {
    let world = World::new().await;
    let client = client_of(&world, "owner", false).await;
    let one = "F/acme/managedVirtualNetworks/default/managedPrivateEndpoints/x";
    let put = async |properties: Value| ask(&client, &format!("PUT {one}"), json!({"properties": properties})).await;
    let wanted = json!({"privateLinkResourceId": VAULT, "groupId": "vault", "fqdns": ["a.example"]});
    let without = put(wanted.clone()).await.error();
    assert!(without.starts_with("404 NotFound The document could not be retrieved because '"), "{without}");
    assert!(without.contains("/managedVirtualNetworks/default'"), "{without}");
    let client = client_of(&world, "owner", true).await;
    assert_eq!(ask(&client, &format!("PUT {one}"), json!({"properties": wanted})).await.status, 200);
    for properties in [json!({"groupId": "vault"}), json!({"privateLinkResourceId": "safe"})] {
        assert_eq!(put(properties.clone()).await.status, 400, "{properties}");
    }
    let many = put(json!({"privateLinkResourceId": VAULT, "fqdns": vec!["a.example"; 21]})).await.error();
    assert!(many.contains("properties has more or longer host names than are taken"), "{many}");
    let dotted = ask(&client, "GET F/acme/managedVirtualNetworks/default/managedPrivateEndpoints/a.b", Value::Null)
        .await
        .error();
    assert!(dotted.starts_with("400 InvalidParameter The managed private endpoint name 'a.b' is invalid"), "{dotted}");
}

#[tokio::test]
async fn what_is_of_a_network_takes_rights_of_its_own_and_goes_with_the_factory() {
    let world = World::new().await;
    let client = client_of(&world, "owner", true).await;
    let managed = "F/acme/managedVirtualNetworks/default/managedPrivateEndpoints/x";
    let connection = "F/acme/privateEndpointConnections/pe";
    let wanted = json!({"properties": {"privateLinkResourceId": VAULT}});
    assert_eq!(ask(&client, &format!("PUT {managed}"), wanted.clone()).await.status, 200);
    assert_eq!(ask(&client, &format!("PUT {connection}"), decision("Approved", Some(ENDPOINT))).await.status, 200);

    let reader =
        r#"{"identity": "nobody", "role": "Reader", "scope": "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002"}"#;
    let granted = world.admin("PUT /admin/role-assignments/00000000-0000-4000-8000-0000000000aa", reader).await;
    assert_eq!(granted.status, 201, "{}", granted.text);
    let reader = client_of(&world, "nobody", false).await;
    for line in [managed, connection, "F/acme/privateLinkResources"] {
        assert_eq!(ask(&reader, &format!("GET {line}"), Value::Null).await.status, 200, "{line}");
    }
    for (line, body, action) in [
        (managed, wanted, "managedVirtualNetworks/managedPrivateEndpoints"),
        (connection, decision("Rejected", None), "privateEndpointConnections"),
    ] {
        for (method, body, verb) in [("PUT", body, "write"), ("DELETE", Value::Null, "delete")] {
            let refused = ask(&reader, &format!("{method} {line}"), body).await.error();
            let named = format!("perform action 'Microsoft.DataFactory/factories/{action}/{verb}' over scope");
            assert!(refused.starts_with("403 AuthorizationFailed") && refused.contains(&named), "{refused}");
        }
    }

    assert_eq!(ask(&client, "DELETE F/acme", Value::Null).await.status, 200);
    assert_eq!(world.admin("GET /admin/private-endpoints", "").await.json(), json!({"privateEndpoints": []}));
    let client = client_of(&world, "owner", true).await;
    let listed = ask(&client, "GET F/acme/privateEndPointConnections", Value::Null).await.json();
    assert_eq!(listed, json!({"value": []}), "a factory of the same name has none of them");
}
