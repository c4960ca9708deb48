//! Copies: what lies where, and what a copy costs.

use uuid::Uuid;

use super::super::object::PageRequest;
use super::super::*;
use super::{memory, open, records, secret};
use crate::clock::Timestamp;
use crate::crypto::algorithm::{RsaSignature, SignatureAlgorithm};
use crate::records::encode;
use crate::store::{Batch, Store};

pub(super) const NOW: Timestamp = Timestamp::from_unix(1_000);
const DAY: i64 = 86_400;

pub(super) fn named(name: &str) -> InitialVault {
    let name = VaultName::parse(name).unwrap();
    InitialVault { retention_days: 7, ..InitialVault::named(name, Sku::Premium) }
}

pub(super) async fn call(vaults: &Vaults, name: &str) -> Call {
    Call::by_server(vaults.find(&named(name).name).await.unwrap().unwrap(), NOW)
}

async fn copy(vaults: &Vaults, from: &str, to: &str) {
    let source = call(vaults, from).await.vault;
    vaults.copy_vault(&source, named(to), NOW).await.unwrap();
}

async fn set(vaults: &Vaults, vault: &str, name: &str) {
    vaults.secrets(&call(vaults, vault).await).set(&object(name), &secret()).await.unwrap();
}

async fn listed(vaults: &Vaults, vault: &str) -> Vec<String> {
    let page = PageRequest { after: None, limit: usize::MAX - 1 };
    let found = vaults.secrets(&call(vaults, vault).await).list(&page).await.unwrap();
    found.items.iter().map(|found| found.name.to_string()).collect()
}

pub(super) fn object(name: &str) -> ObjectName {
    ObjectName::parse(name).unwrap()
}

/// Every record but the events, which tell of vaults that are gone too.
pub(super) async fn everything(store: &Store) -> Vec<(EntryKey, Revision)> {
    let found = store.view().await.unwrap().keys(&EntryKey::from(""), None, usize::MAX).await.unwrap();
    found.into_iter().filter(|(key, _)| !key.to_string().starts_with("event/")).collect()
}

#[tokio::test]
async fn objects_are_counted_over_all_layers_whatever_the_piece() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = open(&store, &pool, 1);
    vaults.apply(named("source"), NOW).await.unwrap();
    for number in 0..5 {
        set(&vaults, "source", &format!("s{number}")).await;
    }
    copy(&vaults, "source", "first").await;
    set(&vaults, "first", "s1").await;
    set(&vaults, "first", "s5").await;
    vaults.secrets(&call(&vaults, "first").await).delete(&object("s2")).await.unwrap();
    for (vault, live, deleted) in [("source", 5, 0), ("first", 5, 1)] {
        let there = call(&vaults, vault).await.vault;
        for piece in [1, 2, 5, 100] {
            let counts = vaults.count_in_pieces(&there, piece).await.unwrap();
            let secrets = ObjectCount { kind: Kind::Secret, live, deleted };
            assert_eq!(counts, [ObjectCount { kind: Kind::Key, live: 0, deleted: 0 }, secrets], "{vault} {piece}");
        }
    }
}

#[tokio::test]
async fn a_copy_reads_and_writes_no_object_whatever_there_is() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = open(&store, &pool, 1);
    vaults.apply(named("source"), NOW).await.unwrap();
    for number in 0..100 {
        set(&vaults, "source", &format!("s{number}")).await;
    }
    let before = everything(&store).await;
    copy(&vaults, "source", "first").await;
    let once = everything(&store).await;
    copy(&vaults, "source", "second").await;
    let twice = everything(&store).await;
    let new = |before: &[(EntryKey, Revision)], after: &[(EntryKey, Revision)]| -> Vec<String> {
        let new = after.iter().filter(|found| !before.contains(found));
        let names = new.map(|(key, _)| key.to_string().split_once('/').unwrap().0.to_owned());
        names.collect()
    };
    assert_eq!((once.len(), new(&before, &once)), (302 + 1, ["layer", "vault", "vault"].map(String::from).to_vec()));
    assert_eq!(new(&once, &twice), ["vault"], "and the next one is its own record alone");
    for vault in ["source", "first", "second"] {
        assert_eq!(listed(&vaults, vault).await.len(), 100, "{vault}");
    }
}

#[tokio::test]
async fn what_is_in_memory_of_a_key_serves_every_copy() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = open(&store, &pool, 1);
    vaults.apply(named("source"), NOW).await.unwrap();
    let (new, spec) = super::rsa();
    let made = vaults.keys(&call(&vaults, "source").await).create(&object("k"), new, spec).await.unwrap();
    copy(&vaults, "source", "copy").await;
    let mut places = Vec::new();
    for vault in ["source", "copy"] {
        let (view, call) = (vaults.records().view().await.unwrap(), call(&vaults, vault).await);
        let keys = vaults.keys(&call);
        places.push(keys.layers().locate(&view, &keys.material_key(&made.name, &made.version)).await.unwrap().unwrap());
        let alg = SignatureAlgorithm::Rsa(RsaSignature::Rs256);
        let sign = keys::KeyUse::Sign { alg, digest: vec![0; 32] };
        vaults.keys(&call).operate(&made.name, None, sign).await.unwrap();
    }
    assert_eq!(places[0], places[1]);
    assert_eq!(vaults.inner.parsed_keys.len(), 1, "it was parsed once");
}

