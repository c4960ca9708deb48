//! The key that a human keeps: read from a file or a variable, and used to open the data key of a database.

use std::{error, fmt};

use aes_kw::{KeyInit, KwAes256};
use base64::Engine as _;
use base64::alphabet::{self, Alphabet};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// The bytes of the master key, and of a data key: AES-256.
pub(super) const KEY_BYTES: usize = 32;

/// The key that opens a database: it wraps the data key and nothing else.
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

impl MasterKey {
    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key written as 64 hexadecimal digits or as base64 (either alphabet, padded or not); white space around it
    /// is ignored, since it often comes from a file.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        parse_key(text).map(Self)
    }

    /// The cipher that wraps a data key.
    pub(super) fn cipher(&self) -> KwAes256 {
        KwAes256::new((&*self.0).into())
    }
}

/// The 32 bytes of a key as people keep it, written as [`MasterKey::parse`] says.
pub(crate) fn parse_key(text: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, MalformedKey> {
    let text = text.trim();
    let bytes = if text.len() == 2 * KEY_BYTES { from_hex(text) } else { from_base64(text) };
    bytes.ok_or(MalformedKey)
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

/// The text is not a key of 32 bytes in hexadecimal or base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedKey;

impl fmt::Display for MalformedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is 32 bytes, written as 64 hexadecimal digits or as base64")
    }
}

impl error::Error for MalformedKey {}

/// The 32 bytes that 64 hexadecimal digits write, and nothing else does.
pub(crate) fn from_hex(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    if text.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(digits[at]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(0)? << 4 | digit(1)?;
    }
    Some(bytes)
}

fn from_base64(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet: &Alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let decoded = Zeroizing::new(GeneralPurpose::new(alphabet, LENIENT).decode(text).ok()?);
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    (decoded.len() == KEY_BYTES).then(|| bytes.copy_from_slice(&decoded))?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_read_from_hex_and_from_base64() {
        let bytes: [u8; 32] = std::array::from_fn(|at| 255 - u8::try_from(at).unwrap());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        let standard = base64::engine::general_purpose::STANDARD.encode(bytes);
        let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        for text in [hex.clone(), hex.to_lowercase(), format!(" {hex}\n"), standard, url_safe] {
            assert_eq!(*MasterKey::parse(&text).unwrap().0, bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_master_key_is_refused_and_never_printed() {
        for text in ["", "hunter2", &"0".repeat(63), &"+f".repeat(32), &"é".repeat(32), "AAAA"] {
            assert_eq!(MasterKey::parse(text).err(), Some(MalformedKey), "{text}");
        }
        assert_eq!(format!("{:?}", MasterKey::from_bytes([1; 32])), "MasterKey");
    }
}
