//! Random secrets as text.

use std::fmt::Write;

use zeroize::Zeroizing;

use crate::random;

/// `BYTES` bytes of the system's generator in hexadecimal.
pub(super) fn random_hex<const BYTES: usize>() -> Zeroizing<String> {
    let bytes = Zeroizing::new(random::secret::<BYTES>());
    let mut text = Zeroizing::new(String::with_capacity(2 * BYTES));
    for byte in bytes.iter() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
