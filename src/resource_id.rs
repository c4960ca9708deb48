//! Ids of Azure resources as values:
//! `/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/PROVIDER/TYPE/NAME`. Knows no resource itself.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use uuid::Uuid;

/// The resource group of every resource that is given no other.
pub(crate) const DEFAULT_RESOURCE_GROUP: &str = "keyhaven";

/// Room for most ids, with an object's below it, in bytes.
const ID_BYTES: usize = 256;

/// The types whose ids Keyhaven writes, in Azure's spelling.
const KNOWN_TYPES: [ResourceType; 2] = [ResourceType::VAULT, ResourceType::USER_ASSIGNED_IDENTITY];

/// The type of a resource: a provider's namespace and the type's name in it.
#[derive(Clone, Copy, Debug)]
pub struct ResourceType {
    provider: &'static str,
    name: &'static str,
}

impl ResourceType {
    /// A key vault.
    pub const VAULT: Self = Self { provider: "Microsoft.KeyVault", name: "vaults" };
    /// A user-assigned managed identity.
    pub const USER_ASSIGNED_IDENTITY: Self =
        Self { provider: "Microsoft.ManagedIdentity", name: "userAssignedIdentities" };
}

/// The id of a subscription: `/subscriptions/SUBSCRIPTION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionId(pub Uuid);

impl SubscriptionId {
    /// The id of the resource `name` in a resource group of this subscription.
    pub fn resource(self, resource_group: &str, kind: ResourceType, name: &str) -> ResourceId {
        ResourceId {
            subscription: self,
            resource_group: resource_group.to_owned(),
            provider: kind.provider.to_owned(),
            kind: kind.name.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The text of that id, put together at once: every request to a vault with roles needs it.
    pub(crate) fn resource_text(self, resource_group: &str, kind: ResourceType, name: &str) -> ResourceText {
        let mut buffer = Uuid::encode_buffer();
        let subscription = &*self.0.hyphenated().encode_lower(&mut buffer);
        let ResourceType { provider, name: kind } = kind;
        let pieces =
            ["subscriptions", subscription, "resourceGroups", resource_group, "providers", provider, kind, name];
        let mut text = ResourceText(String::with_capacity(ID_BYTES));
        pieces.into_iter().for_each(|piece| text.push(piece));
        text
    }
}

/// The text of a resource's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceText(pub(crate) String);

impl ResourceText {
    /// Makes it that of what lies below: `keys`, then its name.
    pub(crate) fn push(&mut self, segment: &str) {
        self.0.push('/');
        self.0.push_str(segment);
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/subscriptions/{}", self.0)
    }
}

/// The id of a resource in a resource group. Ids are equal if they differ in case alone, as in Azure. It is written with the
/// case that it was made with; the fixed segments and the types that Keyhaven knows have Azure's.
#[derive(Clone, Debug)]
pub struct ResourceId {
    subscription: SubscriptionId,
    resource_group: String,
    provider: String,
    kind: String,
    name: String,
}

/// A text is no id of a resource in a resource group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidResourceId;

impl ResourceId {
    /// Everything but the subscription, in the order of the id.
    fn names(&self) -> [&str; 4] {
        [&self.resource_group, &self.provider, &self.kind, &self.name]
    }
}

impl FromStr for ResourceId {
    type Err = InvalidResourceId;

    fn from_str(text: &str) -> Result<Self, InvalidResourceId> {
        let segments: Vec<&str> = text.strip_prefix('/').ok_or(InvalidResourceId)?.split('/').collect();
        let [subscriptions, subscription, groups, resource_group, providers, provider, kind, name] = segments[..]
        else {
            return Err(InvalidResourceId);
        };
        let fixed = [(subscriptions, "subscriptions"), (groups, "resourceGroups"), (providers, "providers")];
        let is_fixed = fixed.iter().all(|(found, expected)| found.eq_ignore_ascii_case(expected));
        if !is_fixed || [resource_group, provider, kind, name].contains(&"") {
            return Err(InvalidResourceId);
        }
        let subscription = SubscriptionId(Uuid::parse_str(subscription).map_err(|_| InvalidResourceId)?);
        let known = KNOWN_TYPES
            .into_iter()
            .find(|known| known.provider.eq_ignore_ascii_case(provider) && known.name.eq_ignore_ascii_case(kind));
        let (provider, kind) = known.map_or((provider, kind), |known| (known.provider, known.name));
        let [resource_group, provider, kind, name] = [resource_group, provider, kind, name].map(str::to_owned);
        Ok(Self { subscription, resource_group, provider, kind, name })
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [group, provider, kind, name] = self.names();
        write!(f, "{}/resourceGroups/{group}/providers/{provider}/{kind}/{name}", self.subscription)
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = self.names().into_iter().zip(other.names());
        self.subscription == other.subscription && pairs.all(|(one, other)| one.eq_ignore_ascii_case(other))
    }
}

impl Eq for ResourceId {}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.subscription.hash(state);
        self.names().map(str::to_ascii_lowercase).hash(state);
    }
}

