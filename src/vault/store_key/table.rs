//! The tables of this room.

use uuid::Uuid;

use super::super::{Kind, VaultName};
use crate::store::EntryKey;

listed_enum! {
    /// A table: the first segment of a key.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) enum Table {
        /// A vault's settings: `vault/NAME`.
        Vault,
        /// The name of the vault that answers on a host name: `alias/HOST`.
        Alias,
        /// A frozen layer, which vaults may share: `layer/LAYER`.
        FrozenLayer,
        /// There may be frozen layers that no vault reads: `layers-unswept`.
        UnsweptLayers,
        /// A layer whose records are to be deleted: `sweep/LAYER`.
        Sweep,
        /// The index of what falls due, for an object or for a vault itself: `due/TIME/LAYER/COLLECTION/NAME/ACTION`,
        /// `due/TIME/VAULT-ID/ACTION`.
        Due,
        /// What happened: `event/NUMBER`.
        Event,
        /// What a configuration made: `configured/VAULT`, `configured/VAULT/COLLECTION/NAME`.
        Configured,
        /// The head of an object.
        Object,
        /// The tombstone of a deleted object.
        Deleted,
        /// The public part of a version.
        Version,
        /// The secret part of a version.
        Material,
        /// The lifetime policy of an object.
        Policy,
        /// What is to happen to an object's latest version.
        Schedule,
        /// A whiteout: hides a record of the layers below. `hidden/LAYER/` and the rest of that record's key.
        Whiteout,
    }
}

impl Table {
    /// The table's name in keys.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Alias => "alias",
            Self::FrozenLayer => "layer",
            Self::UnsweptLayers => "layers-unswept",
            Self::Sweep => "sweep",
            Self::Due => "due",
            Self::Event => "event",
            Self::Configured => "configured",
            Self::Object => "object",
            Self::Deleted => "deleted",
            Self::Version => "version",
            Self::Material => "material",
            Self::Policy => "policy",
            Self::Schedule => "schedule",
            Self::Whiteout => "hidden",
        }
    }

    /// Whether the table's keys are [`ObjectKey`]s.
    const fn is_of_objects(self) -> bool {
        match self {
            Self::Object | Self::Deleted | Self::Version | Self::Material | Self::Policy | Self::Schedule => true,
            Self::Vault
            | Self::Alias
            | Self::FrozenLayer
            | Self::UnsweptLayers
            | Self::Sweep
            | Self::Due
            | Self::Event
            | Self::Configured
            | Self::Whiteout => false,
        }
    }

    /// The tables of a vault's objects.
    pub(crate) fn of_objects() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|table| table.is_of_objects())
    }

    /// The tables whose records lie in a layer, the whiteouts last: a sweep that deletes in this order makes nothing
    /// visible again.
    pub(crate) fn of_layers() -> impl Iterator<Item = Self> {
        Self::of_objects().chain([Self::Whiteout])
    }

    /// What all keys of the table begin with.
    pub(crate) fn prefix(self) -> EntryKey {
        joined(&[self.name(), ""])
    }

    /// What the keys of [`Table::Configured`] begin with for objects in the vault called `name`.
    pub(crate) fn configured_in(name: &VaultName) -> EntryKey {
        joined(&[Self::Configured.name(), name.as_str(), ""])
    }

    /// What the table's keys of `layer` begin with.
    pub(crate) fn prefix_in(self, layer: Uuid) -> EntryKey {
        joined(&[self.name(), hexadecimal(layer, &mut Uuid::encode_buffer()), ""])
    }

    /// What the table's keys of objects of `kind` in `layer` begin with.
    pub(crate) fn prefix_of_kind(self, layer: Uuid, kind: Kind) -> EntryKey {
        joined(&[self.name(), hexadecimal(layer, &mut Uuid::encode_buffer()), kind.collection(), ""])
    }
}

/// A layer's id, as it is written in keys.
pub(super) fn hexadecimal(id: Uuid, buffer: &mut [u8; uuid::fmt::Urn::LENGTH]) -> &str {
    id.simple().encode_lower(buffer)
}

pub(super) fn joined(parts: &[&str]) -> EntryKey {
    EntryKey::from(parts.join("/"))
}
