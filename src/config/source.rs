//! A configuration on the disk: it is read at the start, and again by a reset or when it has changed.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::identity::pem_text;
use super::json::read_file;
use super::{Config, ConfigError};

/// A configuration's file.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    tenant: Option<Uuid>,
    /// The file's stamp before it was read first.
    first: Option<FileStamp>,
}

/// What tells one content of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileStamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl ConfigFile {
    /// The file at `path`, to be read after this; `tenant` is that of a file which names none.
    pub fn new(path: &Path, tenant: Option<Uuid>) -> Self {
        Self { path: path.to_owned(), tenant, first: stamp(path) }
    }

    /// The file's stamp before it was read first; none without a file.
    pub(crate) fn first_stamp(&self) -> Option<FileStamp> {
        self.first.clone()
    }

    /// The file's stamp; none while there is no file.
    pub(crate) fn stamp(&self) -> Option<FileStamp> {
        stamp(&self.path)
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and parses the file.
    ///
    /// # Errors
    /// One line with the file's name, what is wrong and what to do; never a value.
    pub fn read(&self) -> Result<Config, String> {
        let text = self.text()?;
        Config::parse_with(&text, self.tenant).map_err(|error| self.invalid(&error))
    }

    /// The file as JSON that needs no other file: its certificates are PEM text.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub(crate) fn self_contained(&self) -> Result<Value, String> {
        let text = self.text()?;
        Config::parse_with(&text, self.tenant).map_err(|error| self.invalid(&error))?;
        let mut config: Value = read_file(&text).map_err(|error| self.invalid(&error))?;
        let identities = config.get_mut("identities").and_then(Value::as_array_mut);
        let certificates = identities.into_iter().flatten().filter_map(|identity| identity.get_mut("certificates"));
        for certificate in certificates.filter_map(Value::as_array_mut).flatten() {
            *certificate = pem_text(certificate.as_str().unwrap_or_default())?.into();
        }
        Ok(config)
    }

    /// The file's text.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    fn text(&self) -> Result<Zeroizing<String>, String> {
        std::fs::read_to_string(&self.path).map(Zeroizing::new).map_err(|error| self.unreadable(&error))
    }

    fn invalid(&self, error: &ConfigError) -> String {
        format!("{}: {error}", self.path.display())
    }

    /// A file of the same name with another ending of JSON.
    fn sibling(&self) -> Option<PathBuf> {
        let others = ["jsonc", "json"].map(|ending| self.path.with_extension(ending));
        others.into_iter().find(|other| *other != self.path && other.is_file())
    }

    fn unreadable(&self, error: &Error) -> String {
        let path = self.path.display();
        match error.kind() {
            ErrorKind::NotFound => match self.sibling() {
                Some(other) => format!("{path}: No such file; give {}, which is beside it", other.display()),
                None => format!("{path}: No such file; give another one, or write an example: keyhaven init {path}"),
            },
            ErrorKind::IsADirectory => format!("{path} is a directory; give a file in it, such as {path}/config.json"),
            ErrorKind::PermissionDenied => {
                let user = rustix::process::geteuid();
                format!(
                    "{path} may not be read by user {user}, who runs this; chmod or chown it, in a container on the host"
                )
            }
            ErrorKind::InvalidData => format!("{path} is not UTF-8 text; the configuration is JSON with comments"),
            _ => format!("{path}: {error}"),
        }
    }
}

fn stamp(path: &Path) -> Option<FileStamp> {
    let found = std::fs::metadata(path).ok()?;
    Some(FileStamp { modified: found.modified().ok(), length: found.len() })
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
        std::fs::write(&file, "{}").unwrap();
        let json = dir.path().join("keyhaven.json");
        assert_eq!(refused(&json), format!("{}: No such file; give {path}, which is beside it", json.display()));
        let here = dir.path().display();
        assert_eq!(
            refused(dir.path()),
            format!("{here} is a directory; give a file in it, such as {here}/config.json")
        );
        let denied = ConfigFile::new(&file, None).unreadable(&ErrorKind::PermissionDenied.into());
        let user = rustix::process::geteuid();
        assert!(
            denied.starts_with(&format!("{path} may not be read by user {user}, who runs this; chmod or")),
            "{denied}"
        );
        std::fs::write(&file, b"{\"tenantId\":\"\xff\"}").unwrap();
        assert!(refused(&file).contains("is not UTF-8 text"));
        std::fs::write(&file, "vaults:\n  - name: acme\n").unwrap();
        assert!(refused(&file).starts_with(&format!("{path}: this is YAML")), "{}", refused(&file));
    }
}
