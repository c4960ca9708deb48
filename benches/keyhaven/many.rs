//! Many secrets: whether a page's cost depends on where it lies, and how long a start takes with all of them there.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use keyhaven::testing::ReadyFile;
use rustls::ClientConfig;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::client::{Target, request};
use crate::report::{Bound, Row};
use crate::server::{Keeping, Server, token};
use crate::statistics::{median, milliseconds};
use crate::{Effort, Outcome, start, tls};

/// How much more the last page of a list may cost than the first.
const LAST_PAGE: Bound = Bound::AtMost(1.5);
/// Bytes of a secret's value.
const VALUE: usize = 2048;
/// Clients that set secrets at the same time.
const WRITERS: usize = 16;

/// A server with many secrets, and where it keeps them.
struct Many {
    home: TempDir,
    server: Server,
    target: Target,
    token: String,
}

/// The pages of a long list, and starts on what it is a list of.
pub(crate) async fn rows(binary: &Path, effort: Effort) -> Outcome<Vec<Row>> {
    eprintln!("setting {} secrets of {VALUE} bytes", effort.many);
    let home = tempfile::tempdir()?;
    let (server, ready) = served(binary, home.path())?;
    let many = Many {
        target: Target { address: server.address, config: tls::trusting(&ready.ca)? },
        token: token(&ready)?,
        server,
        home,
    };
    many.fill(effort.many).await?;
    let mut rows = many.pages(effort).await?;
    rows.extend(many.starts(binary, effort).await?);
    Ok(rows)
}

fn served(binary: &Path, home: &Path) -> Outcome<(Server, ReadyFile)> {
    let mut server = Server::spawn(binary, home, Keeping::Data)?;
    let ready = server.ready()?;
    Ok((server, ready))
}

impl Many {
    async fn fill(&self, count: usize) -> Outcome<()> {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (target, token) = (self.target.clone(), self.token.clone());
            writers.spawn(async move {
                let mut connection = target.connect().await?;
                let body = format!(r#"{{"value":"{}"}}"#, "x".repeat(VALUE));
                for number in (writer..count).step_by(WRITERS) {
                    let path = format!("/secrets/many-{number:06}?api-version=7.4");
                    connection.ask(&request("PUT", &path, &token, &body)).await?;
                }
                Outcome::Ok(())
            });
        }
        while let Some(done) = writers.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn pages(&self, effort: Effort) -> Outcome<Vec<Row>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            next_link: Option<String>,
        }
        let mut connection = self.target.connect().await?;
        let first = request("GET", "/secrets?api-version=7.4", &self.token, "");
        let (mut last, mut next) = (first.clone(), first.clone());
        loop {
            let page: Page = serde_json::from_str(connection.ask(&next).await?.body)?;
            let Some(link) = page.next_link else { break };
            let path = link.splitn(4, '/').nth(3).ok_or("a link without a path")?;
            // The page before the last is whole, as the first is.
            last = std::mem::replace(&mut next, request("GET", &format!("/{path}"), &self.token, ""));
        }
        let (mut early, mut late) = (Vec::new(), Vec::new());
        for _ in 0..effort.requests / 20 {
            for (asked, times) in [(&first, &mut early), (&last, &mut late)] {
                let began = Instant::now();
                connection.ask(asked).await?;
                times.push(milliseconds(began.elapsed()));
            }
        }
        let ratio = median(&late) / median(&early);
        Ok(vec![
            Row::new("last page of many secrets, of the first", ratio, "times")
                .bound(LAST_PAGE)
                .besides("first ms", median(&early))
                .besides("last ms", median(&late)),
        ])
    }

    /// Starts with everything there: after the server was killed as soon as it had acknowledged a write, and after a
    /// clean stop.
    async fn starts(self, binary: &Path, effort: Effort) -> Outcome<Vec<Row>> {
        let config: Arc<ClientConfig> = tls::unchecked()?;
        let Self { home, mut server, mut target, token } = self;
        let write = request("PUT", "/secrets/last?api-version=7.4", &token, r#"{"value":"x"}"#);
        let (mut clean, mut killed) = (Vec::new(), Vec::new());
        for _ in 0..effort.starts {
            target.address = server.address;
            target.connect().await?.ask(&write).await?;
            drop(server);
            let (took, again) = start::answered(binary, home.path(), &config)?;
            killed.push(milliseconds(took));
            again.stop()?;
            let (took, again) = start::answered(binary, home.path(), &config)?;
            clean.push(milliseconds(took));
            server = again;
        }
        Ok(vec![
            Row::new("start with many secrets, after a clean stop", median(&clean), "ms"),
            Row::new("start with many secrets, after SIGKILL", median(&killed), "ms"),
        ])
    }
}
