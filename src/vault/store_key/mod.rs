//! Store keys: the one place where the keys of this room's records are made and parsed. Whatever walks through the store
//! (copies, sweeps, the consistency check) reads [`Table::ALL`] and [`StoreKey::parse`], so none of them can forget a
//! table.
//!
//! A key is `TABLE/REST`. What a vault holds lies in a layer, `TABLE/LAYER/COLLECTION/NAME`; see `layers`.

mod table;

use uuid::Uuid;

use super::{Kind, ObjectName, VaultName, Version};
use crate::store::EntryKey;

pub(super) use table::Table;
use table::{hexadecimal, joined};

/// The digits of numbers that keys are ordered by.
const DIGITS: usize = 20;
/// The bytes of a layer's id in hexadecimal.
const LAYER_LENGTH: usize = uuid::fmt::Simple::LENGTH;

/// A key, taken apart. Names are in upper case when they come from [`StoreKey::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreKey<'k> {
    /// Of [`Table::Vault`].
    Vault(&'k str),
    /// Of [`Table::Alias`]: the host name, in lower case.
    Alias(&'k str),
    /// Of [`Table::FrozenLayer`].
    FrozenLayer(Uuid),
    /// Of [`Table::UnsweptLayers`].
    UnsweptLayers,
    /// Of [`Table::Sweep`].
    Sweep(Uuid),
    /// Of [`Table::Due`].
    Due {
        /// Seconds since 1970.
        at: u64,
        /// The object's layer, or the vault's id.
        layer: Uuid,
        /// The object's kind and name; none of what is due for the vault itself.
        object: Option<(Kind, &'k str)>,
        /// What is to be done.
        action: &'k str,
    },
    /// Of [`Table::Event`].
    Event(u64),
    /// What a configuration made: a vault, or an object in one.
    Configured {
        /// The vault's name.
        vault: &'k str,
        /// The object's kind and its name, in any case.
        object: Option<(Kind, &'k str)>,
    },
    /// Of one of the tables of a vault's objects.
    Object(ObjectKey<'k>),
    /// Of [`Table::Whiteout`]: the record that is hidden, in the layer of the whiteout.
    Whiteout(ObjectKey<'k>),
}

/// The key of a record that belongs to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ObjectKey<'k> {
    /// The table.
    pub(super) table: Table,
    /// The layer.
    pub(super) layer: Uuid,
    /// The object's kind.
    pub(super) kind: Kind,
    /// The object's name, in any case.
    pub(super) name: &'k str,
    /// The version, in the tables that have a record for each.
    pub(super) version: Option<&'k str>,
}

impl<'k> StoreKey<'k> {
    /// The key that `text` is, if it is one of this room's.
    pub(super) fn parse(text: &'k str) -> Option<Self> {
        let (table, rest) = text.split_once('/').unwrap_or((text, ""));
        let table = *Table::ALL.iter().find(|one| one.name() == table)?;
        match table {
            Table::Vault => Some(Self::Vault(rest)),
            Table::Alias => Some(Self::Alias(rest)),
            Table::FrozenLayer => layer(rest).map(Self::FrozenLayer),
            Table::UnsweptLayers => Some(Self::UnsweptLayers),
            Table::Sweep => layer(rest).map(Self::Sweep),
            Table::Due => parse_due(rest),
            Table::Event => number(rest).map(Self::Event),
            Table::Configured => parse_configured(rest),
            Table::Object | Table::Deleted | Table::Version | Table::Material | Table::Policy | Table::Schedule => {
                ObjectKey::parse(table, rest).map(Self::Object)
            }
            Table::Whiteout => parse_whiteout(rest),
        }
    }

    /// The key of the record.
    pub(super) fn to_key(self) -> EntryKey {
        let buffer = &mut Uuid::encode_buffer();
        match self {
            Self::Vault(name) => joined(&[Table::Vault.name(), name]),
            Self::Alias(host) => joined(&[Table::Alias.name(), host]),
            Self::FrozenLayer(id) => joined(&[Table::FrozenLayer.name(), hexadecimal(id, buffer)]),
            Self::UnsweptLayers => EntryKey::from(Table::UnsweptLayers.name()),
            Self::Sweep(id) => joined(&[Table::Sweep.name(), hexadecimal(id, buffer)]),
            Self::Due { at, layer, object, action } => {
                let object = object.map(|(kind, name)| format!("{}/{}/", kind.collection(), upper(name)));
                let (layer, object) = (hexadecimal(layer, buffer), object.unwrap_or_default());
                EntryKey::from(format!("{}/{at:0DIGITS$}/{layer}/{object}{action}", Table::Due.name()))
            }
            Self::Event(number) => EntryKey::from(format!("{}/{number:0DIGITS$}", Table::Event.name())),
            Self::Configured { vault, object: None } => joined(&[Table::Configured.name(), vault]),
            Self::Configured { vault, object: Some((kind, name)) } => {
                joined(&[Table::Configured.name(), vault, kind.collection(), &upper(name)])
            }
            Self::Object(key) => key.to_key(),
            Self::Whiteout(key) => whiteout_key(&key.to_key(), key.layer),
        }
    }

    /// The layer that the record lies in, or is about.
    pub(super) const fn layer(&self) -> Option<Uuid> {
        match self {
            Self::FrozenLayer(layer) | Self::Sweep(layer) | Self::Due { layer, .. } => Some(*layer),
            Self::Object(key) | Self::Whiteout(key) => Some(key.layer),
            Self::Vault(_) | Self::Alias(_) | Self::UnsweptLayers | Self::Event(_) | Self::Configured { .. } => None,
        }
    }

    /// The key of the settings of the vault called `name`.
    pub(super) fn of_vault(name: &VaultName) -> EntryKey {
        StoreKey::Vault(name.as_str()).to_key()
    }
}

impl<'k> ObjectKey<'k> {
    /// The key in `table` of an object.
    pub(super) fn new(table: Table, layer: Uuid, kind: Kind, name: &'k ObjectName) -> Self {
        Self { table, layer, kind, name: name.as_str(), version: None }
    }

    /// The key in `table` of one of the object's versions.
    pub(super) fn of_version(self, table: Table, version: &'k Version) -> Self {
        Self { table, version: Some(version.as_str()), ..self }
    }

    fn parse(table: Table, rest: &'k str) -> Option<Self> {
        let (id, rest) = rest.split_once('/')?;
        Self::parse_in_layer(table, layer(id)?, rest)
    }

    fn parse_in_layer(table: Table, layer: Uuid, rest: &'k str) -> Option<Self> {
        let (collection, rest) = rest.split_once('/')?;
        let kind = Kind::of_collection(collection)?;
        let has_versions = matches!(table, Table::Version | Table::Material);
        let (name, version) = match rest.split_once('/') {
            Some((name, version)) if has_versions => (name, Some(version)),
            None if !has_versions => (rest, None),
            _ => return None,
        };
        Some(Self { table, layer, kind, name, version })
    }

    /// The key of the record, in one allocation: every request makes some.
    pub(super) fn to_key(self) -> EntryKey {
        let version = self.version.map_or(0, |version| version.len() + 1);
        let mut bytes = Vec::with_capacity(self.table.name().len() + LAYER_LENGTH + 16 + self.name.len() + version);
        bytes.extend_from_slice(self.table.name().as_bytes());
        bytes.push(b'/');
        bytes.extend_from_slice(hexadecimal(self.layer, &mut Uuid::encode_buffer()).as_bytes());
        bytes.push(b'/');
        bytes.extend_from_slice(self.kind.collection().as_bytes());
        bytes.push(b'/');
        bytes.extend(self.name.bytes().map(|byte| byte.to_ascii_uppercase()));
        if let Some(version) = self.version {
            bytes.push(b'/');
            bytes.extend_from_slice(version.as_bytes());
        }
        EntryKey::from(bytes)
    }

    /// What the keys of the object's versions begin with in a table that has a record for each.
    pub(super) fn prefix_of_versions(self, table: Table) -> EntryKey {
        Self { table, version: Some(""), ..self }.to_key()
    }
}

/// The record of an object at `key`, as it lies in `layer`.
pub(super) fn in_layer(key: &EntryKey, layer: Uuid) -> EntryKey {
    let (table, rest) = around_layer(key);
    EntryKey::from([table, b"/", hexadecimal(layer, &mut Uuid::encode_buffer()).as_bytes(), rest].concat())
}

/// The whiteout of `layer` for the record of an object at `key`.
pub(super) fn whiteout_key(key: &EntryKey, layer: Uuid) -> EntryKey {
    let (table, rest) = around_layer(key);
    let whiteout = Table::Whiteout.name().as_bytes();
    EntryKey::from(
        [whiteout, b"/", hexadecimal(layer, &mut Uuid::encode_buffer()).as_bytes(), b"/", table, rest].concat(),
    )
}

/// The prefix of the whiteouts in `layer` that hide records of `kind` in `table`.
pub(super) fn whiteout_prefix(table: Table, layer: Uuid, kind: Kind) -> EntryKey {
    whiteout_key(&table.prefix_of_kind(layer, kind), layer)
}

/// A key behind all those that begin with `prefix`.
pub(super) fn behind_all_below(prefix: &EntryKey) -> EntryKey {
    // No key has this byte.
    EntryKey::from([prefix.as_bytes(), b"\xff"].concat())
}

/// The table in `key`, and what comes behind the layer, beginning with a slash.
fn around_layer(key: &EntryKey) -> (&[u8], &[u8]) {
    let bytes = key.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b'/').unwrap_or(bytes.len());
    let rest = bytes.get(end + 1 + LAYER_LENGTH..).unwrap_or_default();
    (&bytes[..end], rest)
}

fn parse_due(rest: &str) -> Option<StoreKey<'_>> {
    let parts: Vec<&str> = rest.split('/').collect();
    let (at, layer, object, action) = match parts[..] {
        [at, id, action] => (at, id, None, action),
        [at, id, collection, name, action] => (at, id, Some((Kind::of_collection(collection)?, name)), action),
        _ => return None,
    };
    Some(StoreKey::Due { at: number(at)?, layer: self::layer(layer)?, object, action })
}

fn parse_configured(rest: &str) -> Option<StoreKey<'_>> {
    let parts: Vec<&str> = rest.split('/').collect();
    match parts[..] {
        [vault] => Some(StoreKey::Configured { vault, object: None }),
        [vault, collection, name] => {
            Some(StoreKey::Configured { vault, object: Some((Kind::of_collection(collection)?, name)) })
        }
        _ => None,
    }
}

fn parse_whiteout(rest: &str) -> Option<StoreKey<'_>> {
    let (id, rest) = rest.split_once('/')?;
    let (table, rest) = rest.split_once('/')?;
    let table = Table::of_objects().find(|one| one.name() == table)?;
    ObjectKey::parse_in_layer(table, layer(id)?, rest).map(StoreKey::Whiteout)
}

