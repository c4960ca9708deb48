//! Which keys are taken, and when.

use keyhaven::factory::{Factory, NewFactory, Refusal, VaultClients};
use keyhaven::remote::Credential;
use serde_json::json;

use super::{IDENTITY, Yard};

#[test]
fn a_factory_is_created_empty_and_without_a_customers_key() {
    let yard = Yard::new();
    let status = yard.factory().status(yard.now()).unwrap();
    assert_eq!((status.data, status.linked_services, status.customer_key), (vec![], vec![], None));
    assert_eq!(status.tenant, yard.tenant());
    let again = yard.create(yard.plain_new(), "factory").unwrap_err();
    assert!(matches!(again, Refusal::AlreadyExists(_)), "{again}");
    for name in ["", "ab", "a b c", "-abc", "abc-", "a/../b"] {
        let new = NewFactory { name: name.to_owned(), ..yard.plain_new() };
        assert_eq!(yard.create(new, "factory").unwrap_err(), Refusal::InvalidName { name: name.to_owned() });
    }
    let nowhere = Factory::open(&yard.dir.path().join("absent"), yard.reach("factory")).unwrap_err();
    assert!(matches!(nowhere, Refusal::NoFactory(_)), "{nowhere}");
}

#[test]
fn a_key_is_given_with_or_without_a_version_and_a_slash_means_the_latest() {
    let yard = Yard::new();
    let version = yard.owner("safe").key("cmk", None).unwrap().version().to_owned();
    let latest = yard.key("safe", "cmk");
    let fixed = format!("{latest}/{version}");
    for (at, (given, kept)) in
        [(latest.clone(), &latest), (format!("{latest}/"), &latest), (fixed.clone(), &fixed)].into_iter().enumerate()
    {
        let home = yard.dir.path().join(at.to_string());
        let factory = Factory::create(&home, yard.plain_new(), yard.reach("factory"), yard.now()).unwrap();
        factory.enable_key(&given, None).unwrap();
        let key = factory.status(yard.now()).unwrap().customer_key.unwrap();
        assert_eq!((&key.uri, &key.wrapped_by), (kept, &fixed), "{given}");
    }
    let factory = yard.factory();
    let refusal = factory.enable_key(&latest.replace("https", "http"), None).unwrap_err();
    assert!(matches!(refusal, Refusal::InvalidKeyUri(_)), "{refusal}");
}

#[test]
fn a_key_is_enabled_only_while_the_factory_is_empty() {
    let yard = Yard::new();
    let factory = yard.factory();
    factory.put("a", b"datum", yard.now()).unwrap();
    assert_eq!(factory.enable_key(&yard.key("safe", "cmk"), None), Err(Refusal::NotEmpty));

    let home = yard.dir.path().join("linked");
    let linked = Factory::create(&home, yard.plain_new(), yard.reach("factory"), yard.now()).unwrap();
    linked
        .link("web", &json!({"type": "HttpServer", "typeProperties": {"url": "https://example.com"}}), yard.now())
        .unwrap();
    assert_eq!(linked.enable_key(&yard.key("safe", "cmk"), None), Err(Refusal::NotEmpty));
}

#[test]
fn a_key_is_not_enabled_later_beside_a_managed_virtual_network() {
    let yard = Yard::new();
    let new = NewFactory { managed_virtual_network: true, ..yard.plain_new() };
    let factory = yard.create(new, "factory").unwrap();
    assert_eq!(factory.enable_key(&yard.key("safe", "cmk"), None), Err(Refusal::HasManagedVirtualNetwork));
}

#[test]
fn at_creation_a_key_needs_a_user_assigned_identity_and_goes_with_a_managed_virtual_network() {
    let yard = Yard::new();
    let uri = yard.key("safe", "cmk");
    let new = |identity: Option<&str>| NewFactory {
        key: Some((uri.clone(), identity.map(str::to_owned))),
        managed_virtual_network: true,
        ..yard.plain_new()
    };
    assert_eq!(yard.create(new(None), "factory").unwrap_err(), Refusal::NeedsUserAssignedIdentity);
    // The credential is a managed identity's source; which of them asks is said by the factory's own setting.
    let managed = || {
        let set = |name: &str| yard.ground.variable(name).filter(|_| name != "AZURE_CLIENT_ID");
        VaultClients::new(yard.ground.agent.clone(), Credential::from_variables(set))
    };
    let factory = Factory::create(&yard.home(), new(Some(IDENTITY)), managed(), yard.now()).unwrap();
    let key = factory.status(yard.now()).unwrap().customer_key.unwrap();
    assert_eq!((key.uri, key.identity.as_deref()), (uri.clone(), Some(IDENTITY)));
    factory.put("a", b"datum", yard.now()).unwrap();
    assert_eq!(Factory::open(&yard.home(), managed()).unwrap().show("a").unwrap().reveal(), b"datum");

    // A key that is refused leaves no factory behind.
    let home = yard.dir.path().join("refused");
    let refused = NewFactory { key: Some((yard.key("loose", "cmk"), Some(IDENTITY.to_owned()))), ..yard.plain_new() };
    assert!(Factory::create(&home, refused, managed(), yard.now()).is_err());
    assert!(matches!(Factory::open(&home, managed()), Err(Refusal::NoFactory(_))));
}

