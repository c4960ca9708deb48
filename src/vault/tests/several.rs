//! Writes of several objects: one commit, one version id, or nothing.

use super::super::store_key::ObjectKey;
use super::super::write::Write;
use super::super::*;
use super::{create, memory, name, records, secret, world};
use crate::records::View;
use crate::store::Store;
use keys::KeyRecord;
use object::FoundVersion;
use secrets::SecretRecord;

type Both = (FoundVersion<KeyRecord>, FoundVersion<SecretRecord>);

/// Adds a version of the key and of the secret called `both`, with one version id.
async fn write_both(vaults: &Vaults, call: &Call, both: &ObjectName) -> Result<Both, Refusal> {
    let (keys, secrets) = (&vaults.keys(call), &vaults.secrets(call));
    let key = keys.get(&name(), None).await?;
    let view = vaults.records().view().await?;
    let material = &keys.material(&view, &name(), &key.version).await?;
    let (found, value) = secrets.get_value(&name(), None).await?;
    let value = &zeroize::Zeroizing::new(value.reveal().as_bytes().to_vec());
    let (key, secret, objects) = (&key.record, &found.record, &[keys.id(both), secrets.id(both)]);
    let decide = |view: View| async move {
        let version = &vaults.unused_version(&view, &call.vault, objects).await?;
        let (batch, key) = keys.adding(&view, call.guarded_batch(), (both, version), key, material).await?;
        let (batch, secret) = secrets.adding(&view, batch, (both, version), secret, value).await?;
        Ok(Write { batch, events: vec![key.event, secret.event], answer: (key.found, secret.found) })
    };
    vaults.write(call, objects, decide).await
}

async fn revision(store: &Store, call: &Call, kind: Kind, name: &ObjectName) -> Option<Revision> {
    let key = ObjectKey::new(Table::Object, call.vault.layer(), kind, name).to_key();
    store.view().await.unwrap().revision_of(&key).await.unwrap()
}

#[tokio::test]
async fn a_key_and_a_secret_get_one_version_id_in_one_commit() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let (vaults, call) = world(&store, &pool).await;
    create(&vaults, &call).await.unwrap();
    vaults.secrets(&call).set(&name(), &secret()).await.unwrap();
    let both = ObjectName::parse("both").unwrap();
    vaults.take_new_events();
    let (key, secret) = write_both(&vaults, &call, &both).await.unwrap();
    assert_eq!(key.version, secret.version);
    let of = async |kind| revision(&store, &call, kind, &both).await;
    assert_eq!(of(Kind::Key).await, of(Kind::Secret).await, "the same commit put both heads");
    assert!(matches!(vaults.take_new_events(), NewEvents::Numbers(numbers) if numbers.len() == 2));
    assert_eq!(vaults.keys(&call).get(&both, None).await.unwrap().version, key.version);
    assert_eq!(vaults.secrets(&call).get_value(&both, Some(&key.version)).await.unwrap().1.reveal(), "v");
}

#[tokio::test]
async fn when_one_object_cannot_be_written_none_is() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let (vaults, call) = world(&store, &pool).await;
    create(&vaults, &call).await.unwrap();
    vaults.secrets(&call).set(&name(), &secret()).await.unwrap();
    let both = ObjectName::parse("both").unwrap();
    vaults.secrets(&call).set(&both, &secret()).await.unwrap();
    vaults.secrets(&call).delete(&both).await.unwrap();
    let before = records(&store, "").await;
    let refused = write_both(&vaults, &call, &both).await.err();
    assert!(matches!(refused, Some(Refusal::DeletedButRecoverable { kind: Kind::Secret, .. })), "{refused:?}");
    assert_eq!(records(&store, "").await, before);
    assert!(matches!(vaults.keys(&call).get(&both, None).await, Err(Refusal::NotFound { .. })));
}
