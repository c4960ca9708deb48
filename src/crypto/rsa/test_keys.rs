//! Keys for tests, so that no test waits for a generation. They are published with the source and protect nothing.
//!
//! Made with `openssl genrsa <bits> | openssl pkcs8 -topk8 -nocrypt -outform DER`.

use std::sync::LazyLock;

use super::RsaKey;

/// 2048 bits, PKCS #8.
pub(crate) const RSA_2048: &[u8] = include_bytes!("../../../tests/vectors/rsa-2048.p8");
/// 3072 bits, PKCS #8.
pub(crate) const RSA_3072: &[u8] = include_bytes!("../../../tests/vectors/rsa-3072.p8");
/// 4096 bits, PKCS #8.
pub(crate) const RSA_4096: &[u8] = include_bytes!("../../../tests/vectors/rsa-4096.p8");

static KEYS: LazyLock<[RsaKey; 3]> =
    LazyLock::new(|| [RSA_2048, RSA_3072, RSA_4096].map(|der| RsaKey::from_pkcs8(der).unwrap()));

/// The key of 2048 bits.
pub(crate) fn rsa_2048() -> &'static RsaKey {
    &KEYS[0]
}

/// One key of each size, the smallest first.
pub(crate) fn all() -> &'static [RsaKey; 3] {
    &KEYS
}
