//! Every credential of the SDK that does not need a person: each is who it says, and what it gets opens the vault.

use std::process::Command;
use std::sync::Arc;

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::ClientMethodOptions;
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientSecretCredential, ManagedIdentityCredential, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use serde_json::Value;

use crate::production::{
    NOBODY, Source, VAULT, assigned, claims, credential, forbidden, nobody, refused, secrets, source, tenant,
};
use crate::secrets::{set, value};

/// The identity that a request for a token gets which names none.
const DEFAULT: &str = "6b9e7c1a-0000-4000-8000-00000000c11e";
/// Any client id is as good as that one.
const APPLICATION: &str = "0f0e0d0c-0000-4000-8000-000000000001";
const THEIRS: &str = "0f0e0d0c-0000-4000-8000-000000000002";
const NOBODY_OBJECT: &str = "6b9e7c1a-0000-4000-8000-0000000000b2";
const NOBODY_RESOURCE: &str = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven/providers\
                               /Microsoft.ManagedIdentity/userAssignedIdentities/nobody";

/// Asserts who `credential` is, and that it may keep and read secrets.
async fn opens_the_vault_as(client_id: &str, credential: Arc<dyn TokenCredential>) {
    is(client_id, &*credential).await;
    let client = secrets(VAULT, credential);
    set(&client, client_id, "kept").await;
    assert_eq!(value(&client, client_id).await, "kept");
}

async fn is(client_id: &str, credential: &dyn TokenCredential) {
    let claims = claims(credential).await;
    assert_eq!(claims["appid"], Value::from(client_id));
    assert_eq!(claims["tid"], Value::from(tenant()));
    assert_eq!(claims["aud"], Value::from("https://vault.azure.net"));
}

/// Asserts that `credential` is the identity that may do nothing, and that the vault says so.
async fn is_refused(credential: Arc<dyn TokenCredential>) {
    is(NOBODY, &*credential).await;
    assert_eq!(refused(secrets(VAULT, credential).get_secret("any", None).await), forbidden());
}

#[tokio::test]
async fn as_the_managed_identity() {
    opens_the_vault_as(DEFAULT, credential()).await;
}

#[tokio::test]
async fn as_a_managed_identity_by_client_id() {
    is_refused(nobody()).await;
}

#[tokio::test]
async fn as_a_managed_identity_by_object_id() {
    is_refused(assigned(UserAssignedId::ObjectId(NOBODY_OBJECT.to_owned())).unwrap()).await;
}

/// Of App Service the SDK itself does not take a resource id (azure-sdk-for-rust issue 2407).
#[tokio::test]
async fn as_a_managed_identity_by_resource_id() {
    let credential = assigned(UserAssignedId::ResourceId(NOBODY_RESOURCE.to_owned()));
    match source() {
        Source::Imds => is_refused(credential.unwrap()).await,
        Source::AppService => assert_eq!(
            credential.unwrap_err().to_string(),
            "User-assigned resource IDs aren't supported for App Service. Use a client or object ID instead."
        ),
    }
}

/// An identity that Keyhaven has never heard of is there as soon as it is asked for.
#[tokio::test]
async fn as_a_managed_identity_that_production_has() {
    opens_the_vault_as(THEIRS, assigned(UserAssignedId::ClientId(THEIRS.to_owned())).unwrap()).await;
}

#[tokio::test]
async fn with_a_client_secret() {
    let secret = Secret::new("hush");
    let credential = ClientSecretCredential::new(&tenant(), APPLICATION.to_owned(), secret, None).unwrap();
    opens_the_vault_as(APPLICATION, credential).await;
}

#[tokio::test]
async fn with_a_client_secret_of_who_may_do_nothing() {
    let secret = Secret::new("hush");
    is_refused(ClientSecretCredential::new(&tenant(), NOBODY.to_owned(), secret, None).unwrap()).await;
}

/// A federated token as Kubernetes would put it into a file.
#[tokio::test]
async fn as_a_workload() {
    let keyhaven = std::env::var_os("KEYHAVEN_BIN").expect("KEYHAVEN_BIN names the binary to test");
    let told = Command::new(keyhaven).args(["identity", "token", "default", "--federated"]).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{:?}.jwt", source()));
    std::fs::write(&file, told.stdout).unwrap();
    let options = WorkloadIdentityCredentialOptions { token_file_path: Some(file), ..Default::default() };
    opens_the_vault_as(DEFAULT, WorkloadIdentityCredential::new(Some(options)).unwrap()).await;
}

/// An application that trusts a managed identity, as azure_identity's README has it: its token is the assertion.
#[derive(Debug)]
struct Trusted(Arc<ManagedIdentityCredential>);

#[async_trait::async_trait]
impl ClientAssertion for Trusted {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let token = self.0.get_token(&["api://AzureADTokenExchange/.default"], None).await?;
        Ok(token.token.secret().to_owned())
    }
}

#[tokio::test]
async fn as_an_application_that_trusts_a_managed_identity() {
    let (tenant, application) = (tenant(), APPLICATION.to_owned());
    let credential = ClientAssertionCredential::new(tenant, application, Trusted(credential()), None).unwrap();
    opens_the_vault_as(APPLICATION, credential).await;
}
