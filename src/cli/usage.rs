//! Parsing of the command line, with a usage line that has no option of the environment: clap shows an option that has a value as
//! one that must be given.

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, Error, Parser};

use super::Cli;

impl Cli {
    /// Parses this process's command line and environment; what is wrong ends the process.
    pub fn from_command_line() -> Self {
        Self::try_parse()
            .map_err(|error| without_environment(error, std::env::args_os()))
            .unwrap_or_else(|error| error.exit())
    }
}

/// The error about an argument that is missing, as it is without variables.
fn without_environment(error: Error, line: impl Iterator<Item = std::ffi::OsString>) -> Error {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return error;
    }
    match bare(Cli::command()).try_get_matches_from(line) {
        Err(plain) if plain.kind() == error.kind() => plain,
        _ => error,
    }
}

/// `command` and those below it without variables.
fn bare(command: Command) -> Command {
    command.mut_args(|argument| argument.env(None::<&str>)).mut_subcommands(bare)
}
