//! A vault as `keyhaven::remote` sees it, against a real server.

use keyhaven::remote::{Credential, Method, RequestError, TrustStore, VaultClient};
use serde_json::{Value, json};

use crate::blocking::Ground;

fn ground() -> Ground {
    Ground::of(&json!({
        "identities": [
            {"name": "app", "clientId": "00000000-0000-4000-8000-00000000000a", "clientSecret": "let me in",
             "resourceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"},
            {"name": "nobody", "systemAssigned": true}
        ],
        "vaults": [{"name": "acme", "accessPolicies": [
            {"identity": "app", "permissions": {"keys": ["all", "purge"], "secrets": ["all", "purge"]}}]}]
    }))
}

const APP: &str = "00000000-0000-4000-8000-00000000000a";

fn app() -> Credential {
    Credential::client_secret(APP, "let me in")
}

#[test]
fn an_application_signs_in_where_the_challenge_says() {
    let ground = ground();
    let vault = ground.vault("acme", app());
    assert_eq!(vault.tenant().unwrap(), ground.variable("AZURE_TENANT_ID").unwrap());

    let made = vault.create_key("k", &json!({"kty": "RSA", "key_size": 2048})).unwrap();
    assert_eq!((made.kty(), made.recovery_level(), made.is_enabled()), ("RSA", "Recoverable+Purgeable", true));
    let wrapped = vault.wrap("k", made.version(), "RSA-OAEP-256", b"a data key").unwrap();
    assert_eq!(wrapped.kid, made.kid());
    let unwrapped = vault.unwrap("k", made.version(), "RSA-OAEP-256", &wrapped.value).unwrap();
    assert_eq!(unwrapped.as_slice(), b"a data key");

    let off = json!({"attributes": {"enabled": false, "exp": 1_900_000_000}});
    let changed = vault.update_key("k", Some(made.version()), &off).unwrap();
    assert_eq!((changed.is_enabled(), changed.expires()), (false, Some(1_900_000_000)));
    let failure = vault.wrap("k", made.version(), "RSA-OAEP-256", b"a data key").unwrap_err();
    assert_eq!((failure.status(), failure.inner()), (Some(403), Some("KeyDisabled")));
}

#[test]
fn keys_are_deleted_recovered_purged_backed_up_and_restored() {
    let ground = ground();
    let vault = ground.vault("acme", app());
    for _ in 0..30 {
        vault.create_key("k", &json!({"kty": "EC"})).unwrap();
    }
    let made = vault.key("k", None).unwrap();
    let kids: Vec<Value> = vault.key_versions("k").unwrap().into_iter().map(|item| item["kid"].clone()).collect();
    assert_eq!(kids.len(), 30, "all pages are read");
    assert!(kids.contains(&json!(made.kid())));
    let backup = vault.backup_key("k").unwrap();

    assert!(vault.delete_key("k").unwrap()["recoveryId"].is_string());
    assert_eq!(vault.key("k", None).unwrap_err().status(), Some(404));
    assert_eq!(vault.deleted_key("k").unwrap()["key"]["kid"], made.kid());
    assert_eq!(vault.recover_key("k").unwrap().kid(), made.kid());
    vault.delete_key("k").unwrap();
    vault.purge_key("k").unwrap();
    assert_eq!(vault.deleted_key("k").unwrap_err().status(), Some(404));
    assert_eq!(vault.restore_key(&backup).unwrap().kid(), made.kid());
}

#[test]
fn secrets_have_versions_and_come_back() {
    let ground = ground();
    let vault = ground.vault("acme", app());
    let first = vault.set_secret("s", "one").unwrap();
    let second = vault.set_secret("s", "two").unwrap();
    assert_eq!(vault.secret("s", None).unwrap().value.as_str(), "two");
    assert_eq!(vault.secret("s", Some(first.version())).unwrap().value.as_str(), "one");
    assert_eq!(vault.secret_versions("s").unwrap().len(), 2);
    assert!(!format!("{second:?}").contains("two"));
    vault.update_secret("s", Some(first.version()), &json!({"attributes": {"enabled": false}})).unwrap();
    assert_eq!(vault.secret("s", Some(first.version())).unwrap_err().inner(), Some("SecretDisabled"));

    vault.delete_secret("s").unwrap();
    assert!(vault.deleted_secret("s").unwrap()["recoveryId"].is_string());
    vault.recover_secret("s").unwrap();
    assert_eq!(vault.secret("s", None).unwrap().version(), second.version());
    vault.delete_secret("s").unwrap();
    vault.purge_secret("s").unwrap();
    assert_eq!(vault.secret("s", None).unwrap_err().status(), Some(404));
}

#[test]
fn a_managed_identity_is_found_in_the_environment_and_can_be_chosen() {
    let ground = ground();
    let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app";
    let app_service = || Credential::from_variables(|name| ground.variable(name).filter(|_| name != "AZURE_CLIENT_ID"));
    let imds = |which: Option<&str>| {
        let host = ground.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        let credential = Credential::from_variables(|name| {
            (name == "AZURE_POD_IDENTITY_AUTHORITY_HOST").then(|| host.clone()).flatten()
        });
        which.map_or(credential.clone(), |id| credential.as_user_assigned(id))
    };
    for chosen in
        [app_service().as_user_assigned(id), app_service().as_user_assigned(APP), imds(Some(id)), imds(Some(APP))]
    {
        ground.vault("acme", chosen).call(Method::GET, "/keys", None).unwrap();
    }
    for system in [app_service(), imds(None)] {
        let failure = ground.vault("acme", system).call(Method::GET, "/keys", None).unwrap_err();
        assert_eq!((failure.status(), failure.inner()), (Some(403), Some("ForbiddenByPolicy")));
    }
}

