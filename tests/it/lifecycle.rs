//! The life of things as a state machine: random sequences of everything that can happen to several objects, and to
//! vaults that are copied, compared after every step with a small model that knows only the service's rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use keyhaven::clock::Timestamp;
use keyhaven::{ClockChoice, Config, Options, Storage};
use proptest::prelude::*;
use serde_json::Value;

use crate::world::{START, World};

const DAY: i64 = 86_400;
const RETENTION: i64 = 7 * DAY;
/// The vaults of the configuration, and those that copies are made as.
const VAULTS: [&str; 4] = ["acme", "guarded", "copy-one", "copy-two"];
const CONFIGURED: usize = 2;
const KINDS: [&str; 2] = ["keys", "secrets"];
const NAMES: [&str; 2] = ["a", "B-2"];

const CONFIG: &str = r#"{
  "identities": [{"name": "owner"}],
  "vaults": [
    {"name": "acme", "softDeleteRetentionInDays": 7,
     "accessPolicies": [{"identity": "owner", "permissions": {"keys": ["all", "purge"], "secrets": ["all", "purge"]}}]},
    {"name": "guarded", "softDeleteRetentionInDays": 7, "enablePurgeProtection": true,
     "accessPolicies": [{"identity": "owner", "permissions": {"keys": ["all", "purge"], "secrets": ["all", "purge"]}}]}
  ]
}"#;

/// An object: its vault, its kind, its name, by their places above.
type Which = (usize, usize, usize);

#[derive(Clone, Debug)]
enum Step {
    Create(Which),
    Update(Which),
    Delete(Which),
    Recover(Which),
    Purge(Which),
    Backup(Which),
    Restore(Which),
    /// From the first to the second, which is no vault of the configuration.
    Copy(usize, usize),
    Drop(usize),
    Advance(i64),
    Restart,
}

fn which() -> impl Strategy<Value = Which> {
    // Mostly the same few, so that things happen to them.
    (
        prop_oneof![3 => Just(0), 1 => Just(1), 3 => Just(2), 1 => Just(3)],
        0..KINDS.len(),
        prop_oneof![3 => Just(0), 1 => Just(1)],
    )
}

fn copy() -> impl Strategy<Value = usize> {
    CONFIGURED..VAULTS.len()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => which().prop_map(Step::Create),
        2 => which().prop_map(Step::Update),
        4 => which().prop_map(Step::Delete),
        3 => which().prop_map(Step::Recover),
        2 => which().prop_map(Step::Purge),
        1 => which().prop_map(Step::Backup),
        2 => which().prop_map(Step::Restore),
        2 => (0..VAULTS.len(), copy()).prop_map(|(from, to)| Step::Copy(from, to)),
        1 => copy().prop_map(Step::Drop),
        2 => prop_oneof![Just(DAY), Just(RETENTION - 1), Just(RETENTION), 0..2 * RETENTION].prop_map(Step::Advance),
        1 => Just(Step::Restart),
    ]
}

impl Step {
    /// The object that it is about, if it is about one.
    const fn which(&self) -> Option<Which> {
        match self {
            Self::Create(which)
            | Self::Update(which)
            | Self::Delete(which)
            | Self::Recover(which)
            | Self::Purge(which)
            | Self::Backup(which)
            | Self::Restore(which) => Some(*which),
            Self::Copy(..) | Self::Drop(_) | Self::Advance(_) | Self::Restart => None,
        }
    }
}

/// What the service says of one object.
#[derive(Clone, Debug, Default)]
struct Object {
    versions: BTreeSet<String>,
    latest: String,
    updates: u32,
    /// When it was deleted, if it is.
    deleted: Option<i64>,
}

/// What the service says of all of them.
#[derive(Debug)]
struct Model {
    now: i64,
    objects: BTreeMap<Which, Object>,
    /// The vaults there are, each with whether it has purge protection.
    vaults: BTreeMap<usize, bool>,
}

impl Model {
    fn new() -> Self {
        Self { now: START, objects: BTreeMap::new(), vaults: [(0, false), (1, true)].into() }
    }

