//! Copies: random lives of several vaults against a model without layers.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::object::PageRequest;
use super::super::*;
use super::copies::{NOW, call, everything, named, object};
use super::{memory, open, secret};
use crate::vault::consistency::check_report;

const VAULTS: [&str; 4] = ["one", "two", "three", "four"];

/// What happens to an object, or to a vault; vaults and names by number.
#[derive(Clone, Debug)]
enum Step {
    Set(usize, usize),
    Tag(usize, usize),
    Delete(usize, usize),
    Recover(usize, usize),
    Purge(usize, usize),
    Copy(usize, usize),
    Drop(usize),
    /// Written to and copied again and again, until its layers are flattened.
    Deepen(usize),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let which = || (0..VAULTS.len(), 0..4_usize);
    prop_oneof![
        4 => which().prop_map(|(vault, name)| Step::Set(vault, name)),
        2 => which().prop_map(|(vault, name)| Step::Tag(vault, name)),
        3 => which().prop_map(|(vault, name)| Step::Delete(vault, name)),
        2 => which().prop_map(|(vault, name)| Step::Recover(vault, name)),
        2 => which().prop_map(|(vault, name)| Step::Purge(vault, name)),
        6 => (0..VAULTS.len(), 0..VAULTS.len()).prop_map(|(from, to)| Step::Copy(from, to)),
        3 => (0..VAULTS.len()).prop_map(Step::Drop),
        1 => (0..VAULTS.len()).prop_map(Step::Deepen),
        1 => Just(Step::Sweep),
    ]
}

/// An object of the model: its versions in order, each with its tag, and whether it is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Object {
    versions: BTreeMap<String, u32>,
    latest: String,
    deleted: bool,
}

type Objects = BTreeMap<usize, Object>;
type Model = BTreeMap<usize, Objects>;

fn tags(number: u32) -> object::Tags {
    [("n".to_owned(), number.to_string())].into()
}

async fn find(vaults: &Vaults, vault: usize) -> Option<Guarded<Vault>> {
    vaults.find(&named(VAULTS[vault]).name).await.unwrap()
}

/// Takes `step` with the vaults and with the model; `number` is the tag that it sets.
async fn take(vaults: &Vaults, model: &mut Model, step: &Step, number: u32) {
    match *step {
        Step::Copy(from, to) => copy(vaults, model, from, to).await,
        Step::Drop(vault) => delete(vaults, model, vault).await,
        Step::Deepen(vault) => deepen(vaults, model, vault, number).await,
        Step::Sweep => drop(vaults.sweep().await.unwrap()),
        Step::Set(vault, name)
        | Step::Tag(vault, name)
        | Step::Delete(vault, name)
        | Step::Recover(vault, name)
        | Step::Purge(vault, name) => {
            let Some(there) = find(vaults, vault).await else { return };
            let call = Call::by_server(there, NOW);
            take_in(vaults, &call, model.get_mut(&vault).unwrap(), name, step, number).await;
        }
    }
}

async fn copy(vaults: &Vaults, model: &mut Model, from: usize, to: usize) {
    let Some(source) = find(vaults, from).await else { return };
    let copied = vaults.copy_vault(&source, named(VAULTS[to]), NOW).await;
    assert_eq!(copied.is_err(), model.contains_key(&to));
    if !model.contains_key(&to) {
        model.insert(to, model[&from].clone());
    }
}

async fn delete(vaults: &Vaults, model: &mut Model, vault: usize) {
    // There is always one to copy.
    if vault != 0 {
        let deleted = vaults.delete_vault(&named(VAULTS[vault]).name).await.unwrap();
        assert_eq!(deleted, model.remove(&vault).is_some());
    }
}

async fn deepen(vaults: &Vaults, model: &mut Model, vault: usize, number: u32) {
    let Some(there) = find(vaults, vault).await else { return };
    for round in 0..6 {
        let call = call(vaults, VAULTS[vault]).await;
        set(vaults, &call, model.get_mut(&vault).unwrap(), round % 4, number).await;
        vaults.copy_vault(&there, named("scratch"), NOW).await.unwrap();
        vaults.delete_vault(&named("scratch").name).await.unwrap();
    }
}

