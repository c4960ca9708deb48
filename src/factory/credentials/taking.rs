//! Taking the secrets out of a definition.

use std::collections::BTreeSet;

use serde_json::Value;
use zeroize::Zeroizing;

use super::connection_string;
use super::sites::{Found, Site, sites};
use super::{MASK, Place, Rules, Secrets, Unusable};

/// The member of `typeProperties` that is the reference to credentials.
pub(super) const REFERENCE: &str = "encryptedCredential";

/// A definition and what was taken out of it. Deliberately no `Debug`.
#[derive(Clone)]
pub(crate) struct Taken {
    /// What is left.
    pub(crate) properties: Value,
    /// The secrets.
    pub(crate) secrets: Secrets,
    /// The places that hold the mask instead of a secret.
    pub(crate) masked: BTreeSet<Place>,
    /// The reference that the definition had, in `typeProperties` or in a connection string.
    pub(crate) reference: Option<String>,
}

/// Takes every secret out of `properties`.
///
/// # Errors
/// When a credential is no text.
pub(crate) fn take_out(rules: Rules, properties: Value) -> Result<Taken, Unusable> {
    let found = sites(rules, &properties)?;
    let reference = reference(&properties, &found).map(str::to_owned);
    let mut taken = Taken { properties, secrets: Secrets::new(), masked: BTreeSet::new(), reference };
    for one in &found {
        taken.take(one);
    }
    Ok(taken)
}

/// The reference to a credential that a definition has, in `typeProperties` or in a connection string.
pub(super) fn reference<'p>(properties: &'p Value, found: &[Found]) -> Option<&'p str> {
    let own = properties["typeProperties"][REFERENCE].as_str().filter(|text| !text.is_empty());
    let strings = found.iter().filter(|one| one.site == Site::ConnectionString);
    let mut inside = strings.filter_map(|one| connection_string::reference(properties.pointer(&one.text)?.as_str()?));
    own.or_else(|| inside.next())
}

impl Taken {
    fn take(&mut self, found: &Found) {
        let Some(Value::String(text)) = self.properties.pointer_mut(&found.text) else { return };
        if text == MASK {
            self.masked.insert(Place::member(&found.place));
            return;
        }
        let text = Zeroizing::new(std::mem::take(text));
        match found.site {
            Site::ConnectionString => self.take_parts(found, text),
            Site::Masked => self.take_whole(found, text),
            Site::Member => {
                self.secrets.insert(Place::member(&found.place), text);
                remove(&mut self.properties, &found.text);
            }
        }
    }

    fn take_whole(&mut self, found: &Found, text: Zeroizing<String>) {
        self.replace(&found.text, MASK);
        self.secrets.insert(Place::member(&found.place), text);
    }

    fn take_parts(&mut self, found: &Found, text: Zeroizing<String>) {
        let Some(shown) = connection_string::take(&text) else { return self.take_whole(found, text) };
        self.replace(&found.text, &shown.text);
        self.masked.extend(shown.masked.iter().map(|name| Place::part(&found.place, name)));
        let parts = shown.parts.into_iter().map(|part| (Place::part(&found.place, &part.name), part.kept));
        self.secrets.extend(parts);
    }

    fn replace(&mut self, pointer: &str, text: &str) {
        if let Some(slot) = self.properties.pointer_mut(pointer) {
            *slot = text.into();
        }
    }
}

/// Removes the member at `pointer`.
pub(super) fn remove(properties: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(members)) = properties.pointer_mut(parent) {
        members.remove(&name.replace("~1", "/").replace("~0", "~"));
    }
}
