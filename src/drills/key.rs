//! A key that is drilled, as who runs the vault sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::environment::Ground;
use super::step::Wrong;
use crate::random;
use crate::remote::{Failure, Key, Vault, VaultUrl};

/// What drills wrap with.
const ALGORITHM: &str = "RSA-OAEP-256";

/// A key that is drilled.
pub(super) struct DrilledKey {
    ground: Arc<Ground>,
    vault: Arc<Vault>,
    name: String,
}

impl DrilledKey {
    /// The key `name` on `ground`; nothing is asked yet.
    pub(super) fn new(ground: &Arc<Ground>, name: String) -> Self {
        Self { ground: ground.clone(), vault: ground.operator(), name }
    }

    /// Makes it: RSA, because factories take no other, of 2048 bits, because larger ones take long.
    pub(super) fn make(&self) -> Result<Key, Wrong> {
        let key = self.vault.create_key(&self.name, &json!({"kty": "RSA", "key_size": 2048}))?;
        self.ground.made_key(self.vault.url(), &self.name);
        match key.recovery_level().contains("Purgeable") {
            true => Err(Wrong::Missing(unguarded(key.recovery_level()))),
            false => Ok(key),
        }
    }

    /// The vault that it is in, as who runs that sees it.
    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its URI, without a version.
    pub(super) fn uri(&self) -> String {
        format!("{}/keys/{}", self.vault.url(), self.name)
    }

    /// Its latest version.
    pub(super) fn latest(&self) -> Result<Key, Wrong> {
        Ok(self.vault.key(&self.name, None)?)
    }

    /// All its versions.
    pub(super) fn versions(&self) -> Result<BTreeSet<String>, Wrong> {
        let all = self.vault.key_versions(&self.name)?;
        let version = |one: &Value| Some(one["kid"].as_str()?.rsplit('/').next()?.to_owned());
        Ok(all.iter().filter_map(version).collect())
    }

    /// The one version that there is more than `before`; it must be the latest.
    pub(super) fn added(&self, before: &BTreeSet<String>) -> Result<String, Wrong> {
        let after = self.versions()?;
        let added: Vec<&String> = after.difference(before).collect();
        let ([added], true) = (added.as_slice(), after.is_superset(before)) else {
            let counts =
                format!("{} versions before and {} after, {} of them new", before.len(), after.len(), added.len());
            return Err(Wrong::seen(counts));
        };
        let latest = self.latest()?.version().to_owned();
        match latest == **added {
            true => Ok(latest),
            false => {
                Err(Wrong::seen(format!("version {} was added, and {} is the latest", short(added), short(&latest))))
            }
        }
    }

    /// Changes attributes of a version, of the latest when none is named.
    pub(super) fn set(&self, version: Option<&str>, attributes: &Value) -> Result<(), Wrong> {
        Ok(self.vault.update_key(&self.name, version, &json!({"attributes": attributes})).map(drop)?)
    }

    /// Wraps something under `version`, as the factory's identity, to be unwrapped later.
    pub(super) fn probe(&self, version: &str) -> Result<Probe, Failure> {
        let vault = self.ground.as_factory(self.vault.url());
        let plain = Zeroizing::new(random::secret());
        let wrapped = vault.wrap(&self.name, version, ALGORITHM, plain.as_slice())?;
        Ok(Probe { vault, name: self.name.clone(), version: version.to_owned(), plain, wrapped: wrapped.value })
    }
}

/// Something that was wrapped under one version of a key.
pub(super) struct Probe {
    vault: Arc<Vault>,
    name: String,
    version: String,
    plain: Zeroizing<[u8; 32]>,
    wrapped: Vec<u8>,
}

impl Probe {
    /// The version.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Whether the version unwraps it to what it was.
    pub(super) fn unwrap(&self) -> Result<bool, Failure> {
        self.unwrap_in(&self.vault)
    }

    /// The version must unwrap it to what it was.
    pub(super) fn unwraps(&self) -> Result<(), Wrong> {
        self.judged(self.unwrap())
    }

    /// The version of the same name in another vault must.
    pub(super) fn unwraps_at(&self, ground: &Ground, vault: &VaultUrl) -> Result<(), Wrong> {
        self.judged(self.unwrap_in(&ground.as_factory(vault)))
    }

    fn unwrap_in(&self, vault: &Vault) -> Result<bool, Failure> {
        let plain = vault.unwrap(&self.name, &self.version, ALGORITHM, &self.wrapped)?;
        Ok(plain.as_slice() == self.plain.as_slice())
    }

    fn judged(&self, unwrapped: Result<bool, Failure>) -> Result<(), Wrong> {
        let told = |why: &dyn std::fmt::Display| {
            Wrong::seen(format!("unwrapping under version {}: {why}", short(&self.version)))
        };
        match unwrapped {
            Ok(true) => Ok(()),
            Ok(false) => Err(told(&"other bytes came out")),
            Err(failure) => Err(told(&failure)),
        }
    }
}

/// Enough of a version to be told from others, and to be read aloud.
pub(super) fn short(version: &str) -> &str {
    version.get(..8).unwrap_or(version)
}

fn unguarded(level: &str) -> String {
    let hint = "switch purge protection on, or give --admin URL, so that a vault that has it can be made";
    format!("the vault has no purge protection ({level}), which a factory's key needs: {hint}")
}
