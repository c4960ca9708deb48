//! `keyhaven reset`: resets a running server to its configuration.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::{AdminClient, path_segment};
use super::objects::{count_of, kinds};

/// The vaults whose objects are counted; of a server for tests there can be thousands.
const MOST_COUNTED: usize = 20;

/// Put everything back to what the server's configuration says; its file is read again.
///
/// All vaults, keys, secrets and identities are replaced at once. Tokens stay good, and a virtual clock goes on.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Reset {
    #[command(flatten)]
    client: AdminClient,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven reset
  keyhaven reset --data ./vault-data";

impl Reset {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let (before, identity) = (self.contents().await?, self.default_identity().await?);
        self.client.json_request(Method::POST, "/admin/reset", None).await?;
        let (after, next) = (self.contents().await?, self.default_identity().await?);
        let status = self.client.json_request(Method::GET, "/admin/status", None).await?;
        let said_by =
            if status["configuration"].is_null() { "without a configuration" } else { "the configuration says" };
        let mut said = format!("{before} replaced by {after}: everything is as {said_by}");
        if identity != next {
            let next = next["name"].as_str().unwrap_or("no identity");
            said += &format!("\nprograms are {next} from now on: take env and .env anew");
        }
        self.client.print(&json!({"reset": true, "before": before, "after": after}), &said);
        Ok(ExitCode::SUCCESS)
    }

    /// `2 vaults (3 secrets, 1 key)`; the vaults alone where there are many.
    async fn contents(&self) -> Result<String, Failure> {
        let status = self.client.json_request(Method::GET, "/admin/status", None).await?;
        let names: Vec<&str> = status["vaults"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let vaults = counted(names.len() as u64, "vault");
        if names.len() > MOST_COUNTED {
            return Ok(vaults);
        }
        let mut sums = kinds().map(|kind| (kind, 0)).collect::<Vec<_>>();
        for name in names {
            let path = format!("/admin/vaults/{}", path_segment(name));
            let vault = self.client.json_request(Method::GET, &path, None).await?;
            sums.iter_mut().for_each(|(kind, sum)| *sum += count_of(&vault, *kind, "live"));
        }
        let sums: Vec<_> = sums.into_iter().map(|(kind, sum)| counted(sum, kind.singular())).collect();
        Ok(format!("{vaults} ({})", sums.join(", ")))
    }

    /// Name and client id of the identity that programs are.
    async fn default_identity(&self) -> Result<Value, Failure> {
        let answer = self.client.json_request(Method::GET, "/admin/identities", None).await?;
        let default =
            answer["identities"].as_array().into_iter().flatten().find(|one| one["name"] == answer["default"]);
        Ok(default.map_or(Value::Null, |one| json!({"name": one["name"], "clientId": one["clientId"]})))
    }
}

fn counted(number: u64, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
