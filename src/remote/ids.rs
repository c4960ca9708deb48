//! Ids in a vault's answers, moved from the URL that the vault was asked by to the one that other programs ask it by.

use serde_json::Value;

use super::url::VaultUrl;

/// Members whose text is an id.
const IDS: [&str; 3] = ["id", "kid", "recoveryId"];
/// The member whose members are the user's own.
const TAGS: &str = "tags";

/// Moves every id in `answer` that is at `from` to `to`.
pub(super) fn moved(answer: &mut Value, from: &VaultUrl, to: &VaultUrl) {
    match answer {
        Value::Array(items) => items.iter_mut().for_each(|item| moved(item, from, to)),
        Value::Object(members) => {
            for (name, value) in members.iter_mut().filter(|(name, _)| *name != TAGS) {
                match value {
                    Value::String(id) if IDS.contains(&name.as_str()) => move_id(id, from, to),
                    value => moved(value, from, to),
                }
            }
        }
        _ => {}
    }
}

fn move_id(id: &mut String, from: &VaultUrl, to: &VaultUrl) {
    if let Some(path) = id.strip_prefix(&from.to_string()).filter(|path| path.starts_with('/')) {
        *id = format!("{to}{path}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_alone_are_moved() {
        let (from, to) = ("https://a.vault.localhost:8443", "https://a.vault.azure.net");
        let answer = |url: &str| {
            json!({
                "value": [{"id": format!("{url}/secrets/s"), "recoveryId": format!("{url}/deletedsecrets/s")}],
                "key": {"kid": format!("{url}/keys/k/1")},
                "nextLink": format!("{from}/secrets?x"), "contentType": format!("{from}/secrets/s"),
                "tags": {"id": format!("{from}/secrets/s")}
            })
        };
        let mut shown = answer(from);
        moved(&mut shown, &from.parse().unwrap(), &to.parse().unwrap());
        assert_eq!(shown, answer(to));
        let mut other = json!({"id": format!("{from}0/secrets/s"), "value": format!("{from}/secrets/s")});
        let before = other.clone();
        moved(&mut other, &from.parse().unwrap(), &to.parse().unwrap());
        assert_eq!(other, before);
    }
}
