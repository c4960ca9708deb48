//! Putting secrets back into a definition, for the runtime that uses them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::connection_string::{self, Part};
use super::sites::{Site, VALUE, sites};
use super::taking::REFERENCE;
use super::{MASK, Rules, Secrets, Unusable};
use crate::secret_json::SecretJson;

/// `properties` as they were before `secrets` were taken out, without the reference to them.
///
/// # Errors
/// [`Unusable::Masked`] where a secret is missing.
pub(crate) fn put_back(rules: Rules, properties: Value, secrets: &Secrets) -> Result<SecretJson, Unusable> {
    let mut resolved = SecretJson(properties);
    let mut parts: BTreeMap<&str, Vec<Part>> = BTreeMap::new();
    for (place, secret) in secrets {
        match place.keyword() {
            Some(name) => {
                let part = Part { name: name.to_owned(), kept: secret.clone() };
                parts.entry(place.pointer()).or_default().push(part);
            }
            None => put_text(&mut resolved.0, place.pointer(), secret),
        }
    }
    for (pointer, parts) in parts {
        if let Some(Value::String(text)) = resolved.0.pointer_mut(pointer) {
            let whole = connection_string::put(text, &parts);
            text.clone_from(&whole);
        }
    }
    remove_reference(rules, &mut resolved.0)?;
    match masked(rules, &resolved.0)? {
        Some(at) => Err(Unusable::Masked { at }),
        None => Ok(resolved),
    }
}

/// Puts a text at `pointer`: into a `SecureString`, in place of another text, or as a new member. Where there is no room for it, it is
/// not wanted any more.
pub(crate) fn put_text(properties: &mut Value, pointer: &str, secret: &str) {
    match properties.pointer_mut(pointer) {
        Some(Value::Object(secure_string)) => {
            secure_string.insert(VALUE.to_owned(), secret.into());
            return;
        }
        Some(slot) => {
            *slot = secret.into();
            return;
        }
        None => {}
    }
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(members)) = properties.pointer_mut(parent) {
        members.insert(name.replace("~1", "/").replace("~0", "~"), secret.into());
    }
}

/// Removes the reference, wherever it is.
pub(super) fn remove_reference(rules: Rules, properties: &mut Value) -> Result<(), Unusable> {
    for found in sites(rules, properties)?.iter().filter(|one| one.site == Site::ConnectionString) {
        if let Some(Value::String(text)) = properties.pointer_mut(&found.text)
            && connection_string::reference(text).is_some()
        {
            *text = connection_string::without_reference(text);
        }
    }
    if let Some(Value::Object(own)) = properties.get_mut("typeProperties") {
        own.remove(REFERENCE);
    }
    Ok(())
}

/// The pointer of a text that is the mask still.
fn masked(rules: Rules, properties: &Value) -> Result<Option<String>, Unusable> {
    let is_masked = |text: &str| properties.pointer(text).is_some_and(|text| text == MASK);
    Ok(sites(rules, properties)?.into_iter().find(|one| is_masked(&one.text)).map(|one| one.place))
}