#[test]
fn only_rsa_keys_are_taken() {
    let yard = Yard::new();
    let factory = yard.factory();
    for (name, kty) in [("ec", "EC"), ("ec-hsm", "EC-HSM")] {
        let refused = factory.enable_key(&yard.key("safe", name), None);
        assert_eq!(refused, Err(Refusal::KeyType { kty: kty.to_owned() }));
    }
    factory.enable_key(&yard.key("safe", "hsm"), None).unwrap();
}

#[test]
fn only_a_vault_with_soft_delete_and_purge_protection_is_taken() {
    let yard = Yard::new();
    let factory = yard.factory();
    let vault = |name: &str| yard.url(name).parse().unwrap();
    let refused = |name: &str| factory.enable_key(&yard.key(name, "cmk"), None).unwrap_err();
    assert_eq!(refused("loose"), Refusal::NoPurgeProtection { vault: vault("loose") });
    assert_eq!(refused("flat"), Refusal::NoSoftDelete { vault: vault("flat") });
    assert_eq!(factory.status(yard.now()).unwrap().customer_key, None);
}

#[test]
fn only_a_vault_of_the_same_tenant_is_taken_and_no_token_is_shown_to_another() {
    let yard = Yard::alone();
    let new = NewFactory { tenant: "00000000-0000-4000-8000-0000000000ff".to_owned(), ..yard.plain_new() };
    let factory = yard.create(new.clone(), "factory").unwrap();
    // Every sign-in would be refused.
    yard.admin("DELETE /admin/identities/factory", &serde_json::Value::Null);
    let vault = yard.url("safe").parse().unwrap();
    let refused = factory.enable_key(&yard.key("safe", "cmk"), None).unwrap_err();
    assert_eq!(refused, Refusal::OtherTenant { vault, theirs: yard.tenant(), ours: new.tenant });
}

#[test]
fn the_identity_needs_get_wrap_key_and_unwrap_key() {
    let yard = Yard::new();
    let vault = yard.url("safe");
    for (who, permission) in [("no-get", "get"), ("no-wrap", "wrapKey"), ("no-unwrap", "unwrapKey")] {
        let home = yard.dir.path().join(who);
        let factory = Factory::create(&home, yard.plain_new(), yard.reach(who), yard.now()).unwrap();
        let refused = factory.enable_key(&yard.key("safe", "cmk"), None).unwrap_err();
        let said = refused.failure().and_then(|failure| failure.inner().map(str::to_owned));
        assert_eq!(said.as_deref(), Some("ForbiddenByPolicy"), "{refused:?}");
        assert_eq!(
            refused.to_string(),
            format!(
                "the factory's identity lacks {permission} on keys of {vault}; grant it get, wrapKey and unwrapKey (role \
                 Key Vault Crypto Service Encryption User)"
            )
        );
    }
}

#[test]
fn a_key_that_is_off_or_absent_is_reported_as_such() {
    let yard = Yard::new();
    let factory = yard.factory();
    let off = json!({"attributes": {"enabled": false}});
    yard.owner("safe").update_key("cmk", None, &off).unwrap();
    let message = factory.enable_key(&yard.key("safe", "cmk"), None).unwrap_err().to_string();
    assert!(message.contains("was refused: 403 Forbidden/KeyDisabled"), "{message}");
    let message = factory.enable_key(&yard.key("safe", "absent"), None).unwrap_err().to_string();
    assert!(message.contains("was refused: 404 KeyNotFound"), "{message}");
}

#[test]
fn a_customers_key_cannot_be_switched_off_nor_enabled_twice() {
    let yard = Yard::new();
    let factory = yard.factory();
    assert_eq!(factory.disable_key(), Err(Refusal::NoCustomerKey));
    factory.enable_key(&yard.key("safe", "cmk"), None).unwrap();
    assert_eq!(factory.disable_key(), Err(Refusal::CannotBeDisabled));
    assert_eq!(factory.enable_key(&yard.key("other", "cmk"), None), Err(Refusal::AlreadyEnabled));
    let key = factory.status(yard.now()).unwrap().customer_key.unwrap();
    assert_eq!(key.uri, yard.key("safe", "cmk"));
}
