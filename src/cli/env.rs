//! `keyhaven env`: the variables of a running server, for a shell, a file or a program.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::client::AdminClient;
use super::credential::Credential;
use super::serve::{self, READY_FILE};
use super::{Failure, environment, server_args};
use crate::app::{ReadyFile, Variables};

/// Print the environment that programs need to use a running server.
///
/// In a shell: eval "$(keyhaven env)", or: keyhaven env --format fish | source
#[derive(Debug, Args)]
pub(super) struct Env {
    /// How to print them
    #[arg(long, value_name = "FORMAT", default_value = "sh")]
    format: Format,

    /// The identity that programs are by default: its client id becomes AZURE_CLIENT_ID
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,

    /// What programs find to sign in with, in their environment
    #[arg(long, value_name = "KIND", default_value = "managed-identity")]
    credential: Credential,

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
    /// set -gx NAME 'VALUE' for fish
    Fish,
    /// $env:NAME = 'VALUE' for PowerShell
    Powershell,
    /// NAME="VALUE" for .env files
    Dotenv,
    /// One JSON object
    Json,
}

impl Env {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let (ready, file) = (self.target.ready()?, self.target.path()?);
        if !serve::is_live(&ready) {
            let why = "the server of this ready file is gone; start one with `keyhaven serve`";
            return Err(Failure::failed(format!("{}: {why}", file.display())));
        }
        let file = std::path::absolute(file).map_err(Failure::failed)?;
        let own = environment::current();
        let client = AdminClient::new(self.target);
        let mut changes = match self.credential.kind() {
            None => environment::for_shell(&ready.env, &own),
            Some(kind) => {
                let name = match self.identity.clone() {
                    Some(name) => name,
                    None => client.identity_with(ready.env.get("AZURE_CLIENT_ID").map_or("", String::as_str)).await?,
                };
                environment::for_shell_with(&ready.env, &own, client.credential(&name, kind).await?)
            }
        };
        changes.set.insert("KEYHAVEN_READY_FILE".to_owned(), file.display().to_string());
        if let (Some(name), None) = (&self.identity, self.credential.kind()) {
            changes.set.insert("AZURE_CLIENT_ID".to_owned(), client.client_id(name).await?);
        }
        for note in &changes.notes {
            eprintln!("keyhaven: {note}");
        }
        print!("{}", self.format.print(&changes.set));
        Ok(ExitCode::SUCCESS)
    }
}

impl Target {
    /// What the running server told about itself.
    pub(super) fn ready(&self) -> Result<ReadyFile, Failure> {
        let path = self.path()?;
        let text = std::fs::read_to_string(&path).map_err(|error| no_server(&path, &error))?;
        serde_json::from_str(&text).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
    }

    /// Whether the command line or the environment names it.
    pub(super) fn is_named(&self) -> bool {
        self.ready_file.is_some() || self.data.is_some()
    }

    /// Whether a ready file was named or is there.
    pub(super) fn is_found(&self) -> bool {
        self.is_named() || self.has_ready_file()
    }

    /// Whether a ready file is there, or one was named itself.
    pub(super) fn has_ready_file(&self) -> bool {
        self.ready_file.is_some() || self.path().is_ok_and(|path| path.exists())
    }

    /// Where its data lies.
    pub(super) fn data(&self) -> Result<PathBuf, Failure> {
        server_args::data_dir(self.data.as_deref())
    }

    /// The certificate of its CA: a directory that was named says where, else the running server, else the environment and
    /// the data directory.
    pub(super) fn ca(&self, certs: Option<&Path>) -> Result<PathBuf, Failure> {
        let kept = std::env::var_os("KEYHAVEN_CERTS").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let dir = match certs {
            Some(dir) => dir.to_owned(),
            None if self.has_ready_file() => return Ok(self.ready()?.ca),
            None => match kept {
                Some(dir) if !self.is_named() => dir,
                _ => self.data()?.join("certs"),
            },
        };
        Ok(dir.join("ca.pem"))
    }

    /// The ready file.
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        match &self.ready_file {
            Some(path) => Ok(path.clone()),
            None => Ok(self.data()?.join(READY_FILE)),
        }
    }
}

fn no_server(path: &Path, error: &std::io::Error) -> Failure {
    let hint = "start one with `keyhaven serve`, or name its --ready-file or --data";
    Failure::failed(format!("no running server found ({}: {error}); {hint}", path.display()))
}

impl Format {
    fn print(self, variables: &Variables) -> String {
        match self {
            Self::Json => serde_json::to_string_pretty(variables).unwrap_or_default() + "\n",
            Self::Sh => lines(variables, |name, value| format!("export {name}='{}'", value.replace('\'', r"'\''"))),
            Self::Fish => lines(variables, |name, value| format!("set -gx {name} '{}'", escaped(value, &['\\', '\'']))),
            Self::Powershell => lines(variables, |name, value| format!("$env:{name} = '{}'", doubled(value))),
            Self::Dotenv => lines(variables, |name, value| format!("{name}={}", dotenv(value))),
        }
    }
}

/// Readers put variables into values in double quotes, and take those in single quotes as they are.
fn dotenv(value: &str) -> String {
    match value.contains(['$', '`']) && !value.contains(['\'', '\\']) {
        true => format!("'{value}'"),
        false => format!("\"{}\"", escaped(value, &['\\', '"', '$', '`'])),
    }
}

/// `value` with a backslash before each of `special`.
fn escaped(value: &str, special: &[char]) -> String {
    value.chars().fold(String::new(), |mut text, c| {
        if special.contains(&c) {
            text.push('\\');
        }
        text.push(c);
        text
    })
}

/// PowerShell takes the typographic quotes for the plain one.
fn doubled(value: &str) -> String {
    value.chars().fold(String::new(), |mut text, c| {
        text.push(c);
        if matches!(c, '\'' | '\u{2018}'..='\u{201b}') {
            text.push(c);
        }
        text
    })
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
        let printed =
            |format: Format, value: &str| format.print(&Variables::from([("A".to_owned(), value.to_owned())]));
        assert_eq!(printed(Format::Sh, "it's \"x\""), "export A='it'\\''s \"x\"'\n");
        assert_eq!(printed(Format::Fish, r"it's \a $b"), "set -gx A 'it\\'s \\\\a $b'\n");
        assert_eq!(printed(Format::Powershell, "it's \u{2019}$x`"), "$env:A = 'it''s \u{2019}\u{2019}$x`'\n");
        assert_eq!(printed(Format::Dotenv, "it's \"x\""), "A=\"it's \\\"x\\\"\"\n");
        assert_eq!(printed(Format::Dotenv, "a $b"), "A='a $b'\n");
        assert_eq!(printed(Format::Dotenv, "it's $b"), "A=\"it's \\$b\"\n");
        assert_eq!(printed(Format::Json, "it's \"x\""), "{\n  \"A\": \"it's \\\"x\\\"\"\n}\n");
    }
}
