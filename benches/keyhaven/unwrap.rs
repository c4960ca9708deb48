//! How much of the machine's RSA throughput reaches the clients.

use std::time::{Duration, Instant};

use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};

use crate::client::{Amount, Crew};
use crate::report::{Bound, Row};
use crate::statistics::median;
use crate::subject::{KEY, Subject};
use crate::{Effort, Outcome};

/// Connections that ask at the same time.
const CONNECTIONS: usize = 16;
/// The least share of the library's throughput that must be left.
const SHARE: Bound = Bound::AtLeast(0.85);

/// The throughput of `unwrapKey` in shares of the library's on as many threads as there are cores.
pub(crate) async fn row(subject: &Subject, effort: Effort) -> Outcome<Row> {
    eprintln!("unwrapping: {} rounds of {:?}, beside the library alone", effort.rounds, effort.round);
    let request = subject.unwrap(KEY).await?;
    let mut crew = Crew::connect(&subject.target, vec![request; CONNECTIONS]).await?;
    crew.run(Amount::Requests(10)).await?;
    let library = Library::new()?;
    let (mut rates, mut raw, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let ours = crew.run(Amount::Time(effort.round)).await?.rate();
        let most = library.rate(effort.round)?;
        rates.push(ours);
        raw.push(most);
        shares.push(ours / most);
    }
    Ok(Row::new("unwrapKey RSA-2048, of the library's own", median(&shares), "share")
        .bound(SHARE)
        .besides("per second", median(&rates))
        .besides("library per second", median(&raw)))
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

    /// Decryptions a second on every core.
    fn rate(&self, time: Duration) -> Outcome<f64> {
        let threads = std::thread::available_parallelism()?.get();
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.decrypt_for(time))).collect();
            running.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).sum()
        })
    }

    fn decrypt_for(&self, time: Duration) -> Outcome<f64> {
        let mut plaintext = vec![0; self.key.min_output_size()];
        let began = Instant::now();
        let mut count = 0.0;
        while began.elapsed() < time {
            self.key.decrypt(&OAEP_SHA256_MGF1SHA256, &self.ciphertext, &mut plaintext, None)?;
            count += 1.0;
        }
        Ok(count / began.elapsed().as_secs_f64())
    }
}
