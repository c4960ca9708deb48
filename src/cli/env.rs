//! `keyhaven env`: prints the environment variables of a running server for a shell, a file or a program.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::client::AdminClient;
use super::credential::Credential;
use super::target::Target;
use super::{Failure, environment, ready_file, variables};
use crate::app::Variables;

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
        if !ready_file::is_live(&ready) {
            let why = "the server of this ready file is gone; start one with `keyhaven serve`";
            return Err(Failure::failed(format!("{}: {why}", file.display())));
        }
        let file = std::path::absolute(file).map_err(Failure::failed)?;
        let own = variables::all();
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

/// Quotes a value for .env files: readers expand variables in double quotes, and nothing in single quotes.
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

/// Doubles single quotes for PowerShell, which treats typographic ones alike.
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
