//! Ids of data factories and of what is in them.

use std::fmt;

use uuid::Uuid;

use super::kind::ChildKind;
use crate::access::roles::Scope;
use crate::management::group_id::GroupId;
use crate::resource_id::ResourceText;
use crate::store::EntryKey;

/// The type of every factory.
pub(crate) const FACTORY_TYPE: &str = "Microsoft.DataFactory/factories";
/// The lengths that a factory's name may have.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=63;
/// The longest name of what is in a factory, in characters.
const MAX_CHILD_NAME: usize = 260;
/// The longest name of a connection or a managed private endpoint.
const MAX_NETWORK_NAME: usize = 127;
/// What no name in a factory may hold (rules for naming Azure Data Factory entities).
const FORBIDDEN: &str = "<>*#.%&:\\+?/";

/// The id of a factory.
#[derive(Clone, Debug)]
pub(crate) struct FactoryId {
    group: GroupId,
    name: String,
}

/// Whether a factory or a runtime can be called so: 3 to 63 letters, digits and single hyphens, none of which is first or last.
fn is_resource_name(name: &str) -> bool {
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    LENGTHS.contains(&name.len()) && name.split('-').all(is_word)
}

/// A text is no name of a factory, or of what is in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidName;

impl FactoryId {
    /// The factory called `name`: 3 to 63 letters, digits and single hyphens, none of which is first or last.
    ///
    /// # Errors
    /// When no factory can be called so.
    pub(crate) fn parse(group: GroupId, name: &str) -> Result<Self, InvalidName> {
        is_resource_name(name).then(|| Self { group, name: name.to_owned() }).ok_or(InvalidName)
    }

    /// The factory with the id `text`, as [`fmt::Display`] writes it.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["", "subscriptions", subscription, "resourceGroups", group, "providers", _, "factories", name] = parts[..]
        else {
            return None;
        };
        Self::parse(GroupId::parse(subscription.parse().ok()?, group).ok()?, name).ok()
    }

    /// Its resource group.
    pub(crate) fn group(&self) -> &GroupId {
        &self.group
    }

    /// Its name, as it was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The scope of roles that it is.
    pub(crate) fn scope(&self) -> Scope {
        ResourceText(self.to_string()).into()
    }

    /// Where its record is.
    pub(super) fn key(&self) -> EntryKey {
        EntryKey::from(format!("factory/{}", self.path()))
    }

    /// Where it is recorded that the name, which is unique in the world, is taken.
    pub(super) fn name_key(&self) -> EntryKey {
        EntryKey::from(format!("factory-name/{}", self.name.to_ascii_lowercase()))
    }

    /// What the keys of everything in it begin with.
    pub(super) fn contents(&self) -> EntryKey {
        EntryKey::from(format!("factory-child/{}/", self.path()))
    }

    /// Where its system keys are recorded.
    pub(super) fn system_keys_key(&self) -> EntryKey {
        EntryKey::from(format!("factory-system-keys/{}", self.path()))
    }

    /// Where the last change of what is in it is recorded.
    pub(super) fn contents_stamp(&self) -> EntryKey {
        EntryKey::from(format!("factory-contents/{}", self.path()))
    }

    /// What the keys begin with of what runtimes in it have besides their definitions.
    pub(super) fn runtime_records(&self) -> [EntryKey; 2] {
        let path = self.path();
        [EntryKey::from(format!("runtime/{path}/")), EntryKey::from(format!("runtime-keys/{path}/"))]
    }

    /// What the keys of the connections of private endpoints to it begin with.
    pub(super) fn connections(&self) -> EntryKey {
        EntryKey::from(format!("factory-connection/{}/", self.path()))
    }

    /// What the keys of the endpoints in its managed virtual network begin with.
    pub(super) fn managed_endpoints(&self) -> EntryKey {
        EntryKey::from(format!("managed-endpoint/{}/", self.path()))
    }

    /// What the keys of all runs in it begin with, and what those of all runs of activities do.
    pub(super) fn run_records(&self) -> [EntryKey; 2] {
        let path = self.path();
        [EntryKey::from(format!("factory-run/{path}/")), EntryKey::from(format!("factory-activity/{path}/"))]
    }

    /// Where a run of a pipeline is.
    pub(super) fn run_key(&self, run: Uuid) -> EntryKey {
        EntryKey::from(format!("factory-run/{}/{run}", self.path()))
    }

    /// What the keys of the activities of a run begin with.
    pub(super) fn activity_runs(&self, run: Uuid) -> EntryKey {
        EntryKey::from(format!("factory-activity/{}/{run}/", self.path()))
    }

    /// Where a run of an activity is.
    pub(super) fn activity_run_key(&self, run: Uuid, activity: Uuid) -> EntryKey {
        EntryKey::from(format!("factory-activity/{}/{run}/{activity}", self.path()))
    }

    fn path(&self) -> String {
        format!("{}/{}", self.group.path(), self.name.to_ascii_lowercase())
    }
}

