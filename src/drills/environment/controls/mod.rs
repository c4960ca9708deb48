//! The controls of a server, by its admin API: access, network rules, identities, the clock, faults, a second vault.

mod access;
mod firewall;
mod resources;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

pub(crate) use firewall::Firewall;

use super::fault_rules::remaining_rules;
use super::identity::DrillIdentity;
use super::left_behind::{self, LeftBehind};
use super::vaults::{DrillVaults, Mode};
use crate::clock::Timestamp;
use crate::drills::admin::{AdminClient, AdminError};
use crate::remote::{Method, VaultUrl};

/// The controls of a server, and the state that has to be restored.
pub(crate) struct Controls {
    admin: AdminClient,
    vaults: DrillVaults,
    is_virtual: bool,
    operator: DrillIdentity,
    factory: DrillIdentity,
    /// The fault rules from before the first one of a drill.
    faults_before: Mutex<Option<Value>>,
    /// Whether the operator administers a data factory.
    administers: Mutex<bool>,
    is_restored: Mutex<bool>,
}

impl Controls {
    /// Takes control of the vault at `asked`: creates two identities with access to it, and a second vault. If the vault has
    /// no purge protection it cannot hold a factory's key, so another one is created on the same server.
    pub(super) fn take(admin: AdminClient, asked: &VaultUrl, run: &str) -> Result<Self, AdminError> {
        let vaults = DrillVaults::find(&admin, asked, run)?;
        let clock = admin.send(Method::GET, "/admin/clock", None)?;
        // Dropping the value restores everything, also after an error.
        let mut controls = Self {
            admin,
            vaults,
            is_virtual: clock["clock"] == "virtual",
            operator: DrillIdentity::new(format!("{run}-operator"), false),
            factory: DrillIdentity::new(format!("{run}-factory"), true),
            faults_before: Mutex::default(),
            administers: Mutex::default(),
            is_restored: Mutex::default(),
        };
        match controls.set_up() {
            Ok(()) => Ok(controls),
            Err(error) => Err(AdminError::new(left_behind::in_one_line(error.text, &controls.restore()))),
        }
    }

    fn set_up(&mut self) -> Result<(), AdminError> {
        self.operator.create(&self.admin)?;
        self.factory.create(&self.admin)?;
        for (name, mode) in self.vaults.created() {
            let by_roles = mode == Mode::Roles;
            let protected = json!({"sku": "premium", "softDeleteRetentionInDays": 7, "enablePurgeProtection": true,
                                   "enableRbacAuthorization": by_roles});
            self.put(name, &protected)?;
        }
        self.give_access()
    }

    /// The URL of the vault that drills use.
    pub(super) const fn vault(&self) -> &VaultUrl {
        &self.vaults.vault
    }

    /// The name of that vault.
    pub(super) fn vault_name(&self) -> &str {
        &self.vaults.name
    }

    /// Describes where it is, for reports.
    pub(super) fn description(&self) -> String {
        self.vaults.created_because.clone().unwrap_or_else(|| "a server that was named, with its admin API".to_owned())
    }

    /// The URL of the second vault.
    pub(super) fn second(&self) -> Option<&VaultUrl> {
        self.vaults.second.as_ref().map(|(url, _)| url)
    }

    /// What decides in the vault that drills use. In the second one the other does.
    pub(crate) const fn mode(&self) -> Mode {
        self.vaults.mode
    }

    /// Whether there is a vault of this mode.
    pub(super) fn has_mode(&self, mode: Mode) -> bool {
        self.vaults.of_mode(mode).is_some()
    }

    /// The vaults that are deleted after the run, with all that they hold.
    pub(super) fn created_vaults(&self) -> Vec<VaultUrl> {
        let primary = self.vaults.created_because.as_ref().map(|_| self.vaults.vault.clone());
        primary.into_iter().chain(self.second().cloned()).collect()
    }

    /// Whether the clock can be moved.
    pub(super) const fn is_virtual(&self) -> bool {
        self.is_virtual
    }

    /// The identity with every permission.
    pub(super) const fn operator(&self) -> &DrillIdentity {
        &self.operator
    }

    /// The factory's identity.
    pub(crate) const fn factory(&self) -> &DrillIdentity {
        &self.factory
    }