    /// The objects whose retention has ended go; returns how many.
    fn expire(&mut self) -> usize {
        let (before, now) = (self.objects.len(), self.now);
        self.objects.retain(|_, object| object.deleted.is_none_or(|deleted| now < deleted + RETENTION));
        before - self.objects.len()
    }

    /// The vault `to` holds from now on what `from` holds.
    fn copy(&mut self, from: usize, to: usize) {
        self.vaults.insert(to, self.vaults[&from]);
        let copied: Vec<_> = self.objects.iter().filter(|((vault, ..), _)| *vault == from).collect();
        let copied: Vec<_> =
            copied.into_iter().map(|((_, kind, name), object)| ((to, *kind, *name), object.clone())).collect();
        self.objects.extend(copied);
    }

    fn drop(&mut self, vault: usize) {
        self.vaults.remove(&vault);
        self.objects.retain(|(of, ..), _| *of != vault);
    }

    fn is_live(&self, which: Which) -> bool {
        self.objects.get(&which).is_some_and(|object| object.deleted.is_none())
    }

    fn is_deleted(&self, which: Which) -> bool {
        self.objects.get(&which).is_some_and(|object| object.deleted.is_some())
    }
}

/// One connection to a server, and what was backed up.
struct Client {
    world: World,
    token: String,
    connection: SendRequest<Full<Bytes>>,
}

impl Client {
    async fn start(dir: Option<&Path>, clock: ClockChoice) -> Self {
        let storage = dir.map_or(Storage::Memory, |dir| Storage::Redb(dir.to_owned()));
        let config = Config::parse(CONFIG).unwrap();
        let world = World::with(Options { config, storage, clock, ..Options::default() }).await;
        let token = world.token_for("owner", "https://vault.azure.net").await;
        let stream = world.tls("acme.vault.localhost").await.unwrap();
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        Self { world, token, connection }
    }

