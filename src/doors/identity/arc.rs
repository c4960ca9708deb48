//! Azure Arc: who asks must prove that it may read a file, which only programs on the machine can.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use zeroize::Zeroizing;

use super::asked::Asked;
use super::token::{Denied, given};
use super::{Shared, bad, refused};
use crate::crypto::{base64url, credential};
use crate::files::PrivateFile;
use crate::http::Response;
use crate::random;

/// The key of this start, written when it is first needed and gone with the server. Clients take keys from one directory
/// alone, from a file that ends in `.key` and has at most 4096 bytes.
pub(super) struct ArcKey {
    dir: PathBuf,
    text: Zeroizing<String>,
    file: Mutex<Option<PrivateFile>>,
}

impl ArcKey {
    pub(super) fn new(dir: PathBuf) -> Self {
        let text = Zeroizing::new(base64url::encode(&random::secret::<32>()));
        Self { dir, text, file: Mutex::new(None) }
    }

    /// Where the key lies; it is written if it is not there.
    fn path(&self) -> io::Result<PathBuf> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(written) = file.as_ref().filter(|written| written.path().exists()) {
            return Ok(written.path().to_owned());
        }
        let written = written(&self.dir, &self.text)?;
        let path = written.path().to_owned();
        *file = Some(written);
        Ok(path)
    }

    fn is(&self, given: &str) -> bool {
        credential::matches(given.as_bytes(), self.text.as_bytes())
    }
}

/// A new file (0600) that holds `text` and goes away when it is dropped.
fn written(dir: &Path, text: &str) -> io::Result<PrivateFile> {
    DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    PrivateFile::new_in(dir, ".key", text.as_bytes())
}

/// `GET $IDENTITY_ENDPOINT` with `Metadata: true`: first a challenge that names a file, then the token for its content.
pub(super) async fn token(shared: Arc<Shared>, asked: Asked) -> Response {
    if !asked.has_metadata() {
        return bad("bad_request_102", "Required metadata header not specified");
    }
    let given_key = asked.header("authorization").strip_prefix("Basic ").map(str::trim);
    match given_key {
        Some(key) if shared.arc_key.is(key) => {
            given(&shared.state, &asked).await.map_or_else(Denied::answer, |given| given.answer_with_id())
        }
        Some(_) => refused(StatusCode::UNAUTHORIZED, "unauthorized", "The key is not the content of the file named"),
        None => challenge(shared).await,
    }
}

async fn challenge(shared: Arc<Shared>) -> Response {
    let dir = shared.state.arc_keys.display().to_string();
    let path = tokio::task::spawn_blocking(move || shared.arc_key.path()).await;
    let header = match path {
        Ok(Ok(path)) => HeaderValue::from_str(&format!("Basic realm={}", path.display())).map_err(|e| e.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match header {
        Ok(header) => {
            let mut answer = refused(StatusCode::UNAUTHORIZED, "unauthorized", "Send the content of the file named");
            answer.headers_mut().insert(WWW_AUTHENTICATE, header);
            answer
        }
        Err(why) => {
            tracing::warn!(dir, why, "Azure Arc's clients take keys from one directory, and none can be written there");
            bad("invalid_request", &format!("No key can be written to {dir}: {why}"))
        }
    }
}
