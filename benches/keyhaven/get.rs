//! What reading a key costs the server, beside the least that any HTTPS server pays for such an answer, and what the log's
//! line for each request adds.

use std::path::Path;

use crate::bare::Bare;
use crate::client::{Amount, Crew, Target};
use crate::process::Process;
use crate::report::{Bound, Row};
use crate::statistics::{median, microseconds};
use crate::subject::{KEY, Subject};
use crate::{Effort, Outcome};

/// Connections that ask at the same time.
const CONNECTIONS: usize = 8;
/// The most that a request may cost, in costs of the bare server's.
const TIMES: Bound = Bound::AtMost(2.0);
/// The most that a request may cost when it is logged, in costs of one that is not.
const LOGGED_TIMES: Bound = Bound::AtMost(1.15);

/// A server, its clients, and what each round of theirs has cost it.
pub(crate) struct Side {
    process: Process,
    crew: Crew,
    /// Microseconds of processor time for a request.
    pub(crate) costs: Vec<f64>,
    /// Requests a second.
    pub(crate) rates: Vec<f64>,
}

/// The processor time of a request: in times of the bare server's, and of a request that is logged in times of one that is
/// not.
pub(crate) async fn rows(binary: &Path, subject: &Subject, effort: Effort) -> Outcome<Vec<Row>> {
    eprintln!("reading a key: {} rounds of {} requests, beside a bare server", effort.rounds, effort.requests);
    let bare = Bare::start(subject, &subject.get(KEY)).await?;
    let logging = Subject::start_logging(binary, "info").await?;
    let mut silent = Side::new(subject.process(), &subject.target, &subject.get(KEY)).await?;
    let mut logged = Side::new(logging.process(), &logging.target, &logging.get(KEY)).await?;
    let mut yardstick = Side::new(bare.process(), &bare.target, &subject.get(KEY)).await?;
    // The client never sleeps: waking it costs the side that answers more slowly 10 us of kernel time for each answer,
    // and the other, whose client is always busy, nothing.
    let awake = tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..effort.rounds {
        for side in [&mut silent, &mut yardstick, &mut logged] {
            side.round(effort.requests).await?;
        }
    }
    awake.abort();
    Ok(vec![beside_bare(&silent, &yardstick), beside_silent(&logged, &silent)])
}

fn beside_bare(keyhaven: &Side, yardstick: &Side) -> Row {
    Row::new("GET key, processor time beside bare hyper", keyhaven.times(yardstick), "times")
        .bound(TIMES)
        .besides("us each", median(&keyhaven.costs))
        .besides("bare us each", median(&yardstick.costs))
        .besides("per second", median(&keyhaven.rates))
        .besides("bare per second", median(&yardstick.rates))
}

fn beside_silent(logged: &Side, silent: &Side) -> Row {
    Row::new("GET key at --log-level info beside warn", logged.times(silent), "times")
        .bound(LOGGED_TIMES)
        .besides("us each", median(&logged.costs))
        .besides("per second", median(&logged.rates))
}

impl Side {
    /// A server that answers `request` at `target`, its clients connected.
    pub(crate) async fn new(process: Process, target: &Target, request: &str) -> Outcome<Self> {
        let mut crew = Crew::connect(target, vec![request.to_owned(); CONNECTIONS]).await?;
        crew.run(Amount::Requests(100)).await?;
        Ok(Self { process, crew, costs: vec![], rates: vec![] })
    }

    /// The median of what the rounds cost, in times of the other's.
    pub(crate) fn times(&self, other: &Self) -> f64 {
        let ratios: Vec<_> = self.costs.iter().zip(&other.costs).map(|(ours, theirs)| ours / theirs).collect();
        median(&ratios)
    }

    /// Measures this many requests.
    pub(crate) async fn round(&mut self, requests: usize) -> Outcome<()> {
        let before = self.process.spent()?;
        let done = self.crew.run(Amount::Requests(requests / CONNECTIONS)).await?;
        let spent = before.until(&self.process.spent()?);
        self.costs.push(microseconds(spent) / done.answers.len() as f64);
        self.rates.push(done.rate());
        Ok(())
    }
}
