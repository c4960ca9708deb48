//! Secrets in a factory, as they are recorded.

use serde_json::json;

use super::child::ChildRecord;
use super::sealed_secret::associated_data;
use super::*;
use crate::management::tests::{management, no_vaults};
use crate::management::{FactoryDefinition, GroupDefinition, NewIdentity};

async fn written(management: &Management, now: &str) -> FactoryWrite {
    FactoryWrite {
        guard: management.authorization.current().await.unwrap().guard,
        if_match: None,
        etag: Uuid::from_u128(1),
        identity: NewIdentity { object_id: Uuid::from_u128(2), client_id: Uuid::from_u128(3) },
        runtime: None,
        now: Timestamp::parse(now).unwrap(),
        system_now: Timestamp::parse(now).unwrap(),
    }
}

/// Keeps a linked service `name` with the credential `hush of NAME`.
async fn link(management: &Management, factory: &FactoryId, name: &str, now: &str) -> ChildId {
    let id = ChildId::parse(factory.clone(), ChildKind::LinkedService, name).unwrap();
    let definition = json!({"type": "X", "typeProperties": {"accountKey": format!("hush of {name}")}});
    let write = written(management, now).await;
    management.put_child(&id, definition.as_object().unwrap(), &write).await.unwrap();
    id
}

async fn factory_of(management: &Management) -> FactoryId {
    let group = GroupId::parse(Uuid::from_u128(2), "shop").unwrap();
    let write = written(management, "2026-01-01T00:00:00Z").await;
    let wanted = GroupDefinition { location: "x".to_owned(), tags: None, managed_by: None };
    management.put_group(&write.guard, &group, &wanted).await.unwrap();
    let id = FactoryId::parse(group, "acme").unwrap();
    let wanted = FactoryDefinition {
        location: "x".to_owned(),
        tags: None,
        identity: None,
        encryption: None,
        properties: Definition::new(),
    };
    management.put_factory(&id, &wanted, &write).await.unwrap();
    id
}

#[tokio::test]
async fn a_system_key_is_renewed_by_the_vault_clock_and_all_secrets_move() {
    let management = management(no_vaults());
    let factory = factory_of(&management).await;
    let first = link(&management, &factory, "first", "2026-01-01T00:00:00Z").await;
    let read = async |id: &ChildId| {
        let view = management.records.view().await.unwrap();
        management.records.entry::<ChildRecord>(&view, &id.key()).await.unwrap().unwrap().0
    };
    let key_of = |record: &ChildRecord| record.secrets.values().next().unwrap().clone();
    let before = read(&first).await;
    assert!(!serde_json::to_string(&*before).unwrap().contains("hush"), "{before:?}");
    let mut all = vec![first.clone()];
    for number in 0..PIECE + 3 {
        all.push(link(&management, &factory, &format!("x{number}"), "2027-12-01T23:59:59Z").await);
    }
    let late = read(all.last().unwrap()).await;
    assert_eq!(key_of(&late).system_key, key_of(&before).system_key, "it is not due yet");

    all.push(link(&management, &factory, "late", "2027-12-02T00:00:00Z").await);
    let (layer, _) =
        management.system_layer(&factory, Timestamp::parse("2027-12-02T00:00:00Z").unwrap()).await.unwrap();
    for id in &all {
        let record = read(id).await;
        let (place, sealed) = record.secrets.iter().next().unwrap();
        let plain = layer.open(None, &associated_data(id, place), sealed).unwrap();
        assert_eq!(std::str::from_utf8(&plain).unwrap(), format!("hush of {}", id.name()));
    }
    assert!(!layer.is_around(&key_of(&before)));
}

#[tokio::test]
async fn a_deleted_factory_leaves_no_system_key() {
    let management = management(no_vaults());
    let factory = factory_of(&management).await;
    link(&management, &factory, "x", "2026-01-01T00:00:00Z").await;
    let keys = async || {
        let view = management.records.view().await.unwrap();
        view.keys(&EntryKey::from("factory-"), None, 10).await.unwrap().len()
    };
    assert_eq!(keys().await, 4, "its name, its contents' stamp, its system keys, the linked service");
    let guard = written(&management, "2026-01-01T00:00:00Z").await.guard;
    assert!(management.delete_factory(&factory, &guard).await.unwrap());
    assert_eq!(keys().await, 0);
}
