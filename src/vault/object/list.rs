//! Lists: of objects, of an object's versions, of what was deleted.

use super::super::store_key::{StoreKey, Table};
use super::super::{ObjectName, Refusal, Version};
use super::kind::ObjectKind;
use super::{DeletedObject, DeletedUse, FoundVersion, Head, Objects, Page, PageRequest, Tombstone};
use crate::records::{View, missing};
use crate::store::EntryKey;

impl<K: ObjectKind> Objects<'_, K> {
    /// A page of the objects, each with its latest version, ordered by upper-cased name. What is being recovered is left
    /// out, so a page may have fewer items than the limit and still be followed by another.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn list(&self, page: &PageRequest) -> Result<Page<FoundVersion<K::Record>>, Refusal> {
        let view = &self.vaults.records().view().await?;
        self.check_unchanged(view).await?;
        let (keys, next) = self.page(view, &self.prefix(Table::Object), page).await?;
        let mut items = Vec::new();
        for key in &keys {
            let head = self.vaults.records().get::<Head>(view, key).await?.ok_or_else(|| missing(key))?;
            if head.is_visible(self.call.now) {
                items.push(self.version_of(view, &head, None).await?);
            }
        }
        Ok(Page { items, next })
    }

    /// A page of the deleted objects that can be recovered, each with its latest version, ordered by upper-cased name.
    ///
    /// # Errors
    /// [`Refusal::NoSoftDelete`]; what the store reports.
    pub(crate) async fn list_deleted(&self, page: &PageRequest) -> Result<Page<DeletedObject<K::Record>>, Refusal> {
        self.require_soft_delete(DeletedUse::List)?;
        let view = &self.vaults.records().view().await?;
        self.check_unchanged(view).await?;
        let (keys, next) = self.page(view, &self.prefix(Table::Deleted), page).await?;
        let mut items = Vec::new();
        for key in &keys {
            let deleted = self.vaults.records().get::<Tombstone>(view, key).await?.ok_or_else(|| missing(key))?;
            if deleted.is_visible(self.call.now) {
                let found = self.version_of(view, &deleted.head, None).await?;
                items.push(DeletedObject { found, deletion: Some(deleted.as_ref().into()) });
            }
        }
        Ok(Page { items, next })
    }

    /// A page of an object's versions, ordered by version id; empty when there is no such object, as the service has
    /// it (azure-sdk-for-net issue 16444).
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn list_versions(
        &self,
        name: &ObjectName,
        page: &PageRequest,
    ) -> Result<Page<FoundVersion<K::Record>>, Refusal> {
        let view = &self.vaults.records().view().await?;
        self.check_unchanged(view).await?;
        let Some(head) = self.record::<Head>(view, &self.head_key(name)).await? else {
            self.check_no_orphaned_versions(view, name).await?;
            return Ok(Page { items: vec![], next: None });
        };
        if !head.is_visible(self.call.now) {
            return Ok(Page { items: vec![], next: None });
        }
        let (keys, next) = self.page(view, &self.versions_of(name), page).await?;
        let counted = keys.len() + usize::from(next.is_some());
        if page.after.is_none() && counted != head.versions.min(page.limit + 1) {
            return Err(self.version_count_mismatch(name));
        }
        let mut items = Vec::new();
        for key in &keys {
            items.push(self.version_at(view, key, &head).await?);
        }
        Ok(Page { items, next })
    }

    async fn version_at(&self, view: &View, key: &EntryKey, head: &Head) -> Result<FoundVersion<K::Record>, Refusal> {
        let record = self.vaults.records().get(view, key).await?;
        match (version_in(key), record) {
            (Some(version), Some(record)) => Ok(FoundVersion { name: head.name.clone(), version, record }),
            _ => Err(missing(key).into()),
        }
    }

    /// The keys of a page below `prefix`, and where the next one begins.
    async fn page(
        &self,
        view: &View,
        prefix: &EntryKey,
        page: &PageRequest,
    ) -> Result<(Vec<EntryKey>, Option<String>), Refusal> {
        let after = page.after.as_ref().map(|last| EntryKey::from([prefix.as_bytes(), last.as_bytes()].concat()));
        let found = self.layers().keys(view, prefix, after.as_ref(), page.limit + 1).await?;
        let more = found.len() > page.limit;
        let keys: Vec<EntryKey> = found.into_iter().take(page.limit).map(|(key, _)| key).collect();
        let next = keys.last().filter(|_| more).and_then(last_segment);
        Ok((keys, next))
    }
}

/// The version in the key of a version's record.
pub(super) fn version_in(key: &EntryKey) -> Option<Version> {
    match StoreKey::parse(&key.to_string())? {
        StoreKey::Object(key) => key.version.and_then(Version::parse),
        _ => None,
    }
}

fn last_segment(key: &EntryKey) -> Option<String> {
    let segment = key.as_bytes().rsplit(|byte| *byte == b'/').next()?;
    std::str::from_utf8(segment).ok().map(str::to_owned)
}
