//! A vault inside a Rust program: `cargo run --example in_process`. In a test it is the same.

use std::sync::Arc;

use keyhaven::Server;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start()?;

    let secret = format!("https://localhost:{}/secrets/greeting?api-version=7.4", server.port());
    let bearer = format!("Bearer {}", server.token("default")?);
    let client = client_that_trusts(server.ca_pem())?;

    client.put(&secret).header("authorization", &bearer).send_json(serde_json::json!({"value": "hello"}))?;
    let read: serde_json::Value =
        client.get(&secret).header("authorization", &bearer).call()?.body_mut().read_json()?;
    println!("the secret is {}", read["value"]);

    let refused = client.get(&secret).header("authorization", &format!("Bearer {}", server.token("nobody")?)).call();
    println!("somebody else gets: {}", refused.err().map_or("an answer".to_owned(), |error| error.to_string()));

    client.delete(&secret).header("authorization", &bearer).call()?;
    let report = server.advance("P90D".parse()?)?;
    println!("90 days later, {}, the deleted secret is gone for good", report.now);
    Ok(())
}

/// The server's CA is its own, so a client must be told to trust it.
fn client_that_trusts(ca_pem: &str) -> Result<Agent, ureq::Error> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let roots = RootCerts::Specific(Arc::new(vec![Certificate::from_pem(ca_pem.as_bytes())?]));
    let config = Agent::config_builder().tls_config(TlsConfig::builder().root_certs(roots).build()).proxy(None).build();
    Ok(config.into())
}
