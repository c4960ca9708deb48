//! No log at its most talkative, no audit and no answer that shows them holds a secret, a key or a token: here, of what the suites of
//! the clients do not do (`tests/sdk/python/secrecy.py` looks after them).

use std::io::Read;
use std::path::Path;
use std::sync::mpsc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use keyhaven::remote::TrustStore;
use keyhaven::testing::Curve;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

use crate::cli::Served;
use crate::import::ec;
use crate::world::CONFIG;

const VALUE: &str = "a secret value \"☃\" of this test";
const CLIENT_SECRET: &str = "a client secret of this test";
/// Without a blank: a connection string has it as one.
const CREDENTIAL: &str = "a-credential-of-a-linked-service";

/// The forms that programs print bytes in: text, JSON, base64url, base64, hex, and `Debug`.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex = |byte: &u8| format!("{byte:02x}");
    let lower: String = secret.iter().map(hex).collect();
    let list = format!("{:?}", &secret[..secret.len().min(32)]);
    let mut forms = vec![
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        lower.to_uppercase(),
        lower,
        list.trim_matches(['[', ']']).to_owned(),
    ];
    if let Ok(text) = str::from_utf8(secret) {
        forms.push(text.to_owned());
        forms.push(json!(text).to_string().trim_matches('"').to_owned());
        forms.push(format!("{text:?}").trim_matches('"').to_owned());
    }
    forms
}

/// Which of `secrets` are in `text`, in any form.
fn found(secrets: &[Vec<u8>], text: &str) -> Vec<String> {
    secrets.iter().flat_map(|secret| forms(secret)).filter(|form| text.contains(form.as_str())).collect()
}

/// Talks to a server, and keeps what must stay secret.
struct Client {
    agent: Agent,
    ready: Value,
    secrets: Vec<Vec<u8>>,
}

impl Client {
    fn text(&self, member: &str) -> String {
        self.ready[member].as_str().unwrap().to_owned()
    }

    fn keep(&mut self, secret: &[u8]) {
        assert!(secret.len() >= 16, "too short to be searched for");
        self.secrets.push(secret.to_owned());
    }

    /// What is answered to `METHOD URL`, with this token; it must be a success.
    fn send(&self, line: &str, token: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
        let (method, url) = line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(url).header("content-type", content_type);
        let request = request.header("authorization", format!("Bearer {token}")).header("metadata", "true");
        let mut answer = self.agent.run(request.body(body).unwrap()).unwrap();
        let content = answer.body_mut().read_to_vec().unwrap();
        assert!(answer.status().is_success(), "{line}: {} {}", answer.status(), String::from_utf8_lossy(&content));
        content
    }

    fn admin(&self, line: &str, body: &[u8]) -> Vec<u8> {
        let line = line.replacen(' ', &format!(" http://{}/admin/", self.text("admin")), 1);
        self.send(&line, &self.text("adminKey"), "application/json", body)
    }

    fn vault(&self, line: &str, token: &str, body: &Value) -> Value {
        let port = self.text("listen").rsplit_once(':').unwrap().1.to_owned();
        let line = line.replacen(' ', &format!(" https://acme.vault.localhost:{port}"), 1);
        let line = format!("{line}?api-version=7.4");
        serde_json::from_slice(&self.send(&line, token, "application/json", body.to_string().as_bytes())).unwrap()
    }

    /// Signs in at Entra with one credential.
    fn sign_in(&mut self, client: &str, credential: &[(&str, &str)]) -> String {
        let (tenant, port) = (self.text("tenant"), self.text("listen").rsplit_once(':').unwrap().1.to_owned());
        let form = [
            ("client_id", client),
            ("scope", "https://vault.azure.net/.default"),
            ("grant_type", "client_credentials"),
        ];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).extend_pairs(credential).finish();
        let line = format!("POST https://login.localhost:{port}/{tenant}/oauth2/v2.0/token");
        let answer = self.send(&line, "", "application/x-www-form-urlencoded", body.as_bytes());
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        self.keep(token.as_bytes());
        token
    }
}

