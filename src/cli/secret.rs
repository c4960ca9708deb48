//! `keyhaven secret`: the secrets of a running server's vaults.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::{Zeroize, Zeroizing};

use super::Failure;
use super::columns::{Columns, moment, pairs, text, yes_or_no};
use super::objects::{Kind, SecretArgument, VaultArgs, expect_name, latest_first, name_of, version_of, version_table};
use crate::clock::Timestamp;
use crate::remote::Secret;

/// Show, set, delete or recover secrets of a running server's vault.
///
/// The vault is asked as any program asks it, so an identity sees and does what its access policies allow.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SecretCommand {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    vault: VaultArgs,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven secret list
  keyhaven secret set db-password hunter2
  keyhaven secret show db-password --value
  keyhaven secret set tls-key --file key.pem        from a file, byte for byte
  keyhaven secret list --vault shop --identity worker   what that one may see";

#[derive(Debug, Subcommand)]
enum Action {
    /// Show every secret of the vault, without values
    #[command(alias = "ls")]
    List {
        /// Show the deleted ones that can be recovered, and for how long
        #[arg(long)]
        deleted: bool,
    },
    /// Show a secret's attributes and versions, or its value alone
    #[command(alias = "get")]
    Show {
        /// The name
        name: String,
        /// The version [default: the latest]
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
        /// Print the value and nothing else; where stdout is no terminal, without a line end. With --json, besides the rest
        #[arg(long)]
        value: bool,
    },
    /// Set a secret: make it, or a new version of it
    ///
    /// Without VALUE and --file, the value is read from standard input, and one line end after it is left out.
    Set {
        /// The name: letters, digits and hyphens
        name: String,
        /// The value. A shell keeps it in its history: a real one is better given on standard input or with --file
        #[arg(value_name = "VALUE", conflicts_with = "file")]
        value: Option<SecretArgument>,
        /// A file that holds the value, taken as it is; - takes standard input as it is
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// What the value is, such as text/plain
        #[arg(long, value_name = "TYPE")]
        content_type: Option<String>,
        /// When it expires, such as 2030-01-31T00:00:00Z
        #[arg(long, value_name = "RFC3339", value_parser = parse_moment)]
        expires: Option<Timestamp>,
    },
    /// Delete a secret with all its versions; say how to recover it
    Delete {
        /// The name
        name: String,
    },
    /// Recover a deleted secret with all its versions
    Recover {
        /// The name
        name: String,
    },
    /// Remove a deleted secret for good
    Purge {
        /// The name
        name: String,
    },
}

