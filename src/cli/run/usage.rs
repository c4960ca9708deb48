//! `run --suggest-policy` and `--require-policy`: what the command used.

use std::path::Path;

use crate::app::{data_plane_operations, not_granted};
use crate::cli::Failure;
use crate::cli::policy::explain;
use crate::config::ConfigFile;
use crate::files;
use crate::usage::{Grants, Usage};

/// Why nothing can be said about what was used.
const INCOMPLETE: &str = "the last requests were not looked at, so what was used is not known; run the command again";

/// Writes the least that grants what was used into `file`, and says what was refused. It fails when not all is known that was used.
pub(super) fn suggest(file: &Path, usage: &Usage) -> Result<(), Failure> {
    if usage.is_incomplete {
        return Err(Failure::failed(format!("--suggest-policy {}: {INCOMPLETE}", file.display())));
    }
    explain(usage);
    let text = Grants::of(usage, &data_plane_operations()).configuration();
    let failed = |error| Failure::failed(format!("--suggest-policy {}: {error}", file.display()));
    files::write(file, text.as_bytes(), files::PRIVATE).map_err(failed)
}

/// What `--require-policy` names.
pub(super) struct Required {
    config: crate::config::Config,
    names_vaults: bool,
}

impl Required {
    /// Reads the file, a configuration.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let file = ConfigFile::new(path, None);
        let wrong = |why: String| Failure::usage(format!("--require-policy: {why}"));
        let text = file.self_contained().map_err(wrong)?;
        let config = file.read().map_err(wrong)?;
        Ok(Self { config, names_vaults: text.get("vaults").is_some() })
    }

    /// Fails when more was used than it grants, and when not all is known that was used.
    pub(super) fn check(&self, usage: &Usage) -> Result<(), Failure> {
        let beyond = not_granted(&self.config, self.names_vaults, usage).map_err(Failure::failed)?;
        for used in &beyond {
            let object = used.object.as_ref().map(|object| format!("/{object}")).unwrap_or_default();
            let (who, vault) = (usage.name(used.principal), used.vault_name());
            eprintln!("keyhaven: used and not in the required policy: {who} {} {vault}{object}", used.operation);
        }
        match beyond.len() {
            0 if usage.is_incomplete => Err(Failure::failed(format!("--require-policy: {INCOMPLETE}"))),
            0 if usage.missed > 0 => Err(Failure::failed(format!(
                "{} requests were not looked at, so what was used is not known",
                usage.missed
            ))),
            0 => Ok(()),
            _ => Err(Failure::failed("the command used more than --require-policy grants; the lines above name it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_no_policy_and_within_none() {
        let dir = tempfile::tempdir().unwrap();
        let (required, suggested) = (dir.path().join("required.json"), dir.path().join("suggested.json"));
        std::fs::write(&required, "{}").unwrap();
        let required = Required::read(&required).unwrap_or_else(|failure| panic!("{}", failure.message));
        let mut incomplete = Usage::default();
        assert!(required.check(&incomplete).is_ok());
        incomplete.is_incomplete = true;
        let unknown = "the last requests were not looked at, so what was used is not known; run the command again";
        for refused in [required.check(&incomplete), suggest(&suggested, &incomplete)] {
            let Failure { status, message } = refused.unwrap_err();
            assert!(status == 1 && message.ends_with(unknown), "{message}");
        }
        assert!(!suggested.exists());
    }
}
