//! Factories and what is in them as the wire has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::{refusal, refused_change};
use crate::config;
use crate::directory::IdentityRecord;
use crate::http::error::ApiError;
use crate::management::{
    AssignedIdentities, Child, ChildId, Definition, FACTORY_TYPE, Factory, FactoryId, IdentityDefinition, KeySettings,
    Tags,
};

/// The members of `properties` that are kept; every other one is the service's, or dropped.
const KEPT: [&str; 4] = ["publicNetworkAccess", "globalParameters", "repoConfiguration", "purviewConfiguration"];
/// The version that every factory of this API has.
const VERSION: &str = "2018-06-01";

/// A factory in the body of a PUT or PATCH.
#[derive(Deserialize)]
pub(super) struct FactoryInput {
    pub(super) location: Option<String>,
    pub(super) tags: Option<Tags>,
    identity: Option<IdentityInput>,
    properties: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityInput {
    r#type: String,
    user_assigned_identities: Option<BTreeMap<String, Option<Value>>>,
}

/// What is in a factory, in the body of a PUT.
#[derive(Deserialize)]
pub(super) struct ChildInput {
    pub(super) properties: Definition,
}

impl FactoryInput {
    /// The members of its properties that are kept.
    ///
    /// # Errors
    /// 400 for values that cannot be.
    pub(super) fn kept(&self) -> Result<Definition, ApiError> {
        let given = self.properties.iter().flatten();
        let given: Definition =
            given.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect();
        let kept: Definition = given.into_iter().filter(|(name, _)| KEPT.contains(&name.as_str())).collect();
        for (name, value) in &kept {
            let fits = match name.as_str() {
                "publicNetworkAccess" => value.as_str().is_some_and(|text| ["Enabled", "Disabled"].contains(&text)),
                _ => value.is_object(),
            };
            if !fits {
                return Err(refusal::invalid_content(&format!("Error converting value to 'properties.{name}'.")));
            }
        }
        Ok(kept)
    }

    /// Whether it names a customer-managed key.
    pub(super) fn has_encryption(&self) -> bool {
        self.given_encryption().is_some()
    }

    fn given_encryption(&self) -> Option<&Value> {
        self.properties.as_ref()?.get("encryption").filter(|given| !given.is_null())
    }

    /// The customer-managed key that it asks for; none where it names none.
    ///
    /// # Errors
    /// 400 for what are no settings of one.
    pub(super) fn encryption(&self) -> Result<Option<KeySettings>, ApiError> {
        let read = |given: &Value| config::read(given.to_string().as_bytes());
        let invalid =
            |why| refusal::invalid_content(&format!("Error converting value to 'properties.encryption': {why}"));
        self.given_encryption().map(read).transpose().map_err(invalid)
    }

    /// The identities that it asks for; none where it names none.
    pub(super) fn identity(&self) -> Result<Option<IdentityDefinition>, ApiError> {
        self.identity.as_ref().map(IdentityInput::definition).transpose()
    }
}

impl IdentityInput {
    fn definition(&self) -> Result<IdentityDefinition, ApiError> {
        let kinds: Vec<String> = self.r#type.split(',').map(|kind| kind.trim().to_ascii_lowercase()).collect();
        let known = ["none", "systemassigned", "userassigned"];
        if kinds.iter().any(|kind| !known.contains(&kind.as_str()))
            || (kinds.len() > 1 && kinds.contains(&"none".to_owned()))
        {
            return Err(refused_change::invalid_identity(&self.r#type));
        }
        let has = |kind: &str| kinds.iter().any(|one| one == kind);
        let given = self.user_assigned_identities.iter().flatten();
        let user: BTreeMap<_, _> = given.map(|(id, value)| (id.clone(), value.is_some())).collect();
        if user.values().any(|added| *added) && !has("userassigned") {
            return Err(refused_change::invalid_identity(&self.r#type));
        }
        Ok(IdentityDefinition { system: has("systemassigned"), user: has("userassigned").then_some(user) })
    }
}

/// A factory as it is answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FactoryBody {
    name: String,
    pub(super) id: String,
    r#type: &'static str,
    properties: Map<String, Value>,
    e_tag: String,
    location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<IdentityBody>,
    tags: Tags,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IdentityBody {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_assigned_identities: Option<BTreeMap<String, UserAssignedBody>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserAssignedBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<Uuid>,
}

/// What is needed to show the identities of factories.
pub(super) struct Principals {
    /// The tenant.
    pub(super) tenant: Uuid,
    /// Every identity; none where no factory has a user-assigned one.
    pub(super) all: Vec<std::sync::Arc<IdentityRecord>>,
}

impl FactoryBody {
    /// The factory with this id.
    pub(super) fn of(id: &FactoryId, factory: Factory, principals: &Principals) -> Self {
        let mut properties: Map<String, Value> = Map::new();
        properties.insert("provisioningState".to_owned(), "Succeeded".into());
        properties.insert("createTime".to_owned(), factory.created.to_string().into());
        properties.insert("version".to_owned(), VERSION.into());
        properties.extend(factory.properties);
        let key = factory.encryption.and_then(|key| serde_json::to_value(key.settings).ok());
        properties.extend(key.map(|settings| ("encryption".to_owned(), settings)));
        Self {
            id: id.to_string(),
            name: factory.name,
            r#type: FACTORY_TYPE,
            properties,
            e_tag: format!("\"{}\"", factory.etag),
            location: factory.location,
            identity: factory.identity.and_then(|assigned| IdentityBody::of(assigned, principals)),
            tags: factory.tags.unwrap_or_default(),
        }
    }
}

impl IdentityBody {
    fn of(assigned: AssignedIdentities, principals: &Principals) -> Option<Self> {
        let shown = |id: String| {
            let found = principals.all.iter().find(|one| one.resource_id.eq_ignore_ascii_case(&id));
            let (principal_id, client_id) = (found.map(|one| one.object_id), found.map(|one| one.client_id));
            (id, UserAssignedBody { principal_id, client_id })
        };
        let r#type = match (assigned.system, assigned.user.is_empty()) {
            (None, true) => return None,
            (Some(_), true) => "SystemAssigned",
            (None, false) => "UserAssigned",
            (Some(_), false) => "SystemAssigned,UserAssigned",
        };
        let user = (!assigned.user.is_empty()).then(|| assigned.user.into_iter().map(shown).collect());
        Some(Self {
            r#type,
            principal_id: assigned.system,
            tenant_id: assigned.system.map(|_| principals.tenant),
            user_assigned_identities: user,
        })
    }
}

/// What is in a factory, as it is answered.
#[derive(Serialize)]
pub(super) struct ChildBody {
    id: String,
    name: String,
    r#type: String,
    properties: Definition,
    etag: String,
}

impl ChildBody {
    /// What has this id.
    pub(super) fn of(id: &ChildId, child: Child) -> Self {
        Self {
            id: id.to_string(),
            name: child.name,
            r#type: format!("{FACTORY_TYPE}/{}", id.kind().segment()),
            properties: child.properties,
            etag: child.etag.to_string(),
        }
    }
}