impl fmt::Display for FactoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/providers/{FACTORY_TYPE}/{}", self.group, self.name)
    }
}

/// The id of something in a factory.
#[derive(Clone, Debug)]
pub(crate) struct ChildId {
    factory: FactoryId,
    kind: ChildKind,
    name: String,
}

impl ChildId {
    /// What is called `name`.
    ///
    /// # Errors
    /// When nothing of this kind can be called so.
    pub(crate) fn parse(factory: FactoryId, kind: ChildKind, name: &str) -> Result<Self, InvalidName> {
        if kind == ChildKind::IntegrationRuntime && !is_resource_name(name) {
            return Err(InvalidName);
        }
        let begins = name.chars().next().is_some_and(|first| first.is_alphanumeric() || first == '_');
        let is_fine = |c: char| !c.is_control() && !FORBIDDEN.contains(c);
        let valid = begins && name.chars().count() <= MAX_CHILD_NAME && name.chars().all(is_fine);
        valid.then(|| Self { factory, kind, name: name.to_owned() }).ok_or(InvalidName)
    }

    /// The integration runtime with the resource id `text`, whatever the case of its segments.
    pub(super) fn runtime_of_text(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["", _, subscription, _, group, _, _, _, factory, _, name] = parts[..] else { return None };
        let factory = FactoryId::parse(GroupId::parse(subscription.parse().ok()?, group).ok()?, factory).ok()?;
        let id = Self::parse(factory, ChildKind::IntegrationRuntime, name).ok()?;
        id.to_string().eq_ignore_ascii_case(text).then_some(id)
    }

    /// The factory.
    pub(crate) fn factory(&self) -> &FactoryId {
        &self.factory
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> ChildKind {
        self.kind
    }

    /// Its name, as it was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The same id with the name in the spelling in which it was made.
    pub(crate) fn spelt(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// The scope of roles that it is.
    pub(crate) fn scope(&self) -> Scope {
        ResourceText(self.to_string()).into()
    }

    /// Where its record is.
    pub(super) fn key(&self) -> EntryKey {
        let (path, segment) = (self.factory.path(), self.kind.segment().to_ascii_lowercase());
        EntryKey::from(format!("factory-child/{path}/{segment}/{}", self.name.to_ascii_lowercase()))
    }

    /// Where the settings of the runtime are recorded.
    pub(super) fn runtime_key(&self) -> EntryKey {
        EntryKey::from(format!("runtime/{}/{}", self.factory.path(), self.name.to_ascii_lowercase()))
    }

    /// Where the secrets of the runtime are recorded.
    pub(super) fn runtime_secrets_key(&self) -> EntryKey {
        EntryKey::from(format!("runtime-keys/{}/{}", self.factory.path(), self.name.to_ascii_lowercase()))
    }

    /// What binds a sealed definition to its place in the factory.
    pub(super) fn associated_data(&self) -> String {
        format!("{}/{}", self.kind.segment().to_ascii_lowercase(), self.name.to_lowercase())
    }

    /// What the keys of everything of this kind in `factory` begin with.
    pub(super) fn keys_of(factory: &FactoryId, kind: ChildKind) -> EntryKey {
        EntryKey::from(format!("factory-child/{}/{}/", factory.path(), kind.segment().to_ascii_lowercase()))
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.factory, self.kind.segment(), self.name)
    }
}

/// The id of a connection to a factory, or of a private endpoint in its managed virtual network.
#[derive(Clone, Debug)]
pub(crate) struct NetworkId {
    factory: FactoryId,
    is_managed: bool,
    name: String,
}

impl NetworkId {
    /// The connection called `name`: 1 to 127 letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    /// When none can be called so.
    pub(crate) fn connection(factory: FactoryId, name: &str) -> Result<Self, InvalidName> {
        Self::parse(factory, false, name)
    }

