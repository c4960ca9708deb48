//! The program as a node that runs activities.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::keyhaven;
use super::node::{Premises, Process, RUNTIME, until};

/// A host on this machine that says yes to what it is sent, but for `/hang`, which it never answers. Answers its URL and what it got.
fn host() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, got) = channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut text, mut bytes) = (String::new(), [0; 4096]);
            while !text.contains("\r\n\r\n") || text.contains("POST") && !text.ends_with('}') {
                let count = stream.read(&mut bytes).unwrap();
                text += &String::from_utf8_lossy(&bytes[..count]);
            }
            match text.contains("/hang") {
                true => held.push(stream),
                false => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"yes\":true}").unwrap(),
            }
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    (url, got)
}

fn factory(rest: &str) -> String {
    RUNTIME.replace("integrationRuntimes/own", rest)
}

/// Begins a run of one Web activity on the node; answers its id.
fn begin(premises: &Premises, own: Value) -> String {
    let mut own = own;
    own["connectVia"] = json!({"type": "IntegrationRuntimeReference", "referenceName": "own"});
    let activity = json!({"name": "call", "type": "WebActivity", "typeProperties": own});
    premises.arm("PUT", &factory("pipelines/p"), &json!({"properties": {"activities": [activity]}}));
    let begun = premises.arm("POST", &factory("pipelines/p/createRun"), &json!({}));
    begun["runId"].as_str().unwrap().to_owned()
}

/// How a run ended.
fn ended(premises: &Premises, id: &str) -> Value {
    until("the run ends", || {
        let run = premises.arm("GET", &factory(&format!("pipelineruns/{id}")), &json!({}));
        run["runEnd"].is_string().then_some(run)
    })
}

#[test]
fn a_node_runs_activities_logs_no_value_and_one_that_is_killed_fails_its_own() {
    let (premises, (url, got)) = (Premises::new(), host());
    let (key, server) = (premises.path("key.txt").display().to_string(), premises.url());
    let start =
        || -> Process { premises.node_at("node", &["--auth-key-file", &key, "--server", &server, "--name", "n1"]) };
    let node = start();
    premises.is_online();
    let via = json!({"type": "IntegrationRuntimeReference", "referenceName": "own"});
    let own = json!({"connectionString": "Server=S;Password=hunter2-of-sql"});
    let service = json!({"properties": {"type": "SqlServer", "typeProperties": own, "connectVia": via}});
    assert!(premises.arm("PUT", &factory("linkedservices/sql"), &service)["id"].is_string());
    let along = json!([{"type": "LinkedServiceReference", "referenceName": "sql"}]);
    let call = json!({"method": "POST", "url": format!("{url}/x"), "body": {}, "linkedServices": along});
    let first = begin(&premises, call.clone());
    assert_eq!(ended(&premises, &first)["status"], "Succeeded");
    assert!(got.recv().unwrap().contains("Server=S;Password=hunter2-of-sql"));

    let hanging = begin(&premises, json!({"method": "GET", "url": format!("{url}/hang")}));
    got.recv().unwrap();
    node.signal(Signal::KILL);
    let (_, said) = node.ended();
    let node = start();
    let lost = ended(&premises, &hanging);
    assert_eq!(lost["status"], "Failed");
    let why = "The Self-hosted Integration Runtime 'own' is offline: its node 'n1' was lost while it ran the activity.";
    assert!(lost["message"].as_str().unwrap().ends_with(why), "{lost}");
    let last = begin(&premises, call);
    assert_eq!(ended(&premises, &last)["status"], "Succeeded", "a node that is back takes new ones");
    node.signal(Signal::TERM);
    let (code, said_later) = node.ended();
    assert_eq!(code, Some(0));

    for (said, run) in [(&said, &first), (&said_later, &last)] {
        let lines: Vec<_> = said.lines().filter(|line| line.contains("an activity was run")).collect();
        assert_eq!(lines.len(), 1, "{said}");
        for part in ["activity=\"call\"", run.as_str(), "status=\"Succeeded\"", "milliseconds="] {
            assert!(lines[0].contains(part), "{part}: {}", lines[0]);
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
    let found = Command::new("grep").args(["-rla", "hunter2"]).arg(premises.dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the password lies on no disk");
}

#[test]
fn without_a_server_s_url_a_node_finds_the_cloud_s_names_through_the_takeover() {
    let (premises, (url, _got)) = (Premises::new(), host());
    let mut command = keyhaven(&["node", "--name", "n1", "--home"]);
    command.arg(premises.path("node")).arg("--auth-key-file").arg(premises.path("key.txt"));
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "SSL_CERT_FILE", "NO_PROXY"] {
        command.env(name, premises.ready["env"][name].as_str().unwrap_or_default());
    }
    let node = Process::of(command.stderr(Stdio::piped()).spawn().unwrap());
    premises.is_online();
    let cloud = "https://management.azure.com/subscriptions?api-version=2022-12-01";
    let run = ended(&premises, &begin(&premises, json!({"method": "GET", "url": cloud})));
    let refused = run["message"].as_str().unwrap();
    assert!(refused.contains("Response status code: '401'") && refused.contains("AuthenticationFailed"), "{refused}");
    let run = ended(&premises, &begin(&premises, json!({"method": "GET", "url": url})));
    assert_eq!(run["status"], "Succeeded", "{run}");
    node.signal(Signal::TERM);
    assert_eq!(node.ended().0, Some(0));
}
