//! How much of an unwrap's processor time is the library's own.
//!
//! The clients share the cores with the server here, and elsewhere do not, so what they use is left out: without them
//! the share of the processor time is the share of the library's throughput. The throughput with them is told besides.

use std::time::{Duration, Instant};

use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};

use crate::client::{Amount, Crew};
use crate::process::Process;
use crate::report::{Bound, Row};
use crate::statistics::{median, microseconds};
use crate::subject::{KEY, Subject};
use crate::{Effort, Outcome};

/// Connections that ask at the same time.
const CONNECTIONS: usize = 16;
/// The least share that must be the library's.
const SHARE: Bound = Bound::AtLeast(0.85);

/// The library's share of the processor time of `unwrapKey`, both on as many threads as there are cores.
pub(crate) async fn row(subject: &Subject, effort: Effort) -> Outcome<Row> {
    eprintln!("unwrapping: {} rounds of {:?}, beside the library alone", effort.rounds, effort.round);
    let request = subject.unwrap(KEY).await?;
    let mut crew = Crew::connect(&subject.target, vec![request; CONNECTIONS]).await?;
    crew.run(Amount::Requests(10)).await?;
    let library = Library::new()?;
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        ours.push(served(subject, &mut crew, effort.round).await?);
        alone.push(library.round(effort.round)?);
    }
    let shares = |part: fn(&Round) -> f64| -> Vec<f64> {
        ours.iter().zip(&alone).map(|(ours, alone)| part(ours) / part(alone)).collect()
    };
    let each = |rounds: &[Round]| median(&rounds.iter().map(|round| round.cost).collect::<Vec<_>>());
    let inverse: Vec<_> = shares(|round| round.cost).iter().map(|share| 1.0 / share).collect();
    Ok(Row::new("unwrapKey RSA-2048, library's part of the time", median(&inverse), "share")
        .bound(SHARE)
        .besides("us of processor each", each(&ours))
        .besides("library us each", each(&alone))
        .besides("throughput with the clients on the same cores", median(&shares(|round| round.rate))))
}

/// What a round came to.
struct Round {
    /// Operations a second.
    rate: f64,
    /// Microseconds of processor time for each.
    cost: f64,
}

async fn served(subject: &Subject, crew: &mut Crew, time: Duration) -> Outcome<Round> {
    let before = subject.process().spent()?;
    let done = crew.run(Amount::Time(time)).await?;
    let spent = before.until(&subject.process().spent()?);
    Ok(Round { rate: done.rate(), cost: microseconds(spent) / done.answers.len() as f64 })
}

/// A key and something it has encrypted.
struct Library {
    key: OaepPrivateDecryptingKey,
    ciphertext: Vec<u8>,
}

impl Library {
    fn new() -> Outcome<Self> {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048)?;
        let public = OaepPublicEncryptingKey::new(key.public_key())?;
        let mut ciphertext = vec![0; public.ciphertext_size()];
        public.encrypt(&OAEP_SHA256_MGF1SHA256, &[7; 32], &mut ciphertext, None)?;
        Ok(Self { key: OaepPrivateDecryptingKey::new(key)?, ciphertext })
    }

    /// Decrypts on every core.
    fn round(&self, time: Duration) -> Outcome<Round> {
        let threads = std::thread::available_parallelism()?.get();
        let rounds = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.decrypt_for(time))).collect();
            running.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect()
        });
        let rounds: Vec<Round> = Outcome::from(rounds)?;
        let cost = rounds.iter().map(|round| round.cost).sum::<f64>() / threads as f64;
        Ok(Round { rate: rounds.iter().map(|round| round.rate).sum(), cost })
    }

    fn decrypt_for(&self, time: Duration) -> Outcome<Round> {
        let mut plaintext = vec![0; self.key.min_output_size()];
        let (began, before) = (Instant::now(), Process::this_thread()?);
        let mut count = 0.0;
        while began.elapsed() < time {
            self.key.decrypt(&OAEP_SHA256_MGF1SHA256, &self.ciphertext, &mut plaintext, None)?;
            count += 1.0;
        }
        let spent = Process::this_thread()?.saturating_sub(before);
        Ok(Round { rate: count / began.elapsed().as_secs_f64(), cost: microseconds(spent) / count })
    }
}
