//! A vault's own record: its names and settings, and the layers of its content.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DEFAULT_LOCATION, VaultName, VaultResource};
use crate::access::AccessPolicy;
use crate::access::network::NetworkRules;
use crate::access::roles::Scope;
use crate::resource_id::{DEFAULT_RESOURCE_GROUP, ResourceId, ResourceText, ResourceType, SubscriptionId};

/// A vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Vault {
    /// The internal id that the vault's objects are kept under and that says what falls due in it, so that a name is
    /// only a pointer.
    pub id: Uuid,
    /// The name.
    pub name: VaultName,
    /// Its resource group, location, tags and time of creation.
    pub resource: VaultResource,
    /// Further host names, in lower case, that the vault answers on.
    pub aliases: Vec<String>,
    /// The tier: which types of key the vault may hold.
    pub sku: Sku,
    /// Days a deleted object can be recovered, 7 to 90.
    pub retention_days: u32,
    /// Whether deleted objects can be recovered at all. The service has no new vaults without any more.
    #[serde(default = "yes")]
    pub soft_delete: bool,
    /// Whether deleted objects stay until their retention ends.
    pub purge_protection: bool,
    /// Seconds that the service's states in between last: being deleted, being recovered, being purged.
    #[serde(default)]
    pub deletion_delay: u32,
    /// The access policies. They count only where roles do not decide.
    pub access_policies: Vec<AccessPolicy>,
    /// Whether role assignments decide who may do what, instead of the access policies.
    #[serde(default)]
    pub role_based: bool,
    /// From which addresses the vault is reached.
    #[serde(default, skip_serializing_if = "NetworkRules::is_default")]
    pub network: NetworkRules,
    /// The layer that the vault's objects are written into, since it was copied; before that, its id is the layer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upper: Option<Uuid>,
    /// The frozen layers below, the topmost first; none of a vault that has nothing to do with copies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) below: Vec<Uuid>,
}

/// A setting of a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Aliases,
    Sku,
    RetentionDays,
    SoftDelete,
    DeletionDelay,
    PurgeProtection,
    AccessPolicies,
    RoleBased,
    PublicNetworkAccess,
    NetworkAcls,
    PrivateEndpoints,
    Subscription,
    ResourceGroup,
    Location,
}

/// The tiers of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sku {
    /// Software keys only.
    Standard,
    /// HSM key types too.
    #[default]
    Premium,
}

impl Sku {
    /// Its name in the service.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Premium => "premium",
        }
    }
}

/// The recovery level, as every object's attributes show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// The service's word for it.
    pub level: &'static str,
    /// Days a deleted object can be recovered; none where it cannot be.
    pub days: u32,
}

const fn yes() -> bool {
    true
}

impl Vault {
    /// The layer that the vault's objects are written into.
    pub(super) fn layer(&self) -> Uuid {
        self.upper.unwrap_or(self.id)
    }

    /// Whether all the layers of the vault as it was `before` are still among its own: none was flattened, so none is swept.
    pub(super) fn has_layers_of(&self, before: &Self) -> bool {
        let own = self.layer() == before.layer() || self.below.contains(&before.layer());
        own && self.id == before.id && self.below.ends_with(&before.below)
    }

    /// Its id as a resource, where it is not in the default resource group of the subscription `tenant`.
    pub(crate) fn id_if_not_default(&self, tenant: SubscriptionId) -> Option<Box<ResourceId>> {
        let is_usual = self.resource.subscription.is_none() && self.resource.resource_group == DEFAULT_RESOURCE_GROUP;
        (!is_usual).then(|| Box::new(self.resource_id(tenant)))
    }

    /// Its location, where it is not the default.
    pub(crate) fn location_if_not_default(&self) -> Option<&str> {
        Some(self.resource.location.as_str()).filter(|location| *location != DEFAULT_LOCATION)
    }

    /// Its id as a resource; in the subscription `tenant` unless it has one of its own.
    pub(crate) fn resource_id(&self, tenant: SubscriptionId) -> ResourceId {
        self.subscription(tenant).resource(&self.resource.resource_group, ResourceType::VAULT, self.name.as_str())
    }

    /// The same id, as the place at which roles are assigned.
    pub(crate) fn scope(&self, tenant: SubscriptionId) -> Scope {
        Scope::from(self.resource_text(tenant))
    }

