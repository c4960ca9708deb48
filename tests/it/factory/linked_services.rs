//! Credentials of linked services: references, secure strings, and what is refused.

use keyhaven::factory::{Factory, Refusal};
use serde_json::{Value, json};

use super::Yard;

/// The linked service that is a vault.
fn store(yard: &Yard) -> Value {
    let url = yard.url("safe");
    json!({"properties": {"type": "AzureKeyVault", "typeProperties": {"baseUrl": url}}})
}

/// A database whose password is `password`.
fn database(password: &Value) -> Value {
    json!({"properties": {
        "type": "AzureSqlDatabase",
        "typeProperties": {"connectionString": "Server=tcp:db;Database=sales;User ID=app", "password": password}
    }})
}

fn reference(version: Option<&str>) -> Value {
    let mut reference = json!({
        "type": "AzureKeyVaultSecret",
        "store": {"referenceName": "vault", "type": "LinkedServiceReference"},
        "secretName": "sql"
    });
    if let Some(version) = version {
        reference["secretVersion"] = json!(version);
    }
    reference
}

fn secure(value: &str) -> Value {
    json!({"type": "SecureString", "value": value})
}

fn password(factory: &Factory, name: &str) -> Result<String, Refusal> {
    let resolved = factory.resolve(name)?;
    assert_eq!(resolved.keys().collect::<Vec<_>>(), ["/typeProperties/password"]);
    Ok(resolved["/typeProperties/password"].reveal_text().unwrap().to_owned())
}

#[test]
fn references_are_resolved_at_run_time_to_the_latest_or_a_fixed_version() {
    let yard = Yard::new();
    let factory = yard.factory();
    let first = yard.owner("safe").secret("sql", None).unwrap().version().to_owned();
    factory.link("vault", &store(&yard), yard.now()).unwrap();
    factory.link("follows", &database(&reference(None)), yard.now()).unwrap();
    factory.link("latest", &database(&reference(Some("latest"))), yard.now()).unwrap();
    factory.link("empty", &database(&reference(Some(""))), yard.now()).unwrap();
    factory.link("pinned", &database(&reference(Some(&first))), yard.now()).unwrap();
    for name in ["follows", "latest", "empty", "pinned"] {
        assert_eq!(password(&factory, name).unwrap(), "first", "{name}");
    }
    yard.owner("safe").set_secret("sql", "second").unwrap();
    for (name, expected) in [("follows", "second"), ("latest", "second"), ("empty", "second"), ("pinned", "first")] {
        assert_eq!(password(&factory, name).unwrap(), expected, "{name}");
    }
    yard.owner("safe").delete_secret("sql").unwrap();
    let message = password(&factory, "pinned").unwrap_err().to_string();
    assert!(message.contains("404 SecretNotFound"), "{message}");
    yard.owner("safe").recover_secret("sql").unwrap();
    assert_eq!(password(&factory, "pinned").unwrap(), "first");
    assert!(!yard.state().to_string().contains("first"), "no value is stored");
}

#[test]
fn the_identity_needs_get_on_secrets() {
    let yard = Yard::new();
    let factory = yard.create(yard.plain_new(), "no-secrets").unwrap();
    factory.link("vault", &store(&yard), yard.now()).unwrap();
    factory.link("db", &database(&reference(None)), yard.now()).unwrap();
    let vault = yard.url("safe");
    let refused = password(&factory, "db").unwrap_err();
    assert!(
        matches!(refused, Refusal::MissingPermission { collection: "secrets", permission: "get", .. }),
        "{refused:?}"
    );
    assert_eq!(
        refused.to_string(),
        format!("the factory's identity may not get secrets of {vault}; grant it that (role Key Vault Secrets User)")
    );
}

#[test]
fn a_factory_can_take_references_alone_and_refuses_a_plain_credential() {
    let yard = Yard::new();
    let factory = yard.factory();
    factory.link("vault", &store(&yard), yard.now()).unwrap();
    factory.link("plain", &database(&secure("hush")), yard.now()).unwrap();
    let stored = Refusal::SecureStringsStored { linked_services: vec!["plain".to_owned()] };
    assert_eq!(factory.require_references(true), Err(stored));
    factory.link("plain", &database(&reference(None)), yard.now()).unwrap();
    factory.require_references(true).unwrap();
    assert!(factory.status(yard.now()).unwrap().credentials_only_from_vault);

    let refused = factory.link("db", &database(&secure("hush")), yard.now()).unwrap_err();
    assert_eq!(refused, Refusal::SecureStringNotAllowed { at: "/typeProperties/password".to_owned() });
    assert!(!yard.state().to_string().contains("hush"));
    factory.link("db", &database(&reference(None)), yard.now()).unwrap();
    factory.require_references(false).unwrap();
    factory.link("db", &database(&secure("hush")), yard.now()).unwrap();
}

