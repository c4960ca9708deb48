//! Credentials in the definitions of a factory: taken, sealed, and never answered; references to them; credentials of a factory.

use serde_json::{Value, json};

use super::Client;
use super::factories::line;
use crate::world::{Answer, World};

const MASK: &str = "**********";

async fn ask(client: &Client<'_>, text: &str, body: Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    client.ask(&line(text), &body).await
}

async fn client_of(world: &World) -> Client<'_> {
    let client = Client::of(world, "owner").await;
    assert_eq!(ask(&client, "PUT F/acme", json!({"location": "East US"})).await.status, 200);
    client
}

/// What is answered to a PUT of a linked service with these `typeProperties`, which must be a success.
async fn link(client: &Client<'_>, name: &str, kind: &str, own: Value) -> Value {
    let body = json!({"properties": {"type": kind, "typeProperties": own}});
    let made = ask(client, &format!("PUT F/acme/linkedservices/{name}"), body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert!(!made.text.contains("hush"), "{}", made.text);
    let read = ask(client, &format!("GET F/acme/linkedservices/{name}"), Value::Null).await;
    assert_eq!(read.json(), made.json());
    let listed = ask(client, "GET F/acme/linkedservices", Value::Null).await;
    assert!(!listed.text.contains("hush") && listed.json()["value"].as_array().unwrap().contains(&read.json()));
    made.json()["properties"]["typeProperties"].clone()
}

/// `shown` without its reference, and the reference, which must have the service's form.
fn without_reference(mut shown: Value) -> (Value, String) {
    let reference = shown.as_object_mut().unwrap().remove("encryptedCredential").unwrap();
    let text = reference.as_str().unwrap().to_owned();
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &text).unwrap();
    let decoded = String::from_utf8(decoded).unwrap();
    let head = "{\r\n  \"Version\": \"2017-11-30\",\r\n  \"ProtectionMode\": \"Key\",\r\n  \"SecretContentType\": \"Plaintext\",\r\n  \
                \"CredentialId\": \"DATAFACTORY@";
    let id = decoded.strip_prefix(head).unwrap().strip_suffix("\"\r\n}").unwrap();
    let (factory, credential) = id.split_once('_').unwrap();
    assert_eq!((factory.len(), credential.len(), factory.to_uppercase()), (36, 36, factory.to_owned()));
    (shown, text)
}

#[tokio::test]
async fn each_connector_shows_its_definition_without_credentials() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let secure = |text: &str| json!({"type": "SecureString", "value": text});
    for (kind, given, expected) in [
        (
            "SqlServer",
            json!({"connectionString": "Server=S;Database=D;User ID=U;Password=hush;Timeout=60"}),
            json!({"connectionString": "Server=S;Database=D;User ID=U;Timeout=60"}),
        ),
        (
            "AzureBlobStorage",
            json!({"connectionString": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=hush==;EndpointSuffix=core.windows.net"}),
            json!({"connectionString": "DefaultEndpointsProtocol=https;AccountName=a;EndpointSuffix=core.windows.net"}),
        ),
        (
            "RestService",
            json!({"url": "https://a", "authenticationType": "Basic", "userName": "u", "password": secure("hush")}),
            json!({"url": "https://a", "authenticationType": "Basic", "userName": "u", "password": secure(MASK)}),
        ),
        (
            "AzureBlobFS",
            json!({"url": "https://a.dfs.core.windows.net", "accountKey": "hush"}),
            json!({"url": "https://a.dfs.core.windows.net"}),
        ),
        (
            "MongoDbV2",
            json!({"connectionString": "mongodb://u:hush@h/?ssl=true", "database": "d"}),
            json!({"connectionString": "mongodb://u@h/?ssl=true", "database": "d"}),
        ),
        (
            "HttpServer",
            json!({"url": "https://a", "authHeaders": {"x-api-key": secure("hush"), "x-other": "hush"}}),
            json!({"url": "https://a", "authHeaders": {"x-api-key": secure(MASK)}}),
        ),
    ] {
        let (shown, _) = without_reference(link(&client, "x", kind, given).await);
        assert_eq!(shown, expected, "{kind}");
    }
    let store = json!({"type": "LinkedServiceReference", "referenceName": "v"});
    let url = json!({"baseUrl": "https://acme.vault.azure.net/"});
    assert_eq!(link(&client, "v", "AzureKeyVault", url.clone()).await, url);
    let password = json!({"type": "AzureKeyVaultSecret", "store": store, "secretName": "s"});
    let own = json!({"connectionString": "Server=S;User ID=U", "password": password});
    assert_eq!(
        link(&client, "x", "AzureSqlDatabase", own.clone()).await,
        own,
        "nothing is taken, nothing refers to it"
    );
}

#[tokio::test]
async fn a_credential_is_kept_with_its_reference_alone() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let secure = |text: &str| json!({"type": "SecureString", "value": text});
    let made = link(&client, "x", "RestService", json!({"url": "https://a", "password": secure("hush")})).await;
    let mut changed = made.clone();
    changed["url"] = json!("https://b");
    assert_eq!(link(&client, "x", "RestService", changed.clone()).await, changed, "it comes back with its reference");
    changed["password"] = secure("hush again");
    let (_, before) = without_reference(made);
    let (shown, after) = without_reference(link(&client, "x", "RestService", changed).await);
    assert_eq!(shown, json!({"url": "https://b", "password": secure(MASK)}));
    assert_ne!(before, after, "another credential, another reference");

    let put = async |own: Value| {
        let body = json!({"properties": {"type": "RestService", "typeProperties": own}});
        ask(&client, "PUT F/acme/linkedservices/x", body).await
    };
    let etag = ask(&client, "GET F/acme/linkedservices/x", Value::Null).await.json()["etag"].clone();
    for (own, expected) in [
        (
            json!({"password": secure(MASK)}),
            "the masked credential ********** is not kept: write it anew, at 'properties/typeProperties/password'.",
        ),
        (
            json!({"connectionString": "A=b;Password=**********"}),
            "write it anew, at 'properties/typeProperties/connectionString'.",
        ),
        (
            json!({"password": {"type": "SecureString"}}),
            "a SecureString must have a value, at 'properties/typeProperties/password'.",
        ),
        (json!({"password": 12345}), "a credential must be text, at 'properties/typeProperties/password'."),
    ] {
        let error = put(own).await.error();
        let start = "400 BadRequest The document creation or update failed: ";
        assert!(error.starts_with(start) && error.ends_with(expected), "{error}");
    }
    assert_eq!(
        ask(&client, "GET F/acme/linkedservices/x", Value::Null).await.json()["etag"],
        etag,
        "nothing has changed"
    );
    let without = json!({"url": "https://b"});
    assert_eq!(link(&client, "x", "RestService", without.clone()).await, without, "it is gone");
    let again = json!({"url": "https://b", "password": secure(MASK)});
    assert!(put(again).await.error().starts_with("400 BadRequest "));
}

