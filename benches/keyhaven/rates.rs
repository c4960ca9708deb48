//! How often a second: figures without a bound.

use std::time::Instant;

use tokio::task::JoinSet;

use crate::client::{Amount, Crew};
use crate::report::Row;
use crate::statistics::microseconds;
use crate::subject::{AES_KEY, BYTES, EC_KEY, KEY, Subject};
use crate::{Effort, Outcome};

/// Connections that ask at the same time.
const CONNECTIONS: usize = 16;
/// Clients that open connections at the same time.
const ARRIVING: usize = 8;

/// Operations and connections a second.
pub(crate) async fn rows(subject: &Subject, effort: Effort) -> Outcome<Vec<Row>> {
    eprintln!("counting operations and connections, {:?} each", effort.round);
    let wrap = vec![subject.operate(KEY, "wrapkey", "RSA-OAEP-256", BYTES); CONNECTIONS];
    let sign = vec![subject.operate(KEY, "sign", "RS256", BYTES); CONNECTIONS];
    let ec = vec![subject.operate(EC_KEY, "sign", "ES256", BYTES); CONNECTIONS];
    let gcm = vec![subject.operate(AES_KEY, "encrypt", "A256GCM", BYTES); CONNECTIONS];
    let (first, last) = subject.pages().await?;
    let secrets = (0..CONNECTIONS).map(|number| subject.set_secret(&format!("bench-{number}"))).collect();
    Ok(vec![
        rate("wrapKey RSA-2048", subject, wrap, effort).await?,
        rate("sign RS256, RSA-2048", subject, sign, effort).await?,
        rate("sign ES256, P-256", subject, ec, effort).await?,
        rate("encrypt A256GCM", subject, gcm, effort).await?,
        rate("list keys, first page of 1,000 keys", subject, vec![first; CONNECTIONS], effort).await?,
        rate("list keys, last page of 1,000 keys", subject, vec![last; CONNECTIONS], effort).await?,
        rate("set secret, durable, 16 writers", subject, secrets, effort).await?,
        arrivals(subject, effort).await?,
    ])
}

async fn rate(what: &'static str, subject: &Subject, requests: Vec<String>, effort: Effort) -> Outcome<Row> {
    let mut crew = Crew::connect(&subject.target, requests).await?;
    crew.run(Amount::Requests(5)).await?;
    let before = subject.process().spent()?;
    let done = crew.run(Amount::Time(effort.round)).await?;
    let spent = before.until(&subject.process().spent()?);
    Ok(Row::new(what, done.rate(), "/s")
        .besides("us of processor each", microseconds(spent) / done.answers.len() as f64))
}

/// New connections, each with a whole handshake and one request.
async fn arrivals(subject: &Subject, effort: Effort) -> Outcome<Row> {
    let before = subject.process().spent()?;
    let began = Instant::now();
    let mut arriving = JoinSet::new();
    for _ in 0..ARRIVING {
        let (target, request) = (subject.target.clone(), subject.get(KEY));
        arriving.spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < effort.round {
                target.connect().await?.ask(&request).await?;
                count += 1;
            }
            Outcome::Ok(count)
        });
    }
    let mut count = 0.0;
    while let Some(done) = arriving.join_next().await {
        count += f64::from(done??);
    }
    let rate = count / began.elapsed().as_secs_f64();
    let spent = before.until(&subject.process().spent()?);
    Ok(Row::new("new TLS connections, one GET each", rate, "/s")
        .besides("us of processor each", microseconds(spent) / count))
}
