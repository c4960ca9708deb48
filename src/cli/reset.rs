//! `keyhaven reset`: resets a running server to its configuration.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use serde_json::json;

use super::Failure;
use super::client::AdminClient;

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
        self.client.json_request(Method::POST, "/admin/reset", None).await?;
        self.client.print(&json!({"reset": true}), "everything is as the configuration says");
        Ok(ExitCode::SUCCESS)
    }
}
