//! What every engine must do: one list of cases, run for each. A new engine is one more line in [`suite`].

use tempfile::TempDir;

use super::{
    Batch, DataKey, Entry, EntryKey, MAX_BATCH_BYTES, MAX_OPERATIONS, MasterKey, RedbOptions, Revision, Store,
    StoreError, Value, View,
};

/// An empty store, and the directory it lives in if it has one.
pub(super) type Fresh = (Store, Option<TempDir>);

/// How each engine starts.
pub(super) const ENGINES: &[fn() -> Fresh] = &[
    memory,
    redb,
    #[cfg(feature = "sled")]
    sled,
];

fn memory() -> Fresh {
    (Store::memory(DataKey::from_bytes([7; 32])).unwrap(), None)
}

fn redb() -> Fresh {
    let directory = TempDir::new().unwrap();
    let (master, fresh) = (MasterKey::from_bytes([1; 32]), DataKey::from_bytes([7; 32]));
    let store = Store::redb(&directory.path().join("store.redb"), &master, fresh, RedbOptions::default()).unwrap();
    (store, Some(directory))
}

#[cfg(feature = "sled")]
fn sled() -> Fresh {
    let directory = TempDir::new().unwrap();
    let (master, fresh) = (MasterKey::from_bytes([1; 32]), DataKey::from_bytes([7; 32]));
    (Store::sled(&directory.path().join("store.sled"), &master, fresh).unwrap(), Some(directory))
}

macro_rules! suite {
    ($($case:ident)*) => {
        suite!(@engine memory $($case)*);
        suite!(@engine redb $($case)*);
        #[cfg(feature = "sled")]
        suite!(@engine sled $($case)*);
    };
    (@engine $engine:ident $($case:ident)*) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    let (store, _directory) = super::$engine();
                    super::$case(&store).await;
                }
            )*
        }
    };
}

suite! {
    what_was_put_is_found_until_it_is_deleted
    zero_expects_that_there_is_no_such_key
    a_conflict_leaves_nothing_applied
    a_key_is_changed_once_in_a_batch
    a_batch_has_a_largest_size
    revisions_grow_and_come_with_every_commit
    a_view_does_not_change_while_writers_write
    views_of_two_commits_have_no_number_in_common
    many_keys_are_read_in_their_order_from_one_view
    a_scan_is_ordered_bounded_and_goes_on_behind_a_key
    a_scan_keeps_to_its_prefix_at_the_edges_of_a_byte
    no_increment_is_lost_among_many_writers
    any_bytes_may_be_a_key_or_a_value
    a_closed_store_says_so
}

pub(super) async fn get(store: &Store, key: &str) -> Option<Entry> {
    store.view().await.unwrap().get(&key.into()).await.unwrap()
}

async fn value(store: &Store, key: &str) -> Option<Vec<u8>> {
    get(store, key).await.map(|entry| entry.value.to_vec())
}

pub(super) async fn put(store: &Store, key: &str, value: &str) -> Revision {
    store.commit(Batch::default().put(key, value.as_bytes().to_vec())).await.unwrap()
}

