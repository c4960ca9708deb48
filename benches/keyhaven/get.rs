//! What reading a key costs the server, beside the least that any HTTPS server pays for such an answer.

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

/// A server, its clients, and what each round of theirs has cost it.
struct Side {
    process: Process,
    crew: Crew,
    /// Microseconds of processor time for a request.
    costs: Vec<f64>,
    /// Requests a second.
    rates: Vec<f64>,
}

/// The processor time of a request, in times of the bare server's.
pub(crate) async fn row(subject: &Subject, effort: Effort) -> Outcome<Row> {
    eprintln!("reading a key: {} rounds of {} requests, beside a bare server", effort.rounds, effort.requests);
    let request = subject.get(KEY);
    let bare = Bare::start(subject, &request).await?;
    let mut keyhaven = Side::new(subject.process(), &subject.target, &request).await?;
    let mut yardstick = Side::new(bare.process(), &bare.target, &request).await?;
    // The client never sleeps: waking it costs the side that answers more slowly 10 us of kernel time for each answer,
    // and the other, whose client is always busy, nothing.
    let awake = tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..effort.rounds {
        keyhaven.round(effort.requests).await?;
        yardstick.round(effort.requests).await?;
    }
    awake.abort();
    let ratios: Vec<_> = keyhaven.costs.iter().zip(&yardstick.costs).map(|(ours, bare)| ours / bare).collect();
    Ok(Row::new("GET key, processor time beside bare hyper", median(&ratios), "times")
        .bound(TIMES)
        .besides("us each", median(&keyhaven.costs))
        .besides("bare us each", median(&yardstick.costs))
        .besides("per second", median(&keyhaven.rates))
        .besides("bare per second", median(&yardstick.rates)))
}

impl Side {
    async fn new(process: Process, target: &Target, request: &str) -> Outcome<Self> {
        let mut crew = Crew::connect(target, vec![request.to_owned(); CONNECTIONS]).await?;
        crew.run(Amount::Requests(100)).await?;
        Ok(Self { process, crew, costs: vec![], rates: vec![] })
    }

    async fn round(&mut self, requests: usize) -> Outcome<()> {
        let before = self.process.spent()?;
        let done = self.crew.run(Amount::Requests(requests / CONNECTIONS)).await?;
        let spent = before.until(&self.process.spent()?);
        self.costs.push(microseconds(spent) / done.answers.len() as f64);
        self.rates.push(done.rate());
        Ok(())
    }
}