#[tokio::test]
async fn a_seed_that_is_used_again_brings_no_vault_or_layer_back() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let mut ids = std::collections::BTreeSet::new();
    for (source, to) in [("one", "two"), ("three", "four"), ("five", "six")] {
        let vaults = open(&store, &pool, 1);
        vaults.apply(named(source), NOW).await.unwrap();
        set(&vaults, source, source).await;
        copy(&vaults, source, to).await;
        for vault in [source, to] {
            let vault = call(&vaults, vault).await.vault;
            ids.extend([vault.id, vault.layer()]);
            assert_eq!(listed(&vaults, vault.name.as_str()).await, [source]);
        }
    }
    assert_eq!(ids.len(), 9, "three layers of each source and its copy");
}

#[tokio::test]
async fn a_frozen_layer_stays_as_long_as_a_vault_reads_it() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = open(&store, &pool, 1);
    vaults.apply(named("source"), NOW).await.unwrap();
    set(&vaults, "source", "old").await;
    copy(&vaults, "source", "one").await;
    copy(&vaults, "one", "two").await;
    set(&vaults, "one", "new").await;
    for (gone, swept, left) in [("source", 0, vec!["one", "two"]), ("one", 3, vec!["two"]), ("two", 3, vec![])] {
        assert!(vaults.delete_vault(&named(gone).name).await.unwrap());
        assert_eq!(vaults.sweep().await.unwrap(), swept, "{gone}");
        for vault in left {
            assert!(listed(&vaults, vault).await.contains(&"old".to_owned()), "{vault} without {gone}");
        }
    }
    assert_eq!(everything(&store).await, [], "nothing is left");
}

#[tokio::test]
async fn what_was_only_taken_away_in_a_copy_is_not_in_its_copies_either() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = open(&store, &pool, 1);
    vaults.apply(named("source"), NOW).await.unwrap();
    set(&vaults, "source", "s").await;
    copy(&vaults, "source", "copy").await;
    let copied = call(&vaults, "copy").await;
    vaults.secrets(&copied).delete(&object("s")).await.unwrap();
    vaults.secrets(&copied).purge(&object("s")).await.unwrap();
    copy(&vaults, "copy", "again").await;
    for (vault, left) in [("source", 1), ("copy", 0), ("again", 0)] {
        assert_eq!(listed(&vaults, vault).await.len(), left, "{vault}");
    }
}

#[tokio::test]
async fn layers_are_flattened_before_there_are_too_many() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = open(&store, &pool, 1);
    vaults.apply(named("source"), NOW).await.unwrap();
    for number in 0..1_100 {
        set(&vaults, "source", &format!("base{number}")).await;
    }
    let mut depths = Vec::new();
    for round in 0..10_usize {
        set(&vaults, "source", &format!("r{round}")).await;
        copy(&vaults, "source", &format!("copy{round}")).await;
        depths.push(call(&vaults, "source").await.vault.below.len());
    }
    assert_eq!(depths, [1, 2, 3, 4, 2, 3, 4, 2, 3, 4]);
    for round in 0..10 {
        assert_eq!(listed(&vaults, &format!("copy{round}")).await.len(), 1_101 + round, "as it was then");
        assert!(vaults.delete_vault(&named(&format!("copy{round}")).name).await.unwrap());
    }
    vaults.sweep().await.unwrap();
    assert_eq!(listed(&vaults, "source").await.len(), 1_110);
    assert_eq!(records(&store, "layer/").await.len(), 4, "the flattened layers are gone");
    assert_eq!(records(&store, "material/").await.len(), 1_110, "and nothing is kept twice");
    set(&vaults, "source", "more").await;
    let mut copies = tokio::task::JoinSet::new();
    for number in 0..8 {
        let vaults = vaults.clone();
        copies.spawn(async move { copy(&vaults, "source", &format!("beside{number}")).await });
    }
    while let Some(done) = copies.join_next().await {
        done.unwrap();
    }
    assert_eq!(call(&vaults, "source").await.vault.below.len(), 2, "one of them has flattened the layers, for all");
}