async fn scan(view: &View, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> {
    let (prefix, after) = (EntryKey::from(prefix), after.map(EntryKey::from));
    let entries = view.scan(&prefix, after.as_ref(), limit).await.unwrap();
    let keys = view.keys(&prefix, after.as_ref(), limit).await.unwrap();
    assert_eq!(entries.iter().map(|entry| (entry.key.clone(), entry.revision)).collect::<Vec<_>>(), keys);
    entries.into_iter().map(|entry| entry.key.as_bytes().to_vec()).collect()
}

async fn what_was_put_is_found_until_it_is_deleted(store: &Store) {
    assert_eq!(get(store, "a").await, None);
    let first = put(store, "a", "one").await;
    let entry = Entry { key: "a".into(), value: b"one".to_vec().into(), revision: first };
    assert_eq!(get(store, "a").await, Some(entry));
    let second = put(store, "a", "two").await;
    assert_eq!(value(store, "a").await.unwrap(), b"two");
    assert_eq!(store.view().await.unwrap().revision_of(&"a".into()).await.unwrap(), Some(second));
    store.commit(Batch::default().delete("a").delete("never there")).await.unwrap();
    assert_eq!(get(store, "a").await, None);
    assert_eq!(store.view().await.unwrap().revision_of(&"a".into()).await.unwrap(), None);
}

async fn zero_expects_that_there_is_no_such_key(store: &Store) {
    let create = || Batch::default().expect("a", 0).put("a", b"one".to_vec());
    let first = store.commit(create()).await.unwrap();
    assert!(matches!(store.commit(create()).await, Err(StoreError::Conflict)));
    store.commit(Batch::default().expect("a", first).delete("a")).await.unwrap();
    assert!(matches!(store.commit(Batch::default().expect("a", first)).await, Err(StoreError::Conflict)));
    assert!(store.commit(create()).await.unwrap() > first);
}

async fn a_conflict_leaves_nothing_applied(store: &Store) {
    let (a, b) = (put(store, "a", "one").await, put(store, "b", "one").await);
    let change = |b| {
        let batch = Batch::default().expect("a", a).expect("b", b);
        batch.put("a", b"two".to_vec()).put("c", b"two".to_vec()).delete("b")
    };
    assert!(matches!(store.commit(change(b + 100)).await, Err(StoreError::Conflict)));
    assert_eq!(value(store, "a").await.unwrap(), b"one");
    assert_eq!(value(store, "b").await.unwrap(), b"one");
    assert_eq!(get(store, "c").await, None);
    store.commit(change(b)).await.unwrap();
    assert_eq!(value(store, "a").await.unwrap(), b"two");
    assert_eq!(get(store, "b").await, None);
    assert_eq!(value(store, "c").await.unwrap(), b"two");
}

async fn a_key_is_changed_once_in_a_batch(store: &Store) {
    let twice = Batch::default().put("a", b"one".to_vec()).delete("a");
    assert!(matches!(store.commit(twice).await, Err(StoreError::DuplicateKey { key }) if key == EntryKey::from("a")));
    assert_eq!(get(store, "a").await, None);
}

async fn a_batch_has_a_largest_size(store: &Store) {
    let keys = |count: usize| (0..count).map(|at| EntryKey::from(format!("{at:03}")));
    let puts = |count| keys(count).fold(Batch::default(), |batch, key| batch.put(key, vec![]));
    let deletes = |batch, count| keys(count).fold(batch, |batch: Batch, key| batch.delete(key));
    let expects = |batch, count| keys(count).fold(batch, |batch: Batch, key| batch.expect(key, 0));
    store.commit(expects(puts(MAX_OPERATIONS), MAX_OPERATIONS)).await.unwrap();
    store.commit(deletes(Batch::default(), MAX_OPERATIONS)).await.unwrap();
    let more = MAX_OPERATIONS + 1;
    let mixed = Batch { delete: vec!["a".into()], ..puts(MAX_OPERATIONS) };
    for batch in [puts(more), deletes(Batch::default(), more), expects(Batch::default(), more), mixed] {
        let refused = store.commit(batch).await;
        assert!(
            matches!(refused, Err(StoreError::BatchTooLarge { operations, .. }) if operations == more),
            "{refused:?}"
        );
    }
    store.commit(Batch::default().put("a", vec![0; MAX_BATCH_BYTES - 1])).await.unwrap();
    let refused = store.commit(Batch::default().put("a", vec![1; MAX_BATCH_BYTES])).await;
    assert!(
        matches!(refused, Err(StoreError::BatchTooLarge { bytes, .. }) if bytes == MAX_BATCH_BYTES + 1),
        "{refused:?}"
    );
    assert_eq!(get(store, "a").await.unwrap().value.len(), MAX_BATCH_BYTES - 1);
    assert_eq!(get(store, "000").await, None);
}

async fn revisions_grow_and_come_with_every_commit(store: &Store) {
    let first = put(store, "a", "one").await;
    assert!(first > 0);
    let both = store.commit(Batch::default().put("b", vec![]).put("c", vec![])).await.unwrap();
    let gone = store.commit(Batch::default().delete("a")).await.unwrap();
    let empty = store.commit(Batch::default()).await.unwrap();
    let last = put(store, "a", "two").await;
    assert!([first, both, gone, empty, last].is_sorted_by(|one, next| one < next));
    for (key, revision) in [("a", last), ("b", both), ("c", both)] {
        assert_eq!(get(store, key).await.unwrap().revision, revision, "{key}");
    }
}

async fn views_of_two_commits_have_no_number_in_common(store: &Store) {
    let mut numbers = Vec::new();
    for value in ["one", "two", "three"] {
        put(store, "a", value).await;
        numbers.push(store.view().await.unwrap().number());
        assert_eq!(store.view().await.unwrap().number(), numbers[numbers.len() - 1], "one commit is seen again");
    }
    let mut different = numbers.clone();
    different.dedup();
    assert!(different == numbers || numbers == [None; 3], "{numbers:?}");
}

async fn a_view_does_not_change_while_writers_write(store: &Store) {
    put(store, "left", "0").await;
    put(store, "right", "0").await;
    let early = store.view().await.unwrap();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for round in 1..=50 {
                let value = || round.to_string().into_bytes();
                store.commit(Batch::default().put("left", value()).put("right", value())).await.unwrap();
            }
        }
    });
    while !writer.is_finished() {
        let view = store.view().await.unwrap();
        let left = view.get(&"left".into()).await.unwrap().unwrap();
        tokio::task::yield_now().await;
        let right = view.get(&"right".into()).await.unwrap().unwrap();
        assert_eq!(left.value, right.value);
    }
    writer.await.unwrap();
    assert_eq!(early.get(&"left".into()).await.unwrap().unwrap().value.as_slice(), b"0");
    assert_eq!(value(store, "left").await.unwrap(), b"50");
}

