//! Tokens whose claims one party writes and another reads, who share a key: claims in base64url, a dot, and their authentication code.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::aes::AesKey;
use super::algorithm::HmacAlgorithm;

/// A token of these claims.
pub(crate) fn sign(key: &AesKey, claims: &[u8]) -> String {
    let code = key.authenticate(HmacAlgorithm::Hs256, claims);
    format!("{}.{}", URL_SAFE_NO_PAD.encode(claims), URL_SAFE_NO_PAD.encode(code))
}

/// The claims of `token`, if it was made with this key.
pub(crate) fn verify(key: &AesKey, token: &str) -> Option<Vec<u8>> {
    let (claims, code) = token.split_once('.')?;
    let [claims, code] = [claims, code].map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let (claims, code) = (claims?, code?);
    key.is_authentic(HmacAlgorithm::Hs256, &claims, &code).then_some(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_with_its_key_alone() {
        let key = |byte: u8| AesKey::from_bytes(&[byte; 32]).unwrap();
        let token = sign(&key(1), b"claims");
        assert_eq!(verify(&key(1), &token).as_deref(), Some(&b"claims"[..]));
        assert_eq!(verify(&key(2), &token), None);
        let (claims, code) = token.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(b"other");
        for forged in ["", ".", claims, &format!("{other}.{code}"), &format!("{claims}."), &format!("{claims}.{code}A")]
        {
            assert_eq!(verify(&key(1), forged), None, "{forged}");
        }
    }
}
