//! `keyhaven env`: the variables of a running server, for a shell, a file or a program.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::serve::READY_FILE;
use super::{Failure, server};
use crate::app::{Ready, Variables};

/// Print the environment that programs need to use a running server.
///
/// In a shell: eval "$(keyhaven env)"
#[derive(Debug, Args)]
pub(super) struct Env {
    /// How to print them
    #[arg(long, value_name = "FORMAT", default_value = "sh")]
    format: Format,

    #[command(flatten)]
    target: Target,
}

/// Which running server is meant.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The running server's ready file [default: DATA/ready.json]
    #[arg(long, global = true, value_name = "FILE", env = "KEYHAVEN_READY_FILE")]
    ready_file: Option<PathBuf>,

    /// The running server's data directory [default: $XDG_DATA_HOME/keyhaven]
    #[arg(long, global = true, value_name = "DIR", env = "KEYHAVEN_DATA")]
    data: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// export NAME='VALUE' for POSIX shells
    Sh,
    /// NAME="VALUE" for .env files
    Dotenv,
    /// One JSON object
    Json,
}

impl Env {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let ready = self.target.ready()?;
        print!("{}", self.format.print(&ready.env));
        Ok(ExitCode::SUCCESS)
    }
}

impl Target {
    /// What the running server told about itself.
    pub(super) fn ready(&self) -> Result<Ready, Failure> {
        let path = self.path()?;
        let text = std::fs::read_to_string(&path).map_err(|error| absent(&path, &error))?;
        serde_json::from_str(&text).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
    }

    /// Whether the command line or the environment names it.
    pub(super) fn is_named(&self) -> bool {
        self.ready_file.is_some() || self.data.is_some()
    }

    /// Whether a ready file was named or is there.
    pub(super) fn is_told(&self) -> bool {
        self.is_named() || self.path().is_ok_and(|path| path.exists())
    }

    fn path(&self) -> Result<PathBuf, Failure> {
        match &self.ready_file {
            Some(path) => Ok(path.clone()),
            None => Ok(server::data_dir(self.data.as_deref())?.join(READY_FILE)),
        }
    }
}

fn absent(path: &Path, error: &std::io::Error) -> Failure {
    let hint = "start one with `keyhaven serve`, or name its --ready-file or --data";
    Failure::failed(format!("no running server found ({}: {error}); {hint}", path.display()))
}

impl Format {
    fn print(self, variables: &Variables) -> String {
        match self {
            Self::Json => serde_json::to_string_pretty(variables).unwrap_or_default() + "\n",
            Self::Sh => lines(variables, |name, value| format!("export {name}='{}'", value.replace('\'', r"'\''"))),
            Self::Dotenv => lines(variables, |name, value| {
                format!("{name}=\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
            }),
        }
    }
}

fn lines(variables: &Variables, line: impl Fn(&str, &str) -> String) -> String {
    variables.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{}", line(name, value));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_their_reader() {
        let variables = Variables::from([("A".to_owned(), "it's \"x\"".to_owned())]);
        assert_eq!(Format::Sh.print(&variables), "export A='it'\\''s \"x\"'\n");
        assert_eq!(Format::Dotenv.print(&variables), "A=\"it's \\\"x\\\"\"\n");
        assert_eq!(Format::Json.print(&variables), "{\n  \"A\": \"it's \\\"x\\\"\"\n}\n");
    }
}
