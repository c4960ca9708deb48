//! Objects of a list, as the vault describes them: names, versions, columns.

use serde_json::{Value, json};

use super::{Kind, VaultArgs, list_of};
use crate::cli::Failure;
use crate::cli::columns::{Columns, moment, text, yes_or_no};
use crate::clock::Timestamp;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// The id of an object: of a secret in `id`, of a key in `kid`.
fn id_of(item: &Value) -> &str {
    item["id"].as_str().or(item["kid"].as_str()).or(item["key"]["kid"].as_str()).unwrap_or_default()
}

/// The name in the id of an object: its third segment after the host.
pub(crate) fn name_of(item: &Value) -> String {
    id_of(item).split('/').nth(4).unwrap_or_default().to_owned()
}

/// The version in the id of an object's version.
pub(crate) fn version_of(item: &Value) -> String {
    id_of(item).split('/').nth(5).unwrap_or_default().to_owned()
}

/// Versions with the latest first. Times are whole seconds, so that versions of one second keep the vault's order.
pub(crate) fn latest_first(mut versions: Vec<Value>) -> Vec<Value> {
    versions.sort_by_key(|version| std::cmp::Reverse(version["attributes"]["created"].as_i64()));
    versions
}

/// Versions in columns.
pub(crate) fn version_table(versions: &[Value]) -> String {
    let mut columns = Columns::new(&["version", "enabled", "created", "expires"]);
    for version in versions {
        let attributes = &version["attributes"];
        let times = (moment(&attributes["created"]), moment(&attributes["exp"]));
        columns.row([version_of(version), yes_or_no(&attributes["enabled"]), times.0, times.1]);
    }
    columns.text()
}

impl VaultArgs {
    /// Prints the vault's objects of this kind.
    pub(crate) async fn list(&self, kind: Kind) -> Result<(), Failure> {
        let vault = self.connect().await?;
        let items = vault.ask(move |vault| list_of(kind, vault)).await?;
        if items.is_empty() && !self.client.json {
            let (word, name, others) = (kind.singular(), vault.name(), vault.other_vaults());
            let deleted = format!("keyhaven {word} list --deleted{}", self.as_written());
            eprintln!("keyhaven: no {word} in vault {name}; {word}s that were deleted: {deleted}{others}");
        }
        self.print_list(items, |items| table(kind, items));
        Ok(())
    }

    /// Prints the vault's deleted objects of this kind that can be recovered.
    pub(crate) async fn list_deleted(&self, kind: Kind) -> Result<(), Failure> {
        let vault = self.connect().await?;
        let items = vault
            .ask(move |vault| match kind {
                Kind::Secret => vault.deleted_secrets(),
                Kind::Key => vault.deleted_keys(),
            })
            .await?;
        if items.is_empty() && !self.client.json {
            eprintln!("keyhaven: no deleted {} in vault {}", kind.singular(), vault.name());
        }
        let now = self.client.vault_clock().await?;
        self.print_list(items, |items| deleted_table(items, now));
        Ok(())
    }

    fn print_list(&self, items: Vec<Value>, table: impl Fn(&[Value]) -> String) {
        let text = if items.is_empty() { String::new() } else { table(&items) };
        self.client.print(&json!({"value": items}), &text);
    }
}

fn table(kind: Kind, items: &[Value]) -> String {
    let mut columns = match kind {
        Kind::Secret => Columns::new(&["name", "enabled", "updated", "expires", "content type"]),
        Kind::Key => Columns::new(&["name", "enabled", "updated", "expires"]),
    };
    for item in items {
        let attributes = &item["attributes"];
        let times = (moment(&attributes["updated"]), moment(&attributes["exp"]));
        let (name, enabled) = (name_of(item), yes_or_no(&attributes["enabled"]));
        match kind {
            Kind::Secret => columns.row([name, enabled, times.0, times.1, text(&item["contentType"])]),
            Kind::Key => columns.row([name, enabled, times.0, times.1]),
        }
    }
    columns.text()
}

/// Deleted objects, with the days of the vault clock that are left to recover them.
fn deleted_table(items: &[Value], now: Timestamp) -> String {
    let mut columns = Columns::new(&["name", "deleted", "goes for good", "days left"]);
    for item in items {
        let left = item["scheduledPurgeDate"].as_i64().map(|end| (end - now.unix()).max(0));
        let days = left.map_or_else(|| text(&Value::Null), |left| (left + DAY - 1).div_euclid(DAY).to_string());
        columns.row([name_of(item), moment(&item["deletedDate"]), moment(&item["scheduledPurgeDate"]), days]);
    }
    columns.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_read_from_ids() {
        let secret = json!({"id": "https://a.vault.localhost:8443/secrets/s/v1"});
        assert_eq!((name_of(&secret), version_of(&secret)), ("s".to_owned(), "v1".to_owned()));
        let key = json!({"key": {"kid": "https://a.vault.azure.net/keys/k"}});
        assert_eq!((name_of(&key), version_of(&key)), ("k".to_owned(), String::new()));
    }

    #[test]
    fn a_started_day_counts_as_a_day_that_is_left() {
        let item = |purge: i64| json!({"id": "https://a/secrets/s", "deletedDate": 0, "scheduledPurgeDate": purge});
        let days =
            |purge| deleted_table(&[item(purge)], Timestamp::from_unix(DAY)).rsplit(' ').next().unwrap().to_owned();
        assert_eq!([DAY, DAY + 1, 2 * DAY, 0].map(days), ["0", "1", "1", "0"]);
    }
}
