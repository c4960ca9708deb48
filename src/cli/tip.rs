//! Tips beside clap's own refusals of a command line.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory};

use super::Cli;

/// Adds a tip where a name follows `--create-vaults`, which takes none, and the list of commands where one is unknown.
pub(super) fn added(mut error: clap::Error, words: impl Iterator<Item = OsString>) -> clap::Error {
    let words: Vec<_> = words.collect();
    let is_name = |name: &str| words.windows(2).any(|pair| pair[0] == "--create-vaults" && pair[1] == name);
    let tip = "--create-vaults takes no names: any vault that is asked for is made; those with settings of their own are in --config FILE";
    if matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(name)) if is_name(name)) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.to_owned().into()]));
    }
    let first = words.get(1).and_then(|word| word.to_str());
    if matches!(error.get(ContextKind::InvalidSubcommand), Some(ContextValue::String(name)) if first == Some(name)) {
        let all = Cli::command();
        let names: Vec<_> = all.get_subcommands().map(Command::get_name).collect();
        let tip = format!("the commands are {}", names.join(", "));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}
