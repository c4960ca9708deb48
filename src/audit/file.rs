//! The audit file: a record on each line (JSON). It is rotated when it is full, and written by the thread that follows the trails.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::follower::Sink;
use super::record::{Record, Schema};
use crate::clock::Clock;
use crate::files;
use crate::trail::RecentTrail;

/// How many full files are kept: `FILE.1` is the latest of them.
const KEPT: u32 = 5;

/// Where records are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// The standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// The audit file cannot be opened.
#[derive(Debug)]
pub(crate) struct OpenError {
    path: PathBuf,
    error: std::io::Error,
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, error) = (self.path.display(), &self.error);
        write!(f, "the audit file {path} cannot be written: {error}; name another with --audit FILE")
    }
}

impl std::error::Error for OpenError {}

/// Writes records as lines.
pub(crate) struct AuditFile {
    output: Output,
    schema: Schema,
    clock: Arc<dyn Clock>,
    /// What is written at once, kept for its room.
    lines: Vec<u8>,
    /// Whether the last attempt failed.
    is_failing: bool,
}

enum Output {
    Stdout,
    File(RotatedFile),
}

impl AuditFile {
    /// Opens what `target` names; a file is rotated when it would be longer than `max_bytes`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(
        target: &AuditTarget,
        max_bytes: u64,
        schema: Schema,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let output = match target {
            AuditTarget::Stdout => Output::Stdout,
            AuditTarget::File(path) => {
                let opened = RotatedFile::open(path, max_bytes);
                Output::File(opened.map_err(|error| OpenError { path: path.clone(), error })?)
            }
        };
        Ok(Self { output, schema, clock, lines: Vec::new(), is_failing: false })
    }

    fn add(&mut self, record: &Record<'_>) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.lines, record)?;
        self.lines.push(b'\n');
        Ok(())
    }

    fn write(&mut self) -> std::io::Result<()> {
        match &mut self.output {
            Output::Stdout => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(&self.lines).and_then(|()| stdout.flush())
            }
            Output::File(file) => file.append(&self.lines),
        }
    }

    /// Logs when records can no longer be written, and when they can again.
    fn note(&mut self, written: &std::io::Result<()>) {
        match (self.is_failing, written) {
            (false, Err(error)) => {
                tracing::warn!(%error, "audit records cannot be written; they are tried again, and what is lost is counted");
            }
            (true, Ok(())) => tracing::info!("audit records are written again"),
            _ => {}
        }
        self.is_failing = written.is_err();
    }
}

impl Sink for AuditFile {
    fn take(&mut self, lost: u64, trails: &[RecentTrail]) -> std::io::Result<()> {
        self.lines.clear();
        if lost > 0 {
            let gap = self.schema.gap(lost, self.clock.now());
            self.add(&gap)?;
        }
        let schema = self.schema;
        trails.iter().try_for_each(|entry| self.add(&schema.record(entry)))?;
        let written = self.write();
        self.note(&written);
        written
    }
}

/// A file that is moved aside when it is full.
struct RotatedFile {
    path: PathBuf,
    max_bytes: u64,
    file: File,
}

