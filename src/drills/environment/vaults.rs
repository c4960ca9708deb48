//! The vaults that drills use, found or planned on a server.

use serde_json::Value;

use crate::drills::admin::{AdminClient, AdminError};
use crate::remote::{Method, VaultUrl};

/// What decides who may do what in a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Its access policies.
    Policies,
    /// Role assignments.
    Roles,
}

/// The vaults that drills use.
pub(super) struct DrillVaults {
    pub(super) vault: VaultUrl,
    pub(super) name: String,
    /// The mode of the vault; the second one has the other.
    pub(super) mode: Mode,
    /// Set if the vault was created for this run; says why, for the report.
    pub(super) created_because: Option<String>,
    /// The second vault, created for this run, and its name.
    pub(super) second: Option<(VaultUrl, String)>,
}

impl DrillVaults {
    /// Finds the vault at `asked` on the server. If it has no purge protection, plans one on the same server for this run.
    pub(super) fn find(admin: &AdminClient, asked: &VaultUrl, run: &str) -> Result<Self, AdminError> {
        let all = admin.send(Method::GET, "/admin/vaults", None)?;
        let host = asked.host();
        let label = host.split('.').next().unwrap_or_default();
        let is_alias =
            |vault: &&Value| vault["aliases"].as_array().is_some_and(|all| all.iter().any(|one| one == host));
        let found = named(&all, label).or_else(|| all["vaults"].as_array()?.iter().find(is_alias));
        let Some(vault) = found else { return Err(unknown(&all, asked)) };
        let name = vault["name"].as_str().unwrap_or_default().to_owned();
        let mode = if vault["enableRbacAuthorization"] == true { Mode::Roles } else { Mode::Policies };
        // Other vaults of the server cannot be addressed by an alias of this one.
        let sibling_url = |other: &str| sibling(asked, other).filter(|_| name.eq_ignore_ascii_case(label));
        let second = format!("{run}-second");
        let second = sibling_url(&second).map(|url| (url, second));
        if vault["enablePurgeProtection"] == true {
            return Ok(Self { vault: asked.clone(), name, mode, created_because: None, second });
        }
        let vault = sibling_url(run).ok_or_else(|| no_purge_protection(&name))?;
        let reason =
            format!("a vault of this run's own: '{name}' has no purge protection, which a factory's key needs");
        Ok(Self { vault, name: run.to_owned(), mode, created_because: Some(reason), second })
    }

    /// The names of the vaults that are created for this run, with the mode of each.
    pub(super) fn created(&self) -> impl Iterator<Item = (&String, Mode)> {
        let primary = self.created_because.as_ref().map(|_| (&self.name, self.mode));
        primary.into_iter().chain(self.second.as_ref().map(|(_, name)| (name, self.mode.other())))
    }

    /// The name of the vault of this mode, if there is one.
    pub(super) fn of_mode(&self, mode: Mode) -> Option<&String> {
        match mode == self.mode {
            true => Some(&self.name),
            false => self.second.as_ref().map(|(_, name)| name),
        }
    }
}

impl Mode {
    /// The other one.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Policies => Self::Roles,
            Self::Roles => Self::Policies,
        }
    }
}

/// The URL of the vault `name` on the same server: names differ in their first label.
fn sibling(vault: &VaultUrl, name: &str) -> Option<VaultUrl> {
    let (_, domain) = vault.authority().split_once('.')?;
    format!("https://{name}.{domain}").parse().ok()
}

/// The vault called `name` in `all`, an answer of the admin API.
pub(super) fn named<'v>(all: &'v Value, name: &str) -> Option<&'v Value> {
    let has_name = |vault: &&Value| vault["name"].as_str().is_some_and(|one| one.eq_ignore_ascii_case(name));
    all["vaults"].as_array()?.iter().find(has_name)
}

fn unknown(all: &Value, asked: &VaultUrl) -> AdminError {
    let names: Vec<&str> =
        all["vaults"].as_array().into_iter().flatten().filter_map(|vault| vault["name"].as_str()).collect();
    AdminError::new(format!(
        "--admin knows no vault at {asked}; it has {}: give one of these, --vault NAME",
        names.join(", ")
    ))
}

fn no_purge_protection(name: &str) -> AdminError {
    let hint = "give it by its name, --vault NAME, so that one beside it can be made";
    AdminError::new(format!("the vault '{name}' has no purge protection, which a factory's key needs: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sibling_vault_differs_in_its_first_label() {
        let of = |url: &str| sibling(&url.parse().unwrap(), "x").map(|url| url.to_string());
        assert_eq!(of("https://a.vault.localhost:8443").as_deref(), Some("https://x.vault.localhost:8443"));
        assert_eq!(of("https://localhost:8443"), None);
    }
}
