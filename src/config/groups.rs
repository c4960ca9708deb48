//! Groups in the configuration: an identity is in those that name it, and in those that these are in.

use std::collections::BTreeMap;

use serde::Deserialize;
use uuid::Uuid;

use super::derived;
use super::error::{ConfigError, invalid};
use super::suggestion::did_you_mean;
use crate::directory::IdentityRecord;

/// The most groups, and the most members of one.
const MAX_GROUPS: usize = 200;

/// A group of identities and of other groups.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GroupEntry {
    object_id: Option<Uuid>,
    name: String,
    /// Names of identities and groups, or object ids.
    #[serde(default)]
    members: Vec<String>,
}

/// Adds to each identity the groups that it is in, also by way of others.
///
/// # Errors
/// A group without a name, one whose name or id another has, or a member that is not known.
pub(super) fn join(
    identities: &mut [IdentityRecord],
    groups: Vec<GroupEntry>,
    tenant: Uuid,
) -> Result<(), ConfigError> {
    if groups.len() > MAX_GROUPS || groups.iter().any(|group| group.members.len() > MAX_GROUPS) {
        return Err(invalid("groups", format!("must be at most {MAX_GROUPS}, of at most {MAX_GROUPS} members")));
    }
    let ids = ids(&groups, tenant)?;
    let mut containing = BTreeMap::<Uuid, Vec<Uuid>>::new();
    for (index, group) in groups.iter().enumerate() {
        for (position, member) in group.members.iter().enumerate() {
            let path = || format!("groups[{index}].members[{position}]");
            let member = member_id(member, &groups, &ids, identities).map_err(|why| invalid(path(), why))?;
            containing.entry(member).or_default().push(ids[index]);
        }
    }
    for identity in identities {
        identity.groups = with_all_above(std::mem::take(&mut identity.groups), identity.object_id, &containing);
    }
    Ok(())
}

fn ids(groups: &[GroupEntry], tenant: Uuid) -> Result<Vec<Uuid>, ConfigError> {
    let mut ids = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let path = format!("groups[{index}].name");
        if group.name.is_empty() {
            return Err(invalid(path, "must not be empty"));
        }
        let id = group.object_id.unwrap_or_else(|| derived(tenant, "group", &group.name));
        if groups[..index].iter().any(|other| other.name == group.name) || ids.contains(&id) {
            return Err(invalid(path, "there is a group of this name or id before it"));
        }
        ids.push(id);
    }
    Ok(ids)
}

fn member_id(member: &str, groups: &[GroupEntry], ids: &[Uuid], identities: &[IdentityRecord]) -> Result<Uuid, String> {
    if let Ok(id) = Uuid::parse_str(member) {
        return Ok(id);
    }
    if let Some(identity) = identities.iter().find(|identity| identity.name == member) {
        return Ok(identity.object_id);
    }
    let group = groups.iter().position(|group| group.name == member).map(|index| ids[index]);
    group.ok_or_else(|| {
        let names = identities
            .iter()
            .map(|identity| identity.name.as_str())
            .chain(groups.iter().map(|group| group.name.as_str()));
        format!("no identity and no group is called '{member}'{}", did_you_mean(member, names))
    })
}

/// `own`, and every group above `principal` and above those, each once.
fn with_all_above(own: Vec<Uuid>, principal: Uuid, containing: &BTreeMap<Uuid, Vec<Uuid>>) -> Vec<Uuid> {
    let above = |id: &Uuid| containing.get(id).cloned().unwrap_or_default();
    let mut found = own;
    found.extend(above(&principal));
    let mut next = 0;
    while next < found.len() {
        let further = above(&found[next]);
        let new: Vec<_> = further.into_iter().filter(|id| !found.contains(id)).collect();
        found.extend(new);
        next += 1;
    }
    let mut distinct = Vec::new();
    found.into_iter().for_each(|id| {
        if !distinct.contains(&id) {
            distinct.push(id)
        }
    });
    distinct
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn an_identity_is_in_the_groups_of_its_groups() {
        let text = r#"{
            "identities": [{"name": "a"}, {"name": "b", "groups": ["00000000-0000-0000-0000-000000000009"]}],
            "groups": [
                {"name": "team", "objectId": "00000000-0000-0000-0000-000000000001", "members": ["a", "inner"]},
                {"name": "inner", "objectId": "00000000-0000-0000-0000-000000000002", "members": ["b"]},
                {"name": "all", "objectId": "00000000-0000-0000-0000-000000000003", "members": ["team", "all"]}]}"#;
        let config = Config::parse(text).unwrap();
        let groups = |index: usize| config.identities[index].groups.iter().map(|id| id.as_u128()).collect::<Vec<_>>();
        assert_eq!((groups(0), groups(1)), (vec![1, 3], vec![9, 2, 1, 3]));
    }

    #[test]
    fn a_member_that_is_not_known_is_refused() {
        let text = r#"{"identities": [{"name": "shop"}], "groups": [{"name": "team", "members": ["shpo"]}]}"#;
        let refused = Config::parse(text).unwrap_err().to_string();
        assert!(
            refused
                .starts_with("groups[0].members[0]: no identity and no group is called 'shpo' (did you mean 'shop'?)"),
            "{refused}"
        );
    }
}
