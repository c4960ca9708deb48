//! Keys from create to purge; what is signed is checked outside the vault too.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use azure_core::http::StatusCode;
use azure_security_keyvault_keys::models::{
    CreateKeyParameters, CurveName, EncryptionAlgorithm, JsonWebKey, Key, KeyClientSignOptions, KeyOperationParameters,
    KeyType, RestoreKeyParameters, SignParameters, SignatureAlgorithm, VerifyParameters,
};
use azure_security_keyvault_keys::{KeyClient, ResourceExt};
use futures::TryStreamExt;

use crate::production::{COPY, VAULT, credential, forbidden, keys, nobody, not_found, refused};

const MESSAGE: &[u8] = b"a message";
const DATA_KEY: [u8; 32] = [7; 32];

fn rsa() -> CreateKeyParameters {
    CreateKeyParameters { kty: Some(KeyType::Rsa), key_size: Some(2048), ..Default::default() }
}

fn p256() -> CreateKeyParameters {
    CreateKeyParameters { kty: Some(KeyType::Ec), curve: Some(CurveName::P256), ..Default::default() }
}

async fn create(client: &KeyClient, name: &str, kind: CreateKeyParameters) -> Key {
    client.create_key(name, kind.try_into().unwrap(), None).await.unwrap().into_model().unwrap()
}

fn version(key: &Key) -> String {
    key.resource_id().unwrap().version.unwrap()
}

fn oaep(value: Vec<u8>) -> KeyOperationParameters {
    let algorithm = Some(EncryptionAlgorithm::RsaOaep256);
    KeyOperationParameters { algorithm, value: Some(value), ..Default::default() }
}

async fn wrap(client: &KeyClient, name: &str) -> Vec<u8> {
    let parameters = oaep(DATA_KEY.to_vec()).try_into().unwrap();
    client.wrap_key(name, parameters, None).await.unwrap().into_model().unwrap().result.unwrap()
}

async fn unwrap(client: &KeyClient, name: &str, version: &str, wrapped: Vec<u8>) -> Vec<u8> {
    let parameters = oaep(wrapped).try_into().unwrap();
    client.unwrap_key(name, version, parameters, None).await.unwrap().into_model().unwrap().result.unwrap()
}

#[tokio::test]
async fn a_key_wraps_and_a_new_version_does_not_unwrap() {
    let client = keys(VAULT, credential());
    let first = version(&create(&client, "wrapping", rsa()).await);
    let wrapped = wrap(&client, "wrapping").await;
    assert_eq!(wrapped.len(), 256);
    assert_eq!(unwrap(&client, "wrapping", "", wrapped.clone()).await, DATA_KEY);

    create(&client, "wrapping", rsa()).await;
    assert_eq!(unwrap(&client, "wrapping", &first, wrapped.clone()).await, DATA_KEY);
    let latest = refused(client.unwrap_key("wrapping", "", oaep(wrapped).try_into().unwrap(), None).await);
    assert_eq!((latest.0, latest.1.as_str()), (StatusCode::BadRequest, "BadParameter"));
}

#[tokio::test]
async fn an_rsa_key_signs() {
    let key = signs("signing-rsa", rsa(), SignatureAlgorithm::Ps256).await;
    let public = RsaPublicKeyComponents { n: key.0.n.unwrap(), e: key.0.e.unwrap() };
    public.verify(&RSA_PSS_2048_8192_SHA256, MESSAGE, &key.1).unwrap();
}

#[tokio::test]
async fn an_ec_key_signs() {
    let key = signs("signing-ec", p256(), SignatureAlgorithm::Es256).await;
    let point = [vec![4], key.0.x.unwrap(), key.0.y.unwrap()].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(MESSAGE, &key.1).unwrap();
}

/// A new key and its signature of MESSAGE, which the vault finds to be one, and not one of anything else.
async fn signs(name: &str, kind: CreateKeyParameters, algorithm: SignatureAlgorithm) -> (JsonWebKey, Vec<u8>) {
    let client = keys(VAULT, credential());
    let key = create(&client, name, kind).await;
    let digested = digest(&SHA256, MESSAGE).as_ref().to_vec();
    let parameters = SignParameters { algorithm: Some(algorithm.clone()), value: Some(digested.clone()) };
    let options = KeyClientSignOptions { key_version: Some(version(&key)), ..Default::default() };
    let signed = client.sign(name, parameters.try_into().unwrap(), Some(options)).await.unwrap().into_model().unwrap();
    let signature = signed.result.unwrap();

    for (value, valid) in [(digested, true), (digest(&SHA256, b"another").as_ref().to_vec(), false)] {
        let (algorithm, signature) = (Some(algorithm.clone()), Some(signature.clone()));
        let parameters = VerifyParameters { algorithm, digest: Some(value), signature };
        let verified = client.verify(name, &version(&key), parameters.try_into().unwrap(), None).await.unwrap();
        assert_eq!(verified.into_model().unwrap().value, Some(valid));
    }
    (key.key.unwrap(), signature)
}

#[tokio::test]
async fn a_key_is_listed_deleted_recovered_and_purged() {
    let client = keys(VAULT, credential());
    let made = create(&client, "life", p256()).await;
    let listed: Vec<_> = client.list_key_properties(None).unwrap().try_collect().await.unwrap();
    assert!(listed.iter().any(|item| item.resource_id().unwrap().name == "life"));

    let deleted = client.delete_key("life", None).await.unwrap().into_model().unwrap();
    assert_eq!(deleted.recovery_id, Some(format!("{VAULT}/deletedkeys/life")));
    assert_eq!(refused(client.get_key("life", None).await), not_found("KeyNotFound"));
    let listed: Vec<_> = client.list_deleted_key_properties(None).unwrap().try_collect().await.unwrap();
    assert!(listed.iter().any(|item| item.resource_id().unwrap().name == "life"));

    client.recover_deleted_key("life", None).await.unwrap();
    let recovered = client.get_key("life", None).await.unwrap().into_model().unwrap();
    assert_eq!(recovered.key.unwrap().x, made.key.unwrap().x);

    client.delete_key("life", None).await.unwrap();
    assert_eq!(client.purge_deleted_key("life", None).await.unwrap().status(), StatusCode::NoContent);
    assert_eq!(refused(client.get_deleted_key("life", None).await), not_found("KeyNotFound"));
}

#[tokio::test]
async fn a_backup_is_restored_in_another_vault() {
    let (client, copy) = (keys(VAULT, credential()), keys(COPY, credential()));
    create(&client, "saved", rsa()).await;
    let wrapped = wrap(&client, "saved").await;
    let key_backup = client.backup_key("saved", None).await.unwrap().into_model().unwrap().value;
    let restore = RestoreKeyParameters { key_backup };
    copy.restore_key(restore.try_into().unwrap(), None).await.unwrap();
    assert_eq!(unwrap(&copy, "saved", "", wrapped).await, DATA_KEY);
}

#[tokio::test]
async fn who_has_no_permission_is_refused() {
    let client = keys(VAULT, nobody());
    assert_eq!(refused(client.get_key("wrapping", None).await), forbidden());
    assert_eq!(refused(client.create_key("mine", rsa().try_into().unwrap(), None).await), forbidden());
    let parameters = oaep(DATA_KEY.to_vec()).try_into().unwrap();
    assert_eq!(refused(client.wrap_key("wrapping", parameters, None).await), forbidden());
}