    /// The place of its object `name` of `collection`, which is `keys` for one.
    pub(crate) fn object_scope(&self, tenant: SubscriptionId, collection: &str, name: &str) -> Scope {
        let mut text = self.resource_text(tenant);
        text.push(collection);
        text.push(name);
        Scope::from(text)
    }

    fn resource_text(&self, tenant: SubscriptionId) -> ResourceText {
        let group = &self.resource.resource_group;
        self.subscription(tenant).resource_text(group, ResourceType::VAULT, self.name.as_str())
    }

    /// Its subscription: that of the `tenant` unless it has one of its own.
    pub(crate) fn subscription(&self, tenant: SubscriptionId) -> SubscriptionId {
        self.resource.subscription.map_or(tenant, SubscriptionId)
    }

    /// The settings in which two vaults differ.
    pub(super) fn differences(&self, other: &Self) -> Vec<Setting> {
        let settings = [
            (Setting::Aliases, self.aliases != other.aliases),
            (Setting::Sku, self.sku != other.sku),
            (Setting::RetentionDays, self.retention_days != other.retention_days),
            (Setting::SoftDelete, self.soft_delete != other.soft_delete),
            (Setting::DeletionDelay, self.deletion_delay != other.deletion_delay),
            (Setting::PurgeProtection, self.purge_protection != other.purge_protection),
            (Setting::AccessPolicies, self.access_policies != other.access_policies),
            (Setting::RoleBased, self.role_based != other.role_based),
            (Setting::PublicNetworkAccess, self.network.public_access != other.network.public_access),
            (Setting::NetworkAcls, self.network.acls != other.network.acls),
            (Setting::PrivateEndpoints, self.network.private_endpoints != other.network.private_endpoints),
        ];
        let settings = settings.into_iter().chain(self.differences_of_place(other));
        settings.filter(|(_, differs)| *differs).map(|(setting, _)| setting).collect()
    }

    /// Where they lie as resources: the scopes of roles follow from it.
    pub(super) fn differences_of_place(&self, other: &Self) -> [(Setting, bool); 3] {
        let (own, others) = (&self.resource, &other.resource);
        [
            (Setting::Subscription, own.subscription != others.subscription),
            (Setting::ResourceGroup, !own.resource_group.eq_ignore_ascii_case(&others.resource_group)),
            (Setting::Location, !own.location.eq_ignore_ascii_case(&others.location)),
        ]
    }

    /// The recovery level of the vault's objects under its current settings: not those at the object's
    /// creation.
    pub(crate) fn recovery(&self) -> Recovery {
        if !self.soft_delete {
            // With 0 days since there are days at all (recordings of the JavaScript SDK, 2020).
            return Recovery { level: "Purgeable", days: 0 };
        }
        let level = match (self.retention_days, self.purge_protection) {
            (90.., false) => "Recoverable+Purgeable",
            (90.., true) => "Recoverable",
            (_, false) => "CustomizedRecoverable+Purgeable",
            (_, true) => "CustomizedRecoverable",
        };
        Recovery { level, days: self.retention_days }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn the_recovery_level_follows_retention_and_purge_protection() {
        let level = |retention_days, purge_protection| {
            let name = VaultName::parse("local").unwrap();
            let (id, sku) = (Uuid::nil(), Sku::Premium);
            let (aliases, access_policies) = (vec![], vec![]);
            let (soft_delete, deletion_delay) = (true, 0);
            let vault = Vault {
                id,
                name,
                resource: VaultResource::new(Timestamp::from_unix(0)),
                aliases,
                sku,
                retention_days,
                soft_delete,
                purge_protection,
                deletion_delay,
                access_policies,
                role_based: false,
                network: NetworkRules::default(),
                upper: None,
                below: vec![],
            };
            assert_eq!(vault.recovery().days, retention_days);
            assert_eq!(Vault { soft_delete: false, ..vault.clone() }.recovery().days, 0);
            vault.recovery().level
        };
        assert_eq!(level(90, false), "Recoverable+Purgeable");
        assert_eq!(level(90, true), "Recoverable");
        assert_eq!(level(7, false), "CustomizedRecoverable+Purgeable");
        assert_eq!(level(89, true), "CustomizedRecoverable");
    }
}
