//! `run --suggest-policy` and `--require-policy`: what the command used.

use std::fmt::Display;
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
    let failed = |why: &dyn Display| Failure::failed(format!("--suggest-policy {}: {why}", file.display()));
    if let Some(why) = why_unknown(usage) {
        return Err(failed(&why));
    }
    explain(usage);
    let text = Grants::of(usage, &data_plane_operations()).configuration();
    files::write(file, text.as_bytes(), files::PRIVATE).map_err(|error| failed(&error))
}

/// Why it is not known what was used, where it is not.
fn why_unknown(usage: &Usage) -> Option<String> {
    match usage.missed() {
        _ if usage.is_incomplete => Some(INCOMPLETE.to_owned()),
        0 => usage.beyond_most_line().map(|line| format!("{line}, so what was used is not known")),
        missed => Some(format!("{missed} requests were not looked at, so what was used is not known")),
    }
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
        match (beyond.is_empty(), why_unknown(usage)) {
            (true, None) => Ok(()),
            (true, Some(why)) => Err(Failure::failed(format!("--require-policy: {why}"))),
            (false, _) => {
                Err(Failure::failed("the command used more than --require-policy grants; the lines above name it"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::tests::one_use_too_many;

    #[test]
    fn what_is_not_known_is_no_policy_and_within_none() {
        let dir = tempfile::tempdir().unwrap();
        let (required, suggested) = (dir.path().join("required.json"), dir.path().join("suggested.json"));
        std::fs::write(&required, "{}").unwrap();
        let required = Required::read(&required).unwrap_or_else(|failure| panic!("{}", failure.message));
        let [mut incomplete, mut missed] = [Usage::default(), Usage::default()];
        assert!(required.check(&incomplete).is_ok());
        incomplete.is_incomplete = true;
        missed.miss(2);
        let of = |usage: &Usage, unknown: &str| {
            for refused in [required.check(usage), suggest(&suggested, usage)] {
                let Failure { status, message } = refused.unwrap_err();
                assert!(status == 1 && message.ends_with(unknown), "{message}");
            }
        };
        of(&incomplete, ": the last requests were not looked at, so what was used is not known; run the command again");
        of(&missed, ": 2 requests were not looked at, so what was used is not known");
        let refused = suggest(&suggested, &one_use_too_many()).unwrap_err();
        let too_many =
            ": more than 50000 different uses: 1 request beyond them left out, so what was used is not known";
        assert!(refused.status == 1 && refused.message.ends_with(too_many), "{}", refused.message);
        assert!(!suggested.exists());
    }
}
