//! `keyhaven snapshot`: saves and loads all data of a running server as one file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::json;

use super::Failure;
use super::client::AdminClient;
use crate::files;

/// Save everything a server keeps as one file, or load it again.
///
/// The file is sealed under the server's backup key: give servers that exchange snapshots the same one (`backupKey` in
/// the configuration, or KEYHAVEN_BACKUP_KEY). Without one, the data has a key of its own, backup.key.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Snapshot {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    client: AdminClient,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven snapshot save before.snapshot
  keyhaven snapshot load before.snapshot";

#[derive(Debug, Subcommand)]
enum Action {
    /// Save everything as FILE
    Save {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Replace everything by what FILE holds
    Load {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl Snapshot {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Save { ref file } => {
                let bytes = self.client.request(Method::GET, "/admin/snapshot", vec![]).await?;
                files::write(file, &bytes, files::PRIVATE)
                    .map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
                let line = format!("saved {} ({} bytes)", file.display(), bytes.len());
                self.client.print(&json!({"saved": file, "bytes": bytes.len()}), &line);
            }
            Action::Load { ref file } => {
                let wrong = |error| Failure::failed(format!("{}: {error}", file.display()));
                let bytes = std::fs::read(file).map_err(wrong)?;
                self.client.request(Method::PUT, "/admin/snapshot", bytes).await?;
                self.client.print(&json!({"loaded": file}), &format!("loaded {}", file.display()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
