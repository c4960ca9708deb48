//! Key material and algorithms: bytes in, bytes out. It does not know what a vault, a request or a caller is.
//!
//! Private-key operations take from half a millisecond to several, so callers run them on the [`pool`]; public-key
//! operations take tens of microseconds and run where they are called.

pub mod algorithm;
pub mod base64url;
pub mod pool;
pub mod rsa;

use std::fmt;

/// Why an operation on a key did not succeed. No variant carries key material, a plaintext or a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptoError {
    /// The digest has another length than the algorithm's hash gives; both in bytes.
    DigestLength {
        /// The length of the digest that was given.
        given: usize,
        /// The length that the algorithm requires.
        required: usize,
    },
    /// The plaintext does not fit under the key with this padding; both in bytes.
    PlaintextTooLong {
        /// The length of the plaintext that was given.
        given: usize,
        /// The longest plaintext that fits.
        max: usize,
    },
    /// The ciphertext has another length than the modulus; both in bytes.
    CiphertextLength {
        /// The length of the ciphertext that was given.
        given: usize,
        /// The length of the modulus.
        required: usize,
    },
    /// The ciphertext did not decrypt. Deliberately one error for every cause: an attacker who can tell a bad padding
    /// from another failure can decrypt without the key (RFC 8017, section 7.1.2 note and section 7.2.2 note).
    Padding,
    /// The bytes given as a key are not one that can be used; says what is wrong with them.
    Material(&'static str),
    /// The library refused an operation whose inputs were in order; says which operation.
    Failed(&'static str),
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DigestLength { given, required } => {
                write!(f, "the digest has {given} bytes, the algorithm requires {required}")
            }
            Self::PlaintextTooLong { given, max } => {
                write!(f, "the plaintext has {given} bytes, this key and algorithm take at most {max}")
            }
            Self::CiphertextLength { given, required } => {
                write!(f, "the ciphertext has {given} bytes, this key requires {required}")
            }
            Self::Padding => f.write_str("the ciphertext could not be decrypted with this key and algorithm"),
            Self::Material(what) => write!(f, "the key material is not usable: {what}"),
            Self::Failed(operation) => write!(f, "the cryptographic library refused to {operation}"),
        }
    }
}

impl std::error::Error for CryptoError {}
