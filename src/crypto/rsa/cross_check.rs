//! Every algorithm against another implementation, in both directions: what one makes, the other must accept.

use ::rsa::pkcs8::DecodePrivateKey;
use ::rsa::sha2::{Sha256, Sha384, Sha512};
use ::rsa::{Oaep, Pkcs1v15Encrypt, Pkcs1v15Sign, PrivateKey, Pss};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha1::Sha1;

use super::{RsaKey, test_keys};
use crate::crypto::algorithm::{RsaEncryption, RsaSignature};

/// The same key twice: ours, and the other implementation's.
fn keys() -> impl Iterator<Item = (&'static RsaKey, PrivateKey)> {
    let documents = [test_keys::RSA_2048, test_keys::RSA_3072, test_keys::RSA_4096];
    test_keys::all().iter().zip(documents.map(|der| PrivateKey::from_pkcs8_der(der).unwrap()))
}

#[test]
fn what_we_encrypt_the_other_decrypts() {
    for (ours, theirs) in keys() {
        for algorithm in RsaEncryption::ALL {
            for length in [0, 1, 32, algorithm.max_plaintext(ours.public().n.len())] {
                let plaintext = vec![0x5A; length];
                let ciphertext = ours.encrypt(algorithm, &plaintext).unwrap();
                let decrypted = match algorithm {
                    RsaEncryption::Rsa15 => theirs.decrypt(Pkcs1v15Encrypt, &ciphertext),
                    RsaEncryption::RsaOaep => theirs.decrypt(Oaep::<Sha1>::new(), &ciphertext),
                    RsaEncryption::RsaOaep256 => theirs.decrypt(Oaep::<Sha256>::new(), &ciphertext),
                };
                assert_eq!(decrypted, Ok(plaintext), "{}", algorithm.name());
            }
        }
    }
}

#[test]
fn what_the_other_encrypts_we_decrypt() {
    let mut chance = StdRng::seed_from_u64(1);
    for (ours, theirs) in keys() {
        let theirs = theirs.as_public_key();
        for algorithm in RsaEncryption::ALL {
            for length in [0, 1, 32, algorithm.max_plaintext(ours.public().n.len())] {
                let plaintext = vec![0xA5; length];
                let ciphertext = match algorithm {
                    RsaEncryption::Rsa15 => theirs.encrypt(&mut chance, Pkcs1v15Encrypt, &plaintext),
                    RsaEncryption::RsaOaep => theirs.encrypt(&mut chance, Oaep::<Sha1>::new(), &plaintext),
                    RsaEncryption::RsaOaep256 => theirs.encrypt(&mut chance, Oaep::<Sha256>::new(), &plaintext),
                };
                let decrypted = ours.decrypt(algorithm, &ciphertext.unwrap()).unwrap();
                assert_eq!(*decrypted, plaintext, "{}", algorithm.name());
            }
        }
    }
}

#[test]
fn what_we_sign_the_other_verifies() {
    for (ours, theirs) in keys() {
        let theirs = theirs.as_public_key();
        for algorithm in RsaSignature::ALL {
            let digest = vec![0x3C; algorithm.digest_len()];
            let signature = ours.sign(algorithm, &digest).unwrap();
            let verified = match algorithm {
                RsaSignature::Rs256 => theirs.verify(Pkcs1v15Sign::new::<Sha256>(), &digest, &signature),
                RsaSignature::Rs384 => theirs.verify(Pkcs1v15Sign::new::<Sha384>(), &digest, &signature),
                RsaSignature::Rs512 => theirs.verify(Pkcs1v15Sign::new::<Sha512>(), &digest, &signature),
                RsaSignature::Ps256 => theirs.verify(Pss::<Sha256>::new(), &digest, &signature),
                RsaSignature::Ps384 => theirs.verify(Pss::<Sha384>::new(), &digest, &signature),
                RsaSignature::Ps512 => theirs.verify(Pss::<Sha512>::new(), &digest, &signature),
            };
            assert_eq!(verified, Ok(()), "{}", algorithm.name());
        }
    }
}

#[test]
fn what_the_other_signs_we_verify() {
    let mut chance = StdRng::seed_from_u64(2);
    for (ours, theirs) in keys() {
        for algorithm in RsaSignature::ALL {
            let digest = vec![0xC3; algorithm.digest_len()];
            let signature = match algorithm {
                RsaSignature::Rs256 => theirs.sign(Pkcs1v15Sign::new::<Sha256>(), &digest),
                RsaSignature::Rs384 => theirs.sign(Pkcs1v15Sign::new::<Sha384>(), &digest),
                RsaSignature::Rs512 => theirs.sign(Pkcs1v15Sign::new::<Sha512>(), &digest),
                RsaSignature::Ps256 => theirs.sign_with_rng(&mut chance, Pss::<Sha256>::new(), &digest),
                RsaSignature::Ps384 => theirs.sign_with_rng(&mut chance, Pss::<Sha384>::new(), &digest),
                RsaSignature::Ps512 => theirs.sign_with_rng(&mut chance, Pss::<Sha512>::new(), &digest),
            };
            assert_eq!(ours.verify(algorithm, &digest, &signature.unwrap()), Ok(true), "{}", algorithm.name());
        }
    }
}