/// Signs in by each placeholder credential of `owner`, and by the configured secret.
fn sign_in_by_everything(client: &mut Client) -> String {
    let variables = |client: &Client, kind: &str| -> Value {
        let body = json!({"kind": kind}).to_string();
        let answer = client.admin("POST identities/owner/credential", body.as_bytes());
        serde_json::from_slice::<Value>(&answer).unwrap()["variables"].take()
    };
    let text = |variables: &Value, name: &str| variables[name].as_str().unwrap().to_owned();
    let made = variables(client, "client-secret");
    let secret = text(&made, "AZURE_CLIENT_SECRET");
    client.keep(secret.as_bytes());
    let owner = text(&made, "AZURE_CLIENT_ID");
    client.sign_in(&owner, &[("client_secret", &secret)]);
    let made = variables(client, "client-certificate");
    let pem = std::fs::read_to_string(text(&made, "AZURE_CLIENT_CERTIFICATE_PATH")).unwrap();
    let key = pem.split("-----BEGIN PRIVATE KEY-----").nth(1).unwrap();
    client.keep(key.lines().nth(3).unwrap().as_bytes());
    let made = variables(client, "workload-identity");
    let assertion = std::fs::read_to_string(text(&made, "AZURE_FEDERATED_TOKEN_FILE")).unwrap();
    client.keep(assertion.as_bytes());
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    client.sign_in(&owner, &[("client_assertion_type", kind), ("client_assertion", &assertion)])
}

