//! Key wrapping (RFC 3394, and RFC 5649 with padding), which the library has for two of the three key sizes only.

use aes_kw::aes::{Aes128, Aes192, Aes256};
use aes_kw::cipher::consts::U16;
use aes_kw::cipher::{BlockCipherDecrypt, BlockCipherEncrypt};
use aes_kw::{AesKw, AesKwp, Error, KeyInit};
use zeroize::Zeroizing;

use crate::crypto::CryptoError;
use crate::crypto::algorithm::AesSize;

/// Bytes of the unit that is wrapped, and that a wrapped key is longer than the key.
const SEMIBLOCK: usize = 8;

/// `key` wrapped with `kek`.
///
/// # Errors
/// [`CryptoError::WrapLength`]: without padding, a key has at least 16 bytes and a multiple of 8; with it, at least one.
pub(super) fn wrap(size: AesSize, kek: &[u8], key: &[u8], padding: bool) -> Result<Vec<u8>, CryptoError> {
    let refusal = CryptoError::WrapLength { given: key.len() };
    let fits = if padding { !key.is_empty() } else { key.len() >= 16 && key.len().is_multiple_of(SEMIBLOCK) };
    if !fits {
        return Err(refusal);
    }
    let wrapped = match size {
        AesSize::Bits128 => wrap_with::<Aes128>(kek, key, padding),
        AesSize::Bits192 => wrap_with::<Aes192>(kek, key, padding),
        AesSize::Bits256 => wrap_with::<Aes256>(kek, key, padding),
    };
    wrapped.map_err(|_| refusal)
}

/// The key in `wrapped`.
///
/// # Errors
/// [`CryptoError::DecryptionFailed`].
pub(super) fn unwrap(
    size: AesSize,
    kek: &[u8],
    wrapped: &[u8],
    padding: bool,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    // What is shorter is no wrapped key of either RFC.
    if wrapped.len() < if padding { 2 } else { 3 } * SEMIBLOCK {
        return Err(CryptoError::DecryptionFailed);
    }
    let key = match size {
        AesSize::Bits128 => unwrap_with::<Aes128>(kek, wrapped, padding),
        AesSize::Bits192 => unwrap_with::<Aes192>(kek, wrapped, padding),
        AesSize::Bits256 => unwrap_with::<Aes256>(kek, wrapped, padding),
    };
    key.map_err(|_| CryptoError::DecryptionFailed)
}

fn wrap_with<C>(kek: &[u8], key: &[u8], padding: bool) -> Result<Vec<u8>, Error>
where
    C: KeyInit + BlockCipherEncrypt<BlockSize = U16>,
{
    let mut wrapped = vec![0; key.len().next_multiple_of(SEMIBLOCK) + SEMIBLOCK];
    if padding {
        AesKwp::<C>::new_from_slice(kek).map_err(|_| Error::InvalidDataSize)?.wrap_key(key, &mut wrapped)?;
    } else {
        AesKw::<C>::new_from_slice(kek).map_err(|_| Error::InvalidDataSize)?.wrap_key(key, &mut wrapped)?;
    }
    Ok(wrapped)
}

fn unwrap_with<C>(kek: &[u8], wrapped: &[u8], padding: bool) -> Result<Zeroizing<Vec<u8>>, Error>
where
    C: KeyInit + BlockCipherDecrypt<BlockSize = U16>,
{
    let mut key = Zeroizing::new(vec![0; wrapped.len() - SEMIBLOCK]);
    let length = if padding {
        AesKwp::<C>::new_from_slice(kek).map_err(|_| Error::InvalidDataSize)?.unwrap_key(wrapped, &mut key)?.len()
    } else {
        AesKw::<C>::new_from_slice(kek).map_err(|_| Error::InvalidDataSize)?.unwrap_key(wrapped, &mut key)?.len()
    };
    key.truncate(length);
    Ok(key)
}
