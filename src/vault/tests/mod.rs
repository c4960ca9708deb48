//! What cannot be seen from outside: damaged records, a full pool, what lies on the disk.

mod copies;
mod copies_model;
mod events;
mod several;

use std::sync::Arc;

use rsa::PrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PrivateKeyParts;
use uuid::Uuid;

use super::keys::{KeyRecord, KeySpec, KeyType, NewKey};
use super::object::{FoundVersion, PageRequest};
use super::*;
use crate::clock::Timestamp;
use crate::crypto::algorithm::{RsaSignature, SignatureAlgorithm};
use crate::crypto::base64url;
use crate::crypto::rsa::RsaSize;
use crate::random::{self, SeededRandom};
use crate::records::Change;
use crate::store::{Batch, DataKey, MasterKey, RedbOptions, Store, StoreError};

pub(super) fn memory() -> Store {
    Store::memory(DataKey::from_bytes(random::secret())).unwrap()
}

pub(super) fn open(store: &Store, pool: &Pool, seed: u64) -> Vaults {
    let backup_key: BackupKeySource = Arc::new(|| Err(StoreError::Closed));
    let (records, random) = (Records::new(store.clone()), Arc::new(SeededRandom::new(seed)));
    Vaults::new(Deps { records, pool: pool.clone(), random, backup_key, parsed_keys: 10, observer: Arc::new(|_| ()) })
}

async fn world(store: &Store, pool: &Pool) -> (Vaults, Call) {
    let vaults = open(store, pool, 1);
    let name = VaultName::local();
    vaults.apply(local(vec![]), Timestamp::from_unix(1)).await.unwrap();
    let vault = vaults.find(&name).await.unwrap().unwrap();
    (vaults, Call::by_server(vault, Timestamp::from_unix(1)))
}

/// What an RSA key is made with.
fn rsa() -> (NewKey, KeySpec) {
    (NewKey::of(KeyType::Rsa), KeySpec::Rsa { size: RsaSize::Bits2048, exponent: 65537 })
}

async fn create(vaults: &Vaults, call: &Call) -> Result<FoundVersion<KeyRecord>, Refusal> {
    let (new, spec) = rsa();
    vaults.keys(call).create(&name(), new, spec).await
}

fn name() -> ObjectName {
    ObjectName::parse("k").unwrap()
}

/// The keys of the records below `prefix`.
pub(super) async fn records(store: &Store, prefix: &str) -> Vec<EntryKey> {
    let view = store.view().await.unwrap();
    let found = view.keys(&EntryKey::from(prefix), None, usize::MAX).await.unwrap();
    found.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test]
async fn a_lost_record_is_damage_and_never_a_404() {
    for lost in ["object/", "version/", "material/"] {
        let (store, pool) = (memory(), Pool::start(1, 10));
        let (vaults, call) = world(&store, &pool).await;
        create(&vaults, &call).await.unwrap();
        let key = records(&store, lost).await.remove(0);
        store.commit(Batch::default().delete(key)).await.unwrap();
        // As another process would find it: nothing parsed is in memory.
        let fresh = open(&store, &pool, 2);
        let digest = vec![0; 32];
        let sign = keys::KeyUse::Sign { alg: SignatureAlgorithm::Rsa(RsaSignature::Rs256), digest };
        let refused = fresh.keys(&call).operate(&name(), None, sign).await.err().unwrap();
        assert!(
            matches!(&refused, Refusal::Damaged { record, .. } if record.contains("/keys/K")),
            "{lost} {refused:?}"
        );
    }
}

#[tokio::test]
async fn versions_without_their_head_are_damage_for_every_caller() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let (vaults, call) = world(&store, &pool).await;
    create(&vaults, &call).await.unwrap();
    let head = records(&store, "object/").await.remove(0);
    store.commit(Batch::default().delete(head)).await.unwrap();
    let page = PageRequest { after: None, limit: 25 };
    for refused in [
        vaults.keys(&call).list_versions(&name(), &page).await.err(),
        create(&vaults, &call).await.err(),
        vaults.keys(&call).get(&name(), None).await.err(),
    ] {
        assert!(matches!(&refused, Some(Refusal::Damaged { record, .. }) if record.contains("/keys/K")), "{refused:?}");
    }
    assert_eq!(records(&store, "version/").await.len(), 1, "nothing was added");
}

