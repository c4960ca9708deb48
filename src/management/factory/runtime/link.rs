//! Runtimes that are another factory's, which shares them: whose nodes serve, and whether they may. Both is decided anew at each use, so that a
//! role that is taken away, or a link that is removed, counts at once.

use uuid::Uuid;

use super::definition::{Linked, linked};
use super::record::Runtime;
use super::refusal::RuntimeRefusal;
use crate::access::Identity;
use crate::access::roles::{Action, Attempt, RoleDecision};
use crate::management::factory::Management;
use crate::management::factory::child::managed_identity;
use crate::management::factory::id::{ChildId, FactoryId};
use crate::management::factory::kind::ChildKind;
use crate::management::factory::opened::Opened;
use crate::management::refusal::Refusal;
use crate::records::View;
use crate::store::Revision;

/// What the identity of a factory must be allowed at a runtime that it links to ("Create a shared self-hosted integration runtime").
const SHARES: &str = "Microsoft.DataFactory/factories/integrationruntimes/write";

impl Management {
    /// The runtime whose nodes serve `id`: itself, or the one of another factory's that it is linked to.
    ///
    /// # Errors
    /// When there is no such runtime, it is the service's, or it is linked to one that its factory may not use now.
    pub(crate) async fn serving_runtime(&self, id: &ChildId) -> Result<ChildId, Refusal> {
        let view = self.records.view().await?;
        if self.recorded_runtime(&view, id).await?.is_some() {
            return Ok(id.clone());
        }
        let opened = self.opened(id.factory()).await?;
        let view = self.records.view().await?;
        self.opened_revision(&view, id.factory(), &opened).await?;
        let child = self.recorded_child(&view, id, &opened).await?.0.ok_or_else(|| Refusal::NoChild(id.clone()))?;
        match linked(&child.properties).map_err(Refusal::Runtime)? {
            None => Err(Refusal::Runtime(RuntimeRefusal::NotSelfHosted(child.name))),
            Some(link) => {
                let (runtime, _) = self.shared_runtime(&view, id, (&link, &opened)).await?;
                let is_linked = runtime.links.iter().any(|one| one.is_of(id.factory().name(), Some(id.name())));
                match is_linked {
                    true => Ok(link.runtime.spelt(&runtime.name)),
                    false => Err(denied(&link)),
                }
            }
        }
    }

    /// The runtime that `id` is to link to, which its factory must be allowed to use.
    ///
    /// # Errors
    /// When the factory has no identity to use it as, that may not, or there is no runtime that can be shared.
    pub(super) async fn shared_runtime(
        &self,
        view: &View,
        id: &ChildId,
        (link, opened): (&Linked, &Opened),
    ) -> Result<(Runtime, Revision), Refusal> {
        let who = self.linking_identity(view, id.factory(), (link.credential.as_deref(), opened)).await?;
        let who = who.ok_or_else(|| {
            let (runtime, factory) = (id.name().to_owned(), id.factory().name().to_owned());
            Refusal::Runtime(RuntimeRefusal::NoLinkingIdentity { runtime, factory })
        })?;
        let (resource, now) = (link.runtime.scope(), self.runs.clock().now().unix());
        let attempt = Attempt { who: &who, action: Action::Management(SHARES), resource: &resource, now };
        let access = self.authorization.current().await?.access;
        if !matches!(access.decide(attempt), RoleDecision::Allowed { .. }) {
            return Err(denied(link));
        }
        let found = self.recorded_runtime(view, &link.runtime).await?;
        found.ok_or_else(|| Refusal::Runtime(RuntimeRefusal::NotShareable(link.runtime.name().to_owned())))
    }

    /// The identity by which a factory uses a runtime that it links to: the one of `credential`, else its own.
    async fn linking_identity(
        &self,
        view: &View,
        factory: &FactoryId,
        (credential, opened): (Option<&str>, &Opened),
    ) -> Result<Option<Identity>, Refusal> {
        let Some(found) = self.recorded_factory(view, factory).await?.0 else { return Ok(None) };
        let Some(name) = credential else {
            return match found.own_identity() {
                Some(own) => Ok(Some(self.identity_of(own).await?)),
                None => Ok(None),
            };
        };
        let id = ChildId::parse(factory.clone(), ChildKind::Credential, name);
        let Ok(id) = id else { return Ok(None) };
        let Some(child) = self.recorded_child(view, &id, opened).await?.0 else { return Ok(None) };
        let assigned = found.identity.unwrap_or_default();
        let resource = managed_identity(&child.properties).filter(|id| assigned.has_user(id));
        let Some(resource) = resource else { return Ok(None) };
        let known = self.directory.identities().await?;
        let found = known.iter().find(|one| !one.of_resource && one.resource_id.eq_ignore_ascii_case(resource));
        match found {
            Some(found) => Ok(Some(self.identity_of(found.object_id).await?)),
            None => Ok(None),
        }
    }

    /// The identity with the principal id `object_id`, as roles are decided for it.
    pub(crate) async fn identity_of(&self, object_id: Uuid) -> Result<Identity, Refusal> {
        let record = self.directory.identity(object_id).await?;
        Ok(Identity {
            tenant: self.directory.tenant_id(),
            object_id,
            app_id: record.as_ref().map(|one| one.client_id).unwrap_or_default(),
            groups: record.map(|one| one.groups.clone()).unwrap_or_default(),
        })
    }
}

fn denied(link: &Linked) -> Refusal {
    Refusal::Runtime(RuntimeRefusal::SharedAccess(link.runtime.name().to_owned()))
}
