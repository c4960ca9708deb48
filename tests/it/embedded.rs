//! A server inside a test.

use std::net::TcpStream;

use keyhaven::clock::Period;
use keyhaven::{Options, Server};

#[test]
fn it_starts_in_a_plain_test_and_is_gone_when_dropped() {
    let server = Server::start().unwrap();
    assert_eq!(server.url(), format!("https://local.vault.localhost:{}", server.port()));
    assert_eq!(server.vault_url("local"), Some(server.url()));
    assert_eq!(server.vault_url("other"), None);
    assert!(server.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(server.environment()["KEYHAVEN_VAULT_URL"], server.url());
    assert_eq!(server.token("default").unwrap().split('.').count(), 3);
    assert_eq!(server.token("somebody").unwrap_err().to_string(), "no identity is called 'somebody'");
    let before = server.now();
    let moved = server.advance("P90D".parse::<Period>().unwrap()).unwrap();
    assert!(moved.now.unix() - before.unix() >= 90 * 86_400 && !moved.frozen);
    assert!(server.freeze(true).unwrap().frozen);
    let address = ("127.0.0.1", server.port());
    assert!(TcpStream::connect(address).is_ok());
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn each_test_can_have_a_copy_of_a_vault() {
    let server = Server::start().unwrap();
    assert_eq!(
        server.copy_vault("local", "of-one-test").unwrap(),
        format!("https://of-one-test.vault.localhost:{}", server.port())
    );
    let twice = server.copy_vault("local", "of-one-test").unwrap_err().to_string();
    assert!(twice.contains("'of-one-test'"), "{twice}");
    assert_eq!(server.copy_vault("absent", "other").unwrap_err().to_string(), "no vault is called 'absent'");
    assert_eq!(server.copy_vault("local", "x").unwrap_err().to_string(), "'x' is no name of a vault");
    let address = ("127.0.0.1", server.port());
    drop(server);
    assert!(TcpStream::connect(address).is_err(), "it is stopped though it was borrowed");
}

#[tokio::test]
async fn it_starts_and_ends_inside_a_runtime_too_and_next_to_another() {
    let (one, other) = (Server::start().unwrap(), Server::start().unwrap());
    assert_ne!(one.port(), other.port());
    assert_ne!(one.ca_pem(), other.ca_pem());
    drop(one);
    assert!(other.token("nobody").is_ok());
}

#[test]
fn with_the_machines_clock_it_cannot_be_moved() {
    let server = Server::with(Options::default()).unwrap();
    assert!(server.advance("P1D".parse().unwrap()).is_err());
}
