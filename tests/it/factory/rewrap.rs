//! From one version, key or vault to the next.

use keyhaven::factory::{Factory, Refreshed, Refusal};
use keyhaven::remote::RequestError;
use serde_json::{Value, json};

use super::Yard;

const RSA: &str = r#"{"kty": "RSA"}"#;

fn rsa() -> Value {
    serde_json::from_str(RSA).unwrap()
}

/// Switches a version of `cmk` off or on.
fn enable(yard: &Yard, version: &str, enabled: bool) {
    let change = json!({"attributes": {"enabled": enabled}});
    yard.owner("safe").update_key("cmk", Some(version), &change).unwrap();
}

fn inner(refusal: Refusal) -> Option<String> {
    match refusal {
        Refusal::Key { failure, .. } => failure.inner().map(str::to_owned),
        other => panic!("{other}"),
    }
}

#[test]
fn it_follows_the_latest_version_where_the_uri_names_none() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    assert_eq!(factory.refresh(), Ok(Refreshed::Current));
    let from = factory.status(yard.now()).unwrap().customer_key.unwrap().wrapped_by;
    let made = yard.owner("safe").create_key("cmk", &rsa()).unwrap();
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum", "the old version still opens it");
    assert_eq!(factory.refresh(), Ok(Refreshed::Rewrapped { from: from.clone(), to: made.kid().to_owned() }));

    enable(&yard, from.rsplit('/').next().unwrap(), false);
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum", "the old version is needed no more");
    enable(&yard, made.version(), false);
    assert_eq!(inner(factory.show("a").unwrap_err()).as_deref(), Some("KeyDisabled"));
}

#[test]
fn it_keeps_to_a_version_that_the_uri_names_until_it_is_moved() {
    let yard = Yard::new();
    let first = yard.owner("safe").key("cmk", None).unwrap();
    let factory = yard.factory_with(first.kid());
    factory.put("a", b"datum", yard.now()).unwrap();
    let second = yard.owner("safe").create_key("cmk", &rsa()).unwrap();
    assert_eq!(factory.refresh(), Ok(Refreshed::Pinned));
    assert_eq!(factory.status(yard.now()).unwrap().customer_key.unwrap().wrapped_by, first.kid());

    factory.move_key(second.kid()).unwrap();
    let key = factory.status(yard.now()).unwrap().customer_key.unwrap();
    assert_eq!((key.uri.as_str(), key.wrapped_by.as_str()), (second.kid(), second.kid()));
    enable(&yard, first.version(), false);
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum");
}

#[test]
fn it_moves_to_another_key_and_to_another_vault() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    for (vault, name) in [("safe", "hsm"), ("other", "cmk")] {
        factory.move_key(&yard.key(vault, name)).unwrap();
        let key = factory.status(yard.now()).unwrap().customer_key.unwrap();
        assert_eq!(key.uri, yard.key(vault, name));
        assert!(key.wrapped_by.starts_with(&yard.key(vault, name)));
    }
    yard.owner("safe").delete_key("cmk").unwrap();
    yard.owner("safe").delete_key("hsm").unwrap();
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum", "nothing of the vault before is needed");
}

#[test]
fn a_move_must_meet_the_rules_and_leaves_everything_readable_when_it_does_not() {
    let yard = Yard::new();
    let factory = yard.factory();
    assert_eq!(factory.move_key(&yard.key("safe", "cmk")), Err(Refusal::NoCustomerKey));
    assert_eq!(factory.refresh(), Err(Refusal::NoCustomerKey));
    factory.enable_key(&yard.key("safe", "cmk"), None).unwrap();
    factory.put("a", b"datum", yard.now()).unwrap();
    let before = yard.state();
    assert_eq!(factory.move_key(&yard.key("safe", "ec")), Err(Refusal::KeyType { kty: "EC".to_owned() }));
    assert!(matches!(factory.move_key(&yard.key("loose", "cmk")), Err(Refusal::NoPurgeProtection { .. })));
    assert!(matches!(factory.move_key("https://safe"), Err(Refusal::InvalidKeyUri(_))));
    let weaker = Factory::open(&yard.home(), yard.reach("no-wrap")).unwrap();
    assert!(matches!(
        weaker.move_key(&yard.key("other", "cmk")),
        Err(Refusal::MissingPermission { permission: "wrapKey", .. })
    ));
    assert_eq!(yard.state(), before);
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum");
}

#[test]
fn no_datum_is_touched_by_a_move() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    let before = yard.state();
    factory.move_key(&yard.key("other", "cmk")).unwrap();
    let after = yard.state();
    assert_eq!(after["data"], before["data"]);
    assert_eq!(after["encryption"]["dataKey"], before["encryption"]["dataKey"]);
    assert_ne!(after["encryption"]["wrapped"], before["encryption"]["wrapped"]);
    assert_eq!(after["encryption"]["wrapped"].as_array().unwrap().len(), 1, "the old wrapping is forgotten");
}

#[test]
fn a_move_that_was_interrupted_after_the_new_wrapping_is_finished_by_the_next_write() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    let old = yard.state()["encryption"]["wrapped"][0].clone();
    factory.move_key(&yard.key("other", "cmk")).unwrap();
    // As the state lies on the disk between the two savings of a move.
    let mut between = yard.state();
    between["encryption"]["wrapped"].as_array_mut().unwrap().insert(0, old);
    std::fs::write(yard.home().join("factory.json"), between.to_string()).unwrap();

    yard.owner("safe").delete_key("cmk").unwrap();
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum", "the new wrapping counts");
    factory.put("b", b"more", yard.now()).unwrap();
    assert_eq!(yard.state()["encryption"]["wrapped"].as_array().unwrap().len(), 1);
    assert_eq!(factory.show("b").unwrap().reveal(), b"more");
}

#[test]
fn a_connection_that_is_cut_in_the_middle_of_a_move_loses_nothing() {
    let yard = Yard::alone();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    for operation in ["KeyGet", "KeyWrap", "KeyUnwrap"] {
        for moment in ["before", "after"] {
            yard.ground.faults(json!([{"operation": operation, "times": 1, "then": {"cut": moment}}]));
            let refusal = factory.move_key(&yard.key("other", "cmk")).unwrap_err();
            let Refusal::Key { failure, .. } = refusal else { panic!("{refusal}") };
            assert!(matches!(*failure, RequestError::NoAnswer(_)), "{operation} {moment}: {failure}");
            assert_eq!(factory.show("a").unwrap().reveal(), b"datum", "{operation} {moment}");
        }
    }
    yard.ground.faults(json!([]));
    factory.move_key(&yard.key("other", "cmk")).unwrap();
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum");
}

#[test]
fn a_reader_that_a_move_overtakes_reads_again() {
    let yard = Yard::alone();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    let old = yard.owner("safe").key("cmk", None).unwrap().version().to_owned();
    yard.ground.faults(json!([{"operation": "KeyUnwrap", "times": 1, "then": {"delay": "PT4S"}}]));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| factory.show("a"));
        while yard.ground.hits() != [1] {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        factory.move_key(&yard.key("safe", "hsm")).unwrap();
        enable(&yard, &old, false);
        assert!(!reader.is_finished(), "it asked for what does not unwrap any more");
        assert_eq!(reader.join().unwrap().unwrap().reveal(), b"datum");
    });
}
