//! The directory of a node (0700). What is secret in it is sealed under a key of this machine, which lies beside it for its owner alone
//! (0600) in the place of Windows' data protection: a copy of one file without the other opens nothing.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::NodeError;
use crate::crypto::aes::AesKey;
use crate::crypto::algorithm::{AesAlgorithm, AesSize};
use crate::crypto::{CipherParams, Encrypted};
use crate::files::{self, LockFile};

/// The key of this machine.
const MACHINE_KEY: &str = "machine.key";

/// The directory of a node, which this process alone works in.
pub(crate) struct NodeHome {
    dir: PathBuf,
    key: AesKey,
    _lock: LockFile,
}

/// A file's content: ciphertext, nonce and tag, each in base64.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    value: String,
    nonce: String,
    tag: String,
}

impl NodeHome {
    /// Opens the home at `dir`; makes it, and the key of this machine, where they are missing. May block.
    ///
    /// # Errors
    /// When it cannot be used, or another process uses it.
    pub(crate) fn open(dir: &Path) -> Result<Self, NodeError> {
        files::create_dir(dir).map_err(|error| NodeError::File(dir.to_owned(), error))?;
        let lock = LockFile::try_lock(&dir.join("lock")).map_err(|error| NodeError::File(dir.to_owned(), error))?;
        let lock = lock.ok_or_else(|| NodeError::HomeInUse(dir.to_owned()))?;
        files::remove_temp_files(dir).map_err(|error| NodeError::File(dir.to_owned(), error))?;
        Ok(Self { key: machine_key(&dir.join(MACHINE_KEY))?, dir: dir.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Reads the sealed file `name`; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or was not sealed here.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, NodeError> {
        let path = self.dir.join(name);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(NodeError::File(path, error)),
        };
        let opened = self.open_sealed(name, &text);
        let value = opened.and_then(|plain| serde_json::from_slice(&plain).ok());
        value.map(Some).ok_or(NodeError::Damaged(path))
    }

    /// Writes `value` into the file `name`, sealed; when this returns, it is on the disk. May block.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), NodeError> {
        let path = self.dir.join(name);
        let failed = |why: String| NodeError::Keys(why);
        let plain = Zeroizing::new(serde_json::to_vec(value).map_err(|error| failed(error.to_string()))?);
        let sealed = self.key.encrypt(gcm(), &plain, &named(name)).map_err(|error| failed(error.to_string()))?;
        let text = serde_json::to_vec(&Sealed::of(&sealed)).map_err(|error| failed(error.to_string()))?;
        files::write(&path, &text, files::PRIVATE).map_err(|error| NodeError::File(path, error))
    }

    /// Removes the file `name`, if there is one. May block.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn remove(&self, name: &str) -> Result<(), NodeError> {
        let path = self.dir.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(NodeError::File(path, error)),
            _ => Ok(()),
        }
    }

    /// The content of a sealed file; its name is authenticated with it, so that no file takes another's place.
    fn open_sealed(&self, name: &str, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let sealed: Sealed = serde_json::from_slice(text).ok()?;
        let [value, nonce, tag] = [sealed.value, sealed.nonce, sealed.tag].map(|part| STANDARD.decode(part).ok());
        let params = CipherParams { iv: Some(nonce?), tag: Some(tag?), ..named(name) };
        self.key.decrypt(gcm(), &value?, &params).ok()
    }
}

impl Sealed {
    fn of(sealed: &Encrypted) -> Self {
        let text = |part: Option<&Vec<u8>>| STANDARD.encode(part.map_or(&[][..], Vec::as_slice));
        let (nonce, tag) = (text(sealed.iv.as_ref()), text(sealed.tag.as_ref()));
        Self { value: STANDARD.encode(&sealed.value), nonce, tag }
    }
}

/// The key of this machine in the file at `path`, made where there is none.
fn machine_key(path: &Path) -> Result<AesKey, NodeError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let (_, bytes) = AesKey::generate(AesSize::Bits256);
            files::write_new(path, &bytes, files::PRIVATE).map_err(|error| NodeError::File(path.to_owned(), error))?;
            bytes
        }
        Err(error) => return Err(NodeError::File(path.to_owned(), error)),
    };
    AesKey::from_bytes(&bytes).map_err(|_| NodeError::Damaged(path.to_owned()))
}

fn named(name: &str) -> CipherParams {
    CipherParams { aad: Some(format!("keyhaven node\n{name}").into_bytes()), ..CipherParams::default() }
}

const fn gcm() -> AesAlgorithm {
    AesAlgorithm::A256GCM
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_written_is_read_here_alone_and_lies_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let (home, other) = (NodeHome::open(&dir.path().join("a")).unwrap(), NodeHome::open(&dir.path().join("b")));
        let other = other.unwrap();
        assert_eq!(home.read::<String>("f").unwrap(), None);
        home.write("f", &"hunter2").unwrap();
        assert_eq!(home.read::<String>("f").unwrap().as_deref(), Some("hunter2"));
        let bytes = std::fs::read(home.path().join("f")).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"));
        for (from, to) in [("f", other.path().join("f")), ("f", home.path().join("g"))] {
            std::fs::copy(home.path().join(from), to).unwrap();
        }
        assert!(matches!(other.read::<String>("f"), Err(NodeError::Damaged(_))), "another machine's");
        assert!(matches!(home.read::<String>("g"), Err(NodeError::Damaged(_))), "another file's");
    }

    #[test]
    fn a_home_is_for_its_owner_and_one_process_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node");
        let home = NodeHome::open(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(MACHINE_KEY))), (0o700, 0o600));
        assert!(matches!(NodeHome::open(&path), Err(NodeError::HomeInUse(_))));
        home.write("f", &1).unwrap();
        drop(home);
        assert_eq!(NodeHome::open(&path).unwrap().read::<u8>("f").unwrap(), Some(1));
        std::fs::write(path.join(MACHINE_KEY), "short").unwrap();
        assert!(matches!(NodeHome::open(&path), Err(NodeError::Damaged(_))));
    }
}
