//! What keys and secrets share: a name with versions, attributes, tags, lists. Each object is
//! a *head* (its name and its latest version), a *version* record each, and the version's *material*: the bytes that
//! must stay secret, kept apart so that lists and updates never touch them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Kind, ObjectName, Refusal, Vault, Vaults, Version};
use crate::clock::Timestamp;
use crate::records::{Change, Record, encode, missing};
use crate::store::{Batch, Key, Revision, View};

/// Tags as the caller gave them.
pub type Tags = BTreeMap<String, String>;

/// The attributes that keys and secrets share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Whether the version may be used.
    pub enabled: bool,
    /// Not to be used before.
    pub nbf: Option<Timestamp>,
    /// Not to be used from this moment on.
    pub exp: Option<Timestamp>,
    /// When the version was made.
    pub created: Timestamp,
    /// When the version's attributes, tags or operations last changed.
    pub updated: Timestamp,
}

/// The attributes a caller may give; what is left out keeps its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenAttributes {
    /// Whether the version may be used.
    pub enabled: Option<bool>,
    /// Not to be used before.
    pub nbf: Option<Timestamp>,
    /// Not to be used from this moment on.
    pub exp: Option<Timestamp>,
}

impl Attributes {
    /// The attributes of a version made `now`.
    pub fn new(given: GivenAttributes, now: Timestamp) -> Self {
        Self { enabled: given.enabled.unwrap_or(true), nbf: given.nbf, exp: given.exp, created: now, updated: now }
    }

    /// These attributes with what is `given` changed `now`.
    #[must_use]
    pub fn changed(&self, given: GivenAttributes, now: Timestamp) -> Self {
        Self {
            enabled: given.enabled.unwrap_or(self.enabled),
            nbf: given.nbf.or(self.nbf),
            exp: given.exp.or(self.exp),
            created: self.created,
            updated: now,
        }
    }
}

/// The head of an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// The name as it was first written.
    pub(super) name: ObjectName,
    /// The version made last: what a request without a version means.
    pub(super) latest: Version,
    /// How many versions there are, so that a lost record is noticed.
    pub(super) versions: usize,
}

/// One version of an object as it was found.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// The object's name as it was first written.
    pub name: ObjectName,
    /// The version.
    pub version: Version,
    /// The version's record.
    pub record: Arc<T>,
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<Found<T>>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

/// Which page of a list is wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Where the page before ended.
    pub after: Option<String>,
    /// How many items at the most, 1 to 25.
    pub limit: usize,
}

/// The objects of one kind in one vault.
pub(super) struct Objects<'a> {
    pub(super) vaults: &'a Vaults,
    pub(super) vault: &'a Vault,
    pub(super) kind: Kind,
}

