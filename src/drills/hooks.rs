//! Hooks: the command of `--exec`, which runs before and after each step.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long the command may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The time between two checks whether it has ended.
const INTERVAL: Duration = Duration::from_millis(2);
/// How much of the end of its output to read for the last line, in bytes.
const TAIL: u64 = 4096;

/// When the command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HookPoint {
    Before,
    After,
}

impl HookPoint {
    const fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// The command and its environment variables. They may hold keys: deliberately no `Debug`.
pub struct Hooks {
    command: String,
    variables: BTreeMap<String, String>,
    /// The variables of the current drill.
    drill_variables: Vec<(&'static str, String)>,
    timeout: Duration,
}

impl Hooks {
    /// A hook that runs `command` with `sh -c`; `variables` are added to this process's environment.
    pub const fn new(command: String, variables: BTreeMap<String, String>) -> Self {
        Self { command, variables, drill_variables: Vec::new(), timeout: TIMEOUT }
    }

    /// Sets the variables of the drill that runs next.
    pub(super) fn set_drill_variables(&mut self, variables: Vec<(&'static str, String)>) {
        self.drill_variables = variables;
    }

    /// Runs the command before or after a step.
    ///
    /// # Errors
    /// When it fails, with the last line of its output.
    pub(super) fn run(&self, drill: &str, step: &str, moment: HookPoint) -> Result<(), String> {
        let failed = |why: String| format!("{} the step, the command {why}", moment.word());
        self.run_command(drill, step, moment).map_err(failed)
    }

    fn run_command(&self, drill: &str, step: &str, moment: HookPoint) -> Result<(), String> {
        let unusable = |error: std::io::Error| format!("could not be run: {error}");
        let mut output = tempfile::tempfile().map_err(unusable)?;
        let mut child = self.start(drill, step, moment, &output).map_err(unusable)?;
        let status = self.wait(&mut child).map_err(unusable)?;
        let last = last_line(&mut output);
        match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("ended with {}: {last}", describe(status))),
            None => Err(format!("was still running after {} s and was killed: {last}", self.timeout.as_secs())),
        }
    }

    /// Spawns it in a process group of its own, so that its children can be killed too.
    fn start(&self, drill: &str, step: &str, moment: HookPoint, output: &File) -> std::io::Result<Child> {
        Command::new("sh")
            .args(["-c", &self.command])
            .envs(&self.variables)
            .envs(self.drill_variables.iter().map(|(name, value)| (*name, value)))
            .env("KEYHAVEN_DRILL", drill)
            .env("KEYHAVEN_DRILL_STEP", step)
            .env("KEYHAVEN_DRILL_MOMENT", moment.word())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .process_group(0)
            .spawn()
    }

    /// Waits for its end; `None` when it had to be killed.
    fn wait(&self, child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
        let started = Instant::now();
        while started.elapsed() < self.timeout {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(INTERVAL);
        }
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        child.wait()?;
        Ok(None)
    }
}

fn describe(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("status {code}"))
}

/// The last line that is not blank, from the start of the last [`TAIL`] bytes.
pub(super) fn last_line(output: &mut File) -> String {
    let mut bytes = Vec::new();
    let length = output.metadata().map_or(0, |about| about.len());
    let from = SeekFrom::Start(length.saturating_sub(TAIL));
    if output.seek(from).and_then(|_| output.read_to_end(&mut bytes)).is_err() {
        return "its output could not be read".to_owned();
    }
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it printed nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(command: &str, timeout: Duration) -> Result<(), String> {
        let variables = BTreeMap::from([("KEYHAVEN_VAULT_URL".to_owned(), "https://v".to_owned())]);
        let hooks = Hooks { timeout, ..Hooks::new(command.to_owned(), variables) };
        hooks.run("rotation", "enable", HookPoint::Before)
    }

    #[test]
    fn the_step_is_in_its_environment() {
        let all = "$KEYHAVEN_DRILL $KEYHAVEN_DRILL_STEP $KEYHAVEN_DRILL_MOMENT $KEYHAVEN_VAULT_URL";
        let test = format!("test \"{all}\" = 'rotation enable before https://v'");
        assert_eq!(ran(&test, TIMEOUT), Ok(()));
    }

    #[test]
    fn an_error_quotes_the_last_line_of_output() {
        let error = ran("echo first; echo last >&2; echo; exit 7", TIMEOUT).unwrap_err();
        assert_eq!(error, "before the step, the command ended with status 7: last");
        assert_eq!(
            ran("exit 1", TIMEOUT).unwrap_err(),
            "before the step, the command ended with status 1: it printed nothing"
        );
    }

    #[test]
    fn it_is_killed_after_the_timeout() {
        let started = Instant::now();
        let error = ran("echo waiting; sleep 60 & wait", Duration::from_millis(200)).unwrap_err();
        assert_eq!(error, "before the step, the command was still running after 0 s and was killed: waiting");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
