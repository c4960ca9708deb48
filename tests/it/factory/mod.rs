//! The reference factory against a real server: a test for each rule.

mod content;
mod key_rules;
mod linked_services;
mod program;
mod rewrap;
mod system_key;
mod template;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use keyhaven::clock::Timestamp;
use keyhaven::factory::{Factory, NewFactory, Refusal, VaultClients};
use keyhaven::remote::{Credential, VaultClient};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::blocking::Ground;

/// The user-assigned identity of the factory.
const IDENTITY: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/factory";

/// A server with vaults of every kind, and a directory for factories.
struct Yard {
    ground: Arc<Ground>,
    dir: TempDir,
    /// The URLs of copies that this test has for itself; none when the whole server is its own.
    copies: Option<Mutex<BTreeMap<String, String>>>,
}

impl Yard {
    /// Vaults of its own on a server that all tests share: making its keys takes longer than any test.
    fn new() -> Self {
        static SHARED: LazyLock<Arc<Ground>> = LazyLock::new(|| Arc::new(Ground::of(&config())));
        Self { ground: SHARED.clone(), dir: tempfile::tempdir().unwrap(), copies: Some(Mutex::default()) }
    }

    /// A server of its own, for tests that change more than a vault.
    fn alone() -> Self {
        Self { ground: Arc::new(Ground::of(&config())), dir: tempfile::tempdir().unwrap(), copies: None }
    }

    /// The URL of this test's vault.
    fn url(&self, vault: &str) -> String {
        let Some(copies) = &self.copies else { return self.ground.server.vault_url(vault).unwrap().to_owned() };
        let mut copies = copies.lock().unwrap();
        let copied = || self.ground.server.copy_vault(vault, &format!("{vault}-{}", number())).unwrap();
        copies.entry(vault.to_owned()).or_insert_with(copied).clone()
    }

    /// The identity called `name`, an application with a secret.
    fn reach(&self, name: &str) -> VaultClients {
        VaultClients::new(self.ground.agent.clone(), credential(name))
    }

    /// The directory of the one factory of most tests.
    fn home(&self) -> PathBuf {
        self.dir.path().join("factory")
    }

    fn now(&self) -> Timestamp {
        self.ground.server.now()
    }

    fn tenant(&self) -> String {
        self.ground.variable("AZURE_TENANT_ID").unwrap()
    }

    fn plain_new(&self) -> NewFactory {
        NewFactory { name: "acme-factory".to_owned(), tenant: self.tenant(), ..NewFactory::default() }
    }

    fn create(&self, new: NewFactory, who: &str) -> Result<Factory, Refusal> {
        Factory::create(&self.home(), new, self.reach(who), self.now())
    }

    /// A new factory whose identity has what it needs.
    fn factory(&self) -> Factory {
        self.create(self.plain_new(), "factory").unwrap()
    }

    /// The same with the key `uri`.
    fn factory_with(&self, uri: &str) -> Factory {
        let factory = self.factory();
        factory.enable_key(uri, None).unwrap();
        factory
    }

    /// `https://VAULT/keys/NAME`.
    fn key(&self, vault: &str, name: &str) -> String {
        format!("{}/keys/{name}", self.url(vault))
    }

    /// A vault as somebody who may do everything.
    fn owner(&self, vault: &str) -> VaultClient {
        VaultClient::new(self.ground.agent.clone(), &self.url(vault), credential("owner")).unwrap()
    }

    /// What the state file says.
    fn state(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.home().join("factory.json")).unwrap()).unwrap()
    }

    /// A request to the admin API that must succeed.
    fn admin(&self, line: &str, body: &Value) {
        let (status, answer) = self.ground.admin(line, body);
        assert!((200..300).contains(&status), "{line}: {status} {answer}");
    }
}

/// A number that no other vault of the shared server has.
fn number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

fn credential(name: &str) -> Credential {
    Credential::client_secret(client_id(name), "let me in")
}

const NAMES: [&str; 6] = ["owner", "factory", "no-get", "no-wrap", "no-unwrap", "no-secrets"];

fn client_id(name: &str) -> String {
    let at = NAMES.iter().position(|known| *known == name).unwrap();
    format!("00000000-0000-4000-8000-00000000000{at}")
}

fn config() -> Value {
    let identities: Vec<Value> = NAMES
        .iter()
        .map(|name| {
            let mut identity = json!({"name": name, "clientId": client_id(name), "clientSecret": "let me in"});
            if *name == "factory" {
                identity["resourceId"] = json!(IDENTITY);
            }
            identity
        })
        .collect();
    let key = |name: &str, kty: &str| json!({"name": name, "kty": kty});
    let vault = |name: &str, changes: Value| {
        let mut vault = json!({
            "name": name, "sku": "premium", "enablePurgeProtection": true, "accessPolicies": policies(),
            "keys": [key("cmk", "RSA")]
        });
        vault.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        vault
    };
    json!({
        "identities": identities,
        "vaults": [
            vault("safe", json!({
                "keys": [key("cmk", "RSA"), key("hsm", "RSA-HSM"), key("ec", "EC"), key("ec-hsm", "EC-HSM")],
                "secrets": [{"name": "sql", "value": "first"}]
            })),
            vault("other", json!({})),
            vault("loose", json!({"enablePurgeProtection": false})),
            vault("flat", json!({"enablePurgeProtection": false, "enableSoftDelete": false}))
        ]
    })
}

/// What each identity may do in every vault.
fn policies() -> Value {
    let policy = |name: &str, keys: &[&str], secrets: &[&str]| json!({"identity": name, "permissions": {"keys": keys, "secrets": secrets}});
    json!([
        policy("owner", &["all", "purge"], &["all", "purge"]),
        policy("factory", &["get", "wrapKey", "unwrapKey"], &["get"]),
        policy("no-get", &["wrapKey", "unwrapKey"], &["get"]),
        policy("no-wrap", &["get", "unwrapKey"], &["get"]),
        policy("no-unwrap", &["get", "wrapKey"], &["get"]),
        policy("no-secrets", &["get", "wrapKey", "unwrapKey"], &["list"]),
    ])
}
