//! A store that is whole gives no finding; whatever is taken out of it gives one that names it.

use super::super::tests::{memory, open, records, secret};
use super::super::*;
use super::{CheckReport, ConsistencyCheck};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Curve;
use crate::records::View;
use crate::store::{Batch, Store};
use keys::{KeySpec, KeyType, NewKey};

const NOW: Timestamp = Timestamp::from_unix(1_000);

/// What all records of `view` come to.
pub(crate) async fn check_report(view: &View) -> CheckReport {
    check(view).await.report()
}

async fn check(view: &View) -> ConsistencyCheck {
    let mut check = ConsistencyCheck::default();
    for entry in view.entries(&EntryKey::from(""), None, usize::MAX).await.unwrap() {
        let value = ConsistencyCheck::reads(&entry.key).then_some(entry.value);
        check.add(&entry.key, value);
    }
    check
}

fn object(name: &str) -> ObjectName {
    ObjectName::parse(name).unwrap()
}

/// A vault with a host name, a key that has an end and two secrets, one of them deleted; and a copy of it. Both were changed
/// since.
async fn lived_in(store: &Store, pool: &Pool) -> Vaults {
    let vaults = open(store, pool, 1);
    let name = VaultName::parse("acme").unwrap();
    let aliases = vec!["keys.acme.test".to_owned()];
    vaults.apply(InitialVault { aliases, ..InitialVault::named(name.clone(), Sku::Premium) }, NOW).await.unwrap();
    let call = Call::by_server(vaults.find(&name).await.unwrap().unwrap(), NOW);
    let mut new = NewKey::of(KeyType::Ec);
    new.attributes.exp = Some(NOW.plus_seconds(90 * 86_400));
    vaults.keys(&call).create(&object("k"), new.clone(), KeySpec::Ec(Curve::P256)).await.unwrap();
    for name in ["kept", "kept", "gone"] {
        vaults.secrets(&call).set(&object(name), &secret()).await.unwrap();
    }
    vaults.secrets(&call).delete(&object("gone")).await.unwrap();
    let copy = VaultName::parse("copy").unwrap();
    vaults.copy_vault(&call.vault, InitialVault::named(copy.clone(), Sku::Premium), NOW).await.unwrap();
    let call = Call::by_server(vaults.find(&name).await.unwrap().unwrap(), NOW);
    vaults.keys(&call).create(&object("later"), new, KeySpec::Ec(Curve::P256)).await.unwrap();
    let call = Call::by_server(vaults.find(&copy).await.unwrap().unwrap(), NOW);
    vaults.secrets(&call).set(&object("kept"), &secret()).await.unwrap();
    vaults.secrets(&call).recover(&object("gone")).await.unwrap();
    vaults
}

#[tokio::test]
async fn whatever_is_taken_away_is_missed_and_nothing_else_is() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = lived_in(&store, &pool).await;
    let view = vaults.records().view().await.unwrap();
    assert_eq!(check_report(&view).await, CheckReport { vaults: 2, objects: 7, findings: vec![] });
    let all = view.entries(&EntryKey::from(""), None, usize::MAX).await.unwrap();
    let mut missed = Vec::new();
    for taken in &all {
        let (text, mut parts) = (taken.key.to_string(), Vec::new());
        parts.extend(text.split('/'));
        let place = parts[0].to_owned();
        // Nothing else says that there must be an event, or a schedule in a layer that is shared; and what a whiteout hides is
        // seen again without it.
        let is_shared = all.iter().any(|entry| entry.key.to_string() == format!("layer/{}", parts[1]));
        if ["event", "hidden", "layer"].contains(&place.as_str()) || place == "schedule" && is_shared {
            continue;
        }
        let mut check = ConsistencyCheck::default();
        for entry in all.iter().filter(|entry| entry.key != taken.key) {
            check.add(&entry.key, ConsistencyCheck::reads(&entry.key).then(|| entry.value.clone()));
        }
        let findings = check.report().findings;
        assert!(!findings.is_empty(), "{}", taken.key);
        assert!(findings.iter().all(|finding| !finding.to_string().contains('\n')));
        missed.push(place);
    }
    missed.dedup();
    assert_eq!(missed, ["alias", "deleted", "due", "material", "object", "schedule", "vault", "version"]);
}

#[tokio::test]
async fn findings_name_the_vault_the_object_and_the_version() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    let vaults = lived_in(&store, &pool).await;
    let found = async |place: &str, part: &str| {
        let view = vaults.records().view().await.unwrap();
        let (key, _) = view
            .keys(&EntryKey::from(place), None, 99)
            .await
            .unwrap()
            .into_iter()
            .find(|(key, _)| key.to_string().contains(part))
            .unwrap();
        let mut check = check(&view).await;
        check.records.remove(&key.to_string());
        check.report().findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let material = found("material/", "/keys/K/").await;
    assert!(material[0].starts_with("the secret part of version "), "{material:?}");
    assert!(material[0].contains(" of key 'K' in vault 'acme': it is missing (material/"), "{material:?}");
    let head = found("deleted/", "/GONE").await;
    assert!(
        head.iter()
            .any(|line| line.contains("secret 'GONE' in vault 'acme': its head is missing, its versions are there")),
        "{head:?}"
    );
    let vault = found("vault/", "acme").await;
    let lost = "vault 'acme': its record is missing; the host name keys.acme.test points to it (vault/acme)";
    assert!(vault.contains(&lost.to_owned()), "{vault:?}");
}

#[tokio::test]
async fn a_vault_whose_record_is_missing_is_not_made_anew() {
    let (store, pool) = (memory(), Pool::start(1, 10));
    lived_in(&store, &pool).await;
    store.commit(Batch::default().delete("vault/acme")).await.unwrap();
    // As the next start finds it.
    let vaults = open(&store, &pool, 2);
    let wanted = |name| InitialVault::named(VaultName::parse(name).unwrap(), Sku::Premium);
    let source = vaults.find(&wanted("copy").name).await.unwrap().unwrap();
    let before = records(&store, "").await;
    for refused in [
        vaults.apply(wanted("acme"), NOW).await.map(drop),
        vaults.apply(wanted("other"), NOW).await.map(drop),
        vaults.put_vault(wanted("acme"), None, NOW).await.map(drop),
        vaults.copy_vault(&source, wanted("acme"), NOW).await.map(drop),
        vaults.find_or_create(&wanted("acme").name, &OnDemand::like(&wanted("other")), NOW).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Refusal::OrphanedLayer { .. })), "{refused:?}");
    }
    assert_eq!(records(&store, "").await, before, "nothing was made");
    vaults.apply(wanted("copy"), NOW).await.unwrap();
}
