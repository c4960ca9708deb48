//! `keyhaven health`: for container health checks and scripts that wait.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::address::IDENTITY_PORT;
use super::client::START_OR_NAME;
use super::target::Target;
use super::{Failure, client};

/// The time limit of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Exit 0 when a running server answers, 1 when not.
///
/// The server is found by its ready file, else at the default address.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Health {
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven health
  keyhaven health --ready-file ready.json";

impl Health {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let address =
            if self.target.is_found() { self.target.ready()?.identity } else { format!("127.0.0.1:{IDENTITY_PORT}") };
        let request = Request::get("/health").body(Full::default()).map_err(Failure::failed)?;
        match timeout(ANSWER_TIMEOUT, client::send(&address, request)).await {
            Ok(Ok((StatusCode::OK, body))) => {
                match degraded(&body) {
                    Some(why) => println!("ok ({address}), degraded: {why}"),
                    None => println!("ok ({address})"),
                }
                Ok(ExitCode::SUCCESS)
            }
            Ok(Ok((status, _))) => Err(Failure::failed(format!("{address} answers {status}"))),
            Ok(Err(error)) => Err(Failure::failed(format!("no server answers at {address}: {error}; {START_OR_NAME}"))),
            Err(_) => Err(Failure::failed(format!("{address} did not answer within {ANSWER_TIMEOUT:?}"))),
        }
    }
}

/// Why the server is read-only, if it is.
fn degraded(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body["degraded"].as_str().map(str::to_owned)
}