impl SecretCommand {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let vault = &self.vault;
        match self.action {
            Action::List { deleted: false } => vault.list(Kind::Secret).await?,
            Action::List { deleted: true } => vault.list_deleted(Kind::Secret).await?,
            Action::Show { name, version, value } => show(vault, name, version, value).await?,
            Action::Set { name, value, file, content_type, expires } => {
                let value = read_value(value, file.as_deref())?;
                set(vault, name, value, properties(content_type, expires)).await?;
            }
            Action::Delete { name } => vault.delete(Kind::Secret, &name).await?,
            Action::Recover { name } => vault.recover(Kind::Secret, &name).await?,
            Action::Purge { name } => vault.purge(Kind::Secret, &name).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn set(args: &VaultArgs, name: String, value: Zeroizing<String>, properties: Value) -> Result<(), Failure> {
    expect_name(&name)?;
    let vault = args.connect_to_write().await?;
    let set = vault.ask(move |vault| vault.set_secret_with(&name, &value, &properties)).await?;
    let answer = &set.properties;
    args.client
        .print(answer, &format!("set {} in vault {} (version {})", name_of(answer), vault.name(), version_of(answer)));
    Ok(())
}

async fn show(args: &VaultArgs, name: String, version: Option<String>, value: bool) -> Result<(), Failure> {
    let vault = args.connect().await?;
    let secret =
        vault.ask_for((Kind::Secret, &name), move |vault, name| vault.secret(name, version.as_deref())).await?;
    if value && !args.client.json {
        return print_value(&secret.value);
    }
    let versions = vault.try_ask(move |vault| vault.secret_versions(&name)).await?.map(latest_first);
    if args.client.json {
        return print_json(&secret, versions.unwrap_or_default(), value);
    }
    let mut shown = attributes(&secret.properties);
    shown += &match versions {
        Ok(versions) => format!("\n\n{}", version_table(&versions)),
        Err(error) => format!("\n\nversions are not shown: {error}"),
    };
    args.client.print(&Value::Null, &shown);
    Ok(())
}

fn attributes(secret: &Value) -> String {
    let attributes = &secret["attributes"];
    let mut columns = Columns::without_headings();
    for (name, value) in [
        ("name", name_of(secret)),
        ("version", version_of(secret)),
        ("enabled", yes_or_no(&attributes["enabled"])),
        ("created", moment(&attributes["created"])),
        ("updated", moment(&attributes["updated"])),
        ("not before", moment(&attributes["nbf"])),
        ("expires", moment(&attributes["exp"])),
        ("content type", text(&secret["contentType"])),
        ("tags", pairs(&secret["tags"])),
        ("recovery", text(&attributes["recoveryLevel"])),
        ("id", text(&secret["id"])),
    ] {
        columns.row([name.to_owned(), value]);
    }
    columns.text()
}

/// Prints the service's answer, and the versions beside it.
fn print_json(secret: &Secret, versions: Vec<Value>, with_value: bool) -> Result<(), Failure> {
    let mut shown = secret.properties.clone();
    shown["versions"] = versions.into();
    if with_value {
        shown["value"] = secret.value.as_str().into();
    }
    let text = Zeroizing::new(format!("{shown:#}\n"));
    if let Some(Value::String(value)) = shown.get_mut("value") {
        value.zeroize();
    }
    write_out(text.as_bytes())
}

/// Prints a value alone. A person's terminal gets a line end; a program gets the value's bytes.
fn print_value(value: &str) -> Result<(), Failure> {
    write_out(value.as_bytes())?;
    if std::io::stdout().is_terminal() { write_out(b"\n") } else { Ok(()) }
}

/// A part of a value would be taken for the whole: what cannot be written is a failure.
fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::failed(format!("the value could not be written: {error}")))
}

fn properties(content_type: Option<String>, expires: Option<Timestamp>) -> Value {
    let mut properties = json!({});
    if let Some(content_type) = content_type {
        properties["contentType"] = content_type.into();
    }
    if let Some(expires) = expires {
        properties["attributes"] = json!({"exp": expires.unix()});
    }
    properties
}

fn read_value(given: Option<SecretArgument>, file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    match (given, file) {
        (Some(value), _) => Ok(value.into_text()),
        (None, Some(file)) if file == Path::new("-") => read_stdin(),
        (None, Some(file)) => {
            let read = std::fs::read(file).map(Zeroizing::new);
            into_text(read.map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?)
        }
        (None, None) if std::io::stdin().is_terminal() => {
            let why = "the value is missing: give it after the name, on standard input, or with --file FILE";
            Err(Failure::usage(why))
        }
        (None, None) => read_stdin().map(without_line_end),
    }
}

fn read_stdin() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| Failure::failed(format!("standard input: {error}")))?;
    into_text(bytes)
}

fn into_text(bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, Failure> {
    let text = std::str::from_utf8(&bytes).map(|text| Zeroizing::new(text.to_owned()));
    text.map_err(|_| {
        Failure::failed("the value is no text (UTF-8): a vault keeps text alone; encode it, as base64 for example")
    })
}

fn without_line_end(text: Zeroizing<String>) -> Zeroizing<String> {
    let kept = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text));
    kept.map_or_else(|| text.clone(), |kept| Zeroizing::new(kept.to_owned()))
}

fn parse_moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "not a time; write 2030-01-31T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_left_out() {
        let kept = |text: &str| without_line_end(Zeroizing::new(text.to_owned())).to_string();
        assert_eq!(["a\n", "a\r\n", "a\n\n", "a", "a\r", ""].map(kept), ["a", "a", "a\n", "a", "a\r", ""]);
    }

    #[test]
    fn a_value_on_the_command_line_is_not_in_debug() {
        assert!(!format!("{:?}", "hush".parse::<SecretArgument>()).contains("hush"));
    }
}
