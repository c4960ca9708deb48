//! HMAC (RFC 2104) under the names of RFC 7518, section 3.2.

/// A way to authenticate a value with a symmetric key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HmacAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl HmacAlgorithm {
    /// Every algorithm.
    pub(crate) const ALL: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }
}
