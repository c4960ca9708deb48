//! Where the log goes: stderr, without waiting for its reader. A program that starts a server with a pipe for its stderr and
//! never reads it must not stop the server once the pipe is full.

use std::io::{self, Stderr, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use tracing_subscriber::fmt::MakeWriter;

/// Writes lines to stderr. Drops those that it has no room for and says how many once it has room again.
pub(super) struct LogOutput {
    /// Whether stderr is a file, which always has room.
    is_file: bool,
    dropped: AtomicU64,
}

/// The writer of one line.
pub(super) struct LineWriter<'a> {
    output: &'a LogOutput,
    stderr: Stderr,
}

impl LogOutput {
    /// An output to the stderr of this process.
    pub(super) fn to_stderr() -> Self {
        let kind = fstat(io::stderr()).map(|stat| FileType::from_raw_mode(stat.st_mode));
        Self { is_file: kind == Ok(FileType::RegularFile), dropped: AtomicU64::new(0) }
    }
}

impl<'a> MakeWriter<'a> for LogOutput {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter { output: self, stderr: io::stderr() }
    }
}

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !self.output.is_file && !has_room(&self.stderr) {
            self.output.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let dropped = self.output.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            writeln!(self.stderr, "{dropped} lines of the log were dropped here: nothing read stderr")?;
        }
        self.stderr.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stderr.flush()
    }
}

/// Whether a line of up to 4096 bytes can be written at once: a pipe that is ready takes as many (`poll(2)`, `pipe(7)`).
fn has_room(stderr: &Stderr) -> bool {
    let mut descriptors = [PollFd::new(stderr, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut descriptors, Some(&now)).map_or(true, |ready| ready > 0)
}
