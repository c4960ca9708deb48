//! The file of dead letters: events that were given up, one JSON object a line, in a file with mode 0600.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::webhook::{Schema, Webhook};
use crate::clock::Timestamp;

/// The size, in bytes, at which the file is rotated; one older file is kept.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The file of dead letters. Cheap to clone.
#[derive(Clone)]
pub(super) struct DeadLetters {
    path: Arc<Path>,
    /// Serializes writers.
    write_lock: Arc<Mutex<()>>,
    max_bytes: u64,
}

/// Why an event was given up, and how often it was tried.
pub(super) struct DeadLetterCause {
    /// `MaxDeliveryAttemptsExceeded` is the service's reason; for the others no public example is known.
    pub(super) reason: &'static str,
    pub(super) attempts: u32,
    /// The last attempt, if there was one.
    pub(super) last: Option<LastAttempt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastAttempt {
    pub(super) outcome: &'static str,
    pub(super) status: Option<u16>,
    /// On the system clock.
    pub(super) at: Timestamp,
}

impl DeadLetters {
    /// Dead letters in the file at `path`, which is created by the first write.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: Arc::from(path), write_lock: Arc::new(Mutex::new(())), max_bytes: MAX_FILE_BYTES }
    }

    /// Appends `lines` and syncs the file. Blocks.
    ///
    /// # Errors
    /// When they cannot be written; some may have been written.
    pub(super) fn write(&self, lines: &[String]) -> std::io::Result<()> {
        let _guard = self.write_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        let mut file = self.open()?;
        if file.metadata()?.len() + text.len() as u64 > self.max_bytes && file.metadata()?.len() > 0 {
            std::fs::rename(&self.path, self.path.with_extension("1.jsonl"))?;
            file = self.open()?;
        }
        if !ends_with_newline(&mut file)? {
            text.insert(0, '\n');
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        self.path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }

    fn open(&self) -> std::io::Result<File> {
        OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path)
    }
}

/// Whether the file ends with a line end: a killed server may have left half a line.
fn ends_with_newline(file: &mut File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// A dead letter: the members of `event` and those that the service adds, in lower case for CloudEvents ("Event Grid
/// message delivery and retry", "Delivery event formats"), and the webhook. `published` is when the event happened.
pub(super) fn render(mut event: Value, published: Timestamp, hook: &Webhook, cause: &DeadLetterCause) -> String {
    let DeadLetterCause { reason, attempts, last } = cause;
    let added = json!({
        "deadLetterReason": reason,
        "deliveryAttempts": attempts,
        "lastDeliveryOutcome": last.map(|last| last.outcome),
        "lastHttpStatusCode": last.and_then(|last| last.status),
        "publishTime": published.to_string(),
        "lastDeliveryAttemptTime": last.map(|last| last.at.to_string()),
        "webhook": hook.url.without_query(),
    });
    if let (Value::Object(event), Value::Object(added)) = (&mut event, added) {
        let lower = hook.schema == Schema::CloudEvents;
        event.extend(added.into_iter().map(|(name, value)| (if lower { name.to_lowercase() } else { name }, value)));
    }
    event.to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn letters(directory: &Path, max_bytes: u64) -> DeadLetters {
        DeadLetters { max_bytes, ..DeadLetters::new(directory.join("dead-letters.jsonl")) }
    }

    fn read(directory: &Path, name: &str) -> String {
        std::fs::read_to_string(directory.join(name)).unwrap()
    }

    #[test]
    fn lines_are_added_in_a_private_file_even_behind_half_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dead-letters.jsonl");
        letters(directory.path(), MAX_FILE_BYTES).write(&["{\"a\":1}".to_owned()]).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"b").unwrap();
        letters(directory.path(), MAX_FILE_BYTES).write(&["{\"c\":1}".to_owned()]).unwrap();
        assert_eq!(read(directory.path(), "dead-letters.jsonl"), "{\"a\":1}\n{\"b\n{\"c\":1}\n");
    }

    #[test]
    fn one_older_file_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let letters = letters(directory.path(), 10);
        for line in ["11111111", "22222222", "33333333"] {
            letters.write(&[line.to_owned()]).unwrap();
        }
        assert_eq!(read(directory.path(), "dead-letters.jsonl"), "33333333\n");
        assert_eq!(read(directory.path(), "dead-letters.1.jsonl"), "22222222\n");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