async fn many_keys_are_read_in_their_order_from_one_view(store: &Store) {
    let (a, b) = (put(store, "a", "one").await, put(store, "b", "two").await);
    let view = store.view().await.unwrap();
    put(store, "a", "later").await;
    put(store, "absent", "later").await;
    let keys = ["b", "absent", "a", "b"].map(EntryKey::from);
    let found = view.get_many(&keys).await.unwrap();
    let values = found.iter().map(|entry| entry.as_ref().map(|entry| entry.value.as_slice()));
    assert_eq!(values.collect::<Vec<_>>(), [Some(&b"two"[..]), None, Some(b"one"), Some(b"two")]);
    assert_eq!(found[2].as_ref().map(|entry| (&entry.key, entry.revision)), Some((&EntryKey::from("a"), a)));
    assert_eq!(view.revisions_of(&keys).await.unwrap(), [Some(b), None, Some(a), Some(b)]);
    assert_eq!((view.get_many(&[]).await.unwrap(), view.revisions_of(&[]).await.unwrap()), (vec![], vec![]));
}

async fn a_scan_is_ordered_bounded_and_goes_on_behind_a_key(store: &Store) {
    let names = ["b", "a/3", "a/1", "a", "a/2", "a0", "a."];
    store.commit(names.iter().fold(Batch::default(), |batch, name| batch.put(*name, vec![]))).await.unwrap();
    let view = store.view().await.unwrap();
    assert_eq!(scan(&view, b"a/", None, 9).await, [b"a/1", b"a/2", b"a/3"]);
    assert_eq!(scan(&view, b"a/", None, 2).await, [b"a/1", b"a/2"]);
    assert_eq!(scan(&view, b"a/", Some(b"a/2"), 2).await, [b"a/3"]);
    assert_eq!(scan(&view, b"a/", Some(b"a/11"), 2).await, [b"a/2", b"a/3"]);
    assert_eq!(scan(&view, b"a/", Some(b"a"), 1).await, [b"a/1"]);
    for (prefix, after, limit) in [("a/", Some("a/3"), 9), ("a/", Some("z"), 9), ("a/", None, 0), ("zz", None, 9)] {
        let none: [Vec<u8>; 0] = [];
        assert_eq!(scan(&view, prefix.as_bytes(), after.map(str::as_bytes), limit).await, none, "{prefix} {after:?}");
    }
    assert_eq!(scan(&view, b"", None, 99).await, ["a", "a.", "a/1", "a/2", "a/3", "a0", "b"].map(str::as_bytes));
}

