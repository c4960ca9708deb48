//! The quickstarts of Azure Key Vault for Rust: keeps a secret, and wraps a data key with a key that never leaves its
//! vault. The SDK for Rust has no `DefaultAzureCredential`; where code runs in Azure, it takes the managed identity.
//!
//! This is what production code looks like: nothing in it knows of Keyhaven. To run it:
//!
//!     keyhaven run -- cargo run --manifest-path examples/rust/Cargo.toml

use std::env;
use std::error::Error;

use azure_identity::ManagedIdentityCredential;
use azure_security_keyvault_keys::KeyClient;
use azure_security_keyvault_keys::models::{CreateKeyParameters, EncryptionAlgorithm, KeyOperationParameters, KeyType};
use azure_security_keyvault_secrets::SecretClient;
use azure_security_keyvault_secrets::models::SetSecretParameters;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let vault = format!("https://{}.vault.azure.net", env::var("KEY_VAULT_NAME")?);
    let credential = ManagedIdentityCredential::new(None)?;

    let secrets = SecretClient::new(&vault, credential.clone(), None)?;
    let secret = SetSecretParameters { value: Some("a secret value".to_owned()), ..Default::default() };
    secrets.set_secret("ExamplePassword", secret.try_into()?, None).await?;
    let secret = secrets.get_secret("ExamplePassword", None).await?.into_model()?;
    println!("secret    {}", secret.value.unwrap_or_default());

    let keys = KeyClient::new(&vault, credential, None)?;
    let kind = CreateKeyParameters { kty: Some(KeyType::Rsa), ..Default::default() };
    keys.create_key("ExampleKey", kind.try_into()?, None).await?;
    let algorithm = Some(EncryptionAlgorithm::RsaOaep256);
    let data_key = KeyOperationParameters { algorithm, value: Some(b"a data key".to_vec()), ..Default::default() };
    let wrapped = keys.wrap_key("ExampleKey", data_key.clone().try_into()?, None).await?.into_model()?;
    let wrapped = KeyOperationParameters { value: wrapped.result, ..data_key };
    let unwrapped = keys.unwrap_key("ExampleKey", "", wrapped.try_into()?, None).await?.into_model()?;
    println!("unwrapped {}", String::from_utf8(unwrapped.result.unwrap_or_default())?);
    Ok(())
}
