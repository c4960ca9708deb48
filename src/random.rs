//! Randomness as a value. The only module that reads the system's generator.
//!
//! [`SeededRandom`] serves ids alone (versions, request ids): key material, nonces and secrets of the server always
//! come from the system, whatever the seed.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;
use zeroize::Zeroizing;

/// A source of random bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// A random (version 4) UUID from `random`.
pub(crate) fn uuid(random: &dyn Random) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// `N` bytes of the system's generator, for keys and passwords of the server itself.
pub(crate) fn secret<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRandom.fill(&mut bytes);
    bytes
}

/// `BYTES` bytes of the system's generator in hexadecimal.
pub(crate) fn secret_hex<const BYTES: usize>() -> Zeroizing<String> {
    let bytes = Zeroizing::new(secret::<BYTES>());
    let mut text = Zeroizing::new(String::with_capacity(2 * BYTES));
    for byte in bytes.iter() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OsRandom;

impl Random for OsRandom {
    /// # Panics
    /// When the operating system cannot give random bytes: nothing safe can be done then.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system's generator")]
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the system's random generator answers");
    }
}

/// A generator that gives the same bytes for the same seed, so that a test can write down the ids it expects.
#[derive(Debug)]
pub(crate) struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    /// The generator of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (one, other) = (SeededRandom::new(7), SeededRandom::new(7));
        assert_eq!(uuid(&one), uuid(&other));
        assert_ne!(uuid(&one), uuid(&SeededRandom::new(8)));
    }

    #[test]
    fn the_system_does_not_repeat_itself() {
        assert_ne!(secret::<32>(), secret::<32>());
    }
}
