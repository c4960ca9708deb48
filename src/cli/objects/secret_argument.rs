//! A secret value on the command line.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

/// A value that `Debug` does not show; wiped when dropped.
#[derive(Clone)]
pub(crate) struct SecretArgument(Zeroizing<String>);

impl SecretArgument {
    /// The value.
    pub(crate) fn into_text(self) -> Zeroizing<String> {
        self.0
    }
}

impl FromStr for SecretArgument {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for SecretArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretArgument")
    }
}
