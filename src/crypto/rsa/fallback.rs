//! The `rsa` crate, for what aws-lc-rs lacks: keys of other exponents, and keys that come without their primes.
//!
//! That crate's arithmetic can be timed (RUSTSEC-2023-0071), so nothing here is an operation that callers can repeat
//! with one key: a key is generated or imported once.

use std::convert::Infallible;

use ::rsa::pkcs8::EncodePrivateKey;
use ::rsa::rand_core::{TryCryptoRng, TryRng};
use ::rsa::traits::PrivateKeyParts;
use ::rsa::{BoxedUint, PrivateKey};
use zeroize::Zeroizing;

use super::{RsaKey, RsaSize};
use crate::crypto::{CryptoError, Material};
use crate::random::{OsRandom, Random};

/// The numbers of a private key (RFC 7518, section 6.3), big-endian; leading zeros do not matter. It has no `Debug`.
pub(crate) struct RsaComponents {
    /// The modulus.
    pub n: Vec<u8>,
    /// The public exponent.
    pub e: Vec<u8>,
    /// The private exponent.
    pub d: Material,
    /// The primes; they are recovered when they are not given.
    pub primes: Option<(Material, Material)>,
    /// `dp`, `dq` and `qi`, each as far as it is given; they must be those of the primes in the order given.
    pub crt: [Option<Material>; 3],
}

const INCONSISTENT: CryptoError = CryptoError::InvalidMaterial("the numbers are not those of one RSA key");

impl RsaComponents {
    /// The key, and its document to store. Takes milliseconds, more when the primes are to be recovered.
    ///
    /// # Errors
    /// [`CryptoError::KeySize`]; [`CryptoError::InvalidMaterial`] when the numbers do not fit together.
    pub(crate) fn load(&self) -> Result<(RsaKey, Material), CryptoError> {
        let n = number(&self.n);
        let bits = n.bit_width() as usize;
        if !RsaSize::ALL.iter().any(|size| size.bits() as usize == bits) {
            return Err(CryptoError::KeySize(bits));
        }
        let primes = self.primes.as_ref().map_or_else(Vec::new, |(p, q)| vec![number(p), number(q)]);
        let d = number(&self.d);
        // Looking for the primes, the library takes one from d e.
        if bool::from(d.is_zero()) {
            return Err(INCONSISTENT);
        }
        let key = PrivateKey::from_components(n, number(&self.e), d, primes).map_err(|_| INCONSISTENT)?;
        self.check_crt(&key)?;
        document(&key)
    }

    fn check_crt(&self, key: &PrivateKey) -> Result<(), CryptoError> {
        let theirs = [key.dp().cloned(), key.dq().cloned(), key.crt_coefficient()];
        let differs = |(ours, theirs): (&Option<Material>, Option<BoxedUint>)| {
            ours.as_ref().is_some_and(|ours| Some(number(ours)) != theirs)
        };
        // Without primes there is no order that they could belong to.
        let orphaned = self.primes.is_none() && self.crt.iter().any(Option::is_some);
        let wrong = self.crt.iter().zip(theirs).any(differs);
        if orphaned || wrong { Err(INCONSISTENT) } else { Ok(()) }
    }
}

/// A new key whose public exponent is `exponent`, and its document to store.
pub(super) fn generate(size: RsaSize, exponent: u32) -> Result<(RsaKey, Material), CryptoError> {
    if exponent < 3 || exponent.is_multiple_of(2) || exponent > i32::MAX as u32 {
        return Err(CryptoError::InvalidMaterial("a public exponent is odd and from 3 to 2147483647"));
    }
    let key = PrivateKey::new_with_exp(&mut SystemRng, size.bits() as usize, BoxedUint::from(exponent));
    document(&key.map_err(|_| CryptoError::Failed("generate an RSA key"))?)
}

fn document(key: &PrivateKey) -> Result<(RsaKey, Material), CryptoError> {
    let document = key.to_pkcs8_der().map_err(|_| INCONSISTENT)?;
    let material = Zeroizing::new(document.as_bytes().to_vec());
    Ok((RsaKey::from_pkcs8(&material)?, material))
}

fn number(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(bytes)
}

/// The system's generator, as the other crate wants one.
struct SystemRng;

impl TryRng for SystemRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        OsRandom.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for SystemRng {}

#[cfg(test)]
mod tests {
    use ::rsa::pkcs8::DecodePrivateKey;
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::algorithm::RsaSignature;
    use crate::crypto::rsa::test_keys;

    fn bytes(number: &BoxedUint) -> Material {
        Zeroizing::new(number.to_be_bytes().to_vec())
    }

    /// The numbers of a test key, and its primes the other way round when `swapped`.
    fn numbers(der: &[u8], swapped: bool) -> RsaComponents {
        let key = PrivateKey::from_pkcs8_der(der).unwrap();
        let public = key.to_public_key();
        let (p, q) = (key.primes()[0].as_ref().clone(), key.primes()[1].as_ref().clone());
        let (p, q) = if swapped { (q, p) } else { (p, q) };
        let (n, e) = (number_of(&public), ::rsa::traits::PublicKeyParts::e(&public).clone());
        let ordered = PrivateKey::from_components(n.clone(), e.clone(), key.d().clone(), vec![p.clone(), q.clone()]);
        let ordered = ordered.unwrap();
        RsaComponents {
            n: n.to_be_bytes().to_vec(),
            e: e.to_be_bytes().to_vec(),
            d: bytes(key.d()),
            primes: Some((bytes(&p), bytes(&q))),
            crt: [ordered.dp().cloned(), ordered.dq().cloned(), ordered.crt_coefficient()]
                .map(|number| number.as_ref().map(bytes)),
        }
    }

