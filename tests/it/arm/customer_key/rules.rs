//! Which keys are taken, and when.

use serde_json::{Value, json};

use super::{CIPHER, Plane, ROLE, by_cipher, encrypted, key, pipeline, tenant};

const NOT_TAKEN: &str = "400 BadRequest Update factory failed. The customer-managed key is not taken: ";

#[tokio::test]
async fn an_empty_factory_gets_a_key_as_its_own_identity() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    let own = plane.factory().await;
    let denied = plane.ask("PUT F/acme", &encrypted("safe", json!({}))).await.error();
    assert!(
        denied.starts_with("403 Forbidden Access to the customer-managed key of the data factory is denied: "),
        "{denied}"
    );
    assert!(denied.contains("lacks get on keys of https://safe.vault.azure.net"), "{denied}");
    assert!(
        denied.contains("The vault says: 403 Forbidden/ForbiddenByRbac: Caller is not authorized to perform action"),
        "{denied}"
    );
    assert_eq!(plane.done("GET F/acme", &Value::Null).await["properties"]["encryption"], Value::Null);

    plane.grant(&own, ROLE).await;
    let made = plane.done("PUT F/acme", &encrypted("safe", json!({"keyVersion": ""}))).await;
    let mut expected = key("safe");
    expected["keyVersion"] = json!("");
    assert_eq!(made["properties"]["encryption"], expected, "as it was given");
    assert_eq!(made["identity"]["principalId"], json!(own));
    assert_eq!(plane.done("GET F/acme", &Value::Null).await["properties"]["encryption"], expected);
    plane.done("PUT F/acme/pipelines/p", &pipeline("first")).await;
    let read = plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    assert_eq!(read["properties"], pipeline("first")["properties"]);
    let listed = plane.done("GET F/acme/pipelines", &Value::Null).await;
    assert_eq!(listed["value"], json!([read]));
}

#[tokio::test]
async fn what_the_factory_does_in_the_vault_is_in_the_audit_as_its_identity() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    plane.keyed().await;
    let before = plane.audited("datafactory-acme").await.len();
    plane.done("GET F/acme/pipelines/p", &Value::Null).await;
    let all = plane.audited("datafactory-acme").await;
    let of = |name: &str| (name.to_owned(), 200);
    assert_eq!(all[before..], [of("KeyGet"), of("KeyUnwrap")], "the latest version, and the data key");
    assert!(all.contains(&of("KeyWrap")), "{all:?}");
    plane.done("GET F/acme", &Value::Null).await;
    plane.done("PATCH F/acme", &json!({"tags": {"a": "b"}})).await;
    assert_eq!(plane.audited("datafactory-acme").await.len(), all.len(), "the factory itself needs no key");
}

#[tokio::test]
async fn at_creation_a_key_needs_a_user_assigned_identity() {
    let world = tenant(&["lists"]).await;
    let plane = Plane::of(&world).await;
    let mut own = encrypted("lists", json!({}));
    own["identity"] = json!({"type": "SystemAssigned"});
    let refused = plane.ask("PUT F/acme", &own).await.error();
    assert_eq!(
        refused,
        format!(
            "{NOT_TAKEN}a key at creation needs a user-assigned identity: the system-assigned one is made with the factory."
        )
    );
    let mut foreign = by_cipher("lists", json!({}));
    foreign["identity"] = json!({"type": "SystemAssigned"});
    let refused = plane.ask("PUT F/acme", &foreign).await.error();
    assert!(
        refused.contains(&format!("is used as the identity '{CIPHER}', which must be one of the factory's")),
        "{refused}"
    );
    assert_eq!(plane.ask("GET F/acme", &Value::Null).await.status, 404, "no factory is made");

    let made = plane.done("PUT F/acme", &by_cipher("lists", json!({}))).await;
    assert_eq!(made["properties"]["encryption"]["identity"], json!({"userAssignedIdentity": CIPHER}));
    plane.done("PUT F/acme/managedVirtualNetworks/default", &json!({"properties": {}})).await;
    plane.done("PUT F/acme/pipelines/p", &pipeline("first")).await;
    assert_eq!(plane.audited("cipher").await.last(), Some(&("KeyUnwrap".to_owned(), 200)));
}

