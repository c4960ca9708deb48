//! `keyhaven log`: the request log of a running server.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hyper::Method;
use serde_json::Value;

use super::Failure;
use super::client::AdminClient;

/// The time between two looks at the log of a server.
const INTERVAL: Duration = Duration::from_millis(200);
/// The most lines in one answer.
const MOST: usize = 1000;
/// What the log calls a holder of the admin key.
const ADMIN: &str = "admin-key";

/// Show the last requests of a running server, a line each; with -f those that follow too.
///
/// What holders of the admin key do, such as these commands, is left out without --all.
///
/// A line has the time, the identity, the operation, vault and object, the status, what is missing or the error code, how long it
/// took, and the request's id; - where something is not known. No value and no token is in it. The server holds the last 1,000
/// lines, whatever its --log-level.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LogCommand {
    /// Follow the log until the server stops
    #[arg(short, long)]
    follow: bool,

    /// How many of the last lines are shown, 1000 at most
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1000))]
    lines: u16,

    /// Show requests with the admin key too
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    client: AdminClient,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven log -f                           beside a program that runs
  keyhaven log --all                        these commands' own requests too
  keyhaven log -n 1000 | grep missing       what an identity was refused
  keyhaven log -n 100 --json                for a program, an object a line";

impl LogCommand {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let shown = self.ask(&format!("limit={MOST}")).await?;
        if !self.print(&shown, self.lines.into()) || !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        let mut last = last_of(&shown);
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Ok(next) = self.ask(&format!("after={last}&limit={MOST}")).await else {
                eprintln!("keyhaven: the server has stopped");
                return Ok(ExitCode::SUCCESS);
            };
            if !self.print(&next, MOST) {
                return Ok(ExitCode::SUCCESS);
            }
            last = next_after(last, &next);
        }
    }

    async fn ask(&self, query: &str) -> Result<Value, Failure> {
        self.client.json_request(Method::GET, &format!("/admin/log?{query}"), None).await
    }

    /// Prints the last `most` lines; answers whether stdout still takes them.
    fn print(&self, answer: &Value, most: usize) -> bool {
        let all = answer["requests"].as_array().into_iter().flatten();
        let shown: Vec<_> = all.filter(|request| self.all || request["identity"] != ADMIN).collect();
        let mut stdout = std::io::stdout().lock();
        let mut written = Ok(());
        for request in &shown[shown.len().saturating_sub(most)..] {
            written = written.and_then(|()| writeln!(stdout, "{}", self.line(request)));
        }
        written.and_then(|()| stdout.flush()).is_ok()
    }

    fn line(&self, request: &Value) -> String {
        let text = |member: &str| request[member].as_str().unwrap_or_default();
        if self.client.json { request.to_string() } else { format!("{} {}", text("at"), text("line")) }
    }
}

fn last_of(answer: &Value) -> u64 {
    answer["last"].as_u64().unwrap_or_default()
}

/// The number to go on after: that of the last line that was shown. A server that was started anew on the same port counts from 1
/// again.
fn next_after(last: u64, answer: &Value) -> u64 {
    let shown = answer["requests"].as_array().and_then(|requests| requests.last()?["number"].as_u64());
    match shown {
        Some(number) => number,
        None if last_of(answer) < last => 0,
        None => last,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_goes_on_after_the_last_line_shown() {
        assert_eq!(next_after(3, &json!({"requests": [{"number": 4}, {"number": 5}], "last": 9})), 5);
        assert_eq!(next_after(5, &json!({"requests": [], "last": 5})), 5);
        assert_eq!(next_after(5, &json!({"requests": [], "last": 2})), 0, "another server");
    }
}