#[tokio::test]
async fn a_credential_made_beforehand_is_kept_as_it_is() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let own = json!({"type": "SelfHosted"});
    assert_eq!(ask(&client, "PUT F/acme/integrationRuntimes/own", json!({"properties": own})).await.status, 200);
    for made in ["ew0KICAiVmVyc2lvbiI6ICIyMDE3LTExLTMwIg0KfQ==", "fake_credential"] {
        let properties = json!({
            "type": "SqlServer", "name": "SqlServerLinkedService",
            "typeProperties": {"connectionString": "Server=S;User ID=U", "encryptedCredential": made},
            "connectVia": {"type": "integrationRuntimeReference", "referenceName": "own"}
        });
        let put = ask(&client, "PUT F/acme/linkedservices/x", json!({"properties": properties})).await;
        assert_eq!((put.status.as_u16(), put.json()["properties"].clone()), (200, properties));
    }
    let inside = json!({"connectionString": "Server=S;EncryptedCredential=abc=="});
    assert_eq!(link(&client, "y", "SqlServer", inside.clone()).await, inside);
}

#[tokio::test]
async fn without_a_node_a_self_hosted_runtime_encrypts_nothing() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let own = json!({"properties": {"type": "SelfHosted"}});
    assert_eq!(ask(&client, "PUT F/acme/integrationRuntimes/own", own).await.status, 200);
    let properties = |runtime: &str| {
        json!({
            "type": "SqlServer",
            "typeProperties": {"connectionString": "Server=S;User ID=U;Password=hush"},
            "connectVia": {"type": "integrationRuntimeReference", "referenceName": runtime}
        })
    };
    let refused = ask(&client, "PUT F/acme/linkedservices/x", json!({"properties": properties("Own")})).await;
    assert_eq!((refused.status.as_u16(), refused.json()["error"]["code"].clone()), (400, json!("BadRequest")));
    let id = format!(
        "{}/linkedservices/x",
        "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven/providers/Microsoft.DataFactory/factories/acme"
    );
    let expected = [
        "Failed to encrypt sub-resource payload {",
        &format!("  \"Id\": \"{id}\","),
        "  \"Name\": \"x\",",
        "  \"Properties\": {",
        "    \"connectVia\": {",
        "      \"referenceName\": \"Own\",",
        "      \"type\": \"integrationRuntimeReference\"",
        "    },",
        "    \"type\": \"SqlServer\",",
        "    \"typeProperties\": {",
        "      \"connectionString\": \"********************\"",
        "    }",
        "  }",
        "} and error is: Failed to encrypt linked service credentials on self-hosted IR 'own', reason is: NotFound, error message is: No \
         online instance..",
    ];
    assert_eq!(refused.json()["error"]["message"], expected.join("\r\n"));
    assert_eq!(ask(&client, "GET F/acme/linkedservices/x", Value::Null).await.status, 404, "nothing is kept");
    let own = json!({"properties": properties("AutoResolveIntegrationRuntime")});
    assert_eq!(
        ask(&client, "PUT F/acme/linkedservices/x", own).await.status,
        200,
        "the service's own runtime needs no node"
    );
}

