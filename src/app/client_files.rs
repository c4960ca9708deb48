//! The files by which programs trust a server: a PEM bundle, Java's trust store, wget's startup files. In a data directory they
//! stay from one start to the next, and are written again when what they are made from has changed.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context, SHA256};

use super::trust::{
    CA_VARIABLES, TRUST_STORE_PASSWORD, TrustFiles, bundle, distinct_certificates, existing_certificates, trust_store,
};
use super::variables::Variables;
use super::wget;
use crate::files;

/// Says what the files beside it were made from, and how long each of them is.
const STAMP: &str = "made-from";

/// The files of a running server, which writes them again when they are missing; none until [`ClientFiles::keep`].
#[derive(Clone, Default)]
pub(super) struct ClientFiles(Arc<OnceLock<Recipe>>);

/// Where the files are, and how they are made.
struct Recipe {
    dir: PathBuf,
    /// The variables that name files which ours are made from.
    user_variables: Variables,
    /// This server's CAs, as PEM.
    cas: Vec<String>,
}

impl ClientFiles {
    /// Keeps how the files in `dir` are made from the environment `user_variables` and this server's `cas`.
    pub(super) fn keep(&self, dir: PathBuf, mut user_variables: Variables, cas: Vec<String>) {
        user_variables.retain(|name, _| CA_VARIABLES.contains(&name.as_str()) || wget::is_variable(name));
        let _ = self.0.set(Recipe { dir, user_variables, cas });
    }

    /// Writes what is missing of the files. May block.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn restore(&self) -> io::Result<()> {
        let Some(Recipe { dir, user_variables, cas }) = self.0.get() else { return Ok(()) };
        files::create_dir(dir)?;
        ensure(dir, Sources::read(dir, user_variables, cas.clone()))
    }
}

/// Whether the files that a server's `variables` name are there as they were written.
pub(crate) fn are_there(variables: &Variables) -> bool {
    let bundle = variables.get("SSL_CERT_FILE").map(Path::new);
    bundle.and_then(Path::parent).is_none_or(|dir| is_whole(dir, |_| true))
}

/// What the files are made from.
struct Sources {
    /// PEM files: the system's CAs, the user's own, this server's.
    certificates: Vec<Vec<u8>>,
    /// wget's startup files as they would be read without ours.
    wget: Vec<String>,
}

impl Sources {
    /// Reads the system's CAs and the files that the environment `user_variables` names, for files in `dir`; `cas` are this server's.
    /// May take milliseconds: not for the runtime's threads.
    fn read(dir: &Path, user_variables: &Variables, cas: Vec<String>) -> Self {
        let bundle = TrustFiles::in_dir(dir).bundle.display().to_string();
        // An environment that was taken from a file names our own bundle.
        let theirs: Vec<String> =
            super::ca_files_in(user_variables).into_iter().filter(|file| *file != bundle).collect();
        let mut certificates = existing_certificates(&theirs);
        certificates.extend(cas.into_iter().map(String::into_bytes));
        Self { certificates, wget: wget::read_startup_files(user_variables) }
    }

