//! What is stored opens with both keys and not with one.

use std::os::unix::fs::PermissionsExt;

use keyhaven::factory::{Factory, Refusal};
use serde_json::{Value, json};

use super::{Yard, policies};

#[test]
fn data_is_read_back_by_another_process_as_it_was() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"first", yard.now()).unwrap();
    factory.put("a", b"second", yard.now()).unwrap();
    factory.put("empty", b"", yard.now()).unwrap();
    let again = Factory::open(&yard.home(), yard.reach("factory")).unwrap();
    assert_eq!(again.show("a").unwrap().reveal(), b"second");
    assert_eq!(again.show("empty").unwrap().reveal(), b"");
    assert_eq!(again.show("b").unwrap_err(), Refusal::NotFound { what: "data", name: "b".to_owned() });
    assert_eq!(again.put("a/b", b"", yard.now()), Err(Refusal::InvalidName { name: "a/b".to_owned() }));
}

#[test]
fn a_vault_that_shuts_the_factory_out_is_named_with_what_lets_it_in() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    let url = yard.url("safe");
    let name = url.trim_start_matches("https://").split('.').next().unwrap().to_owned();
    let rules = |entry: Value| yard.admin(&format!("PUT /admin/vaults/{name}"), &entry);
    rules(json!({"networkAcls": {"defaultAction": "Deny", "bypass": "None"}}));
    let expected = format!(
        "the firewall of {url} does not let in 127.0.0.1; add it to the ipRules, or let trusted services pass (bypass \
         AzureServices) and have the factory's identity be one"
    );
    assert_eq!(factory.show("a").unwrap_err().to_string(), expected);
    rules(json!({"publicNetworkAccess": "Disabled"}));
    let refused = factory.show("a").unwrap_err().to_string();
    let expected = format!("{url} is closed to this network; reach it by a private endpoint: 403 Forbidden/");
    assert!(refused.starts_with(&expected), "{refused}");
    rules(
        json!({"publicNetworkAccess": "Enabled", "networkAcls": {"defaultAction": "Deny", "ipRules": ["127.0.0.1"]}}),
    );
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum");
}

#[test]
fn without_the_customers_key_access_is_denied_from_the_next_request_on() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    factory.show("a").unwrap();
    let policy = |with: &Value| {
        let url = yard.url("safe");
        let name = url.trim_start_matches("https://").split('.').next().unwrap();
        let entry = json!({"name": name, "sku": "premium", "enablePurgeProtection": true, "accessPolicies": with});
        yard.admin(&format!("PUT /admin/vaults/{name}"), &entry);
    };
    policy(&json!([]));
    for refusal in [factory.show("a").unwrap_err(), factory.put("b", b"more", yard.now()).unwrap_err()] {
        assert!(matches!(refusal, Refusal::MissingPermission { permission: "unwrapKey", .. }), "{refusal}");
    }
    policy(&policies());
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum");
    let off = |enabled: bool| {
        yard.owner("safe").update_key("cmk", None, &json!({"attributes": {"enabled": enabled}})).unwrap();
    };
    off(false);
    let message = factory.show("a").unwrap_err().to_string();
    assert!(message.contains("KeyDisabled"), "{message}");
    off(true);
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum");
}

#[test]
fn without_the_system_key_access_is_denied_though_the_vault_unwraps() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    let thumbprint = factory.status(yard.now()).unwrap().system_key.thumbprint;
    let file = yard.home().join("platform").join(format!("{thumbprint}.key"));
    let private = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(factory.show("a").unwrap_err(), Refusal::SystemKeyMissing { thumbprint: thumbprint.clone() });
    // Another factory's key is none of this one's.
    let other = yard.dir.path().join("other");
    let other = Factory::create(&other, yard.plain_new(), yard.reach("factory"), yard.now()).unwrap();
    let others = other.status(yard.now()).unwrap().system_key.thumbprint;
    std::fs::copy(yard.dir.path().join(format!("other/platform/{others}.key")), &file).unwrap();
    assert_eq!(factory.show("a").unwrap_err(), Refusal::Damaged(format!("the system key {thumbprint} does not open")));
    std::fs::write(&file, private).unwrap();
    assert_eq!(factory.show("a").unwrap().reveal(), b"datum");
}

#[test]
fn a_datum_stays_with_its_name() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"mine", yard.now()).unwrap();
    factory.put("b", b"yours", yard.now()).unwrap();
    let mut swapped = yard.state();
    let b = swapped["data"]["b"].clone();
    swapped["data"]["a"] = b;
    std::fs::write(yard.home().join("factory.json"), swapped.to_string()).unwrap();
    assert_eq!(factory.show("a").unwrap_err(), Refusal::Damaged("data/a is not what was sealed there".to_owned()));
    assert_eq!(factory.show("b").unwrap().reveal(), b"yours");
}

#[test]
fn the_same_data_key_under_another_name_opens_nothing() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"datum", yard.now()).unwrap();
    let mut without = yard.state();
    without["data"]["a"]["dataKey"] = Value::Null;
    std::fs::write(yard.home().join("factory.json"), without.to_string()).unwrap();
    assert_ne!(factory.show("a").unwrap().reveal(), b"datum", "the inner layer is still on");
}

#[test]
fn nothing_lies_in_the_open_and_everything_is_the_owners_alone() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    factory.put("a", b"plain words", yard.now()).unwrap();
    assert_eq!(format!("{:?}", factory.show("a").unwrap()), "Plaintext(11 bytes)");
    let text = std::fs::read_to_string(yard.home().join("factory.json")).unwrap();
    assert!(!text.contains("plain words") && !text.contains("PRIVATE KEY"), "{text}");
    let mode = |path: &str| std::fs::metadata(yard.home().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("platform"), mode("factory.json"), mode("lock")), (0o700, 0o700, 0o600, 0o600));
    let keys: Vec<_> =
        std::fs::read_dir(yard.home().join("platform")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(std::fs::metadata(&keys[0]).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn writers_from_several_threads_lose_nothing() {
    let yard = Yard::new();
    let factory = yard.factory_with(&yard.key("safe", "cmk"));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let factory = &factory;
            let now = yard.now();
            scope.spawn(move || (0..3).for_each(|at| factory.put(&format!("{writer}-{at}"), b"x", now).unwrap()));
        }
    });
    assert_eq!(factory.status(yard.now()).unwrap().data.len(), 12);
}
