//! The comparison of credentials: the only one in the program, so that no door forgets what an empty one is.

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// Whether `given` is the credential that is `expected`. Takes as long wherever the two differ. A credential that is empty
/// or missing equals nothing, not even another empty one: a key that was lost must not open a door to everybody.
#[must_use]
pub(crate) fn matches(given: &[u8], expected: &[u8]) -> bool {
    !given.is_empty() && verify_slices_are_equal(given, expected).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_equals_itself_alone() {
        assert!(matches(b"key", b"key"));
        for (given, expected) in [("key", "kex"), ("ke", "key"), ("key", "ke"), ("", "key"), ("key", ""), ("", "")] {
            assert!(!matches(given.as_bytes(), expected.as_bytes()), "{given:?} {expected:?}");
        }
    }
}
