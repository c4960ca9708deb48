//! A configuration on the disk: it is read at the start, and again by a reset or when it has changed.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::Config;

/// A configuration's file.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    tenant: Option<Uuid>,
}

impl ConfigFile {
    /// The file at `path`; `tenant` is that of a file which names none.
    pub(crate) fn new(path: &Path, tenant: Option<Uuid>) -> Self {
        Self { path: path.to_owned(), tenant }
    }

    /// Reads and parses the file.
    ///
    /// # Errors
    /// One line with the file's name, what is wrong and what to do; never a value.
    pub(crate) fn read(&self) -> Result<Config, String> {
        let text = self.text()?;
        Config::parse_with(&text, self.tenant).map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// The file's text.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub(crate) fn text(&self) -> Result<Zeroizing<String>, String> {
        std::fs::read_to_string(&self.path).map(Zeroizing::new).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &Error) -> String {
        let path = self.path.display();
        match error.kind() {
            ErrorKind::NotFound => {
                format!("{path}: No such file; give another one, or write an example: keyhaven init {path}")
            }
            ErrorKind::IsADirectory => format!("{path} is a directory; give a file in it, such as {path}/config.json"),
            ErrorKind::InvalidData => format!("{path} is not UTF-8 text; the configuration is JSON with comments"),
            _ => format!("{path}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        ConfigFile::new(path, None).read().unwrap_err()
    }

    #[test]
    fn what_cannot_be_read_is_said_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keyhaven.jsonc");
        let path = file.display();
        assert_eq!(
            refused(&file),
            format!("{path}: No such file; give another one, or write an example: keyhaven init {path}")
        );
        let here = dir.path().display();
        assert_eq!(
            refused(dir.path()),
            format!("{here} is a directory; give a file in it, such as {here}/config.json")
        );
        std::fs::write(&file, b"{\"tenantId\":\"\xff\"}").unwrap();
        assert!(refused(&file).contains("is not UTF-8 text"));
        std::fs::write(&file, "vaults:\n  - name: acme\n").unwrap();
        assert!(refused(&file).starts_with(&format!("{path}: this is YAML")), "{}", refused(&file));
    }
}
