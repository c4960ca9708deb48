//! Web activities that sign in by a certificate.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyhaven::{Config, Options, Storage, Takeover};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::node_runs::{Node, on, plane};
use super::runs::{CONFIG, Plane, reference, vault_service};
use crate::world::World;

/// A certificate for `localhost` that it signed itself, and its key.
struct Own {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Own {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap(),
            key,
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }

    /// Both as PKCS #12 under `password`, in base64.
    fn pfx(&self, password: &str) -> String {
        let key = PrivateKey::from_der(&self.key.serialize_der()).unwrap();
        let certificate = Certificate::from_der(self.certificate.der()).unwrap();
        let mut store = KeyStore::new();
        let chain = PrivateKeyChain::new(vec![1], key, [certificate]);
        store.add_entry("own", KeyStoreEntry::PrivateKeyChain(chain));
        STANDARD.encode(store.writer(password).write().unwrap())
    }
}

/// A host on this machine, with the certificate `own`, that answers those alone who show the certificate `client`.
async fn host(own: &Own, client: &Own) -> String {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(client.roots()), provider.clone());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![own.certificate.der().clone()], key)
        .unwrap();
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)));
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(acceptor.clone(), stream));
        }
    });
    url
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut read = [0; 4096];
    let _ = stream.read(&mut read).await;
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"known\":true}").await;
}

#[tokio::test]
async fn a_certificate_is_shown_to_a_host_that_asks_for_one_on_both_runtimes() {
    let (own, client, stranger) = (Own::new(), Own::new(), Own::new());
    let (url, dir) = (host(&own, &client).await, tempfile::tempdir().unwrap());
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, own.certificate.pem()).unwrap();
    let takeover = Takeover { ca_files: vec![ca.display().to_string()], ..Takeover::default() };
    let config = Config::parse(CONFIG).unwrap();
    let world = World::with(Options { config, storage: Storage::Memory, takeover, ..Options::default() }).await;
    let plane = plane(&world).await;
    let _node = Node::trusting(&plane, "own", &own.certificate.pem()).await;
    plane.grant().await;
    plane.ask("PUT F/works/linkedservices/vault", &vault_service()).await;
    let set = world.ask("PUT /secrets/pfx", &json!({"value": client.pfx("open sesame")}).to_string()).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let secure = |text: &str| json!({"type": "SecureString", "value": text});
    let call = |pfx: &Value, password: Value| {
        let authentication = json!({"type": "ClientCertificate", "pfx": pfx, "password": password});
        json!({"method": "GET", "url": url, "authentication": authentication})
    };
    let runtimes =
        async |plane: &Plane<'_>, call: Value| [plane.call(call.clone()).await, plane.call(on("own", call)).await];
    for pfx in [reference("pfx"), secure(&client.pfx("open sesame"))] {
        for (output, error) in runtimes(&plane, call(&pfx, secure("open sesame"))).await {
            assert_eq!((&output["known"], error.as_str()), (&json!(true), ""), "{output}");
        }
    }
    let unreadable = "2105 The pfx of the authentication cannot be used: it is no PKCS #12 file, has another password, or is not \
                      encrypted with AES.";
    for (call, why) in [
        (call(&reference("pfx"), secure("another")), unreadable),
        (
            call(&secure("no base64"), secure("x")),
            "2105 The pfx of the authentication cannot be used: it is no base64.",
        ),
        (call(&secure(&stranger.pfx("x")), secure("x")), "2108 Error calling the endpoint"),
        (json!({"method": "GET", "url": url}), "2108 Error calling the endpoint"),
        (call(&reference("none"), secure("x")), "2105 Failed to get the secret from key vault, secretName: none"),
    ] {
        for (_, error) in runtimes(&plane, call).await {
            assert!(error.starts_with(why) && !error.contains("sesame"), "{error}");
        }
    }
    let mut plain = call(&secure(&client.pfx("x")), secure("x"));
    plain["url"] = json!("http://localhost:1/");
    let (_, error) = plane.call(plain).await;
    assert_eq!(
        error,
        "2105 The url 'http://localhost:1/' is not https://: a client certificate is shown in TLS alone."
    );
}
