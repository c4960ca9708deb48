//! The system key is renewed, and everything is readable all the while.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use keyhaven::clock::Timestamp;
use keyhaven::factory::{Factory, Refusal};
use serde_json::json;

use super::Yard;

fn secure(value: &str) -> serde_json::Value {
    json!({"type": "X", "typeProperties": {"password": {"type": "SecureString", "value": value}}})
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn key_files(yard: &Yard) -> usize {
    std::fs::read_dir(yard.home().join("platform")).unwrap().count()
}

#[test]
fn after_two_years_of_the_vault_clock_it_is_due_and_everything_moves() {
    let yard = Yard::alone();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    factory.link("db", &secure("hush"), yard.now()).unwrap();
    let before = factory.status(yard.now()).unwrap().system_key;
    assert_eq!((before.not_after, before.due), (at("2028-01-01T00:00:00Z"), false));
    assert_eq!(factory.renew_if_due(yard.now()), Ok(None));

    yard.ground.server.advance("P2Y".parse().unwrap()).unwrap();
    let expired = Refusal::SystemKeyExpired { since: before.not_after };
    assert_eq!(factory.put("b", b"more", yard.now()), Err(expired.clone()));
    assert_eq!(factory.link("db2", &secure("more"), yard.now()), Err(expired));
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum", "what is stored stays readable");

    let renewal = factory.renew_if_due(yard.now()).unwrap().unwrap();
    assert_eq!((renewal.from, renewal.moved), (before.thumbprint.clone(), 2));
    let after = factory.status(yard.now()).unwrap().system_key;
    assert_eq!((after.not_after, after.due, after.renewal_under_way), (at("2030-01-01T00:00:00Z"), false, false));
    assert_eq!(after.thumbprint, renewal.to);
    assert!(!yard.state().to_string().contains(&before.thumbprint), "nothing is left under the old key");
    assert_eq!(key_files(&yard), 1, "the old private key is gone");
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum");
    assert_eq!(factory.resolve("db").unwrap()["/typeProperties/password"].reveal(), b"hush");
    factory.put("b", b"more", yard.now()).unwrap();
}

#[test]
fn a_renewal_needs_nothing_of_the_customers() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    let enabled = |enabled: bool| {
        yard.owner("safe").update_key("cmk", None, &json!({"attributes": {"enabled": enabled}})).unwrap();
    };
    enabled(false);
    assert_eq!(factory.renew_system_key(yard.now()).unwrap().moved, 1);
    assert!(factory.show("a").is_err(), "nor does it open anything");
    enabled(true);
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum");
}

#[test]
fn readers_see_no_failure_while_it_is_renewed() {
    let yard = Yard::new();
    let factory = yard.factory();
    for at in 0..8 {
        factory.link(&format!("db-{at}"), &secure(&format!("hush {at}")), yard.now()).unwrap();
    }
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // As another process would.
                let reader = Factory::open(&yard.home(), yard.reach("factory")).unwrap();
                while !done.load(Ordering::Relaxed) {
                    for at in 0..8 {
                        let resolved = reader.resolve(&format!("db-{at}")).unwrap();
                        assert_eq!(
                            resolved["/typeProperties/password"].reveal_text(),
                            Some(format!("hush {at}").as_str())
                        );
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let renewed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..2 {
                assert_eq!(factory.renew_system_key(yard.now()).unwrap().moved, 8);
            }
        }));
        done.store(true, Ordering::Relaxed);
        renewed.unwrap();
    });
    assert!(reads.into_inner() > 16);
}

#[test]
fn a_renewal_that_was_interrupted_can_be_read_and_goes_on() {
    let yard = Yard::new();
    let factory = yard.factory();
    for name in ["a", "b", "c"] {
        factory.put(name, name.as_bytes(), yard.now()).unwrap();
    }
    let old = yard.state();
    let thumbprint = factory.status(yard.now()).unwrap().system_key.thumbprint;
    let file = yard.home().join("platform").join(format!("{thumbprint}.key"));
    let private = std::fs::read(&file).unwrap();
    factory.renew_system_key(yard.now()).unwrap();
    // As it lies on the disk when a process is killed after the first has moved: both keys, two data still under the old one.
    let mut between = yard.state();
    between["systemKeys"].as_array_mut().unwrap().insert(0, old["systemKeys"][0].clone());
    for name in ["b", "c"] {
        between["data"][name] = old["data"][name].clone();
    }
    std::fs::write(yard.home().join("factory.json"), between.to_string()).unwrap();
    std::fs::write(&file, private).unwrap();

    let again = Factory::open(&yard.home(), yard.reach("factory")).unwrap();
    assert!(again.status(yard.now()).unwrap().system_key.renewal_under_way);
    let readable = || ["a", "b", "c"].iter().all(|name| again.show(name).unwrap().reveal() == name.as_bytes());
    assert!(readable());
    again.put("d", b"d", yard.now()).unwrap();
    let renewal = again.renew_if_due(yard.now()).unwrap().unwrap();
    assert_eq!((renewal.from, renewal.moved), (thumbprint, 2));
    assert!(readable());
    assert_eq!(key_files(&yard), 1);
}
