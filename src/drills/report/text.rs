//! The report for people: plain lines, written while the drills run.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::Report;
use crate::drills::runner::Observer;
use crate::drills::step::{Step, Verdict};

/// The width of lines, in columns.
const WIDTH: usize = 110;
/// The column at which the text of a step's lines begins.
const INDENT: usize = 14;

/// Writes each step to `out` as it ends, and the current step to stderr if that is a terminal. Without `out` failed steps are
/// named on stderr: the log of a CI job shows them, and not the report's file.
pub(crate) struct TextReport<W> {
    out: Option<W>,
    /// The first error of writing.
    error: Option<std::io::Error>,
    progress: Progress,
}

/// The line on a terminal that names the current step.
struct Progress {
    drill: &'static str,
    is_shown: bool,
}

impl<W: Write> TextReport<W> {
    /// Writes to `out`; without one, shows the current step and what failed.
    pub(crate) fn new(out: Option<W>) -> Self {
        Self { out, error: None, progress: Progress { drill: "", is_shown: std::io::stderr().is_terminal() } }
    }

    /// Writes the lines before the first drill.
    pub(crate) fn begin(&mut self, vault: &str, description: &str) {
        self.write(&format!("vault {vault}\n      {description}\n"));
    }

    /// Writes the notes and the counts.
    ///
    /// # Errors
    /// When something could not be written, now or before.
    pub(crate) fn end(&mut self, report: &Report) -> std::io::Result<()> {
        let notes: String = report.remains().iter().map(|note| labelled("note", note)).collect();
        let gap = if notes.is_empty() { "" } else { "\n" };
        if self.out.is_none() {
            report.left_behind.iter().for_each(|note| eprintln!("keyhaven: {note}"));
        }
        if self.out.is_none() && report.counts().failed > 0 {
            eprintln!("keyhaven: {}", summary(report));
        }
        self.write(&format!("{gap}{notes}\n{}\n", summary(report)));
        self.error.take().map_or(Ok(()), Err)
    }

    /// Writes `text`. An error is kept for the end: the drills go on when the reader has gone.
    fn write(&mut self, text: &str) {
        if let Some(out) = &mut self.out
            && let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        {
            self.error.get_or_insert(error);
        }
    }
}

impl<W: Write> Observer for TextReport<W> {
    fn drill_started(&mut self, drill: &'static str) {
        self.progress.drill = drill;
        self.write(&format!("\n{drill}\n"));
    }

    fn step_started(&mut self, step: &'static str) {
        self.progress.show(step);
    }

    fn step_finished(&mut self, step: &Step) {
        self.progress.clear();
        self.write(&lines(step));
        if self.out.is_none() && step.verdict == Verdict::Failed {
            let (drill, name, seen) = (self.progress.drill, step.name, wrapped(&step.seen, usize::MAX).concat());
            eprintln!("keyhaven: {drill}/{name} failed: {seen}");
        }
    }
}

impl Progress {
    fn show(&self, step: &str) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "  {} {step} ...", self.drill);
        }
    }

    /// Erases the line (ECMA-48, "erase in line").
    fn clear(&self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// The lines of a step: name, verdict and time, and below what was done, expected and seen.
fn lines(step: &Step) -> String {
    let head = format!("  {:<28}{:<8}{:>8}\n", step.name, step.verdict.words(), seconds(step.took));
    let parts = [("done", step.done), ("expected", step.expected), ("seen", step.seen.as_str())];
    let text = parts.into_iter().fold(head, |text, (label, said)| text + &labelled(label, said));
    match step.blocked.as_slice() {
        [] => text,
        _ => text + &labelled("not run", &format!("for that reason: {}", step.blocked_names())),
    }
}

fn labelled(label: &str, text: &str) -> String {
    let mut lines = String::new();
    for (at, line) in wrapped(text, WIDTH - INDENT).iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        lines += &format!("    {label:<width$}{line}\n", width = INDENT - 4);
    }
    lines
}

/// Wraps `text` to lines of at most `width` columns, breaking at blanks; a longer word gets a line of its own. Control
/// characters, which could steer a terminal, are removed.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word: String = word.chars().filter(|c| !c.is_control()).collect();
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines
}

fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}

fn summary(report: &Report) -> String {
    let counts = report.counts();
    let noun = if counts.all() == 1 { "step" } else { "steps" };
    let skipped = if counts.skipped == 0 { String::new() } else { format!(", {} skipped", counts.skipped) };
    let parts =
        format!("{} passed, {} failed, {} not run{skipped}", counts.passed, counts.failed, counts.without_result());
    format!("{} {noun} in {}: {parts}", counts.all(), seconds(report.took))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_report_ends_with_the_counts() {
        let report = sample::report();
        let mut written = Vec::new();
        let mut text =
            TextReport { out: Some(&mut written), error: None, progress: Progress { drill: "", is_shown: false } };
        text.begin(&report.vault, &report.description);
        text.drill_started("rotation");
        text.step_finished(&report.drills[0].steps[0]);
        text.step_finished(&report.drills[0].steps[1]);
        text.step_finished(&report.drills[0].steps[2]);
        text.end(&report).unwrap();
        let expected = "\
vault https://drill.vault.localhost:8443
      a server of the drill's own

rotation
  enable                      passed    1.23 s
    done      the key is rotated
    expected  a new version, \"latest\" <b> & all
    seen      version 0a
  rotate                      failed    1.23 s
    done      the key is rotated
    expected  a new version, \"latest\" <b> & all
    seen      403 <Forbidden> & \"no\" ]]> [0m more
    not run   for that reason: read, read-again
  by-policy                   not run   1.23 s
    done      the key is rotated
    expected  a new version, \"latest\" <b> & all
    seen      it needs a clock that can be moved: start the server with --clock virtual

    note      key k-1 is deleted
    note      the key k-2: remove it

5 steps in 4.00 s: 1 passed, 1 failed, 3 not run
";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn long_lines_are_broken_at_blanks() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a-very-long-word b", 5), ["a-very-long-word", "b"]);
        assert_eq!(wrapped("red \x1b[31mtext\n again", 40), ["red [31mtext again"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
