//! Lists: of objects, of an object's versions, of what was deleted.

use super::super::{ObjectName, Refusal, Version};
use super::objects::Objects;
use super::{DeletedObject, Found, Head, Page, PageRequest, Tombstone};
use crate::records::{Record, View, missing};
use crate::store::Key;

impl Objects<'_> {
    /// A page of the objects, each with its latest version, ordered by upper-cased name. What is being recovered is left
    /// out, so a page may be shorter than the next one begins.
    pub(in super::super) async fn list<T: Record>(
        &self,
        view: &View,
        page: &PageRequest,
    ) -> Result<Page<Found<T>>, Refusal> {
        self.check_unchanged(view).await?;
        let (keys, next) = self.page(view, &self.heads(), page).await?;
        let mut items = Vec::new();
        for key in &keys {
            let head = self.vaults.records().get::<Head>(view, key).await?.ok_or_else(|| missing(key))?;
            if head.is_visible(self.call.now) {
                items.push(self.version_of(view, &head, None).await?);
            }
        }
        Ok(Page { items, next })
    }

    /// A page of what was deleted and can be recovered, each with its latest version, ordered by upper-cased name.
    pub(in super::super) async fn list_deleted<T: Record>(
        &self,
        view: &View,
        page: &PageRequest,
    ) -> Result<Page<DeletedObject<T>>, Refusal> {
        self.require_soft_delete("list deleted")?;
        self.check_unchanged(view).await?;
        let (keys, next) = self.page(view, &self.deleted_heads(), page).await?;
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
    pub(in super::super) async fn versions<T: Record>(
        &self,
        view: &View,
        name: &ObjectName,
        page: &PageRequest,
    ) -> Result<Page<Found<T>>, Refusal> {
        self.check_unchanged(view).await?;
        let Some(head) = self.get::<Head>(view, &self.head_key(name)).await? else {
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
            items.push(self.listed(view, key, &head).await?);
        }
        Ok(Page { items, next })
    }

    async fn listed<T: Record>(&self, view: &View, key: &Key, head: &Head) -> Result<Found<T>, Refusal> {
        let record = self.vaults.records().get(view, key).await?;
        match (last_segment(key).and_then(|id| Version::parse(&id)), record) {
            (Some(version), Some(record)) => Ok(Found { name: head.name.clone(), version, record }),
            _ => Err(missing(key).into()),
        }
    }

    /// The keys of a page below `prefix`, and where the next one begins.
    async fn page(&self, view: &View, prefix: &str, page: &PageRequest) -> Result<(Vec<Key>, Option<String>), Refusal> {
        let after = page.after.as_ref().map(|last| Key::from(format!("{prefix}{last}")));
        let found = self.layers().keys(view, &Key::from(prefix), after.as_ref(), page.limit + 1).await?;
        let more = found.len() > page.limit;
        let keys: Vec<Key> = found.into_iter().take(page.limit).map(|(key, _)| key).collect();
        let next = keys.last().filter(|_| more).and_then(last_segment);
        Ok((keys, next))
    }
}

fn last_segment(key: &Key) -> Option<String> {
    let segment = key.as_bytes().rsplit(|byte| *byte == b'/').next()?;
    std::str::from_utf8(segment).ok().map(str::to_owned)
}
