//! What all kinds of object share: a name with versions, attributes, tags, lists, and a life after deletion. This module
//! knows no kind; see [`ObjectKind`].
//!
//! Each object is a *head* (its name and its latest version), a *version* record each, and the version's *material*: the
//! bytes that must stay secret, kept apart so that lists and updates never touch them. A deleted object has a tombstone
//! in the place of its head; its versions stay where they are.

mod add;
mod deletion;
mod dump;
mod head;
mod kind;
mod list;
mod objects;
mod reclaim;
mod records;
mod restore;
mod run;
mod schedule;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ObjectName, Version};
use crate::clock::Timestamp;

pub(crate) use deletion::{DeletedObject, DeletedUse};
pub(crate) use kind::{LifetimePolicy, NoPolicy, ObjectKind, VersionRecord};
pub(crate) use objects::Objects;

pub(super) use dump::ObjectDump;
pub(super) use head::{Head, Tombstone};
pub(super) use objects::NameState;
pub(super) use schedule::Schedule;

/// Tags as the caller gave them.
pub(crate) type Tags = BTreeMap<String, String>;

/// The attributes of every version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Whether the version may be used.
    pub enabled: bool,
    /// Not to be used before.
    pub nbf: Option<Timestamp>,
    /// Not to be used from this moment on.
    pub exp: Option<Timestamp>,
    /// When the version was created.
    pub created: Timestamp,
    /// When the version's attributes, tags or operations last changed.
    pub updated: Timestamp,
}

/// The attributes a caller may give; what is left out keeps its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttributesPatch {
    /// Whether the version may be used.
    pub enabled: Option<bool>,
    /// Not to be used before.
    pub nbf: Option<Timestamp>,
    /// Not to be used from this moment on.
    pub exp: Option<Timestamp>,
}

impl Attributes {
    /// The attributes of a version created `now`.
    pub fn new(given: AttributesPatch, now: Timestamp) -> Self {
        Self { enabled: given.enabled.unwrap_or(true), nbf: given.nbf, exp: given.exp, created: now, updated: now }
    }

    /// These attributes with what is `given` changed `now`.
    #[must_use]
    pub fn patched(&self, given: AttributesPatch, now: Timestamp) -> Self {
        Self {
            enabled: given.enabled.unwrap_or(self.enabled),
            nbf: given.nbf.or(self.nbf),
            exp: given.exp.or(self.exp),
            created: self.created,
            updated: now,
        }
    }
}

/// One version of an object as it was found.
#[derive(Clone, Debug)]
pub struct FoundVersion<T> {
    /// The object's name as it was first written.
    pub name: ObjectName,
    /// The version.
    pub version: Version,
    /// The version's record.
    pub record: Arc<T>,
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// The items, in order; perhaps fewer than the limit.
    pub items: Vec<T>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

/// Which page of a list is wanted.
#[derive(Clone, Debug)]
pub(crate) struct PageRequest {
    /// Where the page before ended.
    pub after: Option<String>,
    /// How many items at the most, 1 to 25.
    pub limit: usize,
}
