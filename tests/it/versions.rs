//! API versions that are later than the server's: taken, and named once each in the log.

use std::io::{Read, Write};
use std::net::TcpStream;

use keyhaven::remote::{Credential, Method, TrustStore, VaultClient};
use serde_json::Value;

use crate::cli::Served;

/// A token of the default identity, for a vault's own resource.
fn token(identity: &str) -> String {
    let query = "api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";
    let mut stream = TcpStream::connect(identity).unwrap();
    write!(
        stream,
        "GET /metadata/identity/oauth2/token?{query} HTTP/1.1\r\nHost: {identity}\r\nMetadata: true\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn the_log_names_each_later_api_version_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(&dir.path().join("data"), &[]);
    let ready = |name: &str| served.ready[name].as_str().unwrap().to_owned();
    let ca = std::fs::read_to_string(ready("ca")).unwrap();
    let (_, port) = ready("listen").rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    let agent = TrustStore::default().with_pem(&ca).unwrap().agent();
    let credential = Credential::bearer(token(&ready("identity")));
    let vault = VaultClient::new(agent, &format!("https://local.vault.localhost:{port}/"), credential).unwrap();
    for version in ["2031-01-01", "2031-01-01", "2031-01-01-preview", "7.4", "2026-07-01-preview", "2031-01-01"] {
        vault.call(Method::GET, &format!("/secrets?api-version={version}"), None).unwrap();
    }
    served.child.kill().unwrap();
    let mut log = String::new();
    served.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("later than those this server knows")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("2031-01-01") && !lines[0].contains("preview"), "{log}");
    assert!(lines[1].contains("2031-01-01-preview"), "{log}");
}