    /// The managed private endpoint called `name`: 1 to 127 letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// When none can be called so.
    pub(crate) fn managed(factory: FactoryId, name: &str) -> Result<Self, InvalidName> {
        Self::parse(factory, true, name)
    }

    fn parse(factory: FactoryId, is_managed: bool, name: &str) -> Result<Self, InvalidName> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_fine = |c: char| is_word(c) || c == '-' || (c == '.' && !is_managed);
        let ends = name.starts_with(is_word) && name.ends_with(is_word);
        let valid = ends && name.len() <= MAX_NETWORK_NAME && name.chars().all(is_fine);
        valid.then(|| Self { factory, is_managed, name: name.to_owned() }).ok_or(InvalidName)
    }

    /// The factory.
    pub(crate) fn factory(&self) -> &FactoryId {
        &self.factory
    }

    /// Whether it is in the managed virtual network.
    pub(crate) fn is_managed(&self) -> bool {
        self.is_managed
    }

    /// Its name, as it was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where its record is.
    pub(super) fn key(&self) -> EntryKey {
        let (path, name) = (self.factory.path(), self.name.to_ascii_lowercase());
        EntryKey::from(match self.is_managed {
            true => format!("managed-endpoint/{path}/{name}"),
            false => format!("factory-connection/{path}/{name}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn factory(name: &str) -> Result<FactoryId, InvalidName> {
        FactoryId::parse(GroupId::parse(Uuid::nil(), "g").unwrap(), name)
    }

    #[test]
    fn a_factory_is_called_as_azure_allows() {
        let longest = "f".repeat(63);
        for name in ["abc", "A-1", "a-b-c", &longest] {
            assert!(factory(name).is_ok(), "{name}");
        }
        for name in ["", "ab", "-ab", "ab-", "a--b", "a_b", "a.b", "größe", &format!("{longest}f")] {
            assert!(factory(name).is_err(), "{name}");
        }
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = factory("Acme-1").unwrap();
        assert_eq!(FactoryId::of_text(&id.to_string()).unwrap().to_string(), id.to_string());
        assert!(FactoryId::of_text("").is_none() && FactoryId::of_text(&format!("{id}/pipelines/p")).is_none());
    }

    #[test]
    fn two_names_are_one_thing_in_a_factory_where_they_are_one_scope() {
        let id = |name: &str| ChildId::parse(factory("abc").unwrap(), ChildKind::Pipeline, name).unwrap();
        for (one, other, expected) in [("p", "P", true), ("größe", "GRößE", true), ("größe", "grÖße", false)] {
            assert_eq!(id(one).key() == id(other).key(), expected, "{other}");
            assert_eq!(id(one).scope() == id(other).scope(), expected, "{other}");
        }
    }

    #[test]
    fn what_is_in_a_factory_is_called_as_azure_allows() {
        let child = |name: &str| ChildId::parse(factory("abc").unwrap(), ChildKind::Pipeline, name);
        for name in ["p", "_p", "Copy data-1", "größe", &"p".repeat(260)] {
            assert!(child(name).is_ok(), "{name}");
        }
        for name in ["", " p", "-p", "a.b", "a/b", "a\nb", "a%", &"p".repeat(261)] {
            assert!(child(name).is_err(), "{name}");
        }
    }

    #[test]
    fn connections_may_have_a_dot_in_their_names_and_managed_endpoints_none() {
        let longest = "n".repeat(127);
        for (name, as_connection, as_managed) in [
            ("pe", true, true),
            ("_pe-1_", true, true),
            (&*longest, true, true),
            ("pe.4ed62629", true, false),
            (".pe", false, false),
            ("pe-", false, false),
            ("p e", false, false),
            ("", false, false),
            (&format!("{longest}n"), false, false),
        ] {
            let factory = || factory("abc").unwrap();
            assert_eq!(NetworkId::connection(factory(), name).is_ok(), as_connection, "{name}");
            assert_eq!(NetworkId::managed(factory(), name).is_ok(), as_managed, "{name}");
        }
    }
}
