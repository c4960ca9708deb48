//! The admin API's bearer key: the user's own, or a random one in the data directory.

use std::path::Path;

use zeroize::Zeroizing;

use super::data_error::DataError;
use super::key_files::read_or_create_key;
use crate::random;
use crate::store::from_hex;

/// The key's file in a data directory; 64 hexadecimal digits.
const FILE: &str = "admin.key";
/// The shortest key that a user may choose, in characters: a shorter one can be guessed.
const MIN_LENGTH: usize = 16;
/// The longest, in characters: a key is sent in a header, and clients limit those.
const MAX_LENGTH: usize = 512;

/// A bearer credential: deliberately no `Debug`.
#[derive(Clone)]
pub struct AdminKey(Zeroizing<String>);

/// The text is not a valid admin key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedAdminKey;

impl std::fmt::Display for MalformedAdminKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "an admin key has {MIN_LENGTH} to {MAX_LENGTH} printable ASCII characters, for example 64 hexadecimal digits"
        )
    }
}

impl std::error::Error for MalformedAdminKey {}

impl AdminKey {
    /// Parses a user's own key: 16 to 512 printable ASCII characters. Surrounding white space is ignored, as it is in the
    /// header that carries a key.
    ///
    /// # Errors
    /// When it is too short, too long, or cannot be sent in a header.
    pub fn parse(text: &str) -> Result<Self, MalformedAdminKey> {
        let text = text.trim();
        let is_key =
            (MIN_LENGTH..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        is_key.then(|| Self(Zeroizing::new(text.to_owned()))).ok_or(MalformedAdminKey)
    }

    /// Reads the key of the data directory `dir`.
    ///
    /// # Errors
    /// When the file cannot be read or does not hold 64 hexadecimal digits.
    pub fn read(dir: &Path) -> Result<Self, DataError> {
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map(Zeroizing::new);
        let text = text.map_err(|error| DataError::File(path.clone(), error))?;
        // A power cut or a script can leave the file empty.
        from_hex(text.trim()).ok_or(DataError::AdminKey(path))?;
        Ok(Self(Zeroizing::new(text.trim().to_owned())))
    }

    /// Generates a random key.
    pub(super) fn generate() -> Self {
        Self(random::secret_hex::<32>())
    }

    /// Reads the key of `dir`, or creates it.
    pub(super) fn read_or_create(dir: &Path) -> Result<Self, DataError> {
        read_or_create_key(&dir.join(FILE))?;
        Self::read(dir)
    }

    /// The key as sent after `Bearer`.
    pub fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_can_be_guessed_or_cannot_arrive_is_refused() {
        let long = "k".repeat(MAX_LENGTH + 1);
        for text in [
            "",
            " ",
            "short",
            "fifteen letters",
            "                    ",
            "sixteen characterß",
            &long,
            "a\nbcdefghijklmnop",
        ] {
            assert!(AdminKey::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(AdminKey::parse(" sixteen letters!\n").unwrap().text(), "sixteen letters!");
    }

    #[test]
    fn a_kept_key_is_64_hexadecimal_digits_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let made = AdminKey::read_or_create(dir.path()).unwrap();
        assert_eq!(AdminKey::read_or_create(dir.path()).unwrap().text(), made.text());
        for text in ["", "\n", "0123", &"g".repeat(64), &"0".repeat(65)] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(matches!(AdminKey::read_or_create(dir.path()), Err(DataError::AdminKey(_))), "{text:?}");
        }
    }
}