impl fmt::Display for InvalidResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be /subscriptions/ID/resourceGroups/GROUP/providers/PROVIDER/TYPE/NAME")
    }
}

impl std::error::Error for InvalidResourceId {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const VAULT: &str =
        "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/G/providers/Microsoft.KeyVault/vaults/acme";

    /// `text` with the case of each letter as `upper` says, over and over.
    fn in_other_case(text: &str, upper: &[bool]) -> String {
        let case = |(letter, upper): (char, &bool)| match upper {
            true => letter.to_ascii_uppercase(),
            false => letter.to_ascii_lowercase(),
        };
        text.chars().zip(upper.iter().cycle()).map(case).collect()
    }

    #[test]
    fn an_id_is_written_as_azure_writes_it() {
        let subscription = SubscriptionId(Uuid::from_u128(2));
        assert_eq!(subscription.resource("G", ResourceType::VAULT, "acme").to_string(), VAULT);
        assert_eq!(subscription.resource_text("G", ResourceType::VAULT, "acme").0, VAULT);
    }

    #[test]
    fn anything_else_is_no_id_of_a_resource() {
        let id = Uuid::from_u128(2);
        for text in [
            String::new(),
            "/".to_owned(),
            format!("/subscriptions/{id}"),
            VAULT.trim_start_matches('/').to_owned(),
            format!("{VAULT}/"),
            format!("{VAULT}/keys/k"),
            VAULT.replace("/G/", "//"),
            VAULT.replace("acme", ""),
            VAULT.replace("providers", "provider"),
            VAULT.replace("00000000-0000-0000-0000-000000000002", "s"),
        ] {
            assert_eq!(text.parse::<ResourceId>(), Err(InvalidResourceId), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_id_is_the_same_in_any_case_and_known_types_regain_azures(
            subscription in any::<u128>(),
            [group, name] in ["[A-Za-z0-9._()-]{1,20}", "[A-Za-z0-9-]{1,24}"],
            known in 0..KNOWN_TYPES.len(),
            upper in proptest::collection::vec(any::<bool>(), 1..50),
        ) {
            let id = SubscriptionId(Uuid::from_u128(subscription)).resource(&group, KNOWN_TYPES[known], &name);
            prop_assert_eq!(id.to_string().parse::<ResourceId>().map(|parsed| parsed.to_string()), Ok(id.to_string()));
            let parsed: ResourceId = in_other_case(&id.to_string(), &upper).parse().unwrap();
            prop_assert_eq!(&parsed, &id);
            prop_assert!(HashSet::from([id.clone()]).contains(&parsed));
            let with_names = |group: &str, name: &str| {
                id.subscription.resource(group, KNOWN_TYPES[known], name).to_string()
            };
            prop_assert_eq!(parsed.to_string(), with_names(&parsed.resource_group, &parsed.name));
        }
    }
}
