//! Tokens on the wrong side of their times, keys, tenants and identities; and the keys that sign them, over months.

use std::sync::Arc;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;
use crate::clock::{Timestamp, VirtualClock};
use crate::crypto::pool::Pool;
use crate::crypto::rsa::test_keys::RSA_2048;
use crate::directory::Tenant;
use crate::random;
use crate::records::Records;
use crate::resource_id::SubscriptionId;
use crate::store::{DataKey, Store};

const HERE: &str = "https://vault.azure.net";

fn someone() -> IdentityRecord {
    IdentityRecord {
        name: "someone".to_owned(),
        client_id: Uuid::from_u128(1),
        object_id: Uuid::from_u128(2),
        resource_id: "/resource".to_owned(),
        ..IdentityRecord::default()
    }
}

fn without_keys(tenant: u128, store: &Store, clock: &Arc<VirtualClock>) -> Directory {
    let tenant = Tenant { id: Uuid::from_u128(tenant), subscription: SubscriptionId(Uuid::nil()) };
    Directory::new(tenant, Records::new(store.clone()), clock.clone(), 10)
}

async fn import_key(store: &Store, clock: &Arc<VirtualClock>) {
    without_keys(9, store, clock).import_issuer_key(&Zeroizing::new(RSA_2048.to_vec())).await.unwrap();
}

async fn directory(tenant: u128, store: &Store, clock: &Arc<VirtualClock>) -> Directory {
    let directory = without_keys(tenant, store, clock);
    directory.prepare_issuer(&Pool::start(1, 10)).await.unwrap();
    directory
}

async fn world() -> (Directory, Store, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::frozen_at(Timestamp::from_unix(1_000_000)));
    let store = Store::memory(DataKey::from_bytes(random::secret())).unwrap();
    import_key(&store, &clock).await;
    let directory = directory(9, &store, &clock).await;
    directory.ensure(&[someone()]).await.unwrap();
    (directory, store, clock)
}

#[tokio::test]
async fn a_damaged_key_fails_every_token_request_at_once() {
    let (one, store, clock) = world().await;
    let token = one.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
    store.commit(crate::store::Batch::default().put("issuer/current", b"{}".to_vec())).await.unwrap();
    let again = without_keys(9, &store, &clock);
    assert_eq!(again.issuer_failure(), None);
    assert!(again.prepare_issuer(&Pool::start(1, 10)).await.is_err());
    assert!(again.issuer_failure().is_some());
    let asked = tokio::time::timeout(
        std::time::Duration::from_secs(5),
        again.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity),
    )
    .await;
    assert!(asked.unwrap().is_err(), "no caller waits for a key that never comes");
    let checked = again.authenticate(&token, &[HERE]).await;
    assert!(matches!(checked, Err(TokenRefusal::Record(_))), "{checked:?}");
}

#[tokio::test]
async fn a_token_is_good_from_its_first_second_to_the_one_before_its_last() {
    let (directory, _, clock) = world().await;
    let token = directory.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
    let ask = async || directory.authenticate(&token, &[HERE]).await;
    assert_eq!(ask().await.unwrap().identity.object_id, someone().object_id);
    clock.set(Timestamp::from_unix(999_999));
    assert!(matches!(ask().await, Err(TokenRefusal::NotYetValid)), "though its signature is remembered");
    clock.advance(LIFETIME);
    assert!(ask().await.is_ok());
    clock.advance(1);
    assert!(matches!(ask().await, Err(TokenRefusal::Expired)));
}

