//! `keyhaven drill`: rehearsals of key handling, against a private server or any vault.

mod step_args;
mod target_args;

use std::io::{Stdout, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::signals::Sighup;
use crate::drills::{self, Environment, FailedStart, Hooks, Report, Selection, TextReport};

/// The exit status of an interrupted command, by the shell's convention.
const INTERRUPTED: u8 = 130;

/// Rehearse key handling, step by step: done, expected, seen, time, verdict.
///
/// The program that is watched is the factory: a small one of Keyhaven's own that keeps data encrypted under a key of the vault,
/// as Azure Data Factory and other services do with a customer's key. Without --vault it runs against a server of the drill's
/// own, which is gone afterwards. A step that something is missing for is reported as "not run", with what to give. The exit
/// status is 1 when a step failed, or when the drill could not begin; the report says that too.
///
/// Drills use names of their own in each run. They put policies, roles, identities and faults back as they were and delete what
/// they made, or say what they could not; in a vault with purge protection, deleted keys stay until their time is over. A virtual clock is moved forward, by
/// two years and more in `system-key`, and stays there: what else lives in that server grows older too.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DrillCommand {
    #[command(flatten)]
    choice: step_args::StepArgs,

    #[command(flatten)]
    place: target_args::TargetArgs,

    /// The form of the report on stdout; with json and junit, failed steps are named on stderr
    #[arg(long, value_name = "FORM", default_value = "text")]
    report: ReportFormat,

    /// A command for `sh -c`, run before and after each step; when it fails, so does the step. It finds KEYHAVEN_DRILL,
    /// KEYHAVEN_DRILL_STEP, KEYHAVEN_DRILL_MOMENT (before, after), KEYHAVEN_VAULT_URL and the variables of `keyhaven env`; besides
    /// KEYHAVEN_DRILL_KEY or KEYHAVEN_DRILL_SECRET (the URL of what is drilled) and KEYHAVEN_DRILL_CLIENT_ID (the identity that
    /// loses access in `revocation`)
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven drill                               everything, on a private server
  keyhaven drill --require-all --report junit > drills.xml
  keyhaven drill rotation --exec './read-my-data'   a program reads at each step
  keyhaven drill rotation revocation --vault local --admin 127.0.0.1:8081
  keyhaven drill --vault local --skip kill-in-rotation,kill-in-re-wrap";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// Plain lines for people, as the steps end
    Text,
    /// One JSON document
    Json,
    /// JUnit's XML
    Junit,
}

impl DrillCommand {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        self.place.check()?;
        let selection = self.choice.selection()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, program) = (stop.clone(), std::env::current_exe().map_err(Failure::failed)?);
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
        let mut hang_up = Sighup::listen()?;
        let mut drilling = tokio::task::spawn_blocking(move || self.drill(&selection, &program, &stop));
        let report = loop {
            tokio::select! {
                report = &mut drilling => break report.map_err(Failure::failed)??,
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = hang_up.received() => {}
            }
            let state = if stopped.swap(true, Ordering::Relaxed) { "still" } else { "interrupted:" };
            eprintln!("keyhaven: {state} waiting for the step under way; then everything is put back");
        };
        Ok(match (stopped.load(Ordering::Relaxed), report.counts().failed) {
            (true, _) => ExitCode::from(INTERRUPTED),
            (false, 0) => ExitCode::SUCCESS,
            (false, _) => ExitCode::FAILURE,
        })
    }

    fn drill(&self, selection: &Selection, program: &Path, stop: &AtomicBool) -> Result<Report, Failure> {
        let begun = self.place.environment(program).inspect_err(|failure| self.report_start(failure));
        let (environment, variables) = begun?;
        self.announce_impossible(selection, &environment);
        let hooks = self.exec.clone().map(|command| Hooks::new(command, variables));
        let mut text = TextReport::new((self.report == ReportFormat::Text).then(std::io::stdout));
        text.begin(&environment.vault(), environment.description());
        let report = drills::run(environment, selection, hooks, stop, &mut text);
        self.end(&mut text, &report)?;
        Ok(report)
    }

    /// Names the steps that `--require-all` fails in any case, before the first one.
    fn announce_impossible(&self, selection: &Selection, environment: &Environment) {
        let impossible = selection.impossible(environment);
        if !selection.require_all || impossible.is_empty() {
            return;
        }
        let names: Vec<_> = impossible.iter().map(|(step, _)| step.as_str()).collect();
        eprintln!(
            "keyhaven: --require-all cannot pass here: {}; give what they need, or leave them out: --skip {}",
            by_reason(&impossible),
            names.join(",")
        );
    }

    /// Prints the report of a drill that could not begin: an empty file would be taken for one that was lost.
    fn report_start(&self, failure: &Failure) {
        let start = FailedStart { vault: self.place.vault.clone(), error: failure.message.clone() };
        let text = match self.report {
            ReportFormat::Text => return,
            ReportFormat::Json => start.json(),
            ReportFormat::Junit => start.junit(),
        };
        // The failure itself is on stderr.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    /// Prints the report. An incomplete one is a failure: its reader would take it for a success.
    fn end(&self, text: &mut TextReport<Stdout>, report: &Report) -> Result<(), Failure> {
        let mut stdout = std::io::stdout();
        let mut whole = |text: String| stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        let written = match self.report {
            ReportFormat::Text => text.end(report),
            ReportFormat::Json => text.end(report).and_then(|()| whole(report.json())),
            ReportFormat::Junit => text.end(report).and_then(|()| whole(report.junit())),
        };
        written.map_err(|error| Failure::failed(format!("the report could not be written: {error}")))
    }
}

/// The steps, those of one reason together.
fn by_reason(impossible: &[(String, String)]) -> String {
    let mut reasons: Vec<&str> = impossible.iter().map(|(_, why)| why.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let steps_of = |reason: &str| {
        let steps: Vec<_> = impossible.iter().filter(|(_, why)| why == reason).map(|(step, _)| step.as_str()).collect();
        format!("{} ({reason})", steps.join(", "))
    };
    reasons.into_iter().map(steps_of).collect::<Vec<_>>().join("; ")
}
