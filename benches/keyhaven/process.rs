//! What the kernel knows about a process: processor time and memory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::Outcome;

/// A process that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

/// The processor time of each thread so far. (Threads that end take theirs with them, so a sum would not do.)
#[derive(Debug)]
pub(crate) struct Spent(HashMap<PathBuf, Duration>);

impl Process {
    /// The processor time its threads have spent, user and system, to the nanosecond.
    pub(crate) fn spent(self) -> Outcome<Spent> {
        let mut spent = HashMap::new();
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.0))? {
            let thread = thread?.path();
            // A thread may have ended since it was listed.
            let Ok(text) = std::fs::read_to_string(thread.join("schedstat")) else { continue };
            spent.insert(thread, running(&text)?);
        }
        Ok(Spent(spent))
    }

    /// The processor time that the calling thread has spent.
    pub(crate) fn this_thread() -> Outcome<Duration> {
        running(&std::fs::read_to_string("/proc/thread-self/schedstat")?)
    }

    /// The memory it occupies (resident set), in bytes.
    pub(crate) fn resident(self) -> Outcome<u64> {
        self.memory("VmRSS:")
    }

    /// The part of it that is no file's: heap, stacks, what was written into pages of files; in bytes.
    pub(crate) fn anonymous(self) -> Outcome<u64> {
        self.memory("RssAnon:")
    }

    fn memory(self, name: &str) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line in /proc/PID/status")?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes * 1024)
    }
}

/// The first number of a `schedstat`: nanoseconds on a processor.
fn running(schedstat: &str) -> Outcome<Duration> {
    let nanoseconds = schedstat.split_whitespace().next().ok_or("schedstat is empty")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

impl Spent {
    /// The processor time spent between this moment and a `later` one.
    pub(crate) fn until(&self, later: &Self) -> Duration {
        let more = |(thread, time): (&PathBuf, &Duration)| {
            time.saturating_sub(self.0.get(thread).copied().unwrap_or_default())
        };
        later.0.iter().map(more).sum()
    }
}

/// The machine's load average of the last minute.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}
