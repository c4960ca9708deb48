//! The value of `IDENTITY_HEADER`, a bearer credential of token requests in App Service's form. Kept with the data it is the same
//! in each start, so that what `keyhaven env` printed stays good.

use std::path::Path;

use zeroize::Zeroizing;

use super::data_error::DataError;
use crate::{files, random};

/// The value's file in a data directory.
const FILE: &str = "identity.header";
/// Random bytes of a value.
const BYTES: usize = 16;

/// Reads the value of the data directory `dir`, or generates it there; without a directory, generates one for this start.
pub(super) fn read_or_create(dir: Option<&Path>) -> Result<Zeroizing<String>, DataError> {
    let Some(path) = dir.map(|dir| dir.join(FILE)) else { return Ok(random::secret_hex::<BYTES>()) };
    if let Some(kept) = read(&path) {
        return Ok(kept);
    }
    let made = random::secret_hex::<BYTES>();
    match files::write_unsynced(&path, made.as_bytes()) {
        // The server starts and serves reads; the value is good for this start.
        Err(error) if !files::is_full(&error) => Err(DataError::File(path, error)),
        _ => Ok(made),
    }
}

/// A malformed file counts as missing: an empty value must never be accepted.
fn read(path: &Path) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(std::fs::read_to_string(path).ok()?);
    let is_whole = text.len() == 2 * BYTES && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_whole.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_value_stays_and_a_malformed_one_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let made = read_or_create(Some(dir.path())).unwrap();
        assert_eq!(read_or_create(Some(dir.path())).unwrap(), made);
        for text in ["", "0123", &"g".repeat(32)] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            let other = read_or_create(Some(dir.path())).unwrap();
            assert!(other.len() == 32 && *other != *made, "{text:?}");
        }
        assert_ne!(read_or_create(None).unwrap(), read_or_create(None).unwrap());
    }
}