impl RotatedFile {
    fn open(path: &Path, max_bytes: u64) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), max_bytes, file: open_whole(path)? })
    }

    /// Appends `lines` whole, or nothing of them. Another program may have moved the file or cut it: logrotate does either.
    fn append(&mut self, lines: &[u8]) -> std::io::Result<()> {
        if self.was_moved()? {
            self.file = open_whole(&self.path)?;
        }
        let length = self.file.metadata()?.len();
        if length > 0 && length + lines.len() as u64 > self.max_bytes {
            self.rotate()?;
        }
        let length = self.file.metadata()?.len();
        self.file.write_all(lines).or_else(|error| cut_back(&self.file, length).and(Err(error)))
    }

    /// Whether another file is at the path, or none: so it is too when an own rotation failed after the move.
    fn was_moved(&self) -> std::io::Result<bool> {
        let identity = |found: &Metadata| (found.dev(), found.ino());
        match std::fs::metadata(&self.path) {
            Ok(found) => Ok(identity(&found) != identity(&self.file.metadata()?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// `FILE.4` becomes `FILE.5`, and so on; the file itself becomes `FILE.1`, and a new one is opened.
    fn rotate(&mut self) -> std::io::Result<()> {
        for number in (1..KEPT).rev() {
            match std::fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(&self.path, self.numbered(1))?;
        self.file = files::open_to_append(&self.path)?;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// Opens the file to append. Half a line, which a server that was killed leaves, is ended.
fn open_whole(path: &Path) -> std::io::Result<File> {
    let mut file = files::open_to_append(path)?;
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// Takes from `file` what it has beyond `length`. One that another program cut meanwhile stays as it is: it would get NULs.
fn cut_back(file: &File, length: u64) -> std::io::Result<()> {
    if file.metadata()?.len() > length { file.set_len(length) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, Timestamp};
    use crate::resource_id::SubscriptionId;
    use crate::trail::{Received, RecentTrails, Trail};
    use uuid::Uuid;

    fn trails(count: usize) -> Vec<RecentTrail> {
        let recent = RecentTrails::default();
        for _ in 0..count {
            recent.add(Timestamp::from_unix(0), Trail::new("vault"), &Received::default());
        }
        recent.list(0, count)
    }

    fn opened(path: &Path, max_bytes: u64) -> AuditFile {
        let schema = Schema { tenant: Uuid::from_u128(1), subscription: SubscriptionId(Uuid::from_u128(2)) };
        let target = AuditTarget::File(path.to_owned());
        AuditFile::open(&target, max_bytes, schema, Arc::new(SystemClock)).unwrap()
    }

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect()
    }

    #[test]
    fn a_full_file_is_moved_aside_and_five_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut file = opened(&path, 1000);
        for _ in 0..20 {
            file.take(0, &trails(1)).unwrap();
        }
        assert!(!lines(&path).is_empty() && !lines(&dir.path().join("audit.jsonl.5")).is_empty());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_rotation_that_fails_midway_keeps_the_full_files_and_is_completed_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut file = opened(&path, 1);
        (0..7).for_each(|_| file.take(0, &trails(1)).unwrap());
        let kept = || (1..=KEPT).map(|number| lines(&dir.path().join(format!("audit.jsonl.{number}"))).len());
        std::fs::rename(&path, dir.path().join("moved")).unwrap();
        // No file can be made below a directory that is absent.
        std::os::unix::fs::symlink(dir.path().join("absent/audit"), &path).unwrap();
        for _ in 0..3 {
            file.take(0, &trails(2)).unwrap_err();
            assert_eq!(kept().collect::<Vec<_>>(), [1; 5]);
        }
        std::fs::remove_file(&path).unwrap();
        file.take(0, &trails(2)).unwrap();
        assert_eq!((lines(&path).len(), kept().collect::<Vec<_>>()), (2, vec![1; 5]));
    }

    #[test]
    fn a_file_that_another_program_moved_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("audit.jsonl"), dir.path().join("moved"));
        let mut file = opened(&path, 1 << 20);
        file.take(0, &trails(1)).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        file.take(0, &trails(2)).unwrap();
        assert_eq!((lines(&moved).len(), lines(&path).len()), (1, 2));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"half").unwrap();
        file.take(0, &trails(1)).unwrap();
        assert_eq!(lines(&path).len(), 2, "another file was made in its place");
    }

    #[test]
    fn a_file_that_another_program_cut_is_as_long_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut file = opened(&path, 1000);
        let cut = File::options().write(true).open(&path).unwrap();
        for _ in 0..12 {
            file.take(0, &trails(1)).unwrap();
            cut.set_len(0).unwrap();
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "it is never full");
        file.take(0, &trails(1)).unwrap();
        let one = std::fs::metadata(&path).unwrap().len();
        for (length, left) in [(one * 2, one), (one, one), (3, 3)] {
            cut_back(&cut, length).unwrap();
            assert_eq!(cut.metadata().unwrap().len(), left);
        }
    }

    #[test]
    fn half_a_line_of_before_does_not_spoil_the_next_and_a_gap_has_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        std::fs::write(&path, b"{\"time\":").unwrap();
        opened(&path, 1 << 20).take(7, &trails(1)).unwrap();
        let lines = lines(&path);
        assert_eq!((lines.len(), lines[1]["operationName"].as_str()), (3, Some("AuditGap")));
        assert_eq!(lines[1]["properties"]["lost"], 7);
        assert_eq!(lines[2]["operationName"], "Unknown");
    }

    #[test]
    fn what_is_no_file_is_refused_with_its_path() {
        let schema = Schema { tenant: Uuid::from_u128(1), subscription: SubscriptionId(Uuid::from_u128(2)) };
        let dir = tempfile::tempdir().unwrap();
        let target = AuditTarget::File(dir.path().join("absent/audit"));
        let refused = AuditFile::open(&target, 5, schema, Arc::new(SystemClock)).err().unwrap().to_string();
        assert!(
            refused.contains("absent/audit cannot be written") && refused.contains("name another with --audit FILE"),
            "{refused}"
        );
    }
}
