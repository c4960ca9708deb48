//! Which operations a type of key can have (`key_ops`).

use super::{KeyOperation, KeyType};

/// Why a key cannot have the operations given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOperationsError {
    /// The type does not have some of them.
    Unsupported {
        /// Those that it does not have, in the order given.
        given: Vec<KeyOperation>,
        /// Those that it has.
        supported: &'static [KeyOperation],
    },
    /// `import` was given beside others: a key-exchange key does nothing else (Azure/azure-sdk-for-net issue 10222, the
    /// BYOK specification).
    ImportWithOthers,
}

impl KeyType {
    /// The operations that the service names as those of the type. For EC they are public (Azure/AzureKeyVault issue 22);
    /// for RSA they are its default, for symmetric keys those of its algorithms.
    pub const fn operations(self) -> &'static [KeyOperation] {
        use KeyOperation::{Decrypt, Encrypt, Sign, UnwrapKey, Verify, WrapKey};
        match self {
            Self::Rsa | Self::RsaHsm | Self::OctHsm => &[Encrypt, Decrypt, Sign, Verify, WrapKey, UnwrapKey],
            Self::Ec | Self::EcHsm => &[Sign, Verify],
        }
    }

    /// Whether a key of this type can have `operation`. `import` makes an RSA-HSM key a key-exchange key. `export` is in
    /// the service's list of operations, and nothing public says that a type other than EC refuses it.
    const fn can(self, operation: KeyOperation) -> bool {
        match (operation, self) {
            (KeyOperation::Import, _) => matches!(self, Self::RsaHsm),
            (KeyOperation::Sign | KeyOperation::Verify, _) => true,
            (_, Self::Ec | Self::EcHsm) => false,
            (_, Self::Rsa | Self::RsaHsm | Self::OctHsm) => true,
        }
    }

    /// Whether a key of this type can have these `operations`.
    ///
    /// # Errors
    /// Which of them it cannot have.
    pub(super) fn check(self, operations: &[KeyOperation]) -> Result<(), KeyOperationsError> {
        let given: Vec<_> = operations.iter().copied().filter(|operation| !self.can(*operation)).collect();
        if !given.is_empty() {
            return Err(KeyOperationsError::Unsupported { given, supported: self.operations() });
        }
        if operations.contains(&KeyOperation::Import) && operations.len() > 1 {
            return Err(KeyOperationsError::ImportWithOthers);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_can_have_the_operations_of_its_type() {
        for kty in KeyType::ALL {
            assert_eq!(kty.check(kty.operations()), Ok(()));
            assert_eq!(kty.check(kty.default_operations()), Ok(()));
            for operation in KeyOperation::ALL {
                let listed = kty.operations().contains(&operation);
                let taken = kty.check(&[operation]).is_ok();
                let besides = match operation {
                    KeyOperation::Import => kty == KeyType::RsaHsm,
                    KeyOperation::Export => !matches!(kty, KeyType::Ec | KeyType::EcHsm),
                    _ => false,
                };
                assert_eq!(taken, listed || besides, "{} {}", kty.name(), operation.name());
            }
        }
    }

    #[test]
    fn those_that_a_type_lacks_are_named_in_their_order() {
        use KeyOperation::{Encrypt, Import, Sign, Verify, WrapKey};
        let error = KeyOperationsError::Unsupported { given: vec![WrapKey, Encrypt], supported: &[Sign, Verify] };
        assert_eq!(KeyType::Ec.check(&[WrapKey, Sign, Encrypt]), Err(error));
        assert_eq!(KeyType::RsaHsm.check(&[Sign, Import]), Err(KeyOperationsError::ImportWithOthers));
        assert!(matches!(KeyType::Rsa.check(&[Import]), Err(KeyOperationsError::Unsupported { .. })));
    }
}
