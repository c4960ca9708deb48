//! Project Wycheproof: known mistakes with ECDSA, as vectors of signatures in the form that the wire has, r and s one
//! after the other. What it calls valid must be accepted, everything else refused.

use ::rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use wycheproof::{TestResult, ecdsa};

use super::EcPublic;
use crate::crypto::algorithm::Curve;
use crate::crypto::vector_count::VectorCount;

#[test]
fn verification() {
    use ecdsa::TestName::{
        EcdsaSecp256k1Sha256P1363, EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363, EcdsaSecp521r1Sha512P1363,
    };
    for (set, curve) in [
        (EcdsaSecp256r1Sha256P1363, Curve::P256),
        (EcdsaSecp384r1Sha384P1363, Curve::P384),
        (EcdsaSecp521r1Sha512P1363, Curve::P521),
        (EcdsaSecp256k1Sha256P1363, Curve::P256K),
    ] {
        let mut seen = VectorCount::default();
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            let key = EcPublic::from_point(curve, &group.key.key).unwrap();
            for test in group.tests {
                let verified = key.verify(&digest(curve, &test.msg), &test.sig);
                assert_eq!(verified, Ok(seen.count(test.result == TestResult::Valid)), "{set:?} {}", test.tc_id);
            }
        }
        seen.is_at_least(100, 60);
    }
}

fn digest(curve: Curve, message: &[u8]) -> Vec<u8> {
    match curve {
        Curve::P256 | Curve::P256K | Curve::Secp256k1 => Sha256::digest(message).to_vec(),
        Curve::P384 => Sha384::digest(message).to_vec(),
        Curve::P521 => Sha512::digest(message).to_vec(),
    }
}
