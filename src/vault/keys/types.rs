//! The types of keys, and the operations that a key may be used for (`kty`, `key_ops`).

use serde::{Deserialize, Serialize};

/// Key types. HSM types are software keys that present as the service's do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// RSA, protected by software.
    #[serde(rename = "RSA")]
    Rsa,
    /// RSA, presented as protected by an HSM.
    #[serde(rename = "RSA-HSM")]
    RsaHsm,
    /// EC, protected by software.
    #[serde(rename = "EC")]
    Ec,
    /// EC, presented as protected by an HSM.
    #[serde(rename = "EC-HSM")]
    EcHsm,
    /// Symmetric, presented as protected by an HSM; there are no others.
    #[serde(rename = "oct-HSM")]
    OctHsm,
}

impl KeyType {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Rsa, Self::RsaHsm, Self::Ec, Self::EcHsm, Self::OctHsm];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::RsaHsm => "RSA-HSM",
            Self::Ec => "EC",
            Self::EcHsm => "EC-HSM",
            Self::OctHsm => "oct-HSM",
        }
    }

    /// The type called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kty| kty.name() == name)
    }

    /// Whether the type presents as protected by an HSM.
    pub const fn is_hsm(self) -> bool {
        matches!(self, Self::RsaHsm | Self::EcHsm | Self::OctHsm)
    }

    /// This type, presented as protected by an HSM.
    #[must_use]
    pub const fn in_hsm(self) -> Self {
        match self {
            Self::Rsa | Self::RsaHsm => Self::RsaHsm,
            Self::Ec | Self::EcHsm => Self::EcHsm,
            Self::OctHsm => Self::OctHsm,
        }
    }

    /// What a key may be used for when nothing is said, in the service's order. For RSA and EC it is recorded, for
    /// symmetric keys it follows what they are for (HMAC must be asked for).
    pub const fn default_operations(self) -> &'static [KeyOperation] {
        use KeyOperation::{Decrypt, Encrypt, Sign, UnwrapKey, Verify, WrapKey};
        match self {
            Self::Rsa | Self::RsaHsm => &[Encrypt, Decrypt, Sign, Verify, WrapKey, UnwrapKey],
            Self::Ec | Self::EcHsm => &[Sign, Verify],
            Self::OctHsm => &[Encrypt, Decrypt, WrapKey, UnwrapKey],
        }
    }
}

/// What a key may be used for (`key_ops`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyOperation {
    Encrypt,
    Decrypt,
    Sign,
    Verify,
    WrapKey,
    UnwrapKey,
    Import,
    Export,
}

impl KeyOperation {
    /// Every operation.
    pub const ALL: [Self; 8] = [
        Self::Encrypt,
        Self::Decrypt,
        Self::Sign,
        Self::Verify,
        Self::WrapKey,
        Self::UnwrapKey,
        Self::Import,
        Self::Export,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::WrapKey => "wrapKey",
            Self::UnwrapKey => "unwrapKey",
            Self::Import => "import",
            Self::Export => "export",
        }
    }

    /// The operation called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }
}
