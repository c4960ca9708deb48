//! TLS: versions, names, and what the CA can certify.

use keyhaven::{Options, TlsVersion};
use rustls::version::{TLS12, TLS13};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::world::{World, roots};

#[tokio::test]
async fn both_versions_and_both_protocols_are_spoken() {
    let world = World::new().await;
    for version in [&TLS12, &TLS13] {
        for protocol in [b"h2".as_slice(), b"http/1.1"] {
            let stream = world.tls_with("acme.vault.localhost", &[protocol], &[version]).await.unwrap();
            let (_, session) = stream.get_ref();
            assert_eq!(session.protocol_version(), Some(version.version));
            assert_eq!(session.alpn_protocol(), Some(protocol));
        }
    }
}

#[tokio::test]
async fn one_version_alone_is_spoken_when_the_options_say_so() {
    for (version, spoken, other) in [(TlsVersion::V1_2, &TLS12, &TLS13), (TlsVersion::V1_3, &TLS13, &TLS12)] {
        let world = World::with(Options { tls: Some(version), ..Options::default() }).await;
        let stream = world.tls_with("acme.vault.localhost", &[], &[spoken]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(spoken.version));
        let refused = world.tls_with("acme.vault.localhost", &[], &[other]).await.unwrap_err().to_string();
        assert!(refused.contains("ProtocolVersion"), "{refused}");
    }
}

#[tokio::test]
async fn leaves_are_minted_for_our_names_and_no_others() {
    let world = World::new().await;
    for name in
        ["acme.vault.localhost", "other.vault.localhost", "localhost", "login.localhost", "keys.acme.test", "127.0.0.1"]
    {
        world.tls(name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in ["example.com", "a.b.vault.localhost", "x.localhost", "vault.azure.net"] {
        assert!(world.tls(name).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn cloud_names_are_beyond_what_the_kept_ca_may_certify() {
    let world = World::new().await;
    let refused = world.tls("acme.vault.azure.net").await.unwrap_err().to_string();
    assert!(refused.contains("NameConstraintViolation") || refused.contains("invalid peer certificate"), "{refused}");
}

#[tokio::test]
async fn the_ca_is_constrained_critically_and_leaves_have_what_strict_verifiers_want() {
    let world = World::new().await;
    let root = roots(&world.server.ready.ca);
    assert_eq!(root.len(), 1);
    let pem = std::fs::read(&world.server.ready.ca).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).unwrap();
    let ca = pem.parse_x509().unwrap();
    assert!(ca.basic_constraints().unwrap().unwrap().critical);
    assert!(ca.key_usage().unwrap().unwrap().value.key_cert_sign());
    assert!(ca.name_constraints().unwrap().unwrap().critical);
    let identifier = |certificate: &X509Certificate<'_>, oid: &str| {
        certificate.extensions().iter().any(|extension| extension.oid.to_id_string() == oid)
    };
    assert!(identifier(&ca, "2.5.29.14"), "subject key identifier");

    let stream = world.tls("acme.vault.localhost").await.unwrap();
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    assert!(identifier(&leaf, "2.5.29.35"), "authority key identifier");
    assert!(leaf.extended_key_usage().unwrap().unwrap().value.server_auth);
    let names = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].to_string(), "DNSName(acme.vault.localhost)");
}

#[tokio::test]
async fn the_leaf_for_localhost_stays_though_others_are_forgotten() {
    let config = keyhaven::Config::parse(r#"{"limits":{"mintedLeaves":1}}"#).unwrap();
    let world = World::with(Options { config, ..Options::default() }).await;
    let leaf = async |name: &str| {
        let stream = world.tls(name).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let first = leaf("localhost").await;
    let other = leaf("a-vault.vault.localhost").await;
    for name in ["b-vault.vault.localhost", "c-vault.vault.localhost"] {
        leaf(name).await;
    }
    assert_ne!(leaf("a-vault.vault.localhost").await, other, "this one was forgotten");
    assert_eq!(leaf("localhost").await, first, "clients of Service Fabric know the server by its thumbprint");
}
