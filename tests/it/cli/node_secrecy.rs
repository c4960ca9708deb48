//! The document's file from beginning to end, and where its password is afterwards; who stands in for a node gets nothing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::node::{Premises, Process, RUNTIME, curl_insecure, definition, encrypting, until};
use super::{keyhaven, refused};

const PASSWORD: &str = "hunter2-of-sql";

/// A data store on the premises: it keeps what it is given, and answers.
struct Store {
    url: String,
    given: Arc<Mutex<String>>,
}

impl Store {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (url, given) = (format!("http://{}", listener.local_addr().unwrap()), Arc::<Mutex<String>>::default());
        let kept = given.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                let (mut text, mut bytes) = (String::new(), [0; 4096]);
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    text.push_str(&String::from_utf8_lossy(&bytes[..count]));
                    if is_whole(&text) {
                        break;
                    }
                }
                kept.lock().unwrap().push_str(&text);
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{\"rows\": 3}");
            }
        });
        Self { url, given }
    }
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// A node with remote access, in the home `home`.
fn node(premises: &Premises, home: &str, key: &str, listen: &str) -> Process {
    let (key, url) = (premises.path(key).display().to_string(), premises.url());
    let args = ["--auth-key-file", &key, "--server", &url, "--name", home, "--remote-access", "on", "--listen", listen];
    premises.node_at(home, &args)
}

/// What reaches the node of the runtime `path`, when it is there.
fn info(premises: &Premises, path: &str) -> Value {
    until("the node is there", || {
        let info = premises.arm("POST", &format!("{path}/getConnectionInfo"), &json!({}));
        let url = format!("{}credentials", info["hostServiceUri"].as_str()?);
        curl_insecure(&url, info["serviceToken"].as_str()?)["credentials"].is_array().then_some(info)
    })
}

fn written(premises: &Premises) -> String {
    let file = premises.path("definition.json");
    std::fs::write(&file, definition().to_string()).unwrap();
    file.display().to_string()
}

/// Runs a pipeline that sends the linked service `sql` to `url` on the node; every answer.
fn run(premises: &Premises, url: &str) -> Vec<Value> {
    let reference = |kind: &str, name: &str| json!({"type": kind, "referenceName": name});
    let call = json!({
        "method": "POST", "url": url, "body": {}, "connectVia": reference("IntegrationRuntimeReference", "own"),
        "linkedServices": [reference("LinkedServiceReference", "sql")]
    });
    let factory = RUNTIME.split("/integrationRuntimes").next().unwrap();
    let activities = json!([{"name": "rows", "type": "WebActivity", "typeProperties": call}]);
    let made =
        premises.arm("PUT", &format!("{factory}/pipelines/p"), &json!({"properties": {"activities": activities}}));
    let begun = premises.arm("POST", &format!("{factory}/pipelines/p/createRun"), &json!({}));
    let id = begun["runId"].as_str().unwrap().to_owned();
    let ended = until("the run has ended", || {
        let run = premises.arm("GET", &format!("{factory}/pipelineruns/{id}"), &Value::Null);
        run["runEnd"].is_string().then_some(run)
    });
    let window = json!({"lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00Z"});
    let shown = premises.arm("POST", &format!("{factory}/pipelineruns/{id}/queryActivityruns"), &window);
    assert_eq!((&ended["status"], &shown["value"][0]["output"]["rows"]), (&json!("Succeeded"), &json!(3)), "{shown}");
    vec![made, begun, ended, shown]
}

#[test]
fn the_document_s_file_is_encrypted_set_and_run_and_its_password_is_nowhere_else() {
    let (premises, store) = (Premises::new(), Store::new());
    let one = node(&premises, "one", "key.txt", "127.0.0.1:0");
    let mut answers = vec![info(&premises, RUNTIME)];
    let (file, data) = (written(&premises), premises.path("data").display().to_string());
    let printed = keyhaven(&encrypting("own", &file, &data)).output().unwrap();
    let encrypted: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let service = RUNTIME.replace("integrationRuntimes/own", "linkedservices/sql");
    answers.push(premises.arm("PUT", &service, &encrypted));
    assert_eq!(answers[1]["properties"], encrypted["properties"]);
    answers.push(premises.arm("GET", &service, &Value::Null));
    answers.extend(run(&premises, &store.url));
    assert!(store.given.lock().unwrap().contains(&format!("Password={PASSWORD};")), "the run has it");

    let arguments = [premises.server.as_ref().unwrap().arguments(), one.arguments()];
    assert!(arguments[1].contains("--auth-key-file"), "{arguments:?}");
    one.signal(Signal::KILL);
    let (_, said) = one.ended();
    let answers: String = answers.iter().map(Value::to_string).collect();
    let printed = format!("{printed:?}");
    for text in [&answers, &printed, &said, &arguments[0], &arguments[1]] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    let found = Command::new("grep").args(["-rla", PASSWORD]).arg(premises.dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), format!("{file}\n"), "data, home, log at trace and audit");
    let logged = std::fs::read_to_string(premises.path("server.log")).unwrap();
    assert!(logged.contains("FactoryPipelineCreateRun"), "what was searched is the log");
}

#[test]
fn who_listens_in_a_node_s_place_gets_no_credential() {
    let premises = Premises::new();
    let one = node(&premises, "one", "key.txt", "127.0.0.1:0");
    let real = info(&premises, RUNTIME);
    let address = real["hostServiceUri"].as_str().unwrap().split('/').nth(2).unwrap().to_owned();
    let other = RUNTIME.replace("/own", "/other");
    premises.arm("PUT", &other, &json!({"properties": {"type": "SelfHosted"}}));
    let keys = premises.arm("POST", &format!("{other}/listAuthKeys"), &json!({}));
    std::fs::write(premises.path("other.txt"), keys["authKey1"].as_str().unwrap()).unwrap();
    one.signal(Signal::KILL);
    one.ended();
    let impostor = node(&premises, "impostor", "other.txt", &address);
    assert_eq!(info(&premises, &other)["hostServiceUri"], real["hostServiceUri"], "it listens there");

    let stolen = curl_insecure(
        &format!("{}credentials", real["hostServiceUri"].as_str().unwrap()),
        real["serviceToken"].as_str().unwrap(),
    );
    assert_eq!(stolen["error"]["code"], "InvalidServiceToken", "{stolen}");
    let (file, data) = (written(&premises), premises.path("data").display().to_string());
    let said = refused(&encrypting("own", &file, &data), 1);
    let expected = format!(
        "what answers at {} has another certificate than the service says: nothing was sent to it",
        real["hostServiceUri"].as_str().unwrap()
    );
    assert!(said.contains(&expected), "{said}");
    impostor.signal(Signal::KILL);
    assert!(!impostor.ended().1.contains("a credential was taken"));
}