#[tokio::test]
async fn a_key_is_enabled_only_while_nothing_is_in_the_factory() {
    let kinds = [
        (
            "linkedservices/x",
            json!({"type": "AzureKeyVault", "typeProperties": {"baseUrl": "https://safe.vault.azure.net/"}}),
        ),
        ("datasets/x", json!({"type": "Json", "typeProperties": {}})),
        ("pipelines/x", json!({"activities": []})),
        ("dataflows/x", json!({"type": "MappingDataFlow"})),
        ("triggers/x", json!({"type": "ScheduleTrigger"})),
    ];
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    let own = plane.factory().await;
    plane.grant(&own, ROLE).await;
    for (path, properties) in kinds {
        plane.done(&format!("PUT F/acme/{path}"), &json!({"properties": properties})).await;
        let refused = plane.ask("PUT F/acme", &encrypted("safe", json!({}))).await.error();
        let expected = "400 AddCMKToExistingFactoriesWithEntities Update factory failed. You cannot add CMK settings for factories with \
                        existing entities";
        assert_eq!(refused, expected, "{path}");
        plane.done(&format!("DELETE F/acme/{path}"), &Value::Null).await;
    }
    plane.done("PUT F/acme/managedVirtualNetworks/default", &json!({"properties": {}})).await;
    let refused = plane.ask("PUT F/acme", &encrypted("safe", json!({}))).await.error();
    assert!(
        refused.contains("a factory with a managed virtual network takes no customer-managed key later"),
        "{refused}"
    );
    assert!(plane.audited("datafactory-acme").await.is_empty(), "no vault was asked");
}

#[tokio::test]
async fn vault_and_key_must_be_fit_for_it() {
    let world = tenant(&["lists", "loose"]).await;
    let plane = Plane::of(&world).await;
    for (vault, more, expected) in [
        ("loose", json!({}), format!("{NOT_TAKEN}https://loose.vault.azure.net has no purge protection; switch it on.")),
        ("lists", json!({"keyName": "ec"}), format!("{NOT_TAKEN}the key is of type EC; use a key of type RSA or RSA-HSM.")),
        ("lists", json!({"keyName": "none"}), "403 Forbidden Access to the customer-managed key".to_owned()),
        ("none", json!({}), "403 Forbidden Access to the customer-managed key of the data factory is denied: https://none.vault.azure.net does not \
                      say which tenant it is of: 404 VaultNotFound".to_owned()),
        ("lists", json!({"vaultBaseUrl": "https://example.com"}), "403 Forbidden Access to the customer-managed key".to_owned()),
        ("lists", json!({"vaultBaseUrl": "http://lists.vault.azure.net"}), format!("{NOT_TAKEN}not the URI of a key")),
        ("lists", json!({"vaultBaseUrl": "https://arm.localhost"}), "403 Forbidden Access to the customer-managed key".to_owned()),
        ("lists", json!({"vaultBaseUrl": "https://localhost"}), format!("{NOT_TAKEN}vaultBaseUrl: https://localhost is not the URL of a vault; ")),
        ("lists", json!({"vaultBaseUrl": "https://127.0.0.1"}), format!("{NOT_TAKEN}vaultBaseUrl: https://127.0.0.1 is not the URL of a vault; ")),
        ("lists", json!({"vaultBaseUrl": "https://[::1]:1"}), format!("{NOT_TAKEN}vaultBaseUrl: https://[::1]:1 is not the URL of a vault; ")),
        ("lists", json!({"keyName": "a/b"}), format!("{NOT_TAKEN}not the URI of a key")),
        ("lists", json!({"keyName": null}), "400 InvalidRequestContent ".to_owned()),
    ] {
        let refused = plane.ask("PUT F/acme", &by_cipher(vault, more.clone())).await.error();
        assert!(refused.starts_with(&expected), "{vault} {more}: {refused}");
        assert_eq!(plane.ask("GET F/acme", &Value::Null).await.status, 404, "{vault} {more}");
    }
    let mut far = by_cipher("lists", json!({}));
    far["location"] = json!("westus");
    assert_eq!(
        plane.ask("PUT F/acme", &far).await.error(),
        "400 BadRequest Update factory failed. The key vault https://lists.vault.azure.net is in the region 'local', the factory in \
         'westus': they must be in the same region."
    );
    for url in ["https://lists.vault.localhost:8443/", "https://LISTS.vault.azure.net/", "https://keys.acme.test"] {
        let made = plane.done("PUT F/acme", &by_cipher("lists", json!({"vaultBaseUrl": url}))).await;
        assert_eq!(made["properties"]["encryption"]["vaultBaseUrl"], json!(url));
        plane.done("DELETE F/acme", &Value::Null).await;
    }
}

