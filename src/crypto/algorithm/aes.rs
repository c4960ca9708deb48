//! Algorithms of AES keys: their names and the key size each asks for.

/// The sizes of AES keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AesSize {
    /// 16 bytes.
    Bits128,
    /// 24 bytes.
    Bits192,
    /// 32 bytes.
    Bits256,
}

impl AesSize {
    /// Every size.
    pub const ALL: [Self; 3] = [Self::Bits128, Self::Bits192, Self::Bits256];

    /// The size of exactly `bits` bits, if there is one.
    pub fn from_bits(bits: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.bits() == bits)
    }

    /// The length of the key in bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Bits128 => 128,
            Self::Bits192 => 192,
            Self::Bits256 => 256,
        }
    }

    /// The length of the key in bytes.
    pub const fn bytes(self) -> usize {
        self.bits() as usize / 8
    }
}

/// What is done with the cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AesMode {
    /// Galois/Counter Mode with a nonce of 12 bytes and a tag of 16 (NIST SP 800-38D).
    Gcm,
    /// Cipher block chaining of whole blocks (NIST SP 800-38A).
    Cbc,
    /// Cipher block chaining, padded as PKCS #7 says (RFC 5652, section 6.3).
    CbcPad,
    /// Key wrap (RFC 3394).
    Kw,
    /// Key wrap with padding (RFC 5649).
    Kwp,
}

/// An algorithm of AES keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AesAlgorithm {
    name: &'static str,
    /// What it does.
    pub mode: AesMode,
    /// The key size it is for; none when any will do (PKCS #11 names mechanisms without a size).
    pub size: Option<AesSize>,
}

impl AesAlgorithm {
    /// Galois/Counter Mode with a key of 256 bits.
    pub(crate) const A256GCM: Self = Self::sized("A256GCM", AesMode::Gcm, AesSize::Bits256);

    const ALL: [Self; 14] = [
        Self::sized("A128GCM", AesMode::Gcm, AesSize::Bits128),
        Self::sized("A192GCM", AesMode::Gcm, AesSize::Bits192),
        Self::A256GCM,
        Self::sized("A128KW", AesMode::Kw, AesSize::Bits128),
        Self::sized("A192KW", AesMode::Kw, AesSize::Bits192),
        Self::sized("A256KW", AesMode::Kw, AesSize::Bits256),
        Self::sized("A128CBC", AesMode::Cbc, AesSize::Bits128),
        Self::sized("A192CBC", AesMode::Cbc, AesSize::Bits192),
        Self::sized("A256CBC", AesMode::Cbc, AesSize::Bits256),
        Self::sized("A128CBCPAD", AesMode::CbcPad, AesSize::Bits128),
        Self::sized("A192CBCPAD", AesMode::CbcPad, AesSize::Bits192),
        Self::sized("A256CBCPAD", AesMode::CbcPad, AesSize::Bits256),
        Self { name: "CKM_AES_KEY_WRAP", mode: AesMode::Kw, size: None },
        Self { name: "CKM_AES_KEY_WRAP_PAD", mode: AesMode::Kwp, size: None },
    ];

    const fn sized(name: &'static str, mode: AesMode, size: AesSize) -> Self {
        Self { name, mode, size: Some(size) }
    }

    /// Every algorithm.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        self.name
    }
}
