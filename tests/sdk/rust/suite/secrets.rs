//! Secrets from set to purge.

use std::collections::BTreeSet;

use azure_core::http::StatusCode;
use azure_security_keyvault_secrets::models::{
    RestoreSecretParameters, Secret, SecretClientGetSecretOptions, SetSecretParameters,
};
use azure_security_keyvault_secrets::{ResourceExt, SecretClient};
use futures::TryStreamExt;

use crate::production::{COPY, Refused, VAULT, credential, forbidden, nobody, not_found, refused, secrets};

pub async fn set(client: &SecretClient, name: &str, value: &str) -> Secret {
    let parameters = SetSecretParameters { value: Some(value.to_owned()), ..Default::default() };
    client.set_secret(name, parameters.try_into().unwrap(), None).await.unwrap().into_model().unwrap()
}

pub async fn value(client: &SecretClient, name: &str) -> String {
    client.get_secret(name, None).await.unwrap().into_model().unwrap().value.unwrap()
}

fn version(secret: &Secret) -> String {
    secret.resource_id().unwrap().version.unwrap()
}

#[tokio::test]
async fn a_secret_has_versions() {
    let client = secrets(VAULT, credential());
    let (first, second) = (set(&client, "versions", "one").await, set(&client, "versions", "two").await);
    assert_eq!(first.resource_id().unwrap().vault_url, VAULT);
    assert_eq!(value(&client, "versions").await, "two");

    let secret_version = Some(version(&first));
    let options = SecretClientGetSecretOptions { secret_version, ..Default::default() };
    let old = client.get_secret("versions", Some(options)).await.unwrap().into_model().unwrap();
    assert_eq!(old.value.as_deref(), Some("one"));

    let listed: Vec<_> = client.list_secret_properties_versions("versions", None).unwrap().try_collect().await.unwrap();
    let listed: BTreeSet<_> = listed.iter().map(|item| item.resource_id().unwrap().version.unwrap()).collect();
    assert_eq!(listed, BTreeSet::from([version(&first), version(&second)]));
}

#[tokio::test]
async fn a_secret_is_listed_deleted_recovered_and_purged() {
    let client = secrets(VAULT, credential());
    let made = set(&client, "life", "kept").await;
    let listed: Vec<_> = client.list_secret_properties(None).unwrap().try_collect().await.unwrap();
    assert!(listed.iter().any(|item| item.resource_id().unwrap().name == "life"));

    let deleted = client.delete_secret("life", None).await.unwrap().into_model().unwrap();
    assert_eq!(deleted.recovery_id, Some(format!("{VAULT}/deletedsecrets/life")));
    assert_eq!(refused(client.get_secret("life", None).await), not_found("SecretNotFound"));
    let listed: Vec<_> = client.list_deleted_secret_properties(None).unwrap().try_collect().await.unwrap();
    assert!(listed.iter().any(|item| item.resource_id().unwrap().name == "life"));

    let recovered = client.recover_deleted_secret("life", None).await.unwrap().into_model().unwrap();
    assert_eq!(recovered.id, made.id);
    assert_eq!(value(&client, "life").await, "kept");

    client.delete_secret("life", None).await.unwrap();
    assert_eq!(client.purge_deleted_secret("life", None).await.unwrap().status(), StatusCode::NoContent);
    assert_eq!(refused(client.get_deleted_secret("life", None).await), not_found("SecretNotFound"));
}

#[tokio::test]
async fn a_backup_is_restored_in_another_vault() {
    let (client, copy) = (secrets(VAULT, credential()), secrets(COPY, credential()));
    let made = set(&client, "saved", "kept").await;
    let backup = client.backup_secret("saved", None).await.unwrap().into_model().unwrap().value;
    let restore = RestoreSecretParameters { secret_backup: backup };
    let restored = copy.restore_secret(restore.clone().try_into().unwrap(), None).await.unwrap().into_model().unwrap();
    assert_eq!(version(&restored), version(&made));
    assert_eq!(value(&copy, "saved").await, "kept");
    let again = refused(copy.restore_secret(restore.try_into().unwrap(), None).await);
    assert_eq!(again, Refused(StatusCode::Conflict, "Conflict".to_owned(), None));
}

#[tokio::test]
async fn who_has_no_permission_is_refused() {
    let client = secrets(VAULT, nobody());
    assert_eq!(refused(client.get_secret("versions", None).await), forbidden());
    let parameters = SetSecretParameters { value: Some("mine".to_owned()), ..Default::default() };
    assert_eq!(refused(client.set_secret("mine", parameters.try_into().unwrap(), None).await), forbidden());
}
