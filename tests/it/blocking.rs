//! A server in this process, and clients that block: for what speaks to a vault as its clients do.

use keyhaven::clock::Timestamp;
use keyhaven::remote::{Agent, Credential, TrustStore, VaultClient};
use keyhaven::{ClockChoice, Config, Listen, Options, Server, Storage};
use serde_json::{Value, json};

use crate::world::issuer_key;

/// A running server, and an agent that trusts it.
pub struct Ground {
    pub server: Server,
    pub agent: Agent,
}

impl Ground {
    /// A server with `config` that keeps nothing, its clock standing at the beginning of 2026.
    pub fn of(config: &Value) -> Self {
        let config = Config::parse(&config.to_string()).unwrap();
        let clock = ClockChoice::Virtual { start: Timestamp::parse("2026-01-01T00:00:00Z"), frozen: Some(true) };
        let listen = Listen::on_free_ports();
        let options = Options { config, clock, listen, issuer_key: issuer_key(&Storage::Memory), ..Options::default() };
        let server = Server::with(options).unwrap();
        let agent = TrustStore::default().with_pem(server.ca_pem()).unwrap().agent();
        Self { server, agent }
    }

    /// The vault `name`, as `credential`.
    pub fn vault(&self, name: &str, credential: Credential) -> VaultClient {
        VaultClient::new(self.agent.clone(), self.server.vault_url(name).unwrap(), credential).unwrap()
    }

    /// A variable that programs find the server by.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.server.environment().get(name).cloned()
    }

    /// A request to the admin API; `line` is `METHOD PATH`. Returns the status and the body.
    pub fn admin(&self, line: &str, body: &Value) -> (u16, Value) {
        let (method, path) = line.split_once(' ').unwrap();
        let url = format!("{}{path}", self.variable("KEYHAVEN_ADMIN_URL").unwrap());
        let key = format!("Bearer {}", self.variable("KEYHAVEN_ADMIN_KEY").unwrap());
        let request = ureq::http::Request::builder().method(method).uri(url).header("authorization", key);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.body(body).unwrap();
        let request = self.agent.configure_request(request).proxy(None).build();
        let mut answer = self.agent.run(request).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
    }

    /// Which requests go wrong from now on.
    pub fn faults(&self, rules: Value) {
        let (status, answer) = self.admin("PUT /admin/faults", &json!({"seed": 1, "rules": rules}));
        assert_eq!(status, 200, "{answer}");
    }

    /// How many requests each rule met.
    pub fn hits(&self) -> Vec<u64> {
        let (_, answer) = self.admin("GET /admin/faults", &Value::Null);
        answer["rules"].as_array().unwrap().iter().map(|rule| rule["hits"].as_u64().unwrap()).collect()
    }
}