    /// The time of the vault clock.
    pub(crate) fn now(&self) -> Result<Timestamp, AdminError> {
        clock_time(&self.admin.send(Method::GET, "/admin/clock", None)?)
    }

    /// Advances the vault clock by `period`, such as `P90D`; returns the new time.
    pub(crate) fn advance(&self, period: &str) -> Result<Timestamp, AdminError> {
        clock_time(&self.admin.send(Method::POST, "/admin/clock", Some(&json!({"advance": period})))?)
    }

    fn set_clock(&self, to: Timestamp) -> Result<(), AdminError> {
        self.admin.send(Method::POST, "/admin/clock", Some(&json!({"set": to.to_string()}))).map(drop)
    }

    /// Deletes the factory's identity.
    pub(crate) fn delete_factory(&self) -> Result<(), AdminError> {
        self.factory.remove(&self.admin)
    }

    /// Creates the factory's identity again, with the same ids.
    pub(crate) fn restore_factory(&self) -> Result<(), AdminError> {
        self.factory.add(&self.admin).map(drop)
    }

    /// Adds a fault rule for the vault, in front of the rules that it has; [`Controls::lift_faults`] removes it.
    pub(crate) fn fault(&self, rule: &Value) -> Result<(), AdminError> {
        let current = self.admin.send(Method::GET, "/admin/faults", None)?;
        let before = self.faults_before().get_or_insert_with(|| remaining_rules(&current)).clone();
        let mut rule = rule.clone();
        rule["vault"] = self.vaults.name.clone().into();
        let rules: Vec<Value> =
            std::iter::once(rule).chain(before["rules"].as_array().cloned().unwrap_or_default()).collect();
        let all = json!({"seed": before["seed"], "rules": rules});
        self.admin.send(Method::PUT, "/admin/faults", Some(&all)).map(drop)
    }

    /// Restores the fault rules from before.
    pub(crate) fn lift_faults(&self) -> Result<(), AdminError> {
        let Some(before) = self.faults_before().take() else { return Ok(()) };
        let none = before["rules"].as_array().is_none_or(Vec::is_empty);
        let (method, body) = if none { (Method::DELETE, None) } else { (Method::PUT, Some(&before)) };
        self.admin.send(method, "/admin/faults", body).map(drop)
    }

    /// Restores everything, once; returns notes of what could not be, with what removes it.
    pub(super) fn restore(&self) -> Vec<String> {
        if std::mem::replace(&mut *self.is_restored.lock().unwrap_or_else(PoisonError::into_inner), true) {
            return Vec::new();
        }
        let mut left = LeftBehind::default();
        left.unless(self.lift_faults(), || {
            "fault rules: DELETE /admin/faults of the admin API; a server that was started again has none".to_owned()
        });
        if self.vaults.created_because.is_none() {
            left.unless(self.withdraw_access(), || self.how_to_withdraw_access());
        }
        left.unless(self.withdraw_administration(), || {
            let id = &self.operator.object_id;
            format!("role assignments for the object id {id}: DELETE /admin/role-assignments/GUID of the admin API")
        });
        for (name, _) in self.vaults.created() {
            let deleted = self.admin.send(Method::DELETE, &format!("/admin/vaults/{name}"), None).map(drop);
            left.unless(deleted, || format!("the vault {name}: keyhaven vault delete {name}"));
        }
        for identity in [&self.factory, &self.operator] {
            let name = &identity.name;
            left.unless(identity.remove(&self.admin), || {
                format!("the identity {name}: keyhaven identity remove {name}")
            });
        }
        left.into_notes()
    }

    fn put(&self, vault: &str, entry: &Value) -> Result<(), AdminError> {
        self.admin.send(Method::PUT, &format!("/admin/vaults/{vault}"), Some(entry)).map(drop)
    }

    fn faults_before(&self) -> MutexGuard<'_, Option<Value>> {
        self.faults_before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Controls {
    fn drop(&mut self) {
        self.restore();
    }
}

fn clock_time(clock: &Value) -> Result<Timestamp, AdminError> {
    let now = clock["now"].as_str().and_then(Timestamp::parse);
    now.ok_or_else(|| AdminError::new("the admin API shows no time"))
}
