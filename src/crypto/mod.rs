//! Key material and algorithms: bytes in, bytes out. It does not know what a vault, a request or a caller is.
//!
//! Private-key operations take from half a millisecond to several, so callers run them on the [`pool`]; public-key
//! operations take tens of microseconds and run where they are called.

pub(crate) mod aes;
pub(crate) mod algorithm;
pub(crate) mod backup_key;
pub(crate) mod base64url;
pub(crate) mod credential;
pub(crate) mod ec;
pub(crate) mod envelope;
pub(crate) mod jwk;
mod key;
pub(crate) mod pool;
pub(crate) mod rsa;
pub(crate) mod signed_token;
pub(crate) mod transfer_blob;
#[cfg(test)]
mod vector_count;

use std::fmt;

use zeroize::Zeroizing;

use algorithm::Curve;

pub(crate) use key::{CipherParams, Encrypted, Family, Key, PublicKey};

/// The secret bytes that a key is stored as: an unencrypted PKCS #8 document (DER, RFC 5208) for RSA and EC, the key
/// itself for AES. Wiped when dropped.
pub(crate) type Material = Zeroizing<Vec<u8>>;

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
    /// No key has a size of so many bits.
    KeySize(usize),
    /// The algorithm is none of this type of key.
    WrongKeyType {
        /// The name of the key's type in the plain: `RSA`, `EC`, `oct`.
        key: &'static str,
        /// The type that the algorithm is for.
        wanted: &'static str,
    },
    /// The algorithm signs with keys of other curves.
    WrongCurve {
        /// The key's.
        key: Curve,
        /// The algorithm's.
        wanted: &'static [Curve],
    },
    /// The algorithm is for keys of another size; both in bits.
    WrongKeySize {
        /// The key's.
        key: u32,
        /// The algorithm's.
        wanted: u32,
    },
    /// The algorithm needs what this member has, and it was not given.
    MissingMember(&'static str),
    /// The algorithm has no use for this member.
    UnexpectedMember(&'static str),
    /// A member has another length than the algorithm requires; both in bytes.
    MemberLength {
        /// The member.
        member: &'static str,
        /// The length that was given.
        given: usize,
        /// The length that the algorithm requires.
        required: usize,
    },
    /// The algorithm takes whole blocks only; both in bytes.
    BlockLength {
        /// The length that was given.
        given: usize,
        /// The length of a block.
        of: usize,
    },
    /// A key of so many bytes cannot be wrapped with this algorithm.
    WrapLength {
        /// The length that was given.
        given: usize,
    },
    /// The ciphertext did not decrypt. Deliberately one error for every cause: an attacker who can tell a bad padding
    /// from another failure can decrypt without the key (RFC 8017, section 7.1.2 note and section 7.2.2 note).
    DecryptionFailed,
    /// The bytes given as a key are not one that can be used; says what is wrong with them.
    InvalidMaterial(&'static str),
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
            Self::KeySize(bits) => write!(f, "no key has {bits} bits"),
            Self::WrongKeyType { key, wanted } => write!(f, "the key is of type {key}, the algorithm is for {wanted}"),
            Self::WrongCurve { key, wanted } => {
                let wanted = wanted.iter().map(|curve| curve.name()).collect::<Vec<_>>().join(" or ");
                write!(f, "the key lies on {}, the algorithm is for {wanted}", key.name())
            }
            Self::WrongKeySize { key, wanted } => {
                write!(f, "the key has {key} bits, the algorithm is for {wanted}")
            }
            Self::MissingMember(member) => write!(f, "the algorithm needs {member}"),
            Self::UnexpectedMember(member) => write!(f, "the algorithm does not take {member}"),
            Self::MemberLength { member, given, required } => {
                write!(f, "{member} has {given} bytes, the algorithm requires {required}")
            }
            Self::BlockLength { given, of } => write!(f, "{given} bytes are not whole blocks of {of}"),
            Self::WrapLength { given } => write!(f, "{given} bytes cannot be wrapped"),
            Self::DecryptionFailed => f.write_str("the ciphertext could not be decrypted with this key and algorithm"),
            Self::InvalidMaterial(what) => write!(f, "the key material is not usable: {what}"),
            Self::Failed(operation) => write!(f, "the cryptographic library refused to {operation}"),
        }
    }
}

impl std::error::Error for CryptoError {}