/// The admin API, as far as it is sent or answers what is secret.
fn administer(client: &mut Client) {
    let added = json!({"name": "app", "clientSecret": CLIENT_SECRET}).to_string();
    client.keep(CLIENT_SECRET.as_bytes());
    client.admin("POST identities", added.as_bytes());
    let token = client.admin("POST identities/app/token", b"");
    let token: Value = serde_json::from_slice(&token).unwrap();
    client.keep(token["access_token"].as_str().or_else(|| token["token"].as_str()).unwrap().as_bytes());
    let value = "a value of the configuration of this test";
    client.keep(value.as_bytes());
    let mut config: Value = serde_json::from_str(CONFIG).unwrap();
    config["vaults"][0]["secrets"] = json!({"configured": value});
    client.admin("POST configuration", config.to_string().as_bytes());
    client.admin("POST identities/app/revoke", b"");
    client.admin("PATCH identities/app", br#"{"enabled":false}"#);
    client.admin("PUT faults/slow", br#"{"rules":[{"operation":"KeySign","then":{"status":429}}]}"#);
    client.admin("DELETE identities/app", b"");
    let snapshot = client.admin("GET snapshot", b"");
    client.keep(&snapshot[200..248]);
    client.admin("PUT snapshot", &snapshot);
}

/// Secrets and keys: set, imported, used, backed up.
fn use_the_vault(client: &mut Client, token: &str) {
    let unauthorized = client.text("adminKey");
    client.keep(unauthorized.as_bytes());
    client.keep(VALUE.as_bytes());
    client.vault("PUT /secrets/s", token, &json!({"value": VALUE}));
    assert_eq!(client.vault("GET /secrets/s", token, &json!(null))["value"], VALUE);
    let key = ec(Curve::P256);
    client.keep(&URL_SAFE_NO_PAD.decode(key["d"].as_str().unwrap()).unwrap());
    client.vault("PUT /keys/imported", token, &json!({"key": key}));
    client.vault("POST /keys/rsa/create", token, &json!({"kty": "RSA"}));
    let plaintext: Vec<u8> = (40..72).collect();
    client.keep(&plaintext);
    let body = json!({"alg": "RSA-OAEP-256", "value": URL_SAFE_NO_PAD.encode(&plaintext)});
    let wrapped = client.vault("POST /keys/rsa/wrapkey", token, &body);
    client.vault("POST /keys/rsa/unwrapkey", token, &json!({"alg": "RSA-OAEP-256", "value": wrapped["value"]}));
    let blob = client.vault("POST /secrets/s/backup", token, &json!({}));
    client.keep(&blob["value"].as_str().unwrap().as_bytes()[100..150]);
}

/// A factory whose definitions bring credentials, in every form.
fn use_a_factory(client: &mut Client) {
    let asked = json!({"resource": "https://management.azure.com"}).to_string();
    let token = client.admin("POST identities/owner/token", asked.as_bytes());
    let token: Value = serde_json::from_slice(&token).unwrap();
    let token = token["access_token"].as_str().or_else(|| token["token"].as_str()).unwrap().to_owned();
    client.keep(token.as_bytes());
    client.keep(CREDENTIAL.as_bytes());
    let port = client.text("listen").rsplit_once(':').unwrap().1.to_owned();
    let group = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven";
    let ask = |client: &Client, line: &str, body: &Value| {
        let (method, path) = line.split_once(' ').unwrap();
        let url = format!("https://arm.localhost:{port}{group}/providers/Microsoft.DataFactory/factories/{path}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let line = format!("{method} {url}?api-version=2018-06-01");
        let answer = client.send(&line, &token, "application/json", body.as_bytes());
        assert_eq!(found(&client.secrets, &String::from_utf8(answer).unwrap()), Vec::<String>::new(), "{line}");
    };
    ask(client, "PUT acme", &json!({"location": "x"}));
    let secure = json!({"type": "SecureString", "value": CREDENTIAL});
    for (name, own) in [
        ("string", json!({"connectionString": format!("Server=S;Password={CREDENTIAL};T=1")})),
        ("secure", json!({"url": "https://a", "password": secure})),
        ("member", json!({"accountKey": CREDENTIAL})),
    ] {
        let path = format!("acme/linkedservices/{name}");
        ask(client, &format!("PUT {path}"), &json!({"properties": {"type": "X", "typeProperties": own}}));
        ask(client, &format!("GET {path}"), &json!(null));
    }
    let web = json!({"name": "a", "typeProperties": {"authentication": {"password": secure}}});
    ask(client, "PUT acme/pipelines/p", &json!({"properties": {"activities": [web]}}));
    let snapshot = client.admin("GET snapshot", b"");
    assert_eq!(found(&[CREDENTIAL.into()], &String::from_utf8_lossy(&snapshot)), Vec::<String>::new());
}

/// The contents of every file below `dir`.
fn files_below(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: std::path::PathBuf| match path.is_dir() {
        true => files_below(&path),
        false => vec![String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()],
    };
    entries.flat_map(of).collect()
}

/// What the server keeps in files of its own.
fn keep_files(client: &mut Client, data: &Path) {
    for name in ["master.key", "backup.key"] {
        let content = std::fs::read(data.join(name)).unwrap();
        client.keep(content.trim_ascii());
    }
}

#[test]
fn nothing_secret_of_sign_ins_and_the_admin_api_is_in_a_log_or_an_audit() {
    let dir = tempfile::tempdir().unwrap();
    let (data, audit, config) =
        (dir.path().join("data"), dir.path().join("audit.jsonl"), dir.path().join("config.json"));
    std::fs::write(&config, CONFIG).unwrap();
    let args = ["--config", config.to_str().unwrap(), "--log-level", "trace", "--audit", audit.to_str().unwrap()];
    let mut served = Served::start(&data, &args);
    let (logged, log) = mpsc::channel();
    let mut stderr = served.child.stderr.take().unwrap();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.read_to_end(&mut text);
        logged.send(String::from_utf8_lossy(&text).into_owned())
    });
    let ca = std::fs::read_to_string(served.ready["ca"].as_str().unwrap()).unwrap();
    let agent = TrustStore::default().with_pem(&ca).unwrap().agent();
    let mut client = Client { agent, ready: served.ready.clone(), secrets: vec![] };
    administer(&mut client);
    let token = sign_in_by_everything(&mut client);
    use_the_vault(&mut client, &token);
    use_a_factory(&mut client);
    keep_files(&mut client, &data);
    let shown = ["GET log?limit=1000", "GET audit?limit=1000"].map(|line| client.admin(line, b""));
    served.signal(rustix::process::Signal::TERM);
    served.child.wait().unwrap();
    let files = files_below(&data);
    assert!(files.iter().map(String::len).sum::<usize>() > 10_000, "the data was not found");
    assert_eq!(found(&[CREDENTIAL.into()], &files.concat()), Vec::<String>::new());
    let texts = [log.recv().unwrap(), std::fs::read_to_string(&audit).unwrap()];
    let texts = texts.into_iter().chain(shown.map(|bytes| String::from_utf8(bytes).unwrap()));
    for (text, operation) in texts.zip([" TRACE ", "TokenV2", "FactoryLinkedServicePut", "IdentityCredential"]) {
        assert!(text.contains(operation), "{operation} is missing: {text}");
        assert_eq!(found(&client.secrets, &text), Vec::<String>::new());
        assert_eq!(found(&client.secrets, &format!("{text}INFO '{CLIENT_SECRET}'")), [CLIENT_SECRET; 3], "planted");
    }
    for planted in client.secrets.iter().flat_map(|secret| forms(secret)) {
        assert!(!found(&client.secrets, &format!("INFO '{planted}'")).is_empty(), "{planted}");
    }
}
