//! `keyhaven clock`: the vault clock of a running server.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::AdminClient;

/// Show or move the clock that vaults live by.
///
/// Only a virtual clock can be moved (`serve --clock virtual`). What falls due is done before the command ends: deleted
/// objects go, keys expire and rotate, events are delivered. Tokens, TLS and time-outs stay on the machine's clock.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Clock {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    client: AdminClient,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven clock
  keyhaven clock advance 90d
  keyhaven clock set 2030-01-31T00:00:00Z";

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the time on the clock (when nothing is said)
    Show,
    /// Move the clock forward
    Advance {
        /// How far: P90D, PT30M, or 90d, 2h30m, "1y 6mo"
        #[arg(value_name = "DURATION")]
        by: String,
    },
    /// Put the clock forward to a moment
    Set {
        /// The moment, such as 2030-01-31T00:00:00Z
        #[arg(value_name = "RFC3339")]
        to: String,
    },
    /// Let the clock stand still
    Freeze,
    /// Let the clock run
    Run,
}

impl Clock {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let asked = match self.action {
            None | Some(Action::Show) => None,
            Some(Action::Advance { by }) => Some(json!({"advance": by})),
            Some(Action::Set { to }) => Some(json!({"set": to})),
            Some(Action::Freeze) => Some(json!({"freeze": true})),
            Some(Action::Run) => Some(json!({"run": true})),
        };
        let method = if asked.is_some() { Method::POST } else { Method::GET };
        let answer = self.client.json_request(method, "/admin/clock", asked.as_ref()).await?;
        self.client.print(&answer, &line(&answer));
        Ok(ExitCode::SUCCESS)
    }
}

fn line(answer: &Value) -> String {
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    let state = match (text("clock"), answer["frozen"].as_bool()) {
        ("real", _) => "real",
        (_, Some(true)) => "virtual, frozen",
        _ => "virtual, running",
    };
    match answer["ran"].as_u64() {
        Some(0) | None => format!("{} ({state})", text("now")),
        Some(1) => format!("{} ({state}); 1 thing fell due and was done", text("now")),
        Some(ran) => format!("{} ({state}); {ran} things fell due and were done", text("now")),
    }
}