#[tokio::test]
async fn get_wrap_key_and_unwrap_key_alone_are_asked_for() {
    let world = tenant(&["lists"]).await;
    let plane = Plane::of(&world).await;
    let names = ["get", "wrapKey", "unwrapKey"];
    for missing in names {
        let others: Vec<_> = names.into_iter().filter(|name| *name != missing).collect();
        let policies = json!([{"identity": "cipher", "permissions": {"keys": others}}]);
        let vault = json!({"sku": "premium", "enablePurgeProtection": true, "accessPolicies": policies});
        let put = world.admin("PUT /admin/vaults/lists", &vault.to_string()).await;
        assert_eq!(put.status, 200, "{}", put.text);
        let refused = plane.ask("PUT F/acme", &by_cipher("lists", json!({}))).await.error();
        assert!(
            refused.starts_with("403 Forbidden ") && refused.contains(&format!("lacks {missing} on keys")),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn there_is_no_way_back() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    plane.keyed().await;
    let expected =
        "400 RemovedCMKToExistingFactory Update factory failed. You cannot remove CMK settings to existing factory";
    for properties in [json!({}), json!({"encryption": null}), Value::Null] {
        let body = json!({"location": "local", "properties": properties});
        assert_eq!(plane.ask("PUT F/acme", &body).await.error(), expected);
    }
    let patch = json!({"properties": {"encryption": key("safe")}});
    let refused = plane.ask("PATCH F/acme", &patch).await.error();
    assert!(
        refused.starts_with("400 BadRequest A PATCH changes tags, identity and publicNetworkAccess alone"),
        "{refused}"
    );
    let without = json!({"location": "local", "identity": {"type": "None"}, "properties": {"encryption": key("safe")}});
    for (text, body) in [("PUT F/acme", &without), ("PATCH F/acme", &json!({"identity": {"type": "None"}}))] {
        let refused = plane.ask(text, body).await.error();
        assert!(
            refused.contains("is used as its system-assigned identity, which must be one of the factory's"),
            "{text}: {refused}"
        );
    }
    plane.done("GET F/acme/pipelines/p", &Value::Null).await;
}

#[tokio::test]
async fn a_patch_takes_away_neither_the_keys_identity_nor_another_one_with_it() {
    let world = tenant(&["lists"]).await;
    let plane = Plane::of(&world).await;
    let mut both = by_cipher("lists", json!({}));
    both["identity"]["type"] = json!("SystemAssigned,UserAssigned");
    let made = plane.done("PUT F/acme", &both).await;
    for kind in ["None", "SystemAssigned"] {
        let refused = plane.ask("PATCH F/acme", &json!({"identity": {"type": kind}})).await.error();
        let expected = format!(
            "400 BadRequest Update factory failed. The customer-managed key is used as the identity '{CIPHER}'"
        );
        assert!(refused.starts_with(&expected), "{kind}: {refused}");
    }
    assert_eq!(plane.done("GET F/acme", &Value::Null).await["identity"], made["identity"]);
    let fewer = plane.done("PATCH F/acme", &json!({"identity": {"type": "UserAssigned"}})).await;
    assert_eq!(fewer["identity"]["type"], "UserAssigned", "the type says which there are");
}

/// As azurerm_data_factory_customer_managed_key does it.
#[tokio::test]
async fn the_factory_as_it_was_read_is_taken_back_with_a_key() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    let own = plane.factory().await;
    plane.grant(&own, ROLE).await;
    let mut read = plane.done("GET F/acme", &Value::Null).await;
    read["properties"]["encryption"] = key("safe");
    read["properties"]["encryption"]["identity"] = json!({"userAssignedIdentity": ""});
    let made = plane.done("PUT F/acme", &read).await;
    assert_eq!(made["properties"]["encryption"], read["properties"]["encryption"]);
    assert_eq!(
        (&made["identity"], &made["properties"]["createTime"]),
        (&read["identity"], &read["properties"]["createTime"])
    );
    let again = plane.done("PUT F/acme", &made).await;
    assert_eq!(again["properties"]["encryption"], made["properties"]["encryption"]);
}

#[tokio::test]
async fn what_is_made_while_the_key_comes_is_under_it_or_refuses_it() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    let own = plane.factory().await;
    plane.grant(&own, ROLE).await;
    let (body, definition) = (encrypted("safe", json!({})), pipeline("first"));
    let (keyed, made) = tokio::join!(plane.ask("PUT F/acme", &body), plane.ask("PUT F/acme/pipelines/p", &definition));
    assert!(
        matches!((keyed.status.as_u16(), made.status.as_u16()), (200, 503) | (400, 200) | (200, 200)),
        "{} {}",
        keyed.text,
        made.text
    );
    if keyed.status == 200 {
        plane.enable("safe", "cmk", false).await;
        assert_eq!(plane.ask("GET F/acme/pipelines/p", &Value::Null).await.status, 403);
        plane.enable("safe", "cmk", true).await;
    }
    if made.status == 200 {
        let read = plane.done("GET F/acme/pipelines/p", &Value::Null).await;
        assert_eq!(read["properties"], definition["properties"]);
    }
}
