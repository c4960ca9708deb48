//! Factories under their customer's key: which keys are taken, what needs the key, and what comes back with it.

mod access;
mod away;
mod exported;
mod moves;
mod rules;

use serde_json::{Value, json};

use super::factories::line;
use super::{Client, SUBSCRIPTION};
use crate::world::{Answer, World};

/// The role that the documents name.
const ROLE: &str = "Key Vault Crypto Service Encryption User";
/// The user-assigned identity, which may use the keys of the vault `lists`.
const CIPHER: &str = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven/providers/Microsoft.ManagedIdentity/\
                      userAssignedIdentities/cipher";
/// The id of the role assignment that gives a factory access.
const GRANT: &str = "6b9e7c1a-0000-4000-8000-0000000000aa";

/// A tenant with vaults whose keys may be a customer's, and some that may not. In `safe` roles decide, in the others access policies.
fn config() -> Value {
    let all = json!({"identity": "owner", "permissions": {"keys": ["all", "purge"], "secrets": ["all"]}});
    let cipher = json!({"identity": "cipher", "permissions": {"keys": ["get", "wrapKey", "unwrapKey"]}});
    let vault = |name: &str, more: Value| {
        let mut vault = json!({
            "name": name, "sku": "premium", "enablePurgeProtection": true,
            "accessPolicies": [all, cipher], "keys": [{"name": "cmk", "kty": "RSA"}]
        });
        vault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        vault
    };
    let roles = json!([{"identity": "owner", "role": "Key Vault Administrator", "scope": ""}]);
    json!({
        "identities": [{"name": "owner", "systemAssigned": true}, {"name": "guest"}, {"name": "cipher"}],
        "vaults": [
            vault("safe", json!({"enableRbacAuthorization": true, "roleAssignments": roles, "accessPolicies": [],
                                 "subscriptionId": "6b9e7c1a-0000-4000-8000-0000000000ff"})),
            vault("lists", json!({"aliases": ["keys.acme.test"], "keys": [{"name": "cmk", "kty": "RSA"}, {"name": "ec", "kty": "EC"}]})),
            vault("loose", json!({"enablePurgeProtection": false}))
        ]
    })
}

/// A tenant, and a client that owns its subscription.
struct Plane<'w> {
    world: &'w World,
    client: Client<'w>,
}

impl<'w> Plane<'w> {
    async fn of(world: &'w World) -> Self {
        Self { world, client: Client::of(world, "owner").await }
    }

    async fn ask(&self, text: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.ask(&line(text), &body).await
    }

    /// An answer that is 200, as JSON.
    async fn done(&self, text: &str, body: &Value) -> Value {
        let answer = self.ask(text, body).await;
        assert_eq!(answer.status, 200, "{text}: {}", answer.text);
        if answer.text.is_empty() { Value::Null } else { answer.json() }
    }

    /// A factory `acme` with an identity of its own, whose principal id is answered.
    async fn factory(&self) -> String {
        let body = json!({"location": "Local", "identity": {"type": "SystemAssigned"}});
        let made = self.done("PUT F/acme", &body).await;
        made["identity"]["principalId"].as_str().unwrap().to_owned()
    }

    /// The same under the key `cmk` of `safe`, with a pipeline `p`.
    async fn keyed(&self) -> String {
        let own = self.factory().await;
        self.grant(&own, ROLE).await;
        self.done("PUT F/acme", &encrypted("safe", json!({}))).await;
        self.done("PUT F/acme/pipelines/p", &pipeline("first")).await;
        own
    }

    async fn grant(&self, principal: &str, role: &str) {
        let scope = "/subscriptions/6b9e7c1a-0000-4000-8000-0000000000ff/resourceGroups/keyhaven/providers/Microsoft.KeyVault/vaults/safe";
        let body = json!({"objectId": principal, "role": role, "scope": scope});
        let id = if role == ROLE { GRANT } else { "6b9e7c1a-0000-4000-8000-0000000000bb" };
        let made = self.world.admin(&format!("PUT /admin/role-assignments/{id}"), &body.to_string()).await;
        assert!(made.status.is_success(), "{}", made.text);
    }

    async fn withdraw(&self) {
        let gone = self.world.admin(&format!("DELETE /admin/role-assignments/{GRANT}"), "").await;
        assert_eq!(gone.status, 204, "{}", gone.text);
    }

    /// A request to a vault that its owner makes; 200.
    async fn vault(&self, vault: &str, line: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.world.ask_as("owner", vault, line, &body).await;
        assert_eq!(answer.status, 200, "{line}: {}", answer.text);
        answer.json()
    }

    async fn enable(&self, vault: &str, key: &str, enabled: bool) {
        self.vault(vault, &format!("PATCH /keys/{key}"), &json!({"attributes": {"enabled": enabled}})).await;
    }

    /// What happened in vaults as the factory's identity, oldest first: operation and status.
    async fn audited(&self, identity: &str) -> Vec<(String, u64)> {
        let records = self.world.admin("GET /admin/audit?limit=1000", "").await.json()["records"].clone();
        let own = records.as_array().unwrap().iter().filter(|record| record["properties"]["identityName"] == identity);
        let of = |record: &Value| {
            let name = record["operationName"].as_str().unwrap().to_owned();
            (name, record["properties"]["httpStatusCode"].as_u64().unwrap())
        };
        own.map(of).collect()
    }
}

fn key(vault: &str) -> Value {
    json!({"vaultBaseUrl": format!("https://{vault}.vault.azure.net"), "keyName": "cmk"})
}

/// The body of a factory in the region of the vaults, whose key is `cmk` of `vault`.
fn encrypted(vault: &str, more: Value) -> Value {
    let mut encryption = key(vault);
    encryption.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"location": "local", "properties": {"encryption": encryption}})
}

/// The same, with the user-assigned identity.
fn by_cipher(vault: &str, more: Value) -> Value {
    let mut body = encrypted(vault, json!({"identity": {"userAssignedIdentity": CIPHER}}));
    body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {CIPHER: {}}});
    let encryption = body["properties"]["encryption"].as_object_mut().unwrap();
    encryption.extend(more.as_object().unwrap().clone());
    body
}

fn pipeline(description: &str) -> Value {
    json!({"properties": {"description": description, "activities": []}})
}

/// The tenant with these vaults of [`config`] alone: making the keys of all takes longer than a test.
async fn tenant(vaults: &[&str]) -> World {
    World::of(&with(vaults).to_string(), keyhaven::Storage::Memory).await
}

fn with(vaults: &[&str]) -> Value {
    let mut config = config();
    config["vaults"].as_array_mut().unwrap().retain(|vault| vaults.contains(&vault["name"].as_str().unwrap()));
    config
}