#[test]
fn a_failed_sign_in_names_who_refused_it() {
    let ground = ground();
    let failure = ground.vault("acme", Credential::client_secret(APP, "guess")).key("k", None).unwrap_err();
    let message = failure.to_string();
    assert!(message.starts_with("401 invalid_client: no token from https://login.localhost:"), "{message}");
    assert!(message.contains("AADSTS7000215") && !message.contains("guess"), "{message}");
    let failure = ground.vault("acme", Credential::bearer("nonsense")).key("k", None).unwrap_err();
    assert_eq!(failure.status(), Some(401));
}

#[test]
fn an_identity_that_is_gone_is_refused_from_the_next_request_on() {
    let ground = ground();
    let vault = ground.vault("acme", app());
    vault.call(Method::GET, "/keys", None).unwrap();
    assert_eq!(ground.admin("DELETE /admin/identities/app", &Value::Null).0, 204);
    let failure = vault.call(Method::GET, "/keys", None).unwrap_err();
    assert!(failure.to_string().contains("no token from"), "{failure}");
}

#[test]
fn a_token_that_is_refused_gives_way_to_a_fresh_one_once() {
    let ground = ground();
    let vault = ground.vault("acme", app());
    vault.call(Method::GET, "/keys", None).unwrap();
    ground.faults(json!([{"operation": "KeyList", "times": 1, "then": {"token": "expired"}}]));
    vault.call(Method::GET, "/keys", None).unwrap();
    ground.faults(json!([{"operation": "KeyList", "then": {"token": "expired"}}]));
    assert_eq!(vault.call(Method::GET, "/keys", None).unwrap_err().status(), Some(401));
    assert_eq!(ground.hits(), [2]);
}

#[test]
fn a_busy_vault_is_asked_again_and_a_refusal_is_not() {
    let ground = ground();
    let vault = ground.vault("acme", app());
    ground.faults(json!([{"operation": "KeyList", "times": 4, "then": {"status": 429, "retryAfter": 0}}]));
    assert!(vault.tenant().is_err());
    vault.call(Method::GET, "/keys", None).unwrap();
    ground.faults(json!([{"operation": "KeyList", "times": 3, "then": {"status": 429, "retryAfter": 0}}]));
    vault.call(Method::GET, "/keys", None).unwrap();
    ground.faults(json!([{"operation": "KeyList", "then": {"status": 503, "retryAfter": 0}}]));
    assert_eq!(vault.call(Method::GET, "/keys", None).unwrap_err().status(), Some(503));
    assert_eq!(ground.hits(), [4]);
    ground.faults(json!([{"operation": "KeyGet", "then": {"delay": "PT0S"}}]));
    assert_eq!(vault.key("absent", None).unwrap_err().status(), Some(404));
    assert_eq!(ground.hits(), [1]);
}

#[test]
fn a_refusal_says_what_is_missing_and_which_field_is_wrong() {
    let ground = ground();
    let failure = ground.vault("acme", app()).create_key("k", &json!({"kty": "AES"})).unwrap_err();
    let text = "400 BadParameter: Property has invalid value (kty: use RSA, ";
    assert!(failure.to_string().starts_with(text), "{failure}");
    assert_eq!(failure.missing(), None);
    let bearer = Credential::bearer(ground.server.token("nobody").unwrap());
    let failure = ground.vault("acme", bearer).key("k", None).unwrap_err();
    assert_eq!((failure.status(), failure.missing()), (Some(403), Some("keys/get")));
}

#[test]
fn who_is_not_trusted_is_not_spoken_to() {
    let ground = ground();
    let stranger = TrustStore::default().agent();
    let vault = VaultClient::new(stranger, ground.server.vault_url("acme").unwrap(), app()).unwrap();
    let failure = vault.tenant().unwrap_err();
    assert!(matches!(&failure, RequestError::UnknownCa { .. }), "{failure:?}");
    let why = failure.to_string();
    let says_what_to_do = ["SSL_CERT_FILE", "--ca", "keyhaven ca export"].iter().all(|part| why.contains(part));
    assert!(why.starts_with("no answer: acme.vault.localhost:") && says_what_to_do, "{why}");
    let elsewhere = VaultClient::new(ground.agent, "https://nobody.vault.localhost:1", app()).unwrap();
    assert!(elsewhere.tenant().unwrap_err().to_string().starts_with("no answer: nobody.vault.localhost:1: "));
}

#[test]
fn a_host_whose_resource_would_be_good_elsewhere_gets_no_token() {
    let ground = ground();
    let bare = format!("https://localhost:{}", ground.server.port());
    let vault = VaultClient::new(ground.agent, &bare, app()).unwrap();
    let message = vault.key("k", None).unwrap_err().to_string();
    assert!(
        message.contains("asks for a token for https://vault.azure.net, which would be good elsewhere"),
        "{message}"
    );
}

#[test]
fn threads_share_a_vault() {
    let ground = ground();
    let vault = ground.vault("acme", app());
    std::thread::scope(|scope| {
        for at in 0..4 {
            let vault = &vault;
            scope.spawn(move || vault.set_secret(&format!("s{at}"), "x").unwrap());
        }
    });
    assert_eq!(vault.call(Method::GET, "/secrets", None).unwrap()["value"].as_array().unwrap().len(), 4);
}
