//! `keyhaven vault`: the vaults of a running server.

mod show;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::AdminClient;
use super::known_vaults::KnownVaults;

/// Show, make, copy or delete vaults of a running server.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Vault {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    client: AdminClient,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven vault list
  keyhaven vault create orders
  keyhaven vault copy orders orders-test
  keyhaven vault delete orders-test";

#[derive(Debug, Subcommand)]
enum Action {
    /// Show every vault
    #[command(alias = "ls")]
    List,
    /// Show a vault: its settings, its access policies, how many secrets and keys it holds
    #[command(alias = "get")]
    Show {
        /// The name [default: the server's default vault]
        name: Option<String>,
    },
    /// Make a vault; without --from a premium one where the default identity may do everything
    Create {
        /// The name: 3 to 24 letters, digits and single hyphens
        name: String,
        /// A file with an entry of the configuration's `vaults` (JSON); - reads it from standard input
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Copy a vault with all that it holds, at once whatever its size; both then go their own ways
    Copy {
        /// The vault to copy
        source: String,
        /// The name of the copy: 3 to 24 letters, digits and single hyphens
        target: String,
    },
    /// Delete a vault with all that it holds, for good
    Delete {
        /// The name
        name: String,
    },
}

impl Vault {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        match &self.action {
            Action::List => self.list().await?,
            Action::Show { name } => self.show(name.as_deref()).await?,
            Action::Create { name, from } => self.create(name, from.as_deref()).await?,
            Action::Copy { source, target } => {
                KnownVaults::of(&self.client).await?.expect(source)?;
                let entry = json!({"copyOf": source});
                let answer =
                    self.client.json_request(Method::PUT, &format!("/admin/vaults/{target}"), Some(&entry)).await?;
                self.client.print(&answer, &line(&answer));
            }
            Action::Delete { name } => {
                KnownVaults::of(&self.client).await?.expect(name)?;
                self.client.json_request(Method::DELETE, &format!("/admin/vaults/{name}"), None).await?;
                self.client.print(&json!({"deleted": name}), &format!("deleted {name}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn list(&self) -> Result<(), Failure> {
        let answer = self.client.json_request(Method::GET, "/admin/vaults", None).await?;
        let lines: Vec<_> = answer["vaults"].as_array().into_iter().flatten().map(line).collect();
        self.client.print(&answer, &lines.join("\n"));
        Ok(())
    }

    async fn create(&self, name: &str, from: Option<&Path>) -> Result<(), Failure> {
        let all = self.client.json_request(Method::GET, "/admin/vaults", None).await?;
        let exists =
            all["vaults"].as_array().into_iter().flatten().any(|vault| same_name(vault["name"].as_str(), name));
        if exists {
            return Err(Failure::failed(format!("there is a vault '{name}' already")));
        }
        let entry = match from {
            Some(file) => read_json(file)?,
            None => json!({"sku": "premium"}),
        };
        let answer = self.client.json_request(Method::PUT, &format!("/admin/vaults/{name}"), Some(&entry)).await?;
        self.client.print(&answer, &line(&answer));
        Ok(())
    }
}

fn same_name(one: Option<&str>, other: &str) -> bool {
    one.is_some_and(|one| one.eq_ignore_ascii_case(other))
}

fn read_json(file: &Path) -> Result<Value, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", file.display()));
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map_err(|error| wrong(&error))?;
    } else {
        text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    }
    serde_json::from_str(&text).map_err(|error| wrong(&error))
}

fn line(vault: &Value) -> String {
    let name = vault["name"].as_str().unwrap_or_default();
    let sku = vault["sku"].as_str().unwrap_or_default();
    let days = vault["softDeleteRetentionInDays"].as_u64().unwrap_or_default();
    let kept = match (vault["enableSoftDelete"].as_bool(), vault["enablePurgeProtection"].as_bool()) {
        (Some(false), _) => "no soft delete".to_owned(),
        (_, Some(true)) => format!("{days} days, purge protection"),
        _ => format!("{days} days"),
    };
    format!("{name:<24} {sku:<8} {kept}")
}
