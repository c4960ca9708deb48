//! A data factory of the server for one drill, and what a node of it is started with.

use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::Environment;
use super::left_behind::LeftBehind;
use crate::drills::managed_factory::ManagedFactory;
use crate::drills::step::StepError;

/// The port of HTTPS.
const HTTPS: u16 = 443;

/// What a node of the server is started with.
pub(crate) struct NodePlace<'e> {
    /// The program.
    pub(crate) program: &'e Path,
    /// The certificates, in PEM, to trust besides the system's.
    pub(crate) trusted: &'e [String],
    /// The server's URL.
    pub(crate) server: String,
}

/// A factory that is not made yet, and where it will be.
pub(crate) struct PlannedFactory {
    /// It, as its administrator uses it.
    pub(crate) factory: Arc<ManagedFactory>,
    /// The id of its resource group.
    pub(crate) group: String,
    /// Its location.
    pub(crate) location: String,
    /// The resource id of the identity that it is given.
    pub(crate) identity: String,
}

impl Environment {
    /// Lets the operator administer a factory called `name` in the group of the vault. It is deleted after the drill.
    pub(crate) fn plan_factory(&self, name: &str) -> Result<PlannedFactory, StepError> {
        let controls = self.controls()?;
        let place = controls.factory_place()?;
        let id = format!("{}/providers/Microsoft.DataFactory/factories/{name}", place.group);
        controls.administer(&id)?;
        let token = controls.management_token()?;
        let factory = Arc::new(ManagedFactory { agent: self.agent.clone(), port: self.port(), id, token });
        *self.planned() = Some(factory.clone());
        let identity = controls.factory().resource_id.clone();
        Ok(PlannedFactory { factory, group: place.group, location: place.location, identity })
    }

    /// What a node of this server is started with.
    pub(crate) fn node_place(&self) -> NodePlace<'_> {
        let server = format!("https://localhost:{}", self.port());
        NodePlace { program: &self.program, trusted: &self.trusted, server }
    }

    /// The port of the server's vaults.
    fn port(&self) -> u16 {
        self.vault.authority().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(HTTPS)
    }

    /// Deletes the factory of the drill that has ended; one that cannot be deleted is tried again at the end. A private server's
    /// is removed with its data.
    pub(super) fn delete_factory(&self, left: &mut LeftBehind) {
        let Some(factory) = self.planned().take() else { return };
        let deleted = factory.delete();
        if self.server.is_none() {
            let (id, is_left) = (&factory.id, deleted.is_err());
            left.unless(deleted, || format!("the data factory {id}: az resource delete --ids {id}"));
            *self.planned() = is_left.then_some(factory);
        }
        // Tried again when everything is put back.
        let _ = self.controls.as_ref().map(super::Controls::withdraw_administration);
    }

    /// The factory that is to be deleted.
    pub(super) fn planned(&self) -> MutexGuard<'_, Option<Arc<ManagedFactory>>> {
        self.factory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
