//! `keyhaven policy`: what identities need, and what policies ask for.

mod suggest;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;

pub(crate) use suggest::explain;

/// Say what access identities really need.
#[derive(Debug, Args)]
#[command(after_help = suggest::EXAMPLES)]
pub(super) struct PolicyCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    #[command(about = "Print the least access policies or roles that grant what was used")]
    Suggest(suggest::Suggest),
}

impl PolicyCommand {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Suggest(suggest) => suggest.execute().await,
        }
    }
}