    async fn ask(&mut self, vault: usize, line: &str, body: &str) -> (u16, Value) {
        let request = self.world.request(&self.world.host(VAULTS[vault]), line, body, Some(&self.token));
        self.connection.ready().await.unwrap();
        let answer = self.connection.send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Every item of a list, by the last segment of its id.
    async fn all(&mut self, vault: usize, path: &str) -> BTreeMap<String, Value> {
        let (mut found, mut line) = (BTreeMap::new(), format!("GET {path}?maxresults=1"));
        loop {
            let (status, page) = self.ask(vault, &line, "").await;
            assert_eq!(status, 200, "{page}");
            for item in page["value"].as_array().unwrap() {
                assert!(found.insert(last(item), item.clone()).is_none(), "listed twice: {item}");
            }
            let Some(next) = page["nextLink"].as_str() else { return found };
            line = format!("GET {}", &next[next.find(path).unwrap()..]);
        }
    }
}

/// The last segment of the id of a key or a secret.
fn last(item: &Value) -> String {
    let id = item["key"]["kid"].as_str().or(item["kid"].as_str()).or(item["id"].as_str()).unwrap();
    id.rsplit('/').next().unwrap().to_owned()
}

/// Does `step` with the server and with the model, and compares what the server answers.
async fn take(
    step: &Step,
    client: &mut Client,
    model: &mut Model,
    backups: &mut BTreeMap<usize, (Which, Object, String)>,
) {
    let path = |(_, kind, name): Which| format!("/{}/{}", KINDS[kind], NAMES[name]);
    if let Some((vault, ..)) = step.which().filter(|(vault, ..)| !model.vaults.contains_key(vault)) {
        let (status, refused) = client.ask(vault, "GET /keys", "").await;
        assert_eq!((status, &refused["error"]["code"]), (404, &"VaultNotFound".into()));
        return;
    }
    match step {
        Step::Create(which) => {
            let line =
                if which.1 == 0 { format!("POST {}/create", path(*which)) } else { format!("PUT {}", path(*which)) };
            let body = if which.1 == 0 { r#"{"kty":"EC"}"# } else { r#"{"value":"v"}"# };
            let (status, made) = client.ask(which.0, &line, body).await;
            if model.is_deleted(*which) {
                assert_eq!(
                    (status, &made["error"]["innererror"]["code"]),
                    (409, &"ObjectIsDeletedButRecoverable".into())
                );
                return;
            }
            assert_eq!(status, 200, "{made}");
            let object = model.objects.entry(*which).or_default();
            object.latest = last(&made);
            assert!(object.versions.insert(object.latest.clone()), "a version id was given twice");
            object.updates = 0;
        }
        Step::Update(which) => {
            let updates = model.objects.get(which).map_or(0, |object| object.updates + 1);
            let body = format!(r#"{{"tags":{{"updates":"{updates}"}}}}"#);
            let (status, _) = client.ask(which.0, &format!("PATCH {}", path(*which)), &body).await;
            assert_eq!(status, if model.is_live(*which) { 200 } else { 404 });
            if let Some(object) = model.objects.get_mut(which).filter(|object| object.deleted.is_none()) {
                object.updates = updates;
            }
        }
        Step::Delete(which) => {
            let (status, _) = client.ask(which.0, &format!("DELETE {}", path(*which)), "").await;
            assert_eq!(status, if model.is_live(*which) { 200 } else { 404 });
            let now = model.now;
            if let Some(object) = model.objects.get_mut(which) {
                object.deleted.get_or_insert(now);
            }
        }
        Step::Recover(which) => {
            let line = format!("POST /deleted{}/recover", &path(*which)[1..]);
            let (status, _) = client.ask(which.0, &line, "").await;
            let expected = if model.is_deleted(*which) {
                200
            } else if model.is_live(*which) {
                400
            } else {
                404
            };
            assert_eq!(status, expected);
            if let Some(object) = model.objects.get_mut(which) {
                object.deleted = None;
            }
        }
        Step::Purge(which) => {
            let (status, _) = client.ask(which.0, &format!("DELETE /deleted{}", &path(*which)[1..]), "").await;
            let protected = model.vaults[&which.0];
            let expected = if protected {
                403
            } else if model.is_deleted(*which) {
                204
            } else {
                404
            };
            assert_eq!(status, expected);
            if expected == 204 {
                model.objects.remove(which);
            }
        }
        Step::Backup(which) => {
            let (status, blob) = client.ask(which.0, &format!("POST {}/backup", path(*which)), "").await;
            assert_eq!(status, if model.is_live(*which) { 200 } else { 404 });
            if status == 200 {
                let blob = blob["value"].as_str().unwrap().to_owned();
                backups.insert(which.1, (*which, model.objects[which].clone(), blob));
            }
        }
        // Into the vault that is named, under the name that the backup has.
        Step::Restore((vault, kind, _)) => {
            let Some(((_, _, name), object, blob)) = backups.get(kind) else { return };
            let which = (*vault, *kind, *name);
            let body = format!(r#"{{"value":"{blob}"}}"#);
            let (status, _) = client.ask(*vault, &format!("POST /{}/restore", KINDS[*kind]), &body).await;
            let free = !model.objects.contains_key(&which);
            assert_eq!(status, if free { 200 } else { 409 });
            if free {
                model.objects.insert(which, object.clone());
            }
        }
        Step::Copy(from, to) => {
            let line = format!("PUT /admin/vaults/{}", VAULTS[*to]);
            let answer = client.world.admin(&line, &format!(r#"{{"copyOf":"{}"}}"#, VAULTS[*from])).await;
            let (from_is, to_is) = (model.vaults.contains_key(from), model.vaults.contains_key(to));
            let expected = if !from_is {
                404
            } else if to_is {
                409
            } else {
                201
            };
            assert_eq!(answer.status, expected, "{}", answer.text);
            if expected == 201 {
                model.copy(*from, *to);
            }
        }
        Step::Drop(vault) => {
            let answer = client.world.admin(&format!("DELETE /admin/vaults/{}", VAULTS[*vault]), "").await;
            assert_eq!(answer.status, if model.vaults.contains_key(vault) { 204 } else { 404 });
            model.drop(*vault);
        }
        Step::Advance(seconds) => {
            let answer = client.world.admin("POST /admin/clock", &format!(r#"{{"advance":"PT{seconds}S"}}"#)).await;
            model.now += seconds;
            assert_eq!(answer.json()["ran"], model.expire(), "each due thing happens exactly once");
        }
        Step::Restart => {}
    }
}

/// Compares everything that can be seen with the model.
async fn check(client: &mut Client, model: &Model) {
    for (vault, kind) in model.vaults.keys().flat_map(|vault| [(*vault, 0), (*vault, 1)]) {
        let of_kind = || model.objects.iter().filter(|((v, k, _), _)| (*v, *k) == (vault, kind));
        let names = |deleted: bool| -> BTreeSet<String> {
            let found = of_kind().filter(|(_, object)| object.deleted.is_some() == deleted);
            found.map(|((_, _, name), _)| NAMES[*name].to_owned()).collect()
        };
        let live = client.all(vault, &format!("/{}", KINDS[kind])).await;
        assert_eq!(live.keys().cloned().collect::<BTreeSet<_>>(), names(false));
        let gone = client.all(vault, &format!("/deleted{}", KINDS[kind])).await;
        assert_eq!(gone.keys().cloned().collect::<BTreeSet<_>>(), names(true));
        let level = if model.vaults[&vault] { "CustomizedRecoverable" } else { "CustomizedRecoverable+Purgeable" };
        for item in live.values().chain(gone.values()) {
            let attributes = &item["attributes"];
            assert_eq!((&attributes["recoveryLevel"], &attributes["recoverableDays"]), (&level.into(), &7.into()));
        }
        for name in 0..NAMES.len() {
            check_object(client, model, (vault, kind, name)).await;
        }
    }
}

async fn check_object(client: &mut Client, model: &Model, which: Which) {
    let (vault, path) = (which.0, format!("/{}/{}", KINDS[which.1], NAMES[which.2]));
    let (status, found) = client.ask(vault, &format!("GET {path}"), "").await;
    let versions: BTreeSet<_> = client.all(vault, &format!("{path}/versions")).await.into_keys().collect();
    let (status_deleted, deleted) = client.ask(vault, &format!("GET /deleted{}", &path[1..]), "").await;
    match model.objects.get(&which) {
        Some(object) if object.deleted.is_none() => {
            assert_eq!((status, status_deleted), (200, 404));
            assert_eq!((last(&found), &versions), (object.latest.clone(), &object.versions));
            let expected = (object.updates > 0).then(|| object.updates.to_string());
            assert_eq!(found["tags"]["updates"].as_str().map(str::to_owned), expected);
        }
        Some(object) => {
            assert_eq!((status, status_deleted, versions.len()), (404, 200, 0));
            let at = object.deleted.unwrap();
            assert_eq!(
                (&deleted["deletedDate"], &deleted["scheduledPurgeDate"]),
                (&at.into(), &(at + RETENTION).into())
            );
            assert_eq!(last(&deleted), object.latest);
        }
        None => assert_eq!((status, status_deleted, versions.len()), (404, 404, 0)),
    }
}

/// Lives through `steps`, in `dir` or in memory.
async fn live_through(steps: &[Step], dir: Option<&Path>) {
    let start = ClockChoice::Virtual { start: Some(Timestamp::from_unix(START)), frozen: Some(true) };
    let mut client = Client::start(dir, start).await;
    let (mut model, mut backups) = (Model::new(), BTreeMap::new());
    for step in steps {
        if matches!(step, Step::Restart) && dir.is_some() {
            client.world.server.stop().await;
            assert_whole(dir);
            client = Client::start(dir, ClockChoice::Virtual { start: None, frozen: None }).await;
        }
        take(step, &mut client, &mut model, &mut backups).await;
        check(&mut client, &model).await;
    }
    client.world.server.stop().await;
    assert_whole(dir);
}

/// What `keyhaven check` says of data that nothing ever happened to.
fn assert_whole(dir: Option<&Path>) {
    if let Some(dir) = dir {
        assert_eq!(keyhaven::testing::check(dir, None).unwrap().findings, []);
    }
}

fn on_a_runtime(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_memory_everything_is_as_the_model_says(steps in prop::collection::vec(step(), 1..40)) {
        on_a_runtime(live_through(&steps, None));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_the_disk_too_across_restarts(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        on_a_runtime(live_through(&steps, Some(dir.path())));
    }
}