#[tokio::test]
async fn secure_strings_of_other_definitions_are_taken_too() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let secure = |text: &str| json!({"type": "SecureString", "value": text});
    let activity = |name: &str, password: Value| {
        let authentication = json!({"type": "Basic", "username": "u", "password": password});
        json!({"name": name, "type": "WebActivity", "typeProperties": {"url": "https://a", "authentication": authentication}})
    };
    let pipeline = |activities: Value, default: &str| {
        let parameters = json!({"p": {"type": "SecureString", "defaultValue": default}, "q": {"type": "SecureString"}});
        json!({"properties": {"activities": activities, "parameters": parameters}})
    };
    let put = async |body: Value| ask(&client, "PUT F/acme/pipelines/p", body).await;
    let made = put(pipeline(json!([activity("a", secure("hush")), activity("b", json!("hush"))]), "hush")).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let shown = pipeline(json!([activity("a", secure(MASK)), activity("b", json!(MASK))]), MASK)["properties"].clone();
    assert_eq!(made.json()["properties"], shown);
    assert_eq!(ask(&client, "GET F/acme/pipelines/p", Value::Null).await.json(), made.json());

    let again = put(json!({"properties": shown})).await;
    assert_eq!(again.json()["properties"], shown, "a definition comes back as it was answered");
    let moved = put(pipeline(json!([activity("c", secure(MASK))]), MASK)).await.error();
    assert!(
        moved.ends_with("write it anew, at 'properties/activities/0/typeProperties/authentication/password'."),
        "{moved}"
    );
    let dataset = json!({"properties": {"type": "Json", "typeProperties": {"password": secure("hush")}}});
    let dataset = ask(&client, "PUT F/acme/datasets/d", dataset).await.json();
    assert_eq!(dataset["properties"]["typeProperties"]["password"], secure(MASK));
}

#[tokio::test]
async fn a_credential_is_an_identity_of_its_factory() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let listed = world.admin("GET /admin/identities", "").await.json();
    let identity = listed["identities"].as_array().unwrap().iter().find(|one| one["name"] == "nobody").unwrap();
    let id = identity["resourceId"].as_str().unwrap();
    let credential =
        |id: &str| json!({"properties": {"type": "ManagedIdentity", "typeProperties": {"resourceId": id}}});
    let refused = ask(&client, "PUT F/acme/credentials/c", credential(id)).await.error();
    assert_eq!(
        refused,
        format!(
            "400 BadRequest The credential's identity '{id}' is none of the factory's user-assigned identities: give it to the factory first."
        )
    );
    let mut assigned = serde_json::Map::new();
    assigned.insert(id.to_owned(), json!({}));
    let body = json!({"location": "East US", "identity": {"type": "UserAssigned", "userAssignedIdentities": assigned}});
    let made = ask(&client, "PUT F/acme", body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let made = ask(&client, "PUT F/acme/credentials/c", credential(&id.to_uppercase())).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(made.json()["type"], "Microsoft.DataFactory/factories/credentials");
    let principal = json!({"properties": {"type": "ServicePrincipal", "typeProperties": {"tenant": "t", "servicePrincipalId": "i",
        "servicePrincipalKey": {"type": "SecureString", "value": "hush"}}}});
    let principal = ask(&client, "PUT F/acme/credentials/s", principal).await;
    assert_eq!(principal.json()["properties"]["typeProperties"]["servicePrincipalKey"]["value"], MASK);
    let again = ask(&client, "PUT F/acme/credentials/s", json!({"properties": principal.json()["properties"]})).await;
    assert_eq!(again.json()["properties"], principal.json()["properties"], "the mask keeps the secret in its place");

    let reference = json!({"type": "CredentialReference", "referenceName": "c"});
    let url = json!({"baseUrl": "https://acme.vault.azure.net/", "credential": reference});
    assert_eq!(link(&client, "v", "AzureKeyVault", url.clone()).await, url);
    let used = ask(&client, "DELETE F/acme/credentials/c", Value::Null).await.error();
    assert_eq!(used, "400 BadRequest The document cannot be deleted since it is referenced by v.");
    assert_eq!(ask(&client, "DELETE F/acme/linkedservices/v", Value::Null).await.status, 200);
    assert_eq!(ask(&client, "DELETE F/acme/credentials/c", Value::Null).await.status, 200);
}

#[tokio::test]
async fn first_credentials_that_come_at_once_are_all_kept() {
    let world = World::new().await;
    let client = client_of(&world).await;
    let put = async |name: &str| {
        let body = json!({"properties": {"type": "AzureBlobFS", "typeProperties": {"accountKey": "hush"}}});
        ask(&client, &format!("PUT F/acme/linkedservices/{name}"), body).await.status.as_u16()
    };
    let made = tokio::join!(put("a"), put("b"), put("c"), put("d"));
    assert_eq!(made, (200, 200, 200, 200));
    assert_eq!(ask(&client, "DELETE F/acme", Value::Null).await.status, 200);
}