fn layer(text: &str) -> Option<Uuid> {
    (text.len() == LAYER_LENGTH).then(|| Uuid::try_parse(text).ok()).flatten()
}

fn number(text: &str) -> Option<u64> {
    (text.len() == DIGITS).then(|| text.parse().ok()).flatten()
}

fn upper(name: &str) -> String {
    name.to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key of `table`. The match lists the tables: a new one needs a line here.
    fn key_of(
        table: Table,
        id: u128,
        number: u64,
        name: &'static str,
        version: &'static str,
        kind: Kind,
    ) -> StoreKey<'static> {
        let layer = Uuid::from_u128(id);
        let object = |version| ObjectKey { table, layer, kind, name, version };
        match table {
            Table::Vault => StoreKey::Vault("acme"),
            Table::Alias => StoreKey::Alias("keys.acme.test"),
            Table::FrozenLayer => StoreKey::FrozenLayer(layer),
            Table::UnsweptLayers => StoreKey::UnsweptLayers,
            Table::Sweep => StoreKey::Sweep(layer),
            Table::Due => {
                let object = (name != "0").then_some((kind, name));
                StoreKey::Due { at: number, layer, object, action: "purge" }
            }
            Table::Event => StoreKey::Event(number),
            Table::Configured => StoreKey::Configured { vault: "acme", object: (name != "0").then_some((kind, name)) },
            Table::Object | Table::Deleted | Table::Policy | Table::Schedule => StoreKey::Object(object(None)),
            Table::Version | Table::Material => StoreKey::Object(object(Some(version))),
            Table::Whiteout => StoreKey::Whiteout(ObjectKey { table: Table::Version, ..object(Some(version)) }),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_key_parses_back_to_what_made_it(
            table in prop::sample::select(Table::ALL),
            kind in prop::sample::select(Kind::ALL),
            id in any::<u128>(),
            number in any::<u64>(),
            name in prop::sample::select(vec!["A", "DB-PASSWORD", "KEYS", "0", "VERSIONS"]),
        ) {
            let made = key_of(table, id, number, name, "0123456789abcdef0123456789abcdef", kind);
            let key = made.to_key();
            let text = key.to_string();
            prop_assert_eq!(StoreKey::parse(&text), Some(made));
            prop_assert!(table == Table::UnsweptLayers || key.starts_with(&table.prefix()), "{}", text);
        }
    }

    #[test]
    fn what_is_no_key_of_this_room_is_not_parsed() {
        let layer = "0".repeat(32);
        for text in [
            "",
            "identity/1",
            "object",
            "object/1/keys/A",
            &format!("object/{layer}/people/A"),
            &format!("object/{layer}/keys/A/B"),
            &format!("version/{layer}/keys/A"),
            "event/12",
            &format!("hidden/{layer}/vault/A"),
        ] {
            assert_eq!(StoreKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_upper_case_in_keys() {
        let name = ObjectName::parse("My-Key").unwrap();
        let key = ObjectKey::new(Table::Object, Uuid::nil(), Kind::Key, &name).to_key();
        assert_eq!(key.to_string(), format!("object/{}/keys/MY-KEY", "0".repeat(32)));
    }
}
