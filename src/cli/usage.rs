//! Parsing of the command line, with a usage line that has no option of the environment: clap shows an option that has a value as
//! one that must be given.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error, Parser};

use super::{Cli, failed_env, tip};

impl Cli {
    /// Parses this process's command line and environment; what is wrong ends the process.
    pub fn from_command_line() -> Self {
        Self::try_parse()
            .map_err(|error| without_environment(error, std::env::args_os()))
            .map_err(|error| tip::added(error, std::env::args_os()))
            .unwrap_or_else(|error| exit(&error))
    }
}

/// Prints what is wrong, or the help that was asked for, and ends the process.
fn exit(error: &Error) -> ! {
    if let Some(format) = failed_env::format_of(std::env::args_os()).filter(|_| error.use_stderr()) {
        failed_env::print(format);
    }
    error.exit()
}

/// The error about an argument that is missing, with the usage line of its command as it is without variables.
fn without_environment(mut error: Error, line: impl Iterator<Item = OsString>) -> Error {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return error;
    }
    let mut all = Cli::command();
    all.build();
    let named = line.fold(&all, |command, word| command.find_subcommand(word).unwrap_or(command));
    error.insert(ContextKind::Usage, ContextValue::StyledStr(named.clone().render_usage()));
    error
}