#[tokio::test]
async fn a_version_list_that_lacks_a_version_is_damage() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let (vaults, call) = world(&store, &pool).await;
    for _ in 0..3 {
        create(&vaults, &call).await.unwrap();
    }
    let latest = vaults.keys(&call).get(&name(), None).await.unwrap().version;
    let older = |key: &EntryKey| !key.to_string().ends_with(latest.as_str());
    let lost = records(&store, "version/").await.into_iter().find(older).unwrap();
    store.commit(Batch::default().delete(lost.clone())).await.unwrap();

    let page = PageRequest { after: None, limit: 25 };
    let refused = vaults.keys(&call).list_versions(&name(), &page).await.unwrap_err();
    assert!(matches!(refused, Refusal::Damaged { .. }), "{refused:?}");
    let version = Version::parse(lost.to_string().rsplit('/').next().unwrap()).unwrap();
    let refused = vaults.keys(&call).get(&name(), Some(&version)).await.unwrap_err();
    assert!(matches!(refused, Refusal::Damaged { .. }), "{refused:?}");
    assert!(vaults.keys(&call).get(&name(), None).await.is_ok(), "what is there is still answered");
}

#[tokio::test]
async fn a_full_pool_is_refused_and_nothing_is_made() {
    let (store, pool) = (memory(), Pool::start(1, 1));
    let (vaults, call) = world(&store, &pool).await;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let block = || {
        let (pool, held) = (pool.clone(), held.clone());
        tokio::spawn(async move { pool.generate(move || held.lock().unwrap().recv()).await })
    };
    let first = block();
    let mut refused = None;
    let second = block();
    for _ in 0..200 {
        match tokio::time::timeout(std::time::Duration::from_millis(20), create(&vaults, &call)).await {
            Ok(Err(refusal)) => {
                refused = Some(refusal);
                break;
            }
            Ok(Ok(_)) => panic!("the only thread is busy"),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    assert!(matches!(refused, Some(Refusal::Busy)), "{refused:?}");
    drop(release);
    let _ = (first.await, second.await);
    assert!(matches!(vaults.keys(&call).get(&name(), None).await, Err(Refusal::NotFound { .. })));
}

#[tokio::test]
async fn the_disk_shows_no_prime_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keyhaven.redb");
    let master = MasterKey::from_bytes(random::secret());
    let fresh = DataKey::from_bytes(random::secret());
    let store = Store::redb(&path, &master, fresh, RedbOptions::default()).unwrap();
    let pool = Pool::start(1, 10);
    let (vaults, call) = world(&store, &pool).await;
    let made = create(&vaults, &call).await.unwrap();
    let view = vaults.records().view().await.unwrap();
    let der = vaults.keys(&call).material(&view, &name(), &made.version).await.unwrap();
    drop(view);
    store.close().await;

    let bytes = std::fs::read(&path).unwrap();
    for prime in PrivateKey::from_pkcs8_der(&der).unwrap().primes() {
        let raw = prime.to_be_bytes_trimmed_vartime();
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        for needle in
            [raw.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes(), base64url::encode(&raw).into_bytes()]
        {
            assert!(needle.len() >= 128 && !bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
}

pub(super) fn secret() -> secrets::NewSecret {
    let attributes = object::AttributesPatch::default();
    secrets::NewSecret { value: "v".to_owned().into(), content_type: None, attributes, tags: None }
}

/// The vault `local` as a configuration entry, with a policy or without.
fn local(access_policies: Vec<crate::access::AccessPolicy>) -> InitialVault {
    InitialVault { access_policies, ..InitialVault::named(VaultName::local(), Sku::Premium) }
}

/// Writes of every kind by a call whose guards are broken: each is [`Refusal::Busy`].
async fn assert_no_write_is_committed(vaults: &Vaults, call: &Call) {
    let refused = [
        vaults.secrets(call).set(&name(), &secret()).await.err(),
        vaults.secrets(call).update(&name(), None, &secrets::SecretUpdate::default()).await.err(),
        vaults.secrets(call).delete(&name()).await.err(),
        create(vaults, call).await.err(),
    ];
    for refusal in refused {
        assert!(matches!(refusal, Some(Refusal::Busy)), "{refusal:?}");
    }
}

#[tokio::test]
async fn no_write_is_committed_whose_roles_have_changed() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let (vaults, call) = world(&store, &pool).await;
    let roles = EntryKey::from("roles");
    let call = call.guarded_by(Some((roles.clone(), 0)), false);
    vaults.secrets(&call).set(&name(), &secret()).await.unwrap();
    vaults
        .records()
        .update(|_| async {
            let batch = Batch::default().put(roles.clone(), vec![]);
            Ok::<_, Refusal>(Change { batch, answer: () })
        })
        .await
        .unwrap();
    assert_no_write_is_committed(&vaults, &call).await;
    assert!(vaults.secrets(&call).get(&name(), None).await.is_ok(), "what was read was allowed when it was asked for");
}

#[tokio::test]
async fn no_write_is_committed_that_was_decided_on_an_older_vault() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let (vaults, call) = world(&store, &pool).await;
    vaults.secrets(&call).set(&name(), &secret()).await.unwrap();
    let policy = crate::access::AccessPolicy {
        tenant_id: Uuid::nil(),
        object_id: Uuid::nil(),
        application_id: None,
        permissions: crate::access::Permissions::everything(),
    };
    vaults.put_vault(local(vec![policy]), Some(&call.vault), call.now).await.unwrap();
    let stale = vaults.put_vault(local(vec![]), Some(&call.vault), call.now).await.err();
    assert!(matches!(stale, Some(Refusal::Busy)), "what was decided on what is no more does not count: {stale:?}");
    assert_no_write_is_committed(&vaults, &call).await;
    vaults.delete_vault(&call.vault.name).await.unwrap();
    assert!(matches!(vaults.secrets(&call).set(&name(), &secret()).await, Err(Refusal::Busy)));
    vaults.put_vault(local(vec![]), None, call.now).await.unwrap();
    assert!(matches!(vaults.secrets(&call).set(&name(), &secret()).await, Err(Refusal::Busy)), "another of its name");
    let again = Call::by_server(vaults.find(&call.vault.name).await.unwrap().unwrap(), call.now);
    assert!(vaults.secrets(&again).set(&name(), &secret()).await.is_ok());
}

#[tokio::test]
async fn what_is_recovered_or_purged_is_scheduled_no_more() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let (vaults, call) = world(&store, &pool).await;
    vaults.secrets(&call).set(&name(), &secret()).await.unwrap();
    vaults.secrets(&call).delete(&name()).await.unwrap();
    assert_eq!(records(&store, "due/").await.len(), 1);
    vaults.secrets(&call).recover(&name()).await.unwrap();
    assert_eq!(records(&store, "due/").await.len(), 0);
    vaults.secrets(&call).delete(&name()).await.unwrap();
    vaults.secrets(&call).purge(&name()).await.unwrap();
    for place in ["due/", "deleted/", "object/", "version/", "material/"] {
        assert_eq!(records(&store, place).await, [], "{place}");
    }
}

#[tokio::test]
async fn what_a_deleted_vault_held_is_swept_away_in_pieces() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let (vaults, call) = world(&store, &pool).await;
    for number in 0..1100 {
        let name = ObjectName::parse(&format!("s{number}")).unwrap();
        vaults.secrets(&call).set(&name, &secret()).await.unwrap();
    }
    vaults.delete_vault(&call.vault.name).await.unwrap();
    assert_eq!(vaults.sweep().await.unwrap(), 3300);
    let (all, events) = (records(&store, "").await, records(&store, "event/").await);
    assert_eq!((all.len(), events.len()), (1100, 1100), "events stay");
    assert_eq!(vaults.sweep().await.unwrap(), 0);
}
