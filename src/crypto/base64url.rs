//! Base64url without padding (RFC 7515, section 2): how keys, digests and ciphertexts are written in JSON.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `bytes` as text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes that `text` encodes, or `None` when [`encode`] would never have written it: padding, a character
/// outside the alphabet, an impossible length, or stray bits in the last character.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn every_value_has_one_spelling(text in "[A-Za-z0-9_+/= -]{0,12}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }

    #[test]
    fn the_example_of_rfc_7515() {
        assert_eq!(encode(&[3, 236, 255, 224, 193]), "A-z_4ME");
        assert_eq!(decode("A-z_4ME"), Some(vec![3, 236, 255, 224, 193]));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["A-z_4ME=", "A+z/4ME", "A-z_4MF", "A", "A-z_ 4ME", "A-z_4ME\n"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