    fn number_of(key: &::rsa::PublicKey) -> BoxedUint {
        ::rsa::traits::PublicKeyParts::n(key).as_ref().clone()
    }

    fn works(key: &RsaKey, of: &RsaKey) {
        assert_eq!((&key.public().n, &key.public().e), (&of.public().n, &of.public().e));
        let signature = key.sign(RsaSignature::Rs256, &[7; 32]).unwrap();
        assert_eq!(of.verify(RsaSignature::Rs256, &[7; 32], &signature), Ok(true));
    }

    #[test]
    fn a_key_is_taken_in_whole_in_part_and_without_primes() {
        for (der, expected) in
            [test_keys::RSA_2048, test_keys::RSA_3072, test_keys::RSA_4096].into_iter().zip(test_keys::all())
        {
            for swapped in [false, true] {
                let whole = numbers(der, swapped);
                works(&whole.load().unwrap().0, expected);
                let primes = RsaComponents { crt: [None, None, None], ..whole };
                works(&primes.load().unwrap().0, expected);
                let (key, document) = RsaComponents { primes: None, ..primes }.load().unwrap();
                works(&key, expected);
                works(&RsaKey::from_pkcs8(&document).unwrap(), expected);
            }
        }
    }

    #[test]
    fn leading_zeros_do_not_matter() {
        let mut padded = numbers(test_keys::RSA_2048, false);
        padded.n = [&[0, 0], &padded.n[..]].concat();
        padded.e = vec![0, 0, 0, 1, 0, 1];
        padded.d = Zeroizing::new([&[0; 9], &padded.d[..]].concat());
        works(&padded.load().unwrap().0, test_keys::rsa_2048());
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let good = || numbers(test_keys::RSA_2048, false);
        let other = numbers(test_keys::RSA_3072, false);
        let flip = |bytes: &[u8]| Zeroizing::new([&bytes[..bytes.len() - 1], &[bytes[bytes.len() - 1] ^ 2]].concat());
        let d = flip(&good().d);
        let (p, q) = good().primes.unwrap();
        let [dp, dq, qi] = good().crt;
        for wrong in [
            RsaComponents { d, ..good() },
            RsaComponents { d: Zeroizing::new(vec![]), ..good() },
            RsaComponents { d: Zeroizing::new(vec![1]), primes: None, crt: [None, None, None], ..good() },
            RsaComponents { e: vec![1], ..good() },
            RsaComponents { e: vec![3], ..good() },
            RsaComponents { e: vec![], ..good() },
            RsaComponents { n: flip(&good().n).to_vec(), ..good() },
            RsaComponents { primes: other.primes, ..good() },
            RsaComponents { primes: Some((p.clone(), p.clone())), ..good() },
            RsaComponents { primes: Some((q, p)), ..good() },
            RsaComponents { primes: None, ..good() },
            RsaComponents { crt: [dq, dp, qi], ..good() },
        ] {
            assert_eq!(wrong.load().err(), Some(INCONSISTENT));
        }
    }

    #[test]
    fn only_the_services_sizes_are_taken_in() {
        for (n, bits) in [(vec![0x80; 128], 1024), (vec![0x80; 257], 2056), (vec![1; 256], 2041), (vec![], 0)] {
            let numbers = RsaComponents { n, ..numbers(test_keys::RSA_2048, false) };
            assert_eq!(numbers.load().err(), Some(CryptoError::KeySize(bits)));
        }
    }

    #[test]
    fn a_key_of_another_exponent_is_made() {
        let (key, document) = RsaKey::generate(RsaSize::Bits2048, 3).unwrap();
        assert_eq!((key.public().n.len(), &key.public().e), (256, &vec![3]));
        works(&RsaKey::from_pkcs8(&document).unwrap(), &key);
        for exponent in [0, 1, 2, 65536, 1 << 31, u32::MAX] {
            assert!(matches!(RsaKey::generate(RsaSize::Bits2048, exponent), Err(CryptoError::InvalidMaterial(_))));
        }
    }

    #[test]
    fn a_private_exponent_of_zero_is_refused() {
        for d in [vec![], vec![0], vec![0; 256]] {
            let mut n = vec![0; 256];
            (n[0], n[255]) = (0x80, 1);
            let (d, e) = (Zeroizing::new(d), vec![1, 0, 1]);
            let numbers = RsaComponents { n, e, d, primes: None, crt: [None, None, None] };
            assert_eq!(numbers.load().err(), Some(INCONSISTENT));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_numbers_are_refused_and_none_panics(
            n in prop::collection::vec(any::<u8>(), 256),
            e in prop::collection::vec(any::<u8>(), 0..6),
            d in prop::collection::vec(any::<u8>(), 0..300),
            primes in prop::option::of((
                prop::collection::vec(any::<u8>(), 0..200),
                prop::collection::vec(any::<u8>(), 0..200),
            )),
        ) {
            let primes = primes.map(|(p, q)| (Zeroizing::new(p), Zeroizing::new(q)));
            let numbers = RsaComponents { n, e, d: Zeroizing::new(d), primes, crt: [None, None, None] };
            prop_assert!(numbers.load().is_err());
        }
    }
}