async fn a_scan_keeps_to_its_prefix_at_the_edges_of_a_byte(store: &Store) {
    let keys: [&[u8]; 7] = [b"", b"\x00", b"\x00\x00", b"\xfe\xff", b"\xff", b"\xff\x00", b"\xff\xff\xff"];
    store.commit(keys.iter().fold(Batch::default(), |batch, key| batch.put(*key, vec![]))).await.unwrap();
    let view = store.view().await.unwrap();
    assert_eq!(scan(&view, b"", None, 99).await, keys);
    assert_eq!(scan(&view, b"", Some(b""), 99).await, keys[1..]);
    assert_eq!(scan(&view, b"\x00", None, 99).await, keys[1..3]);
    assert_eq!(scan(&view, b"\xfe", None, 99).await, keys[3..4]);
    assert_eq!(scan(&view, b"\xff", None, 99).await, keys[4..]);
    assert_eq!(scan(&view, b"\xff\xff", Some(b"\xff\x00"), 99).await, keys[6..]);
}

async fn no_increment_is_lost_among_many_writers(store: &Store) {
    const WRITERS: usize = 16;
    const EACH: usize = 10;
    let writers: Vec<_> = (0..WRITERS).map(|_| tokio::spawn(increment(store.clone(), EACH))).collect();
    let mut revisions = Vec::new();
    for writer in writers {
        revisions.extend(writer.await.unwrap());
    }
    assert_eq!(value(store, "count").await.unwrap(), (WRITERS * EACH).to_string().into_bytes());
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), WRITERS * EACH, "no revision is given twice");
}

/// Counts up by compare-and-swap, and gives the revisions of its commits.
async fn increment(store: Store, times: usize) -> Vec<Revision> {
    let mut revisions = Vec::new();
    while revisions.len() < times {
        let entry = get(&store, "count").await;
        let count = entry.as_ref().map_or(0, |entry| str::from_utf8(&entry.value).unwrap().parse().unwrap());
        let next = (count + 1_u64).to_string().into_bytes();
        let expected = entry.map_or(0, |entry| entry.revision);
        match store.commit(Batch::default().expect("count", expected).put("count", next)).await {
            Ok(revision) => revisions.push(revision),
            Err(StoreError::Conflict) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    revisions
}

async fn any_bytes_may_be_a_key_or_a_value(store: &Store) {
    let large: Value = (0..1 << 20).map(|at: u32| at.to_le_bytes()[1]).collect::<Vec<u8>>().into();
    let batch = Batch::default().put("large", large.clone()).put("empty", vec![]).put(&b"\0a\0"[..], vec![0, 255]);
    store.commit(batch.put("", b"no name".to_vec())).await.unwrap();
    assert_eq!(get(store, "large").await.unwrap().value, large);
    assert_eq!(value(store, "empty").await.unwrap(), b"");
    assert_eq!(value(store, "\0a\0").await.unwrap(), [0, 255]);
    assert_eq!(value(store, "").await.unwrap(), b"no name");
    assert_eq!(get(store, "\0a").await, None);
}

async fn a_closed_store_says_so(store: &Store) {
    let waiting = put(store, "a", "one");
    assert!(waiting.await > 0);
    store.close().await;
    store.close().await;
    assert!(matches!(store.commit(Batch::default()).await, Err(StoreError::Closed)));
    assert!(matches!(store.view().await, Err(StoreError::Closed)));
}

/// The server's tasks move between threads and share views; this compiles only if they may.
#[test]
fn stores_and_views_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>(_: T) {}
    shared::<Store>();
    shared::<View>();
    let (store, _) = memory();
    sent(async move {
        let view = store.view().await.unwrap();
        let _ = view.get(&"a".into()).await;
        let _ = store.commit(Batch::default()).await;
        store.close().await;
    });
}