impl Objects<'_> {
    /// The version asked for, the latest when none is.
    pub(super) async fn find<T: Record>(
        &self,
        view: &View,
        name: &ObjectName,
        version: Option<&Version>,
    ) -> Result<Found<T>, Refusal> {
        let records = self.vaults.records();
        let Some(head) = records.get::<Head>(view, &self.head_key(name)).await? else {
            self.no_orphans(view, name).await?;
            return Err(self.not_found(name, version));
        };
        let wanted = version.unwrap_or(&head.latest);
        match records.get(view, &self.version_key(name, wanted)).await? {
            Some(record) => Ok(Found { name: head.name.clone(), version: wanted.clone(), record }),
            None => Err(self.version_absent(view, &head, name, version).await?),
        }
    }

    /// Adds a version, the object too if it is new; answers the name as it was first written, and the version's id.
    /// An id that is in use (a seed gives the same ones at every start) is never given again.
    pub(super) async fn add<T: Record>(
        &self,
        name: &ObjectName,
        record: &T,
        material: &Zeroizing<Vec<u8>>,
    ) -> Result<(ObjectName, Version), Refusal> {
        let bytes = &encode(record)?;
        let _turn = self.vaults.turn(&self.head_key(name)).await;
        self.vaults
            .records()
            .update(|view: View| async move {
                let version = self.free_version(&view, name).await?;
                let (head, revision) = self.head_with(&view, name, &version).await?;
                let (key, place) = (self.version_key(name, &version), self.material_key(name, &version));
                let head_key = self.head_key(name);
                let batch = Batch {
                    expect: vec![(head_key.clone(), revision), (key.clone(), 0), (place.clone(), 0)],
                    put: vec![(head_key, encode(&head)?), (key, bytes.clone()), (place, material.clone())],
                    delete: vec![],
                };
                Ok(Change { batch, answer: (head.name, version) })
            })
            .await
    }

    async fn free_version(&self, view: &View, name: &ObjectName) -> Result<Version, Refusal> {
        loop {
            let version = self.vaults.new_version();
            if view.revision_of(&self.version_key(name, &version)).await?.is_none() {
                return Ok(version);
            }
        }
    }

    /// The head with one version more, and the revision it has now.
    async fn head_with(&self, view: &View, name: &ObjectName, version: &Version) -> Result<(Head, Revision), Refusal> {
        match self.vaults.records().entry::<Head>(view, &self.head_key(name)).await? {
            Some((head, revision)) => Ok((head.with(version), revision)),
            None => {
                self.no_orphans(view, name).await?;
                Ok((Head { name: name.clone(), latest: version.clone(), versions: 1 }, 0))
            }
        }
    }

    /// Replaces a version's record by what `decide` makes of it.
    pub(super) async fn change<T: Record>(
        &self,
        name: &ObjectName,
        version: Option<&Version>,
        decide: impl Fn(&T) -> Result<T, Refusal> + Sync,
    ) -> Result<Found<T>, Refusal> {
        let decide = &decide;
        let _turn = self.vaults.turn(&self.head_key(name)).await;
        self.vaults
            .records()
            .update(|view: View| async move {
                let found = self.find::<T>(&view, name, version).await?;
                let key = self.version_key(name, &found.version);
                let revision = view.revision_of(&key).await?.unwrap_or_default();
                let next = decide(&found.record)?;
                let batch =
                    Batch { expect: vec![(key.clone(), revision)], put: vec![(key, encode(&next)?)], delete: vec![] };
                Ok(Change { batch, answer: Found { record: Arc::new(next), ..found } })
            })
            .await
    }

    /// A page of the objects, each with its latest version, ordered by upper-cased name.
    pub(super) async fn list<T: Record>(&self, view: &View, page: &PageRequest) -> Result<Page<T>, Refusal> {
        let after = page.after.as_ref().map(|name| Key::from(format!("{}{name}", self.heads())));
        let keys = view.keys(&Key::from(self.heads()), after.as_ref(), page.limit + 1).await?;
        let mut items = Vec::new();
        for (key, _) in keys.iter().take(page.limit) {
            let Some(head) = self.vaults.records().get::<Head>(view, key).await? else {
                return Err(missing(key).into());
            };
            items.push(self.find(view, &head.name, None).await?);
        }
        let next = (keys.len() > page.limit).then(|| items.last().map(|last: &Found<T>| last.name.upper())).flatten();
        Ok(Page { items, next })
    }

    /// A page of an object's versions, ordered by version id; empty when there is no such object, as the service has
    /// it (azure-sdk-for-net issue 16444).
    pub(super) async fn versions<T: Record>(
        &self,
        view: &View,
        name: &ObjectName,
        page: &PageRequest,
    ) -> Result<Page<T>, Refusal> {
        let Some(head) = self.vaults.records().get::<Head>(view, &self.head_key(name)).await? else {
            self.no_orphans(view, name).await?;
            return Ok(Page { items: vec![], next: None });
        };
        let prefix = self.versions_of(name);
        let after = page.after.as_ref().map(|version| Key::from(format!("{prefix}{version}")));
        let keys = view.keys(&Key::from(prefix.as_str()), after.as_ref(), page.limit + 1).await?;
        if page.after.is_none() && keys.len() != head.versions.min(page.limit + 1) {
            return Err(self.miscounted(name));
        }
        let mut items = Vec::new();
        for (key, _) in keys.iter().take(page.limit) {
            items.push(self.listed(view, key, &head).await?);
        }
        let next = (keys.len() > page.limit).then(|| items.last().map(|last: &Found<T>| last.version.to_string()));
        Ok(Page { items, next: next.flatten() })
    }

    /// A version's secret bytes.
    pub(super) async fn material(
        &self,
        view: &View,
        name: &ObjectName,
        version: &Version,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        Ok(self.vaults.records().bytes(view, &self.material_key(name, version)).await?)
    }

    pub(super) fn material_key(&self, name: &ObjectName, version: &Version) -> Key {
        Key::from(self.path("material/", &[&name.upper(), "/", version.as_str()]))
    }

    async fn listed<T: Record>(&self, view: &View, key: &Key, head: &Head) -> Result<Found<T>, Refusal> {
        let id = key.as_bytes().rsplit(|byte| *byte == b'/').next().and_then(|id| std::str::from_utf8(id).ok());
        let record = self.vaults.records().get(view, key).await?;
        match (id.and_then(Version::parse), record) {
            (Some(version), Some(record)) => Ok(Found { name: head.name.clone(), version, record }),
            _ => Err(missing(key).into()),
        }
    }

    /// A missing head means that there is no such object only when no version is left without it.
    async fn no_orphans(&self, view: &View, name: &ObjectName) -> Result<(), Refusal> {
        let orphans = view.keys(&Key::from(self.versions_of(name)), None, 1).await?;
        if orphans.is_empty() { Ok(()) } else { Err(missing(&self.head_key(name)).into()) }
    }

    /// A missing version is a 404 only when all that the head counts are there.
    async fn version_absent(
        &self,
        view: &View,
        head: &Head,
        name: &ObjectName,
        version: Option<&Version>,
    ) -> Result<Refusal, Refusal> {
        let there = view.keys(&Key::from(self.versions_of(name)), None, usize::MAX).await?;
        let whole = there.len() == head.versions && version.is_some_and(|version| *version != head.latest);
        Ok(if whole { self.not_found(name, version) } else { self.miscounted(name) })
    }

    fn not_found(&self, name: &ObjectName, version: Option<&Version>) -> Refusal {
        Refusal::NotFound { kind: self.kind, name: name.clone(), version: version.cloned() }
    }

    fn miscounted(&self, name: &ObjectName) -> Refusal {
        Refusal::Damaged { record: self.versions_of(name), why: "its versions are not those that were written".into() }
    }

    fn head_key(&self, name: &ObjectName) -> Key {
        Key::from(self.path("object/", &[&name.upper()]))
    }

    fn version_key(&self, name: &ObjectName, version: &Version) -> Key {
        Key::from(self.path("version/", &[&name.upper(), "/", version.as_str()]))
    }

    fn heads(&self) -> String {
        self.path("object/", &[])
    }

    fn versions_of(&self, name: &ObjectName) -> String {
        self.path("version/", &[&name.upper(), "/"])
    }

    /// `START/VAULT-ID/COLLECTION/REST`, in one allocation: every request builds some.
    fn path(&self, start: &str, rest: &[&str]) -> String {
        let mut path = String::with_capacity(start.len() + 48 + rest.iter().map(|part| part.len()).sum::<usize>());
        path.push_str(start);
        path.push_str(self.vault.id.simple().encode_lower(&mut Uuid::encode_buffer()));
        path.extend(["/", self.kind.collection(), "/"].iter().chain(rest).copied());
        path
    }
}

impl Head {
    /// This head with one more version, the latest from now on.
    fn with(&self, version: &Version) -> Self {
        Self { name: self.name.clone(), latest: version.clone(), versions: self.versions + 1 }
    }
}
