//! The report for people, told while drills are played: plain lines that can be read aloud.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::Report;
use crate::drills::runner::Listener;
use crate::drills::step::Step;

/// The width of lines, in columns.
const WIDTH: usize = 110;
/// Where the text of a step's lines begins.
const INDENT: usize = 14;

/// Tells each step as it ends, on `out`, and what is being done meanwhile, on a terminal.
pub struct Text<W> {
    out: Option<W>,
    /// Why something could not be told, the first time.
    lost: Option<std::io::Error>,
    progress: Progress,
}

/// The line on a terminal that says what is being done.
struct Progress {
    drill: &'static str,
    shown: bool,
}

impl<W: Write> Text<W> {
    /// Tells steps on `out`; without one, only what is being done is shown.
    pub fn new(out: Option<W>) -> Self {
        Self { out, lost: None, progress: Progress { drill: "", shown: std::io::stderr().is_terminal() } }
    }

    /// What is told before the first drill.
    pub fn begin(&mut self, vault: &str, place: &str) {
        self.say(&format!("vault {vault}\n      {place}\n"));
    }

    /// What is told at the end: what is left behind, and the numbers.
    ///
    /// # Errors
    /// When something could not be written, now or before.
    pub fn end(&mut self, report: &Report) -> std::io::Result<()> {
        let notes: String = report.notes.iter().map(|note| labelled("note", note)).collect();
        let gap = if notes.is_empty() { "" } else { "\n" };
        self.say(&format!("{gap}{notes}\n{}\n", summary(report)));
        self.lost.take().map_or(Ok(()), Err)
    }

    /// Whoever reads may have stopped; the drills go on.
    fn say(&mut self, text: &str) {
        if let Some(out) = &mut self.out
            && let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        {
            self.lost.get_or_insert(error);
        }
    }
}

impl<W: Write> Listener for Text<W> {
    fn drill(&mut self, drill: &'static str) {
        self.progress.drill = drill;
        self.say(&format!("\n{drill}\n"));
    }

    fn begins(&mut self, step: &'static str) {
        self.progress.show(step);
    }

    fn ended(&mut self, step: &Step) {
        self.progress.clear();
        self.say(&lines(step));
    }
}

impl Progress {
    fn show(&self, step: &str) {
        if self.shown {
            let _ = write!(std::io::stderr(), "  {} {step} ...", self.drill);
        }
    }

    /// Takes the line back (ECMA-48, "erase in line").
    fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// A step: its name, verdict and time, and below it what was done, expected and seen.
fn lines(step: &Step) -> String {
    let head = format!("  {:<28}{:<8}{:>8}\n", step.name, step.verdict.words(), seconds(step.took));
    let parts = [("done", step.done), ("expected", step.expected), ("seen", step.seen.as_str())];
    parts.into_iter().fold(head, |text, (label, said)| text + &labelled(label, said))
}

fn labelled(label: &str, text: &str) -> String {
    let mut lines = String::new();
    for (at, line) in wrapped(text, WIDTH - INDENT).iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        lines += &format!("    {label:<width$}{line}\n", width = INDENT - 4);
    }
    lines
}

/// `text` in lines of at most `width` columns, broken at blanks; a longer word stands alone. What could steer a terminal
/// is not passed on.
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
    let parts = format!("{} passed, {} failed, {} not run", counts.passed, counts.failed, counts.not_run);
    format!("{} {noun} in {}: {parts}", counts.all(), seconds(report.took))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn it_is_read_from_the_top_to_the_numbers() {
        let report = sample::report();
        let mut told = Vec::new();
        let mut text = Text { out: Some(&mut told), lost: None, progress: Progress { drill: "", shown: false } };
        text.begin(&report.vault, &report.place);
        text.drill("rotation");
        text.ended(&report.drills[0].steps[0]);
        text.ended(&report.drills[0].steps[2]);
        text.end(&report).unwrap();
        let expected = "\
vault https://drill.vault.localhost:8443
      a server of the drill's own

rotation
  enable                      passed    1.23 s
    done      the key is rotated
    expected  a new version, \"latest\" <b> & all
    seen      version 0a
  by-policy                   not run   1.23 s
    done      the key is rotated
    expected  a new version, \"latest\" <b> & all
    seen      the lever 'clock' is missing: start the server with --clock virtual

    note      key k-1 is left behind

3 steps in 4.00 s: 1 passed, 1 failed, 1 not run
";
        assert_eq!(String::from_utf8(told).unwrap(), expected);
    }

    #[test]
    fn long_lines_are_broken_at_blanks() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a-very-long-word b", 5), ["a-very-long-word", "b"]);
        assert_eq!(wrapped("red \x1b[31mtext\n again", 40), ["red [31mtext again"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
