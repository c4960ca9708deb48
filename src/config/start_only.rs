//! The members of a configuration that are read at the start alone.

use super::Config;
use crate::events::Webhook;

impl Config {
    /// The members that only a start reads and that differ from those of `running`.
    pub(crate) fn start_only_differences(&self, running: &Self) -> Vec<&'static str> {
        let members = [
            ("identities made on the spot", self.has_default_identities == running.has_default_identities),
            ("defaultHosts", self.default_hosts == running.default_hosts),
            ("backupKey", self.backup_key_file == running.backup_key_file),
            ("events", webhooks(self) == webhooks(running)),
            ("audit", self.audit == running.audit),
            ("limits", self.limits == running.limits),
            ("vaults[0], the default vault", self.default_vault() == running.default_vault()),
        ];
        members.into_iter().filter(|(_, is_same)| !is_same).map(|(name, _)| name).collect()
    }

    fn default_vault(&self) -> Option<&str> {
        self.vaults.first().map(|vault| vault.name.as_str())
    }
}

/// The receivers, each with its URL, its schema (both are in its id) and its types.
fn webhooks(config: &Config) -> Vec<(uuid::Uuid, Vec<crate::events::EventType>)> {
    config.webhooks.iter().map(|webhook: &Webhook| (webhook.id(), webhook.event_types())).collect()
}
