//! `keyhaven identity`: the identities of a running server.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::{AdminClient, path_segment};

/// Show, add, remove or revoke identities of a running server, or get a token of one.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Identity {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    client: AdminClient,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven identity list
  keyhaven identity add reader
  keyhaven identity revoke reader
  curl -H \"Authorization: Bearer $(keyhaven identity token default)\" …
  keyhaven identity token reader --federated";

#[derive(Debug, Subcommand)]
enum Action {
    /// Show every identity
    #[command(alias = "ls")]
    List,
    /// Add an identity; ids that are left out are derived from its name
    Add {
        /// The name
        name: String,
        /// Its application id
        #[arg(long, value_name = "UUID")]
        client_id: Option<String>,
        /// Its principal id, which policies name
        #[arg(long, value_name = "UUID")]
        object_id: Option<String>,
        /// Give it to requests for a token that name no identity
        #[arg(long)]
        system_assigned: bool,
    },
    /// Remove an identity; its tokens are refused from then on
    Remove {
        /// The name
        name: String,
    },
    /// Revoke an identity's sessions: the tokens that it has are refused from then on, and it signs in again
    Revoke {
        /// The name
        name: String,
    },
    /// Print a token of an identity
    Token {
        /// The name
        name: String,
        /// What the token is for [default: https://vault.azure.net]
        #[arg(long, value_name = "URI", conflicts_with = "federated")]
        resource: Option<String>,
        /// A federated token, which says who the identity is and is exchanged for access tokens: what
        /// AZURE_FEDERATED_TOKEN_FILE holds (good for a day)
        #[arg(long)]
        federated: bool,
    },
}

impl Identity {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let client = &self.client;
        match self.action {
            Action::List => {
                let answer = client.json_request(Method::GET, "/admin/identities", None).await?;
                let all = answer["identities"].as_array().into_iter().flatten();
                let is_default = |identity: &Value| identity["name"] == answer["default"];
                let mark =
                    |identity: &Value| if is_default(identity) { "  default: what keyhaven env gives" } else { "" };
                let lines: Vec<_> = all.map(|identity| line(identity) + mark(identity)).collect();
                client.print(&answer, &lines.join("\n"));
            }
            Action::Add { name, client_id, object_id, system_assigned } => {
                let mut entry = json!({"name": name, "systemAssigned": system_assigned});
                for (member, value) in [("clientId", client_id), ("objectId", object_id)] {
                    if let Some(value) = value {
                        entry[member] = value.into();
                    }
                }
                let answer = client.json_request(Method::POST, "/admin/identities", Some(&entry)).await?;
                client.print(&answer, &line(&answer));
            }
            Action::Remove { name } => {
                client
                    .json_request(Method::DELETE, &format!("/admin/identities/{}", path_segment(&name)), None)
                    .await?;
                client.print(&json!({"removed": name}), &format!("removed {name}"));
            }
            Action::Revoke { name } => {
                let path = format!("/admin/identities/{}/revoke", path_segment(&name));
                client.json_request(Method::POST, &path, None).await?;
                client.print(&json!({"revoked": name}), &format!("revoked {name}: its tokens are refused from now on"));
            }
            Action::Token { name, resource, federated } => {
                let path = format!("/admin/identities/{}/token", path_segment(&name));
                let mut asked = json!({"federated": federated});
                if let Some(resource) = resource {
                    asked["resource"] = resource.into();
                }
                let answer = client.json_request(Method::POST, &path, Some(&asked)).await?;
                client.print(&answer, answer["access_token"].as_str().unwrap_or_default());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(identity: &Value) -> String {
    let text = |name: &str| identity[name].as_str().unwrap_or_default();
    let assigned = if identity["systemAssigned"] == true { "  system-assigned" } else { "" };
    let disabled = if identity["enabled"] == false { "  disabled" } else { "" };
    format!("{:<16} client {}  object {}{assigned}{disabled}", text("name"), text("clientId"), text("objectId"))
}
