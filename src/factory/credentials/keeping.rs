//! What becomes of the credentials that are kept when a definition comes anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::putting_back::remove_reference;
use super::sites::sites;
use super::taking::{REFERENCE, Taken, reference};
use super::{EncryptedCredential, Place, Rules, Secrets, Unusable};

/// The credentials of a definition as they are kept, sealed as `S`.
pub(crate) struct Kept<'k, S> {
    /// The definition as it is shown.
    pub(crate) properties: &'k Value,
    /// The credentials.
    pub(crate) sealed: &'k BTreeMap<Place, S>,
}

/// A definition that is to be kept.
pub(crate) struct Keeping<S> {
    /// The definition as it is shown.
    pub(crate) properties: Value,
    /// The secrets that are new.
    pub(crate) secrets: Secrets,
    /// Those that stay.
    pub(crate) sealed: BTreeMap<Place, S>,
}

impl Taken {
    /// What becomes of a linked service that was `before`: a reference that comes back keeps its credential, a definition without one
    /// and without a new secret has none. `new` makes the reference to new secrets; one that leads elsewhere stays as it is, unless the
    /// definition brings secrets (ours).
    ///
    /// # Errors
    /// [`Unusable::Masked`] for a mask in the place of a secret that is not kept.
    pub(crate) fn keeping<S: Clone>(
        mut self,
        before: Option<Kept<'_, S>>,
        new: impl FnOnce() -> EncryptedCredential,
    ) -> Result<Keeping<S>, Unusable> {
        let is_own = |kept: &Kept<'_, S>| !kept.sealed.is_empty() && kept.reference() == self.reference.as_deref();
        let own = before.filter(is_own);
        let leads_elsewhere = self.reference.is_some() && own.is_none() && self.secrets.is_empty();
        let mut sealed = own.map(|kept| kept.sealed.clone()).unwrap_or_default();
        if let Some(unknown) = self.masked.iter().find(|place| !leads_elsewhere && !sealed.contains_key(place)) {
            return Err(Unusable::Masked { at: unknown.pointer().to_owned() });
        }
        sealed.retain(|place, _| !self.secrets.contains_key(place));
        if !self.secrets.is_empty() {
            self.refer(&new().encode())?;
        }
        Ok(Keeping { properties: self.properties, secrets: self.secrets, sealed })
    }

    /// As [`Taken::keeping`] for a definition that has no reference: a mask keeps the secret of its place, while what is around it
    /// has the names that it had (ours: the service has no public text).
    ///
    /// # Errors
    /// [`Unusable::Masked`] for a mask in the place of a secret that is not kept.
    pub(crate) fn keeping_by_place<S: Clone>(self, before: Option<Kept<'_, S>>) -> Result<Keeping<S>, Unusable> {
        let mut sealed = BTreeMap::new();
        for place in &self.masked {
            let same = before.as_ref().filter(|kept| names(kept.properties, place) == names(&self.properties, place));
            let kept = same.and_then(|kept| kept.sealed.get(place));
            let kept = kept.ok_or_else(|| Unusable::Masked { at: place.pointer().to_owned() })?;
            sealed.insert(place.clone(), kept.clone());
        }
        Ok(Keeping { properties: self.properties, secrets: self.secrets, sealed })
    }

    /// Has the definition refer to its credentials by `reference` alone.
    fn refer(&mut self, reference: &str) -> Result<(), Unusable> {
        remove_reference(Rules::LinkedService, &mut self.properties)?;
        if let Some(properties) = self.properties.as_object_mut() {
            let own = properties.entry("typeProperties").or_insert_with(|| Value::Object(serde_json::Map::new()));
            if let Some(own) = own.as_object_mut() {
                own.insert(REFERENCE.to_owned(), reference.into());
            }
        }
        Ok(())
    }
}

impl<S> Kept<'_, S> {
    /// The reference to them in the definition.
    fn reference(&self) -> Option<&str> {
        reference(self.properties, &sites(Rules::LinkedService, self.properties).ok()?)
    }
}

/// The names of what a place is in: of activities and the like, which lists have in any order.
fn names<'p>(properties: &'p Value, place: &Place) -> BTreeSet<(usize, &'p str)> {
    let slashes = place.pointer().match_indices('/').map(|(at, _)| at).skip(1);
    let named = |at: usize| Some((at, properties.pointer(&place.pointer()[..at])?["name"].as_str()?));
    slashes.filter_map(named).collect()
}
