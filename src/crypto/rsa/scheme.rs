//! What the library calls the signature algorithms, and the digest as it wants it.

use aws_lc_rs::digest::{Algorithm, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaParameters, RsaSignatureEncoding,
};

use crate::crypto::CryptoError;
use crate::crypto::algorithm::RsaSignature;

/// One signature algorithm as the library names it: once for signing, once for verifying.
pub(super) struct Scheme {
    hash: &'static Algorithm,
    pub(super) signing: &'static RsaSignatureEncoding,
    pub(super) verifying: &'static RsaParameters,
}

impl Scheme {
    /// The library's scheme for `algorithm`; with PSS the salt is as long as the hash, the library's default.
    pub(super) fn of(algorithm: RsaSignature) -> Self {
        let (hash, signing, verifying) = match algorithm {
            RsaSignature::Rs256 => (&SHA256, &RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
            RsaSignature::Rs384 => (&SHA384, &RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384),
            RsaSignature::Rs512 => (&SHA512, &RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512),
            RsaSignature::Ps256 => (&SHA256, &RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256),
            RsaSignature::Ps384 => (&SHA384, &RSA_PSS_SHA384, &RSA_PSS_2048_8192_SHA384),
            RsaSignature::Ps512 => (&SHA512, &RSA_PSS_SHA512, &RSA_PSS_2048_8192_SHA512),
        };
        Self { hash, signing, verifying }
    }

    /// `bytes` as a digest of this scheme's hash.
    ///
    /// # Errors
    /// [`CryptoError::DigestLength`] when they are not as many as the hash gives.
    pub(super) fn digest(&self, bytes: &[u8]) -> Result<Digest, CryptoError> {
        Digest::import_less_safe(bytes, self.hash)
            .map_err(|_| CryptoError::DigestLength { given: bytes.len(), required: self.hash.output_len() })
    }
}