#[test]
fn secure_strings_are_sealed_like_data_with_the_customers_key_and_without() {
    let yard = Yard::new();
    let factory = yard.factory();
    factory.link("db", &database(&secure("hush hush")), yard.now()).unwrap();
    assert!(!yard.state().to_string().contains("hush hush"));
    assert_eq!(password(&factory, "db").unwrap(), "hush hush", "the system key alone");

    let home = yard.dir.path().join("with-key");
    let with_key = Factory::create(&home, yard.plain_new(), yard.reach("factory"), yard.now()).unwrap();
    with_key.enable_key(&yard.key("safe", "cmk"), None).unwrap();
    with_key.link("db", &database(&secure("hush hush")), yard.now()).unwrap();
    assert_eq!(password(&with_key, "db").unwrap(), "hush hush");
    let off = json!({"attributes": {"enabled": false}});
    yard.owner("safe").update_key("cmk", None, &off).unwrap();
    assert!(matches!(password(&with_key, "db"), Err(Refusal::Key { operation: "unwrap", .. })));
    assert_eq!(password(&factory, "db").unwrap(), "hush hush");
}

#[test]
fn a_credential_in_the_open_is_taken_out_and_sealed() {
    let yard = Yard::new();
    let factory = yard.factory();
    let open = [
        ("/typeProperties/password", database(&json!("hush"))["properties"].clone(), "hush"),
        (
            "/typeProperties/a/1/sasUri",
            json!({"type": "X", "typeProperties": {"a": [0, {"sasUri": "https://hush"}]}}),
            "https://hush",
        ),
        (
            "/typeProperties/connectionString",
            json!({"type": "X", "typeProperties": {"connectionString": "Server=db; Pass word = hush;Timeout=6"}}),
            "Server=db; Pass word = hush;Timeout=6",
        ),
    ];
    for (at, definition, expected) in open {
        factory.link("x", &definition, yard.now()).unwrap();
        let resolved = factory.resolve("x").unwrap();
        assert_eq!(resolved[at].reveal_text(), Some(expected), "{definition}");
        assert!(!yard.state().to_string().contains("hush"));
        assert!(!factory.definition("x").unwrap().to_string().contains("hush"));
    }
    let mut shown = factory.definition("x").unwrap();
    assert_eq!(shown["typeProperties"]["connectionString"], "Server=db;Timeout=6");
    // What is shown comes back, changed: the credential stays.
    shown["typeProperties"]["connectionString"] = json!("Server=other");
    factory.link("x", &shown, yard.now()).unwrap();
    assert_eq!(
        factory.resolve("x").unwrap()["/typeProperties/connectionString"].reveal_text(),
        Some("Server=other; Pass word = hush")
    );
    shown["typeProperties"].as_object_mut().unwrap().remove("encryptedCredential");
    factory.link("x", &shown, yard.now()).unwrap();
    assert_eq!(factory.resolve("x").unwrap().len(), 0, "without the reference it goes");
}

#[test]
fn a_credential_that_lies_elsewhere_is_named() {
    let yard = Yard::new();
    let factory = yard.factory();
    factory.link("db", &database(&secure("hush")), yard.now()).unwrap();
    let made = factory.definition("db").unwrap();
    let home = yard.dir.path().join("other");
    let other = Factory::create(&home, yard.plain_new(), yard.reach("factory"), yard.now()).unwrap();
    other.link("db", &made, yard.now()).unwrap();
    assert_eq!(other.definition("db").unwrap(), made);
    let refused = other.resolve("db").unwrap_err();
    let Refusal::CredentialElsewhere { credential: Some(credential), .. } = &refused else { panic!("{refused}") };
    assert!(credential.starts_with("DATAFACTORY@"), "{credential}");
    assert_eq!(
        refused.to_string(),
        format!(
            "the credential {credential} of 'db' is not kept by this factory: it can be used where it was encrypted"
        )
    );
    let refused = other.require_references(true).unwrap_err();
    assert_eq!(refused, Refusal::SecureStringsStored { linked_services: vec!["db".to_owned()] });
}

#[test]
fn a_definition_that_is_none_is_refused_with_the_place() {
    let yard = Yard::new();
    let factory = yard.factory();
    let wrong = |definition: Value| factory.link("x", &definition, yard.now()).unwrap_err().to_string();
    assert_eq!(wrong(json!({})), "/type: must name the type, such as AzureSqlDatabase");
    assert_eq!(wrong(json!({"type": "X"})), "/typeProperties: must be an object");
    let store = wrong(json!({"type": "AzureKeyVault", "typeProperties": {"baseUrl": "http://v"}}));
    assert!(store.starts_with("/typeProperties/baseUrl: must be the URL of a vault"), "{store}");
    assert_eq!(
        wrong(database(&json!({"type": "SecureString"}))),
        "/typeProperties/password: a SecureString must have a value, as text"
    );
    assert_eq!(
        wrong(database(&secure("**********"))),
        "/typeProperties/password: the masked credential ********** is not kept; write it anew"
    );
    assert_eq!(wrong(database(&json!(5))), "/typeProperties/password: a credential must be text");
    let absent = wrong(database(&reference(None)));
    assert_eq!(absent, "'vault' is no linked service of type AzureKeyVault; link the vault first");
    let mut nameless = reference(None);
    nameless["secretName"] = json!("");
    assert_eq!(wrong(database(&nameless)), "/typeProperties/password: secretName must name a secret");
    let mut elsewhere = reference(None);
    elsewhere["store"]["type"] = json!("Other");
    assert_eq!(wrong(database(&elsewhere)), "/typeProperties/password: store must be of type LinkedServiceReference");
    assert_eq!(factory.resolve("x").unwrap_err(), Refusal::NotFound { what: "linked service", name: "x".to_owned() });
}
