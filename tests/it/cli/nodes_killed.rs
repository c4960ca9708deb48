//! Two nodes of one runtime, as programs, which are killed at any moment.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::keyhaven;
use super::node::{Premises, Process, RUNTIME, curl_insecure, decoded, definition, encrypting, until};

/// A node with remote access, in the home of its name.
fn node(premises: &Premises, name: &str) -> Process {
    let (key, url) = (premises.path("key.txt").display().to_string(), premises.url());
    let access = ["--remote-access", "on", "--listen", "127.0.0.1:0"];
    let args = ["--auth-key-file", &key, "--server", &url, "--name", name];
    premises.node_at(name, &[&args[..], &access[..]].concat())
}

/// Waits until the nodes with these names, and no others, are online.
fn until_online(premises: &Premises, names: &[&str]) {
    until("the nodes are online", || {
        let nodes = premises.status()["typeProperties"]["nodes"].clone();
        let is_online = |name: &&str| {
            nodes
                .as_array()
                .is_some_and(|all| all.iter().any(|node| node["nodeName"] == **name && node["status"] == "Online"))
        };
        names.iter().all(is_online).then_some(())
    });
}

/// The id of the credential that a definition refers to.
fn credential(definition: &Value) -> String {
    let reference = decoded(definition["properties"]["typeProperties"]["encryptedCredential"].as_str().unwrap());
    reference.split("\"CredentialId\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// What the dispatcher keeps, as it says to who brings credentials.
fn kept(premises: &Premises) -> Option<BTreeSet<String>> {
    let info = premises.arm("POST", &format!("{RUNTIME}/getConnectionInfo"), &json!({}));
    let url = format!("{}credentials", info["hostServiceUri"].as_str()?);
    let answer = curl_insecure(&url, info["serviceToken"].as_str()?);
    Some(answer["credentials"].as_array()?.iter().map(|id| id.as_str().unwrap().to_owned()).collect())
}

/// Puts a linked service; answers its credential, if a node has taken it.
fn link(premises: &Premises, name: &str) -> Option<String> {
    let service = RUNTIME.replace("integrationRuntimes/own", &format!("linkedservices/{name}"));
    let made = premises.arm("PUT", &service, &definition());
    made["properties"].is_object().then(|| credential(&made))
}

#[test]
fn nodes_that_are_killed_lose_no_credential_that_was_answered_and_show_none() {
    let premises = Premises::new();
    let (mut first, mut wanted, mut said) = (Some(node(&premises, "n1")), BTreeSet::new(), String::new());
    until_online(&premises, &["n1"]);
    wanted.extend(link(&premises, "a"));
    let second = node(&premises, "n2");
    until_online(&premises, &["n1", "n2"]);

    // The dispatcher is killed while credentials come; each that was answered must outlive it.
    for round in 0..3 {
        let answered: Vec<String> = std::thread::scope(|threads| {
            let linking =
                threads.spawn(|| (0..3).filter_map(|one| link(&premises, &format!("b{round}{one}"))).collect());
            std::thread::sleep(Duration::from_millis(40 * (round + 1)));
            let killed = first.take().unwrap();
            killed.signal(Signal::KILL);
            // The home is free once the process is gone.
            said += &killed.ended().1;
            first = Some(node(&premises, "n1"));
            linking.join().unwrap()
        });
        wanted.extend(answered);
    }

    // While the second is away, a credential is encrypted on the first.
    second.signal(Signal::KILL);
    said += &second.ended().1;
    let (file, data) = (premises.path("definition.json"), premises.path("data").display().to_string());
    std::fs::write(&file, definition().to_string()).unwrap();
    let file = file.display().to_string();
    let printed = until("the first takes a credential", || {
        let output = keyhaven(&encrypting("own", &file, &data)).output().unwrap();
        output.status.success().then(|| serde_json::from_slice::<Value>(&output.stdout).unwrap())
    });
    wanted.insert(credential(&printed));
    std::fs::remove_file(&file).unwrap();
    let second = node(&premises, "n2");
    until_online(&premises, &["n1", "n2"]);
    until("the second has them all", || {
        let nodes = premises.status()["typeProperties"]["nodes"].clone();
        let in_sync = |node: &Value| node["capabilities"]["credentialInSync"] == "True";
        nodes.as_array().is_some_and(|all| all.iter().all(in_sync)).then_some(())
    });
    assert_eq!(premises.arm_status("DELETE", &format!("{RUNTIME}/nodes/n1")), 200);
    said += &first.unwrap().ended().1;
    let left = until("the second answers", || kept(&premises));
    assert!(left.is_superset(&wanted), "{left:?} has not all of {wanted:?}");

    drop(second);
    assert!(!said.contains("hunter2"), "{said}");
    let found = Command::new("grep").args(["-rla", "hunter2"]).arg(premises.dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the password lies on no disk");
}