    /// The digest of everything, in hexadecimal.
    fn digest(&self, dir: &Path) -> String {
        let mut context = Context::new(&SHA256);
        let texts = [env!("CARGO_PKG_VERSION").as_bytes(), dir.as_os_str().as_encoded_bytes()];
        let pieces = self.certificates.iter().map(Vec::as_slice).chain(self.wget.iter().map(String::as_bytes));
        for piece in texts.into_iter().chain(pieces) {
            context.update(&piece.len().to_le_bytes());
            context.update(piece);
        }
        context.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Writes the files into `dir`, one after the other, so that only one of them is in memory; returns what each is called, and
    /// its bytes.
    fn write_files(self, dir: &Path) -> io::Result<Vec<(PathBuf, usize)>> {
        let paths = TrustFiles::in_dir(dir);
        let mut written = Vec::new();
        let mut write = |path: &Path, bytes: &[u8]| {
            written.push((path.to_owned(), bytes.len()));
            write(path, bytes)
        };
        for (path, bytes) in wget::startup_files(dir, &paths.bundle, &self.wget) {
            write(&path, &bytes)?;
        }
        let certificates = distinct_certificates(self.certificates);
        write(&paths.bundle, bundle(&certificates).as_bytes())?;
        let store = trust_store(certificates, TRUST_STORE_PASSWORD).map_err(io::Error::other)?;
        write(&paths.store, &store)?;
        Ok(written)
    }
}

/// Writes the files into `kept`, or into `private` where there is no such directory or no room; returns which it was. They are
/// made from the system's CAs, what `user_variables` name, and the server's own `cas` (PEM).
///
/// # Errors
/// When a file cannot be written.
pub(super) fn ensure_kept(
    kept: Option<PathBuf>,
    private: PathBuf,
    user_variables: &Variables,
    cas: Vec<String>,
) -> io::Result<PathBuf> {
    if let Some(kept) = kept {
        let written =
            files::create_dir(&kept).and_then(|()| ensure(&kept, Sources::read(&kept, user_variables, cas.clone())));
        match written {
            Err(error) if files::is_full(&error) => {}
            written => return written.map(|()| kept),
        }
    }
    ensure(&private, Sources::read(&private, user_variables, cas)).map(|()| private)
}

/// Writes the files into `dir`, unless they are there and made from the same.
///
/// # Errors
/// When one cannot be written; the text names it, and the kind is the cause's.
fn ensure(dir: &Path, sources: Sources) -> io::Result<()> {
    let digest = sources.digest(dir);
    if is_current(dir, &digest) {
        return Ok(());
    }
    let mut stamp = format!("{digest}\n");
    for (path, bytes) in sources.write_files(dir)? {
        let _ = writeln!(stamp, "{bytes} {}", path.file_name().unwrap_or_default().display());
    }
    write(&dir.join(STAMP), stamp.as_bytes())
}

/// Sets the variables that name the files in `dir`.
pub(super) fn set_variables(dir: &Path, variables: &mut Variables) {
    super::trust::set_variables(&TrustFiles::in_dir(dir), variables);
    wget::set_variables(dir, variables);
}

/// Whether the files in `dir` were made from sources with this digest, and are whole.
fn is_current(dir: &Path, digest: &str) -> bool {
    is_whole(dir, |made_from| made_from == digest)
}

/// Whether the files in `dir` were made from sources with a digest that `is_expected`, and have their lengths still: a power cut
/// can leave them empty.
fn is_whole(dir: &Path, is_expected: impl Fn(&str) -> bool) -> bool {
    let text = std::fs::read_to_string(dir.join(STAMP)).unwrap_or_default();
    let mut lines = text.lines();
    let has_length = |line: &str| {
        let (length, name) = line.split_once(' ')?;
        let there = std::fs::metadata(dir.join(name)).ok()?;
        (there.is_file() && length.parse() == Ok(there.len())).then_some(())
    };
    lines.next().is_some_and(is_expected) && lines.all(|line| has_length(line).is_some())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    files::write_unsynced(path, bytes).map_err(named)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn sources(certificate: &str) -> Sources {
        Sources {
            certificates: vec![certificate.as_bytes().to_vec()],
            wget: vec!["tries = 1\n".to_owned(), String::new()],
        }
    }

    /// What tells a file that was written again from one that was not.
    fn inode(dir: &Path) -> u64 {
        std::fs::metadata(dir.join("bundle.pem")).unwrap().ino()
    }

    #[test]
    fn files_are_written_again_only_when_what_they_are_made_from_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let certificate = |byte| pem::encode(&pem::Pem::new("CERTIFICATE", vec![byte; 40]));
        ensure(dir.path(), sources(&certificate(1))).unwrap();
        let first = inode(dir.path());
        ensure(dir.path(), sources(&certificate(1))).unwrap();
        assert_eq!(inode(dir.path()), first);
        ensure(dir.path(), sources(&certificate(2))).unwrap();
        let second = inode(dir.path());
        assert_ne!(second, first);
        for name in ["trust.p12", "wgetrc", "bundle.pem", STAMP] {
            std::fs::write(dir.path().join(name), "").unwrap();
            ensure(dir.path(), sources(&certificate(2))).unwrap();
            assert_ne!(std::fs::metadata(dir.path().join(name)).unwrap().len(), 0, "{name} is mended");
        }
        assert_eq!(
            std::fs::read_to_string(dir.path().join("bundle.pem")).unwrap(),
            bundle(&distinct_certificates(sources(&certificate(2)).certificates))
        );
    }
}
