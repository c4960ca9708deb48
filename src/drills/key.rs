//! The key of a drill, used as the operator of the vault.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::environment::Environment;
use super::step::StepError;
use crate::random;
use crate::remote::{Key, RequestError, VaultClient, VaultUrl};

/// The algorithm that drills wrap with.
const ALGORITHM: &str = "RSA-OAEP-256";

/// The key of a drill.
pub(super) struct DrilledKey {
    environment: Arc<Environment>,
    vault: Arc<VaultClient>,
    name: String,
}

impl DrilledKey {
    /// The key `name`; sends no request.
    pub(super) fn new(environment: &Arc<Environment>, name: String) -> Self {
        Self { environment: environment.clone(), vault: environment.operator(), name }
    }

    /// The key `name` of the second vault; sends no request.
    pub(super) fn in_second(environment: &Arc<Environment>, name: String) -> Result<Self, StepError> {
        let vault = environment.operator_at(environment.second()?);
        Ok(Self { environment: environment.clone(), vault, name })
    }

    /// Creates it: RSA, because factories accept no other type, of 2048 bits, because larger ones take long.
    pub(super) fn create(&self) -> Result<Key, StepError> {
        let key = self.vault.create_key(&self.name, &json!({"kty": "RSA", "key_size": 2048}))?;
        self.environment.record_key(self.vault.url(), &self.name);
        match key.recovery_level().contains("Purgeable") {
            true => Err(StepError::NotRunnable(no_purge_protection(key.recovery_level()))),
            false => Ok(key),
        }
    }

    /// Its vault, with the operator's credential.
    pub(super) fn vault(&self) -> &VaultClient {
        &self.vault
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its URI without a version.
    pub(super) fn uri(&self) -> String {
        format!("{}/keys/{}", self.vault.url(), self.name)
    }

    /// Its latest version.
    pub(super) fn latest(&self) -> Result<Key, StepError> {
        Ok(self.vault.key(&self.name, None)?)
    }

    /// All its versions.
    pub(super) fn versions(&self) -> Result<BTreeSet<String>, StepError> {
        let all = self.vault.key_versions(&self.name)?;
        let version = |one: &Value| Some(one["kid"].as_str()?.rsplit('/').next()?.to_owned());
        Ok(all.iter().filter_map(version).collect())
    }

    /// Expects exactly one version more than `before`, the latest one, and returns it.
    pub(super) fn single_added(&self, before: &BTreeSet<String>) -> Result<String, StepError> {
        let after = self.versions()?;
        let added: Vec<&String> = after.difference(before).collect();
        let ([added], true) = (added.as_slice(), after.is_superset(before)) else {
            let counts =
                format!("{} versions before and {} after, {} of them new", before.len(), after.len(), added.len());
            return Err(StepError::unexpected(counts));
        };
        let latest = self.latest()?.version().to_owned();
        match latest == **added {
            true => Ok(latest),
            false => Err(StepError::unexpected(format!(
                "version {} was added, and {} is the latest",
                short(added),
                short(&latest)
            ))),
        }
    }

    /// Changes attributes of a version, by default of the latest.
    pub(super) fn set(&self, version: Option<&str>, attributes: &Value) -> Result<(), StepError> {
        Ok(self.vault.update_key(&self.name, version, &json!({"attributes": attributes})).map(drop)?)
    }

    /// Wraps random bytes under `version` with the factory's credential, to be unwrapped later.
    pub(super) fn probe(&self, version: &str) -> Result<Probe, RequestError> {
        let vault = self.environment.as_factory(self.vault.url());
        let plain = Zeroizing::new(random::secret());
        let wrapped = vault.wrap(&self.name, version, ALGORITHM, plain.as_slice())?;
        Ok(Probe { vault, name: self.name.clone(), version: version.to_owned(), plain, wrapped: wrapped.value })
    }
}

/// Random bytes that one version of a key has wrapped.
pub(super) struct Probe {
    vault: Arc<VaultClient>,
    name: String,
    version: String,
    plain: Zeroizing<[u8; 32]>,
    wrapped: Vec<u8>,
}

impl Probe {
    /// The version that wrapped them.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Whether the version unwraps them to the same bytes.
    pub(super) fn unwrap(&self) -> Result<bool, RequestError> {
        self.unwrap_in(&self.vault)
    }

    /// Expects that the version unwraps them to the same bytes.
    pub(super) fn expect_unwraps(&self) -> Result<(), StepError> {
        self.check(self.unwrap())
    }

    /// Expects the same of that version in another vault.
    pub(super) fn expect_unwraps_at(&self, environment: &Environment, vault: &VaultUrl) -> Result<(), StepError> {
        self.check(self.unwrap_in(&environment.as_factory(vault)))
    }

    fn unwrap_in(&self, vault: &VaultClient) -> Result<bool, RequestError> {
        let plain = vault.unwrap(&self.name, &self.version, ALGORITHM, &self.wrapped)?;
        Ok(plain.as_slice() == self.plain.as_slice())
    }

    fn check(&self, unwrapped: Result<bool, RequestError>) -> Result<(), StepError> {
        let unexpected = |why: &dyn std::fmt::Display| {
            StepError::unexpected(format!("unwrapping under version {}: {why}", short(&self.version)))
        };
        match unwrapped {
            Ok(true) => Ok(()),
            Ok(false) => Err(unexpected(&"other bytes came out")),
            Err(failure) => Err(unexpected(&failure)),
        }
    }
}

/// The first eight characters of a version id, enough for a report.
pub(super) fn short(version: &str) -> &str {
    version.get(..8).unwrap_or(version)
}

fn no_purge_protection(level: &str) -> String {
    let hint = "switch purge protection on, or give --admin URL, so that a vault that has it can be made";
    format!("the vault has no purge protection ({level}), which a factory's key needs: {hint}")
}
