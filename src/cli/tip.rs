//! Tips beside clap's own refusals of a command line.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};

/// Adds a tip where a name follows `--create-vaults`, which takes none.
pub(super) fn added(mut error: clap::Error, words: impl Iterator<Item = OsString>) -> clap::Error {
    let words: Vec<_> = words.collect();
    let is_name = |name: &str| words.windows(2).any(|pair| pair[0] == "--create-vaults" && pair[1] == name);
    let tip = "--create-vaults takes no names: any vault that is asked for is made; those with settings of their own are in --config FILE";
    if matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(name)) if is_name(name)) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.to_owned().into()]));
    }
    error
}