/// Takes a step that concerns the object at `place` in the vault of `call`.
async fn take_in(vaults: &Vaults, call: &Call, objects: &mut Objects, place: usize, step: &Step, number: u32) {
    let name = &numbered(place);
    let deleted = objects.get(&place).map(|object| object.deleted);
    match step {
        Step::Set(..) => set(vaults, call, objects, place, number).await,
        Step::Tag(..) => tag(vaults, call, objects, place, number).await,
        Step::Delete(..) => {
            assert_eq!(vaults.secrets(call).delete(name).await.is_ok(), deleted == Some(false));
            objects.entry(place).and_modify(|object| object.deleted = true);
        }
        Step::Recover(..) => {
            assert_eq!(vaults.secrets(call).recover(name).await.is_ok(), deleted == Some(true));
            objects.entry(place).and_modify(|object| object.deleted = false);
        }
        _ => {
            assert_eq!(vaults.secrets(call).purge(name).await.is_ok(), deleted == Some(true));
            objects.retain(|other, object| *other != place || !object.deleted);
        }
    }
}

fn numbered(place: usize) -> ObjectName {
    object(&format!("n{place}"))
}

async fn set(vaults: &Vaults, call: &Call, objects: &mut Objects, place: usize, number: u32) {
    let new = secrets::NewSecret { tags: Some(tags(number)), ..secret() };
    let set = vaults.secrets(call).set(&numbered(place), &new).await;
    assert_eq!(set.is_ok(), objects.get(&place).is_none_or(|object| !object.deleted));
    if let Ok(set) = set {
        let object = objects.entry(place).or_default();
        object.latest = set.version.to_string();
        assert!(object.versions.insert(object.latest.clone(), number).is_none());
    }
}

/// Tags the oldest version, which may lie furthest down.
async fn tag(vaults: &Vaults, call: &Call, objects: &mut Objects, place: usize, number: u32) {
    let change = secrets::SecretUpdate { tags: Some(tags(number)), ..Default::default() };
    let oldest = objects.get(&place).and_then(|object| object.versions.keys().next()).cloned();
    let version = oldest.as_deref().and_then(Version::parse);
    let tagged = vaults.secrets(call).update(&numbered(place), version.as_ref(), &change).await;
    assert_eq!(tagged.is_ok(), objects.get(&place).is_some_and(|object| !object.deleted));
    if let (Ok(tagged), Some(object)) = (tagged, objects.get_mut(&place)) {
        object.versions.insert(tagged.version.to_string(), number);
    }
}

/// What a vault shows of itself, as the model has it.
async fn shown(vaults: &Vaults, call: &Call) -> Objects {
    let mut objects = BTreeMap::new();
    let page = PageRequest { after: None, limit: 25 };
    let place = |name: &ObjectName| name.as_str()[1..].parse().unwrap();
    for found in vaults.secrets(call).list(&page).await.unwrap().items {
        let versions = vaults.secrets(call).list_versions(&found.name, &page).await.unwrap().items;
        let tag = |record: &secrets::SecretRecord| record.tags.as_ref().unwrap()["n"].parse().unwrap();
        let mut all = BTreeMap::new();
        for one in versions {
            let (read, _) = vaults.secrets(call).get_value(&found.name, Some(&one.version)).await.unwrap();
            assert_eq!(read.record, one.record);
            all.insert(one.version.to_string(), tag(&one.record));
        }
        let object = Object { versions: all, latest: found.version.to_string(), deleted: false };
        objects.insert(place(&found.name), object);
    }
    for removed in vaults.secrets(call).list_deleted(&page).await.unwrap().items {
        let latest = removed.found.version.to_string();
        let hidden = Object { versions: BTreeMap::new(), latest, deleted: true };
        assert!(objects.insert(place(&removed.found.name), hidden).is_none(), "both live and deleted");
    }
    objects
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn vaults_that_are_copied_live_apart(steps in prop::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (store, pool) = (memory(), Pool::start(1, 10));
            let vaults = open(&store, &pool, 1);
            vaults.apply(named(VAULTS[0]), NOW).await.unwrap();
            let mut model = Model::from([(0, BTreeMap::new())]);
            for (number, step) in (0..).zip(&steps) {
                take(&vaults, &mut model, step, number).await;
                for (vault, objects) in &model {
                    let mut expected = objects.clone();
                    expected.values_mut().filter(|object| object.deleted).for_each(|object| object.versions.clear());
                    prop_assert_eq!(shown(&vaults, &call(&vaults, VAULTS[*vault]).await).await, expected);
                }
                // As the next start and a check find it.
                let view = vaults.records().view().await.unwrap();
                prop_assert_eq!(check_report(&view).await.findings, vec![]);
                open(&store, &pool, 1).refuse_orphaned_layers(&view).await.unwrap();
            }
            for vault in VAULTS {
                vaults.delete_vault(&named(vault).name).await.unwrap();
            }
            vaults.sweep().await.unwrap();
            let left = everything(&store).await.into_iter().filter(|(key, _)| !key.to_string().starts_with("due/"));
            prop_assert_eq!(left.count(), 0, "nothing is left");
            Ok(())
        })?;
    }
}