#[tokio::test]
async fn a_call_that_reads_layers_that_were_flattened_is_refused() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = open(&store, &pool, 1);
    vaults.apply(named("source"), NOW).await.unwrap();
    let mut calls = Vec::new();
    for round in 0..6 {
        calls.push(call(&vaults, "source").await);
        set(&vaults, "source", &format!("r{round}")).await;
        copy(&vaults, "source", "copy").await;
        vaults.delete_vault(&named("copy").name).await.unwrap();
    }
    vaults.sweep().await.unwrap();
    let (page, name) = (PageRequest { after: None, limit: 25 }, object("r0"));
    for stale in &calls[1..5] {
        for refused in [
            vaults.secrets(stale).get_value(&name, None).await.err(),
            vaults.secrets(stale).list(&page).await.err(),
            vaults.secrets(stale).list_versions(&name, &page).await.err(),
            vaults.secrets(stale).list_deleted(&page).await.err(),
            vaults.secrets(stale).get_deleted(&name).await.err(),
            vaults.secrets(stale).delete(&name).await.err(),
            vaults.secrets(stale).backup(&name).await.err(),
        ] {
            assert!(matches!(refused, Some(Refusal::Busy)), "{refused:?}");
        }
    }
    let first = vaults.secrets(&calls[0]).get_value(&name, None).await.err();
    assert!(matches!(first, Some(Refusal::Busy)), "a call of before the first copy: {first:?}");
    assert!(vaults.secrets(&calls[5]).get_value(&name, None).await.is_ok(), "nothing was flattened since");
    assert!(vaults.secrets(&call(&vaults, "source").await).get_value(&name, None).await.is_ok());
}

#[tokio::test]
async fn a_layer_of_a_flattening_that_was_given_up_is_swept() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = open(&store, &pool, 1);
    let layer = Uuid::from_u128(5);
    let batch = Batch::default()
        .put(StoreKey::FrozenLayer(layer).to_key(), encode(&layer).unwrap())
        .put(StoreKey::UnsweptLayers.to_key(), vec![]);
    let batch = batch.put(format!("object/{}/keys/K", layer.simple()), vec![]);
    store.commit(batch).await.unwrap();
    assert_eq!(vaults.sweep().await.unwrap(), 1);
    assert_eq!(everything(&store).await, []);
}

#[tokio::test]
async fn nothing_is_scheduled_in_a_copy_until_something_is_done_with_it() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = open(&store, &pool, 1);
    vaults.apply(named("source"), NOW).await.unwrap();
    for name in ["a", "b"] {
        set(&vaults, "source", name).await;
        vaults.secrets(&call(&vaults, "source").await).delete(&object(name)).await.unwrap();
    }
    copy(&vaults, "source", "copy").await;
    let source = call(&vaults, "source").await;
    let due = async || records(&store, "due/").await.iter().map(EntryKey::to_string).collect::<Vec<_>>();
    let of_source = due().await;
    assert_eq!(of_source.len(), 2);
    assert!(of_source.iter().all(|key| key.contains(&source.vault.id.simple().to_string())));
    let copied = call(&vaults, "copy").await;
    vaults.secrets(&copied).recover(&object("a")).await.unwrap();
    assert_eq!(due().await, of_source);
    vaults.secrets(&copied).delete(&object("a")).await.unwrap();
    assert_eq!(due().await.len(), 3);
    // Over is over, whether it was scheduled or not.
    let later = copied.by_server_at(NOW.plus_seconds(7 * DAY));
    let page = PageRequest { after: None, limit: 25 };
    assert!(vaults.secrets(&later).list_deleted(&page).await.unwrap().items.is_empty());
    assert!(vaults.secrets(&later).set(&object("b"), &secret()).await.is_ok());
}

#[tokio::test]
async fn what_falls_due_in_a_source_that_was_copied_changes_no_frozen_layer() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = open(&store, &pool, 1);
    vaults.apply(named("source"), NOW).await.unwrap();
    set(&vaults, "source", "s").await;
    vaults.secrets(&call(&vaults, "source").await).delete(&object("s")).await.unwrap();
    let before = call(&vaults, "source").await.by_server_at(NOW.plus_seconds(7 * DAY));
    copy(&vaults, "source", "copy").await;
    let frozen = async || [records(&store, "deleted/").await, records(&store, "material/").await];
    let there = frozen().await;
    let refused = vaults.secrets(&before).reclaim(&object("s")).await;
    assert!(matches!(refused, Err(Refusal::Busy)), "decided on the vault of before: {refused:?}");
    let NextDue { key, due } = vaults.next_due(None).await.unwrap().unwrap();
    assert_eq!(vaults.run_due(&due.unwrap().unwrap(), &key).await.unwrap(), 2, "in the copy too, once in each");
    assert!(vaults.next_due(None).await.unwrap().is_none());
    assert_eq!(frozen().await, there, "copies may still read it");
    for vault in ["source", "copy"] {
        let refused = vaults.secrets(&call(&vaults, vault).await).recover(&object("s")).await;
        assert!(matches!(refused, Err(Refusal::NotFound { .. })), "{vault}: {refused:?}");
    }
}
