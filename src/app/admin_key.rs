//! The key of the admin API: the user's own, else one that is made and kept with the data.

use std::path::Path;

use zeroize::Zeroizing;

use super::hex;
use super::storage::{DataError, read_or_create_key};
use crate::random;
use crate::store::from_hex;

/// The file in a data directory that holds the key, as 64 hexadecimal digits.
const FILE: &str = "admin.key";
/// The fewest characters of a key that a user chooses: what is shorter can be guessed.
const MIN_LENGTH: usize = 16;
/// The most: a key travels in a header, and clients bound those.
const MAX_LENGTH: usize = 512;

/// A bearer credential: deliberately no `Debug`.
#[derive(Clone)]
pub struct AdminKey(Zeroizing<String>);

/// The text cannot be a key of the admin API.
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
    /// The key that a user has chosen: 16 to 512 printable ASCII characters; white space around them is ignored, as it is
    /// in the header that a key arrives in.
    ///
    /// # Errors
    /// When it is too short to protect anything, or cannot arrive in a header.
    pub fn parse(text: &str) -> Result<Self, MalformedAdminKey> {
        let text = text.trim();
        let is_key =
            (MIN_LENGTH..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        is_key.then(|| Self(Zeroizing::new(text.to_owned()))).ok_or(MalformedAdminKey)
    }

    /// The key that the data directory `dir` keeps.
    ///
    /// # Errors
    /// When its file cannot be read, or is not one that a server wrote.
    pub fn read(dir: &Path) -> Result<Self, DataError> {
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map(Zeroizing::new);
        let text = text.map_err(|error| DataError::File(path.clone(), error))?;
        // A file that a power cut or a script left empty is no key.
        from_hex(text.trim()).ok_or(DataError::AdminKey(path))?;
        Ok(Self(Zeroizing::new(text.trim().to_owned())))
    }

    /// A new key.
    pub(super) fn generate() -> Self {
        Self(Zeroizing::new(hex(&Zeroizing::new(random::secret::<32>())[..])))
    }

    /// The key that `dir` keeps, made when it has none.
    pub(super) fn read_or_create(dir: &Path) -> Result<Self, DataError> {
        read_or_create_key(&dir.join(FILE))?;
        Self::read(dir)
    }

    /// The key, as it is sent behind `Bearer`.
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