#[tokio::test]
async fn an_audience_is_compared_as_resources_are() {
    let (directory, ..) = world().await;
    for (resource, good) in [
        ("https://VAULT.azure.net", true),
        ("https://vault.azure.net//", true),
        ("https://vault.azure.net.example", false),
        ("https://vault.azure.net:8443", false),
    ] {
        let token =
            directory.issue(&someone(), resource, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
        assert_eq!(directory.authenticate(&token, &[HERE]).await.is_ok(), good, "{resource}");
    }
}

#[tokio::test]
async fn a_token_of_an_identity_that_does_not_exist_is_refused() {
    let (directory, ..) = world().await;
    let stranger = IdentityRecord { object_id: Uuid::from_u128(7), ..someone() };
    let token = directory.issue(&stranger, HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
    let refused = directory.authenticate(&token, &[HERE]).await;
    assert!(matches!(refused, Err(TokenRefusal::NoSuchIdentity(id)) if id == stranger.object_id));
}

#[tokio::test]
async fn a_token_of_another_tenant_is_refused_though_its_key_is_ours() {
    let (directory, store, clock) = world().await;
    let other = self::directory(8, &store, &clock).await;
    let token = other.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
    let refused = directory.authenticate(&token, &[HERE]).await;
    assert!(matches!(refused, Err(TokenRefusal::WrongIssuer(found)) if found == other.issuer()));
}

#[tokio::test]
async fn the_issuers_key_is_generated_once() {
    let (imported, store, clock) = world().await;
    let again = directory(9, &store, &clock).await;
    assert_eq!(imported.public_keys().await.unwrap(), again.public_keys().await.unwrap());

    let store = Store::memory(DataKey::from_bytes(random::secret())).unwrap();
    let generated = directory(9, &store, &clock).await.public_keys().await.unwrap();
    assert_ne!(generated, imported.public_keys().await.unwrap());
    import_key(&store, &clock).await;
    let again = directory(9, &store, &clock).await;
    assert_eq!(generated, again.public_keys().await.unwrap(), "an import does not replace a stored key");
}

#[tokio::test]
async fn a_key_that_has_signed_for_a_month_is_followed_by_another_and_its_tokens_stay_good() {
    let (directory, store, clock) = world().await;
    let pool = Pool::start(1, 10);
    let due = directory.prepare_issuer(&pool).await.unwrap();
    assert_eq!(due, 1_000_000 + 30 * 86_400);
    clock.set(Timestamp::from_unix(due - 1));
    let token = directory.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
    let federated = directory.federated_token(&someone()).await.unwrap().access_token;
    assert_eq!(directory.prepare_issuer(&pool).await.unwrap(), due, "not a second early");
    let before = directory.public_keys().await.unwrap();

    clock.set(Timestamp::from_unix(due));
    assert_eq!(directory.prepare_issuer(&pool).await.unwrap(), due + 30 * 86_400);
    let after = directory.public_keys().await.unwrap();
    assert_eq!((before.len(), after.len(), &after[1]), (1, 2, &before[0]), "both are shown, the new one first");
    assert!(directory.authenticate(&token, &[HERE]).await.is_ok());
    let again = self::directory(9, &store, &clock).await;
    assert!(again.authenticate(&token, &[HERE]).await.is_ok(), "and after a restart");
    assert_eq!(
        again.inner.issuer.verify_claims::<FederatedClaims>(&federated).unwrap().sub,
        someone().client_id.to_string()
    );

    clock.set(Timestamp::from_unix(due + 30 * 86_400));
    directory.prepare_issuer(&pool).await.unwrap();
    let last = directory.public_keys().await.unwrap();
    assert_eq!((last.len(), &last[1]), (2, &after[0]), "what nothing good was signed with is gone");
}

#[tokio::test]
async fn a_key_goes_on_signing_when_the_next_one_cannot_be_made() {
    let (directory, _, clock) = world().await;
    let due = directory.prepare_issuer(&Pool::start(1, 10)).await.unwrap();
    clock.set(Timestamp::from_unix(due));
    let broken = Pool::start(1, 10);
    broken.stop();
    assert_eq!(directory.prepare_issuer(&broken).await.unwrap(), due + 60, "it is tried again after a minute");
    let token = directory.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
    assert!(directory.authenticate(&token, &[HERE]).await.is_ok());
    assert_eq!(directory.prepare_issuer(&Pool::start(1, 10)).await.unwrap(), due + 30 * 86_400);
    assert!(directory.authenticate(&token, &[HERE]).await.is_ok());
}

#[tokio::test]
async fn a_key_that_was_made_by_a_clock_far_ahead_is_followed_by_another() {
    let (directory, _, clock) = world().await;
    let (pool, before) = (Pool::start(1, 10), directory.public_keys().await.unwrap());
    clock.set(Timestamp::from_unix(1_000_000 - 86_400));
    assert_eq!(directory.prepare_issuer(&pool).await.unwrap(), 1_000_000 + 30 * 86_400, "clocks differ a little");
    clock.set(Timestamp::from_unix(1_000_000 - 86_401));
    assert_eq!(directory.prepare_issuer(&pool).await.unwrap(), 1_000_000 - 86_401 + 30 * 86_400);
    let after = directory.public_keys().await.unwrap();
    assert_eq!((after.len(), &after[1]), (2, &before[0]));
}

#[tokio::test]
async fn a_disabled_identity_gets_neither_token_and_keeps_its_credential() {
    let (directory, _, _) = world().await;
    let disabled = IdentityRecord { disabled: true, ..someone() };
    let refused = |issued: Result<IssuedToken, IssuerError>| issued.err().unwrap().to_string();
    let why = "the identity 'someone' is disabled";
    assert_eq!(refused(directory.federated_token(&disabled).await), why);
    assert_eq!(refused(directory.issue(&disabled, HERE, ClientAuthentication::ManagedIdentity).await), why);
    assert!(directory.federated_credential(&disabled).await.is_ok());
}

#[tokio::test]
async fn a_federated_token_is_no_access_token() {
    let (directory, ..) = world().await;
    let token = directory.federated_token(&someone()).await.unwrap().access_token;
    let refused = directory.authenticate(&token, &[HERE, EXCHANGE_AUDIENCE]).await;
    assert!(matches!(refused, Err(TokenRefusal::BadSignature)), "{refused:?}");
}
