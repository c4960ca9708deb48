//! Algorithms of RSA keys: their names (RFC 7518) and the sizes they demand.

/// A way to encrypt a short plaintext, or to wrap a key, under an RSA key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RsaEncryption {
    /// RSAES-PKCS1-v1_5 (RFC 8017, section 7.2).
    Rsa15,
    /// RSAES-OAEP with SHA-1 for both hash and mask, empty label (RFC 8017, section 7.1).
    RsaOaep,
    /// RSAES-OAEP with SHA-256 for both hash and mask, empty label.
    RsaOaep256,
}

impl RsaEncryption {
    /// Every encryption algorithm.
    pub(crate) const ALL: [Self; 3] = [Self::Rsa15, Self::RsaOaep, Self::RsaOaep256];

    /// The name on the wire (RFC 7518, section 4.1).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rsa15 => "RSA1_5",
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
        }
    }

    /// The longest plaintext, in bytes, that fits under a modulus of `modulus_bytes` bytes: what the padding leaves.
    pub(crate) const fn max_plaintext(self, modulus_bytes: usize) -> usize {
        let padding = match self {
            Self::Rsa15 => 11,
            Self::RsaOaep => 2 * 20 + 2,
            Self::RsaOaep256 => 2 * 32 + 2,
        };
        modulus_bytes.saturating_sub(padding)
    }
}

/// A way to sign a digest. What is signed is always the digest, never the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RsaSignature {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2).
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256 for both hash and mask, and a salt as long as the hash (RFC 7518, section 3.5).
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
}

impl RsaSignature {
    /// Every signature algorithm.
    pub(crate) const ALL: [Self; 6] = [Self::Rs256, Self::Rs384, Self::Rs512, Self::Ps256, Self::Ps384, Self::Ps512];

    /// The name on the wire (RFC 7518, section 3.1).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    /// The length in bytes of the digest that this algorithm signs: 32, 48 or 64.
    #[cfg(test)]
    pub(crate) const fn digest_len(self) -> usize {
        match self {
            Self::Rs256 | Self::Ps256 => 32,
            Self::Rs384 | Self::Ps384 => 48,
            Self::Rs512 | Self::Ps512 => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_leaves_so_much_room() {
        use RsaEncryption::{Rsa15, RsaOaep, RsaOaep256};
        let room = |algorithm: RsaEncryption| [256, 384, 512].map(|bytes| algorithm.max_plaintext(bytes));
        assert_eq!(room(Rsa15), [245, 373, 501]);
        assert_eq!(room(RsaOaep), [214, 342, 470]);
        assert_eq!(room(RsaOaep256), [190, 318, 446]);
    }
}
