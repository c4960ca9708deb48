//! How long others wait while some keep every core busy with large keys.

use crate::client::{Amount, Crew};
use crate::report::Row;
use crate::statistics::{microseconds, quantile};
use crate::subject::{KEY, LARGE_KEY, Subject};
use crate::{Effort, Outcome};

/// Connections that read a key.
const LIGHT: usize = 4;
/// Connections that unwrap with an RSA-4096 key.
const HEAVY: usize = 16;

/// The time of an answer to a read, with and without others' private-key work.
pub(crate) async fn rows(subject: &Subject, effort: Effort) -> Outcome<Vec<Row>> {
    eprintln!("reading a key while {HEAVY} others unwrap with RSA-4096");
    let amount = Amount::Time(effort.round * 2);
    let mut light = Crew::connect(&subject.target, vec![subject.get(KEY); LIGHT]).await?;
    let mut heavy = Crew::connect(&subject.target, vec![subject.unwrap(LARGE_KEY).await?; HEAVY]).await?;
    heavy.run(Amount::Requests(1)).await?;
    let alone = light.run(Amount::Time(effort.round)).await?;
    let (beside, unwrapped) = tokio::try_join!(light.run(amount), heavy.run(amount))?;
    let times = |answers: &[_]| -> Vec<f64> { answers.iter().copied().map(microseconds).collect() };
    let (alone, times) = (times(&alone.answers), times(&beside.answers));
    Ok(vec![
        Row::new("GET key beside RSA-4096 unwraps, p50", quantile(&times, 0.5), "us")
            .besides("alone", quantile(&alone, 0.5)),
        Row::new("GET key beside RSA-4096 unwraps, p99", quantile(&times, 0.99), "us")
            .besides("alone", quantile(&alone, 0.99))
            .besides("reads per second", beside.rate())
            .besides("unwraps per second", unwrapped.rate()),
    ])
}
