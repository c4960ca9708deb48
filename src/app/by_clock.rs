//! Audit records of what vaults do without a request: what falls due by their clock, and changed access policies. They are trails
//! beside those of requests. The service audits them under these names, whether its events are listened to or not ("Azure Key Vault
//! logging").

use std::sync::Arc;

use hyper::Method;

use crate::clock::Clock;
use crate::directory::Tenant;
use crate::operation::{Operation, Permission};
use crate::trail::{CLOCK, Received, RecentTrails, Trail};
use crate::vault::{Kind, Observer, Report, Reported};

static KEY_ROTATED: Operation = of_key("KeyRotateIfDue");
static KEY_NEAR_EXPIRY: Operation = of_key("KeyNearExpiryEventGridNotification");
static KEY_EXPIRED: Operation = of_key("KeyExpiredEventGridNotification");
static SECRET_NEAR_EXPIRY: Operation = of_secret("SecretNearExpiryEventGridNotification");
static SECRET_EXPIRED: Operation = of_secret("SecretExpiredEventGridNotification");
static POLICY_CHANGED: Operation = Operation::open("VaultAccessPolicyChangedEventGridNotification", Method::POST, "/");

/// An action that no client asks for: its method and its permission count for nothing.
const fn of_key(name: &'static str) -> Operation {
    Operation { name, method: Method::POST, path: "/keys/{name}", permission: Permission::keys("", "") }
}

const fn of_secret(name: &'static str) -> Operation {
    Operation { name, method: Method::POST, path: "/secrets/{name}", permission: Permission::secrets("", "") }
}

/// Adds what vaults of `tenant` report to `recent`; `clock` is the system's.
pub(super) fn observer(recent: Arc<RecentTrails>, clock: Arc<dyn Clock>, tenant: Tenant) -> Observer {
    Arc::new(move |report| {
        if let Some(trail) = trail(report, tenant) {
            recent.add(clock.now(), trail, &Received::default());
        }
    })
}

fn trail(report: &Report<'_>, tenant: Tenant) -> Option<Trail> {
    Some(Trail {
        operation: Some(operation(report)?),
        vault: Some(report.vault.name.clone()),
        vault_id: report.vault.id_if_not_default(tenant.subscription),
        resource: report.object.map(|(_, name)| name.to_string()),
        due: Some(report.at),
        ..Trail::new(CLOCK)
    })
}

fn operation(report: &Report<'_>) -> Option<&'static Operation> {
    match (report.what, report.object.map(|(kind, _)| kind)) {
        (Reported::Renewed, Some(Kind::Key)) => Some(&KEY_ROTATED),
        (Reported::NearExpiry, Some(Kind::Key)) => Some(&KEY_NEAR_EXPIRY),
        (Reported::Expired, Some(Kind::Key)) => Some(&KEY_EXPIRED),
        (Reported::NearExpiry, Some(Kind::Secret)) => Some(&SECRET_NEAR_EXPIRY),
        (Reported::Expired, Some(Kind::Secret)) => Some(&SECRET_EXPIRED),
        (Reported::AccessPolicyChanged, _) => Some(&POLICY_CHANGED),
        (Reported::Renewed, Some(Kind::Secret)) | (_, None) => None,
    }
}
