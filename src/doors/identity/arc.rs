//! Azure Arc's form: a client proves that it runs on this machine by reading a key from a file.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use zeroize::Zeroizing;

use super::token::{TokenDenied, issue_token};
use super::token_request::TokenRequest;
use super::{Shared, bad_request, refused};
use crate::crypto::{base64url, credential};
use crate::files::PrivateFile;
use crate::http::Response;
use crate::random;

/// The key of this start. Its file is written when it is first needed and removed with the server. Clients read keys from one
/// directory only, from files named `*.key` of at most 4096 bytes.
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

    /// The path of the key's file, which is written if it is missing.
    fn path(&self) -> io::Result<PathBuf> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(written) = file.as_ref().filter(|written| written.path().exists()) {
            return Ok(written.path().to_owned());
        }
        let written = write_key(&self.dir, &self.text)?;
        let path = written.path().to_owned();
        *file = Some(written);
        Ok(path)
    }

    fn matches(&self, given: &str) -> bool {
        credential::matches(given.as_bytes(), self.text.as_bytes())
    }
}

/// Writes a new file (0600) with `text`, which is removed on drop.
fn write_key(dir: &Path, text: &str) -> io::Result<PrivateFile> {
    DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    PrivateFile::new_in(dir, ".key", text.as_bytes())
}

/// `GET $IDENTITY_ENDPOINT` with `Metadata: true`: first a challenge that names a file, then, for its content, the token.
pub(super) async fn token(shared: Arc<Shared>, request: TokenRequest) -> Response {
    if !request.has_metadata() {
        return bad_request("bad_request_102", "Required metadata header not specified");
    }
    let given_key = request.header("authorization").strip_prefix("Basic ").map(str::trim);
    match given_key {
        Some(key) if shared.arc_key.matches(key) => issue_token(&shared.state, &request)
            .await
            .map_or_else(TokenDenied::response, |token| token.response_with_id()),
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
            bad_request("invalid_request", &format!("No key can be written to {dir}: {why}"))
        }
    }
}
